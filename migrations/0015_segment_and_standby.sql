-- Since when a server has not heard an agent that still has a session with it; NULL while all is well.
ALTER TABLE nodes ADD COLUMN silent_since timestamptz;

-- The routers of others that the agent hears on its interfaces, as it told last.
ALTER TABLE nodes ADD COLUMN routers jsonb;

-- Whether members pass over advertisements on the VRID that share no address with the group.
ALTER TABLE groups ADD COLUMN guard_vrid boolean NOT NULL DEFAULT false;
