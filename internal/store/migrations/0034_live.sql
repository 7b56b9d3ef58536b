-- The tables of internal/console/live: what happened lately, in an order that all nodes share, for those who watch. All of it is derived from other
-- tables, and goes after a day.

-- +goose Up
CREATE TABLE live_events (
	seq         {{int}}  PRIMARY KEY, -- the cursor: without a gap, in the order of the commits
	event_key   {{text}} NOT NULL UNIQUE, -- digest of what happened, so that it is one event whichever node saw it
	at          {{int}}  NOT NULL, -- when it happened
	noted_at    {{int}}  NOT NULL,
	topic       {{text}} NOT NULL,
	what        {{text}} NOT NULL,
	object      {{text}} NOT NULL,
	target      {{text}} NOT NULL,
	accounts    {{text}} NOT NULL  -- JSON list of addresses, lower case; empty: none
);
CREATE INDEX live_events_noted ON live_events (noted_at);

-- One row. Whoever adds events holds it.
CREATE TABLE live_clock (
	one         {{int}}  PRIMARY KEY, -- always 1
	seq         {{int}}  NOT NULL, -- of the last event
	floor_seq   {{int}}  NOT NULL, -- a cursor before it has missed something
	read_until  {{int}}  NOT NULL  -- all that happened before is among the events; 0: nobody watched yet
);
INSERT INTO live_clock (one, seq, floor_seq, read_until) VALUES (1, 0, 0, 0);

CREATE INDEX rule_runs_changed ON rule_runs (changed_at);
CREATE INDEX rule_approvals_asked ON rule_approvals (asked_at);
CREATE INDEX rule_approvals_decided ON rule_approvals (decided_at) WHERE decided_at <> 0;
CREATE INDEX rule_approvers_decided ON rule_approvers (decided_at) WHERE decided_at <> 0;
CREATE INDEX reviews_decided ON reviews (decided_at) WHERE decided_at <> 0;
CREATE INDEX outbox_messages_queued ON outbox_messages (queued_at);
CREATE INDEX jobs_dead_at ON jobs (finished_at) WHERE state = 'discarded';

-- +goose Down
DROP INDEX jobs_dead_at;
DROP INDEX outbox_messages_queued;
DROP INDEX reviews_decided;
DROP INDEX rule_approvers_decided;
DROP INDEX rule_approvals_decided;
DROP INDEX rule_approvals_asked;
DROP INDEX rule_runs_changed;
DROP TABLE live_clock;
DROP TABLE live_events;
