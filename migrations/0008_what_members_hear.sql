-- What agents know beyond states (whom they hear, what they count, why they are in fault) must be seen without a login on
-- each host. It is told and shown as one piece and nothing is looked up by it, so it is one document.
ALTER TABLE member_reports
    -- Null until the agent has told it in its session; an older agent never does.
    ADD COLUMN details jsonb;
ALTER TABLE nodes
    ADD COLUMN interface_counters jsonb;
