-- How the members of a group speak is the operators' choice: with what delay they preempt, to whom they send, what
-- moves with the addresses. The defaults are what every group did before, and what an older server still writes.
ALTER TABLE groups
    ADD COLUMN preempt_delay_ms    integer  NOT NULL DEFAULT 0
        CONSTRAINT groups_preempt_delay_range CHECK (preempt_delay_ms BETWEEN 0 AND 3600000),
    ADD COLUMN accept_mode         boolean  NOT NULL DEFAULT true,
    ADD COLUMN mac_mode            text     NOT NULL DEFAULT 'interface'
        CONSTRAINT groups_mac_mode_word CHECK (mac_mode IN ('interface', 'virtual')),
    ADD COLUMN transport           text     NOT NULL DEFAULT 'multicast'
        CONSTRAINT groups_transport_word CHECK (transport IN ('multicast', 'unicast')),
    ADD COLUMN max_hops            smallint NOT NULL DEFAULT 0
        CONSTRAINT groups_max_hops_range CHECK (max_hops BETWEEN 0 AND 254),
    ADD COLUMN require_link_local  boolean  NOT NULL DEFAULT true,
    -- The text of simple text authentication; null for none.
    ADD COLUMN authentication_text text
        CONSTRAINT groups_authentication_text_length CHECK (octet_length(authentication_text) BETWEEN 1 AND 8),
    ADD CONSTRAINT groups_max_hops_by_unicast CHECK (max_hops = 0 OR transport = 'unicast'),
    ADD CONSTRAINT groups_authentication_in_version_2 CHECK (authentication_text IS NULL OR version = 2);

ALTER TABLE virtual_addresses
    DROP CONSTRAINT virtual_addresses_position_range,
    ADD CONSTRAINT virtual_addresses_position_range CHECK (position BETWEEN 0 AND 999);

CREATE TABLE virtual_routes (
    group_id    uuid     NOT NULL
        CONSTRAINT virtual_routes_group_id_fkey REFERENCES groups (id) ON DELETE CASCADE,
    -- The place in the list as it was written, from 0.
    position    smallint NOT NULL CONSTRAINT virtual_routes_position_range CHECK (position BETWEEN 0 AND 63),
    destination cidr     NOT NULL,
    gateway     inet
        CONSTRAINT virtual_routes_gateway_is_host
        CHECK (masklen(gateway) = CASE family(gateway) WHEN 4 THEN 32 ELSE 128 END),
    metric      bigint   CONSTRAINT virtual_routes_metric_range CHECK (metric BETWEEN 0 AND 4294967295),
    -- The routing table; null for the main one.
    table_id    bigint   CONSTRAINT virtual_routes_table_range CHECK (table_id BETWEEN 1 AND 4294967295),

    CONSTRAINT virtual_routes_pkey PRIMARY KEY (group_id, position),
    CONSTRAINT virtual_routes_one_family CHECK (family(gateway) = family(destination))
);

CREATE TABLE virtual_rules (
    group_id    uuid     NOT NULL
        CONSTRAINT virtual_rules_group_id_fkey REFERENCES groups (id) ON DELETE CASCADE,
    position    smallint NOT NULL CONSTRAINT virtual_rules_position_range CHECK (position BETWEEN 0 AND 63),
    from_prefix cidr,
    to_prefix   cidr,
    table_id    bigint   NOT NULL CONSTRAINT virtual_rules_table_range CHECK (table_id BETWEEN 1 AND 4294967295),
    preference  integer  NOT NULL CONSTRAINT virtual_rules_preference_range CHECK (preference BETWEEN 1 AND 32765),

    CONSTRAINT virtual_rules_pkey PRIMARY KEY (group_id, position),
    CONSTRAINT virtual_rules_one_family CHECK (family(from_prefix) = family(to_prefix))
);
