-- Why: what agents report must be kept once and in order, whoever hears it and however late, and what the server
-- concludes from it (failovers, conditions) must follow from these rows alone.

-- Which server holds the session of `nodes.session_id`, so that the sessions of a server that died can be ended.
ALTER TABLE nodes ADD COLUMN session_server_id uuid;
ALTER TABLE nodes ADD CONSTRAINT nodes_session_together
    CHECK ((session_id IS NULL) = (session_server_id IS NULL));
CREATE INDEX nodes_session_server_id_idx ON nodes (session_server_id) WHERE session_server_id IS NOT NULL;

-- Servers that run, by their own word. A row that is old belongs to a server that died.
CREATE TABLE servers (
    id           uuid        NOT NULL CONSTRAINT servers_pkey PRIMARY KEY,
    started_at   timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL
);

-- Every address that a node has had on an interface: late reports name addresses of the past.
CREATE TABLE node_addresses (
    node_id          uuid        NOT NULL
        CONSTRAINT node_addresses_node_id_fkey REFERENCES nodes (id) ON DELETE CASCADE,
    interface        text        NOT NULL,
    address          inet        NOT NULL,
    last_reported_at timestamptz NOT NULL,

    CONSTRAINT node_addresses_pkey PRIMARY KEY (node_id, interface, address)
);
CREATE INDEX node_addresses_address_idx ON node_addresses (address);

-- Transitions outlive their node and group, so nothing here refers to either.
CREATE TABLE transitions (
    id                       uuid        NOT NULL CONSTRAINT transitions_pkey PRIMARY KEY,
    node_id                  uuid        NOT NULL,
    node                     text        NOT NULL,
    boot_id                  uuid        NOT NULL,
    sequence                 bigint      NOT NULL CONSTRAINT transitions_sequence_positive CHECK (sequence >= 1),
    group_id                 uuid        NOT NULL,
    group_name               text        NOT NULL,
    family                   text        NOT NULL CONSTRAINT transitions_family_word
        CHECK (family IN ('ipv4', 'ipv6')),
    vrid                     smallint    NOT NULL CONSTRAINT transitions_vrid_range CHECK (vrid BETWEEN 1 AND 255),
    interface                text        NOT NULL,
    from_state               text        NOT NULL CONSTRAINT transitions_from_state_word
        CHECK (from_state IN ('initialize', 'backup', 'active', 'fault')),
    to_state                 text        NOT NULL CONSTRAINT transitions_to_state_word
        CHECK (to_state IN ('initialize', 'backup', 'active', 'fault')),
    reason                   text        NOT NULL,
    priority                 smallint    NOT NULL CONSTRAINT transitions_priority_range
        CHECK (priority BETWEEN 1 AND 255),
    at                       timestamptz NOT NULL,
    at_boottime_ns           bigint      NOT NULL,
    heard_source             inet,
    heard_priority           smallint    CONSTRAINT transitions_heard_priority_range
        CHECK (heard_priority BETWEEN 0 AND 255),
    heard_at_boottime_ns     bigint,
    bound_at_boottime_ns     bigint,
    announced_at_boottime_ns bigint,
    released_at_boottime_ns  bigint,
    recorded_at              timestamptz NOT NULL,

    CONSTRAINT transitions_node_boot_sequence_key UNIQUE (node_id, boot_id, sequence),
    CONSTRAINT transitions_heard_together CHECK (
        num_nonnulls(heard_source, heard_priority, heard_at_boottime_ns) IN (0, 3)
    )
);
CREATE INDEX transitions_group_at_idx ON transitions (group_id, at);
CREATE INDEX transitions_group_takeover_idx ON transitions (group_id, at) WHERE to_state = 'active';
CREATE INDEX transitions_group_holding_idx ON transitions (group_id, node_id, at)
    WHERE to_state = 'active' OR from_state = 'active';
CREATE INDEX transitions_group_name_idx ON transitions (group_name, id);
CREATE INDEX transitions_node_idx ON transitions (node, id);

-- A transition once recorded is never changed.
REVOKE UPDATE, DELETE, TRUNCATE ON transitions FROM baton_app;
CREATE TRIGGER transitions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transitions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- How far the transitions of each boot are committed without gaps.
CREATE TABLE journal_positions (
    node_id      uuid        NOT NULL
        CONSTRAINT journal_positions_node_id_fkey REFERENCES nodes (id) ON DELETE CASCADE,
    boot_id      uuid        NOT NULL,
    acknowledged bigint      NOT NULL CONSTRAINT journal_positions_acknowledged_range CHECK (acknowledged >= 0),
    updated_at   timestamptz NOT NULL,

    CONSTRAINT journal_positions_pkey PRIMARY KEY (node_id, boot_id)
);

