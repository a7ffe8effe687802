-- Why: what an address needs beside itself (a firewall's state, a service that must be told) follows the state of the
-- member that holds it. The programs are declared on the hosts; here stand only their names.

CREATE TABLE group_hooks (
    group_id   uuid     NOT NULL
        CONSTRAINT group_hooks_group_id_fkey REFERENCES groups (id) ON DELETE CASCADE,
    -- The place in the list as it was written, from 0; 0 for what runs before a member answers for the addresses.
    position   smallint NOT NULL CONSTRAINT group_hooks_position_range CHECK (position BETWEEN 0 AND 31),
    runs_on    text     NOT NULL CONSTRAINT group_hooks_runs_on_known
        CHECK (runs_on IN ('pre_active', 'initialize', 'backup', 'active', 'fault')),
    hook       text     NOT NULL CONSTRAINT group_hooks_hook_spelling
        CHECK (hook ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    timeout_ms integer  NOT NULL CONSTRAINT group_hooks_timeout_ms_range CHECK (timeout_ms BETWEEN 10 AND 600000)
);
CREATE UNIQUE INDEX group_hooks_pre_active_key ON group_hooks (group_id) WHERE runs_on = 'pre_active';
CREATE UNIQUE INDEX group_hooks_position_key ON group_hooks (group_id, position) WHERE runs_on <> 'pre_active';
