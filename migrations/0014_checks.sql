-- Why: a service that is down takes an address off the air although its host is well. What is looked at is declared
-- once and named by the groups that depend on it, and a move that it caused says so for ever.

CREATE TABLE checks (
    id          uuid        NOT NULL CONSTRAINT checks_pkey PRIMARY KEY,
    name        text        NOT NULL CONSTRAINT checks_name_key UNIQUE,
    description text        NOT NULL CONSTRAINT checks_description_length CHECK (char_length(description) <= 500),
    -- As it was written: its kind says which fields it has.
    probe       jsonb       NOT NULL CONSTRAINT checks_probe_kind CHECK (probe ? 'kind'),
    interval_ms integer     NOT NULL CONSTRAINT checks_interval_ms_range CHECK (interval_ms BETWEEN 10 AND 3600000),
    timeout_ms  integer     NOT NULL CONSTRAINT checks_timeout_ms_range CHECK (timeout_ms BETWEEN 10 AND 60000),
    rise        smallint    NOT NULL CONSTRAINT checks_rise_range CHECK (rise BETWEEN 1 AND 100),
    fall        smallint    NOT NULL CONSTRAINT checks_fall_range CHECK (fall BETWEEN 1 AND 100),
    generation  bigint      NOT NULL CONSTRAINT checks_generation_positive CHECK (generation >= 1),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

-- The checks that groups track. One that is tracked cannot be deleted.
CREATE TABLE tracked_checks (
    group_id uuid     NOT NULL
        CONSTRAINT tracked_checks_group_id_fkey REFERENCES groups (id) ON DELETE CASCADE,
    -- The place in the list as it was written, from 0.
    position smallint NOT NULL CONSTRAINT tracked_checks_position_range CHECK (position BETWEEN 0 AND 31),
    check_id uuid     NOT NULL CONSTRAINT tracked_checks_check_id_fkey REFERENCES checks (id),
    weight   smallint NOT NULL CONSTRAINT tracked_checks_weight_range CHECK (weight BETWEEN -253 AND 253),
    reverse  boolean  NOT NULL,

    CONSTRAINT tracked_checks_pkey PRIMARY KEY (group_id, position),
    CONSTRAINT tracked_checks_check_key UNIQUE (group_id, check_id)
);
CREATE INDEX tracked_checks_check_id_idx ON tracked_checks (check_id);

-- The checks that failed when a member changed its state, and those that moved the addresses.
ALTER TABLE transitions ADD COLUMN failing_checks text[] NOT NULL DEFAULT '{}';
ALTER TABLE failovers ADD COLUMN failing_checks text[] NOT NULL DEFAULT '{}';
