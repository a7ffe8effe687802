-- An operator must see without a login on each host what takes a node's addresses away when its agent cannot. Told
-- and shown as one piece; null until the agent has told it in its session, and an older agent never does.
ALTER TABLE nodes ADD COLUMN fences jsonb;
