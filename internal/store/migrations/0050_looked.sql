-- Where the search for what an interrupted write may have made was cut off.

-- +goose Up
ALTER TABLE write_intents ADD COLUMN looked {{text}} NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE write_intents DROP COLUMN looked;
