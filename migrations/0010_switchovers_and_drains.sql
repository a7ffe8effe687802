-- Operators move addresses and empty nodes on purpose. Both must outlive every server and agent, and of each
-- move its record must stay.

-- Outlives its group and its node, so nothing here refers to either.
CREATE TABLE switchovers (
    id            uuid        NOT NULL CONSTRAINT switchovers_pkey PRIMARY KEY,
    group_id      uuid        NOT NULL,
    group_name    text        NOT NULL,
    from_member   text        NOT NULL,
    to_member     text        NOT NULL,
    target_id     uuid        NOT NULL,
    -- The boot of the target's agent that the boost is for, and since when the target was Backup then, by its
    -- clock.
    boot_id       uuid        NOT NULL,
    target_since  timestamptz NOT NULL,
    sequence      bigint      NOT NULL CONSTRAINT switchovers_sequence_positive CHECK (sequence >= 1),
    priority      smallint    NOT NULL
        CONSTRAINT switchovers_priority_range CHECK (priority BETWEEN 251 AND 254),
    state         text        NOT NULL CONSTRAINT switchovers_state_word
        CHECK (state IN ('requested', 'active', 'undone', 'ended', 'failed', 'superseded')),
    reason        text,
    actor_kind    text        NOT NULL,
    actor_name    text,
    actor_id      uuid,
    requested_at  timestamptz NOT NULL,
    active_at     timestamptz,
    ended_at      timestamptz,

    CONSTRAINT switchovers_group_sequence_key UNIQUE (group_id, sequence),
    CONSTRAINT switchovers_ended_together
        CHECK (num_nonnulls(reason, ended_at) = CASE WHEN state IN ('requested', 'active') THEN 0 ELSE 2 END)
);
-- One boost for each group.
CREATE UNIQUE INDEX switchovers_in_effect_key ON switchovers (group_id)
    WHERE state IN ('requested', 'active');
CREATE INDEX switchovers_group_requested_idx ON switchovers (group_id, requested_at, id);
CREATE INDEX switchovers_target_idx ON switchovers (target_id) WHERE state IN ('requested', 'active');

-- A failover on request is told from one that a priority decided.
ALTER TABLE failovers DROP CONSTRAINT failovers_cause_word;
ALTER TABLE failovers ADD CONSTRAINT failovers_cause_word
    CHECK (cause IN ('no_response', 'priority_zero', 'preempting', 'owner_started', 'switchover'));

-- Nodes that take no part in any of their groups.
CREATE TABLE drains (
    node_id    uuid        NOT NULL CONSTRAINT drains_pkey PRIMARY KEY
        CONSTRAINT drains_node_id_fkey REFERENCES nodes (id) ON DELETE CASCADE,
    reason     text        NOT NULL CONSTRAINT drains_reason_length CHECK (char_length(reason) <= 500),
    since      timestamptz NOT NULL,
    actor_kind text        NOT NULL,
    actor_name text,
    actor_id   uuid
);

ALTER TABLE nodes
    -- What the agent can do beyond the first version of the channel; empty before it ever said.
    ADD COLUMN capabilities     text[] NOT NULL DEFAULT '{}',
    -- When the present session began, or the last one.
    ADD COLUMN session_began_at timestamptz;
