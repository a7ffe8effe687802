-- Of two members that claim to hold a group, the server must know which claim is the newer one, by its own clock:
-- a holder that lost power was never heard again after its successor took over.
ALTER TABLE member_reports ADD COLUMN heard_since timestamptz;
UPDATE member_reports SET heard_since = reported_at;
ALTER TABLE member_reports ALTER COLUMN heard_since SET NOT NULL;
