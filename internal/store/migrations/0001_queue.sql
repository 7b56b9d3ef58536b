-- The table of package queue. A job is live while finished_at is null.

-- +goose Up
CREATE TABLE jobs (
	id          {{id}},
	kind        {{text}} NOT NULL,
	key         {{text}} NOT NULL, -- unique among live jobs of its kind; empty means none
	order_key   {{text}} NOT NULL, -- jobs that share one run one after the other; empty means none
	blocked     {{int}}  NOT NULL, -- 1 while an earlier job of its order key is live
	payload     {{bytes}} NOT NULL,
	priority    {{int}}  NOT NULL, -- lower runs first
	state       {{text}} NOT NULL,
	attempt     {{int}}  NOT NULL,
	max_attempts {{int}} NOT NULL, -- negative means no limit
	run_at      {{int}}  NOT NULL,
	created_at  {{int}}  NOT NULL,
	lease_until {{int}}  NOT NULL, -- 0 unless running
	fence       {{int}}  NOT NULL, -- grows with each claim
	finished_at {{int}},
	last_error  {{text}} NOT NULL
);
CREATE UNIQUE INDEX jobs_live_key ON jobs (kind, key) WHERE key <> '' AND finished_at IS NULL;
-- At most one job of an order key is not blocked: the database itself keeps the promise.
CREATE UNIQUE INDEX jobs_head ON jobs (kind, order_key) WHERE order_key <> '' AND blocked = 0 AND finished_at IS NULL;
CREATE INDEX jobs_blocked ON jobs (kind, order_key, id) WHERE blocked = 1 AND finished_at IS NULL;
CREATE INDEX jobs_ready ON jobs (kind, priority, run_at, id) WHERE state = 'available' AND blocked = 0;
CREATE INDEX jobs_later ON jobs (kind, run_at) WHERE state IN ('scheduled', 'retryable');
CREATE INDEX jobs_leased ON jobs (kind, lease_until) WHERE state = 'running';
CREATE INDEX jobs_dead ON jobs (kind, id) WHERE state = 'discarded';
CREATE INDEX jobs_done ON jobs (finished_at) WHERE state IN ('completed', 'cancelled');

-- +goose Down
DROP TABLE jobs;
