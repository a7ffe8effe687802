-- A holder that was cut off or did nothing for a while, and never let go, has no takeover to report when the one that took
-- over meanwhile yields to it: the yielding shows the move back.
ALTER TABLE failovers DROP CONSTRAINT failovers_evidence_word;
ALTER TABLE failovers ADD CONSTRAINT failovers_evidence_word
    CHECK (evidence IN ('taken_over', 'external_heard', 'yielded_back'));
