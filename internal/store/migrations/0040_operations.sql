-- What those who run the gateway see and decide: what they paused (internal/pause), and the tables of internal/console/api/operations.

-- +goose Up
CREATE TABLE pauses (
	kind        {{text}} NOT NULL, -- account, target
	name        {{text}} NOT NULL, -- an address in lower case, or the name of a target
	active      {{int}}  NOT NULL, -- 1 while it is paused
	reason      {{text}} NOT NULL, -- why it was paused last
	paused_by   {{text}} NOT NULL, -- address of a person
	paused_at   {{int}}  NOT NULL, -- 0: it was never paused by a person, but resumed
	resumed_at  {{int}}  NOT NULL, -- when a person last wanted it to go on; 0: never
	PRIMARY KEY (kind, name)
);

-- Signs of life of gateways that share this database.
CREATE TABLE nodes (
	name        {{text}} PRIMARY KEY, -- of the data directory
	host        {{text}} NOT NULL,
	version     {{text}} NOT NULL,
	roles       {{text}} NOT NULL, -- JSON list
	started_at  {{int}}  NOT NULL,
	seen_at     {{int}}  NOT NULL,
	stopped_at  {{int}}  NOT NULL  -- 0 while it runs, or did not say goodbye
);

-- Figures over time. A step is counted anew as a whole, so that counting twice changes nothing.
CREATE TABLE trends (
	step        {{int}}  NOT NULL, -- seconds: 300 or 3600
	at          {{int}}  NOT NULL, -- when the step begins
	metric      {{text}} NOT NULL,
	account     {{text}} NOT NULL, -- empty: not told apart
	target      {{text}} NOT NULL,
	direction   {{text}} NOT NULL,
	rule        {{text}} NOT NULL,
	count       {{int}}  NOT NULL,
	spread      {{text}} NOT NULL, -- of lag: JSON, how many were how long; empty otherwise
	PRIMARY KEY (step, metric, at, account, target, direction, rule)
);
-- How far each step is counted. Whoever counts holds the row.
CREATE TABLE trend_marks (
	step        {{int}}  PRIMARY KEY,
	counted_to  {{int}}  NOT NULL -- all steps that end before it are final
);

-- Backfills and reconciliations that were begun in the console.
CREATE TABLE account_runs (
	id          {{text}} PRIMARY KEY, -- sorts by time
	account     {{text}} NOT NULL,
	kind        {{text}} NOT NULL, -- backfill, reconcile
	state       {{text}} NOT NULL, -- running, done, failed, cancelled, lost
	node        {{text}} NOT NULL,
	started_by  {{text}} NOT NULL,
	started_at  {{int}}  NOT NULL,
	finished_at {{int}}  NOT NULL, -- 0 while running
	seen_at     {{int}}  NOT NULL, -- last sign of life
	cancelled   {{int}}  NOT NULL, -- 1 when somebody wants it to stop
	progress    {{text}} NOT NULL, -- JSON
	error       {{text}} NOT NULL
);
CREATE INDEX account_runs_account ON account_runs (account, id);
CREATE INDEX account_runs_running ON account_runs (seen_at) WHERE state = 'running';

-- Links by which employees let the gateway sign in. The token itself is not here.
CREATE TABLE enrolment_links (
	token_hash  {{text}} PRIMARY KEY, -- SHA-256
	address     {{text}} NOT NULL UNIQUE, -- one link for each account
	upstream    {{text}} NOT NULL,
	login       {{text}} NOT NULL,
	programs    {{int}}  NOT NULL, -- 1: make a gateway password
	made_by     {{text}} NOT NULL,
	made_at     {{int}}  NOT NULL,
	expires_at  {{int}}  NOT NULL,
	enrolled_at {{int}}  NOT NULL  -- 0 while it is open
);

-- +goose Down
DROP TABLE enrolment_links;
DROP TABLE account_runs;
DROP TABLE trend_marks;
DROP TABLE trends;
DROP TABLE nodes;
DROP TABLE pauses;
