-- Why: the intent of the operators needs a home whose invariants hold whoever writes, so that every rule the
-- server states as a conflict is also a named constraint here.

CREATE TABLE segments (
    id          uuid        NOT NULL CONSTRAINT segments_pkey PRIMARY KEY,
    name        text        NOT NULL CONSTRAINT segments_name_key UNIQUE,
    description text        NOT NULL CONSTRAINT segments_description_length CHECK (char_length(description) <= 500),
    -- In the order in which they were written.
    prefixes    cidr[]      NOT NULL CONSTRAINT segments_prefixes_count CHECK (cardinality(prefixes) BETWEEN 1 AND 16),
    generation  bigint      NOT NULL CONSTRAINT segments_generation_positive CHECK (generation >= 1),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

CREATE TABLE nodes (
    id              uuid        NOT NULL CONSTRAINT nodes_pkey PRIMARY KEY,
    name            text        NOT NULL CONSTRAINT nodes_name_key UNIQUE,
    description     text        NOT NULL CONSTRAINT nodes_description_length CHECK (char_length(description) <= 500),
    generation      bigint      NOT NULL CONSTRAINT nodes_generation_positive CHECK (generation >= 1),
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,

    -- The revision of the desired state that the server wants on the node. Both only grow.
    desired_epoch   bigint      NOT NULL DEFAULT 1,
    desired_counter bigint      NOT NULL DEFAULT 0,

    -- What enrolment left: the Ed25519 public key of the agent.
    public_key      bytea       CONSTRAINT nodes_public_key_key UNIQUE
                                CONSTRAINT nodes_public_key_length CHECK (octet_length(public_key) = 32),
    enrolled_at     timestamptz,

    -- What its agent last reported; all null before the first session.
    boot_id         uuid,
    agent_version   text,
    last_seen_at    timestamptz,
    interfaces      jsonb,
    applied_epoch   bigint,
    applied_counter bigint,
    rejection       jsonb,

    -- The session that an agent has with a server now; null when there is none.
    session_id      uuid,

    CONSTRAINT nodes_enrolled_together CHECK ((public_key IS NULL) = (enrolled_at IS NULL)),
    CONSTRAINT nodes_applied_together CHECK ((applied_epoch IS NULL) = (applied_counter IS NULL))
);

CREATE TABLE groups (
    id                        uuid        NOT NULL CONSTRAINT groups_pkey PRIMARY KEY,
    name                      text        NOT NULL CONSTRAINT groups_name_key UNIQUE,
    description               text        NOT NULL
        CONSTRAINT groups_description_length CHECK (char_length(description) <= 500),
    segment_id                uuid        NOT NULL CONSTRAINT groups_segment_id_fkey REFERENCES segments (id),
    family                    text        NOT NULL CONSTRAINT groups_family_word CHECK (family IN ('ipv4', 'ipv6')),
    vrid                      smallint    NOT NULL CONSTRAINT groups_vrid_range CHECK (vrid BETWEEN 1 AND 255),
    version                   smallint    NOT NULL CONSTRAINT groups_version_number CHECK (version IN (2, 3)),
    advertisement_interval_ms integer     NOT NULL,
    preempt_mode              boolean     NOT NULL,
    checksum                  text        NOT NULL
        CONSTRAINT groups_checksum_word CHECK (checksum IN ('auto', 'rfc9568', 'rfc5798')),
    generation                bigint      NOT NULL CONSTRAINT groups_generation_positive CHECK (generation >= 1),
    created_at                timestamptz NOT NULL,
    updated_at                timestamptz NOT NULL,

    CONSTRAINT groups_vrid_key UNIQUE (segment_id, family, vrid),
    -- What the virtual addresses refer to, so that theirs is always the segment of their group.
    CONSTRAINT groups_id_segment_id_key UNIQUE (id, segment_id),
    CONSTRAINT groups_advertisement_interval_range CHECK (
        CASE version
            WHEN 3 THEN advertisement_interval_ms BETWEEN 10 AND 40950 AND advertisement_interval_ms % 10 = 0
            ELSE advertisement_interval_ms BETWEEN 1000 AND 255000 AND advertisement_interval_ms % 1000 = 0
        END
    ),
    CONSTRAINT groups_version_2_is_ipv4 CHECK (version = 3 OR family = 'ipv4')
);

CREATE TABLE virtual_addresses (
    group_id      uuid     NOT NULL,
    segment_id    uuid     NOT NULL,
    -- The place in the list as it was written, from 0.
    position      smallint NOT NULL CONSTRAINT virtual_addresses_position_range CHECK (position BETWEEN 0 AND 63),
    address       inet     NOT NULL
        CONSTRAINT virtual_addresses_address_is_host
        CHECK (masklen(address) = CASE family(address) WHEN 4 THEN 32 ELSE 128 END),
    prefix_length smallint NOT NULL
        CONSTRAINT virtual_addresses_prefix_length_range
        CHECK (prefix_length BETWEEN 0 AND CASE family(address) WHEN 4 THEN 32 ELSE 128 END),

    CONSTRAINT virtual_addresses_pkey PRIMARY KEY (group_id, position),
    CONSTRAINT virtual_addresses_group_id_fkey FOREIGN KEY (group_id, segment_id)
        REFERENCES groups (id, segment_id) ON DELETE CASCADE ON UPDATE CASCADE,
    -- Within a group as well as between groups.
    CONSTRAINT virtual_addresses_address_key UNIQUE (segment_id, address)
);

CREATE TABLE members (
    group_id         uuid     NOT NULL
        CONSTRAINT members_group_id_fkey REFERENCES groups (id) ON DELETE CASCADE,
    -- The place in the list as it was written, from 0.
    position         smallint NOT NULL CONSTRAINT members_position_range CHECK (position BETWEEN 0 AND 31),
    priority         smallint NOT NULL CONSTRAINT members_priority_range CHECK (priority BETWEEN 1 AND 255),

    -- A member that is a node.
    node_id          uuid     CONSTRAINT members_node_id_fkey REFERENCES nodes (id),
    interface        text     CONSTRAINT members_interface_length CHECK (octet_length(interface) BETWEEN 1 AND 15),

    -- A member that is a router without an agent.
    external_name    text,
    external_address inet,

    CONSTRAINT members_pkey PRIMARY KEY (group_id, position),
    CONSTRAINT members_node_key UNIQUE (group_id, node_id),
    CONSTRAINT members_external_name_key UNIQUE (group_id, external_name),
    CONSTRAINT members_external_address_key UNIQUE (group_id, external_address),
    CONSTRAINT members_kind CHECK (
        (node_id IS NOT NULL) = (interface IS NOT NULL)
        AND (external_name IS NOT NULL) = (external_address IS NOT NULL)
        AND (node_id IS NOT NULL) <> (external_name IS NOT NULL)
    )
);

CREATE UNIQUE INDEX members_one_owner_key ON members (group_id) WHERE priority = 255;

-- What a node is a member of: read at each push and before a node is deleted.
CREATE INDEX members_node_id_idx ON members (node_id) WHERE node_id IS NOT NULL;
