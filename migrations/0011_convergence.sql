-- An operator wants to know whether clients were led to the new holder, which its own word does not prove: another
-- member asks the LAN. What members found out comes before or after the transitions that show the move, so it is kept
-- by itself and joined by group, holder and time.
CREATE TABLE convergences (
    group_id       uuid             NOT NULL
        CONSTRAINT convergences_group_id_fkey REFERENCES groups (id) ON DELETE CASCADE,
    node_id        uuid             NOT NULL
        CONSTRAINT convergences_node_id_fkey REFERENCES nodes (id) ON DELETE CASCADE,
    node           text             NOT NULL,
    -- The name of the member that it found holding.
    holder         text             NOT NULL,
    -- When it first heard it, by the clock of the node that found out.
    heard_at       timestamptz      NOT NULL,
    convergence_ms double precision NOT NULL CONSTRAINT convergences_positive CHECK (convergence_ms >= 0),

    CONSTRAINT convergences_pkey PRIMARY KEY (group_id, node_id, heard_at)
);
CREATE INDEX convergences_node_id_idx ON convergences (node_id);

ALTER TABLE failovers ADD COLUMN convergence_ms double precision
    CONSTRAINT failovers_convergence_positive CHECK (convergence_ms >= 0);
ALTER TABLE failovers ADD COLUMN convergence_checked_by text;
ALTER TABLE failovers ADD CONSTRAINT failovers_convergence_together
    CHECK ((convergence_ms IS NULL) = (convergence_checked_by IS NULL));
