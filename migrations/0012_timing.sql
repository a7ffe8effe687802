-- Whether a node keeps to the interval of a group must be seen before an advertisement is late. Told and shown as one
-- piece; null until the agent has told it in its session, and an older agent never does.
ALTER TABLE nodes ADD COLUMN timing jsonb;
