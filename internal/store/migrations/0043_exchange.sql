-- Imports and exports of people (internal/console/api/exchange). The files lie in data_dir; rows go with them.

-- +goose Up
CREATE TABLE exchange_jobs (
	id         {{text}} PRIMARY KEY,
	kind       {{text}} NOT NULL, -- import or export
	person     {{text}} NOT NULL, -- id of who asked for it
	state      {{text}} NOT NULL,
	created_at {{int}}  NOT NULL,
	beat_at    {{int}}  NOT NULL, -- when whoever works on it last said so
	version    {{int}}  NOT NULL, -- grows with each change that a person makes
	body       {{text}} NOT NULL  -- JSON, as the API shows it
);
CREATE INDEX exchange_jobs_created ON exchange_jobs (kind, created_at, id);

-- +goose Down
DROP TABLE exchange_jobs;
