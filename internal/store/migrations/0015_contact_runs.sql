-- When contacts of a target were asked for, so that no job has to wait in the queue for the next time.

-- +goose Up
ALTER TABLE contact_syncs ADD COLUMN asked   {{int}} NOT NULL DEFAULT 0; -- grows each time that somebody wants the target asked at once
ALTER TABLE contact_syncs ADD COLUMN ran_at  {{int}} NOT NULL DEFAULT 0; -- when it was last asked
ALTER TABLE contact_syncs ADD COLUMN next_at {{int}} NOT NULL DEFAULT 0; -- when it is to be asked next; 0: now
-- The jobs of before waited for the next time.
DELETE FROM jobs WHERE kind LIKE 'contacts:%' AND state IN ('available', 'scheduled', 'retryable');

-- +goose Down
ALTER TABLE contact_syncs DROP COLUMN next_at;
ALTER TABLE contact_syncs DROP COLUMN ran_at;
ALTER TABLE contact_syncs DROP COLUMN asked;