-- Reports that contradict a transition that is recorded already; each is kept once.
CREATE TABLE transition_anomalies (
    node_id     uuid        NOT NULL,
    boot_id     uuid        NOT NULL,
    sequence    bigint      NOT NULL,
    digest      bytea       NOT NULL,
    reported    jsonb       NOT NULL,
    recorded_at timestamptz NOT NULL,

    CONSTRAINT transition_anomalies_pkey PRIMARY KEY (node_id, boot_id, sequence, digest)
);

CREATE TABLE failovers (
    id                    uuid        NOT NULL CONSTRAINT failovers_pkey PRIMARY KEY,
    group_id              uuid        NOT NULL,
    group_name            text        NOT NULL,
    -- The transition that shows the move, and whether it is the new holder's own or shows an external one.
    transition_id         uuid        NOT NULL
        CONSTRAINT failovers_transition_id_fkey REFERENCES transitions (id),
    evidence              text        NOT NULL CONSTRAINT failovers_evidence_word
        CHECK (evidence IN ('taken_over', 'external_heard')),
    -- When the move happened, by the clock of the node that reported it.
    at                    timestamptz NOT NULL,
    from_member           text,
    to_member             text        NOT NULL,
    cause                 text        NOT NULL CONSTRAINT failovers_cause_word
        CHECK (cause IN ('no_response', 'priority_zero', 'preempting', 'owner_started')),
    last_advertisement_at timestamptz,
    bound_at              timestamptz,
    announced_at          timestamptz,
    gap_ms                double precision CONSTRAINT failovers_gap_positive CHECK (gap_ms >= 0),
    gap_method            text        NOT NULL CONSTRAINT failovers_gap_method_word
        CHECK (gap_method IN ('last_advertisement_to_announcement', 'release_to_announcement', 'unknown')),
    transitions           uuid[]      NOT NULL,
    recorded_at           timestamptz NOT NULL,

    CONSTRAINT failovers_transition_evidence_key UNIQUE (transition_id, evidence),
    CONSTRAINT failovers_gap_known CHECK ((gap_ms IS NULL) = (gap_method = 'unknown'))
);
CREATE INDEX failovers_group_at_idx ON failovers (group_id, at);
CREATE INDEX failovers_group_name_idx ON failovers (group_name, id);

-- How each member that is a node last reported to stand.
CREATE TABLE member_reports (
    group_id           uuid        NOT NULL
        CONSTRAINT member_reports_group_id_fkey REFERENCES groups (id) ON DELETE CASCADE,
    node_id            uuid        NOT NULL
        CONSTRAINT member_reports_node_id_fkey REFERENCES nodes (id) ON DELETE CASCADE,
    state              text        NOT NULL CONSTRAINT member_reports_state_word
        CHECK (state IN ('initialize', 'backup', 'active', 'fault')),
    since              timestamptz NOT NULL,
    effective_priority smallint    NOT NULL,
    active_source      inet,
    addresses_present  text[]      NOT NULL,
    reported_at        timestamptz NOT NULL,

    CONSTRAINT member_reports_pkey PRIMARY KEY (group_id, node_id)
);
CREATE INDEX member_reports_node_id_idx ON member_reports (node_id);

-- What is not as it should be. A condition that must last before it counts waits here until `begins_at`.
CREATE TABLE conditions (
    group_id  uuid        CONSTRAINT conditions_group_id_fkey REFERENCES groups (id) ON DELETE CASCADE,
    node_id   uuid        CONSTRAINT conditions_node_id_fkey REFERENCES nodes (id) ON DELETE CASCADE,
    kind      text        NOT NULL,
    detail    text        NOT NULL,
    since     timestamptz NOT NULL,
    begins_at timestamptz NOT NULL,
    begun     boolean     NOT NULL,

    CONSTRAINT conditions_one_subject CHECK (num_nonnulls(group_id, node_id) = 1),
    CONSTRAINT conditions_subject_kind_key UNIQUE NULLS NOT DISTINCT (group_id, node_id, kind)
);
CREATE INDEX conditions_node_id_idx ON conditions (node_id) WHERE node_id IS NOT NULL;
CREATE INDEX conditions_waiting_idx ON conditions (begins_at) WHERE NOT begun;

-- When conditions began and ended; events outlive their subject.
CREATE TABLE events (
    id           bigint      GENERATED ALWAYS AS IDENTITY CONSTRAINT events_pkey PRIMARY KEY,
    at           timestamptz NOT NULL,
    kind         text        NOT NULL,
    phase        text        NOT NULL CONSTRAINT events_phase_word CHECK (phase IN ('began', 'ended')),
    subject_kind text        NOT NULL CONSTRAINT events_subject_kind_word CHECK (subject_kind IN ('group', 'node')),
    subject_id   uuid        NOT NULL,
    subject_name text        NOT NULL,
    detail       text        NOT NULL
);
CREATE INDEX events_subject_idx ON events (subject_id, id);
