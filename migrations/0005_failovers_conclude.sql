-- One move is reported by two members, one after the other. Its failover waits for the second report a moment before
-- it is shown and audited, so that it is one record; the wait must outlive the server that began it.
ALTER TABLE failovers ADD COLUMN concluded boolean NOT NULL DEFAULT true;
ALTER TABLE failovers ALTER COLUMN concluded DROP DEFAULT;
CREATE INDEX failovers_waiting_idx ON failovers (recorded_at) WHERE NOT concluded;

-- The lists of what happened are ordered by when it was recorded.
CREATE INDEX failovers_recorded_idx ON failovers (recorded_at, id);
DROP INDEX failovers_group_name_idx;
CREATE INDEX failovers_group_name_idx ON failovers (group_name, recorded_at, id);
CREATE INDEX transitions_recorded_idx ON transitions (recorded_at, id);
DROP INDEX transitions_group_name_idx;
CREATE INDEX transitions_group_name_idx ON transitions (group_name, recorded_at, id);
DROP INDEX transitions_node_idx;
CREATE INDEX transitions_node_idx ON transitions (node, recorded_at, id);
CREATE INDEX audit_events_recorded_idx ON audit_events (recorded_at, id);
