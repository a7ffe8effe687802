-- Why: an address on each side of a router is of use only where the other one is too. Groups that belong together are
-- said to, once, and the nodes move them together.

CREATE TABLE sync_groups (
    id          uuid        NOT NULL CONSTRAINT sync_groups_pkey PRIMARY KEY,
    name        text        NOT NULL CONSTRAINT sync_groups_name_key UNIQUE,
    description text        NOT NULL CONSTRAINT sync_groups_description_length CHECK (char_length(description) <= 500),
    generation  bigint      NOT NULL CONSTRAINT sync_groups_generation_positive CHECK (generation >= 1),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

-- The groups of each, and each group in one at most. One that is in a sync group cannot be deleted.
CREATE TABLE synchronised_groups (
    group_id      uuid NOT NULL
        CONSTRAINT synchronised_groups_pkey PRIMARY KEY
        CONSTRAINT synchronised_groups_group_id_fkey REFERENCES groups (id),
    sync_group_id uuid NOT NULL
        CONSTRAINT synchronised_groups_sync_group_id_fkey REFERENCES sync_groups (id) ON DELETE CASCADE
);
CREATE INDEX synchronised_groups_sync_group_id_idx ON synchronised_groups (sync_group_id);
