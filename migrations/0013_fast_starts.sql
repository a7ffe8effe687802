-- A new group may begin without waiting once every member is known to be idle, and is told so at most once for each
-- generation. Groups that are there already have begun.
ALTER TABLE groups ADD COLUMN fast_start_generation bigint NOT NULL DEFAULT 0;
UPDATE groups SET fast_start_generation = generation;
