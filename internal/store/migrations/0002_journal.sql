-- The tables of package journal: the index of its segments, and the ledger. All of "entries" can be
-- rebuilt from the segments of the nodes.

-- +goose Up
CREATE TABLE entries (
	id           {{text}} PRIMARY KEY, -- sorts by time
	node         {{text}} NOT NULL, -- whose segments hold the body
	segment      {{int}}  NOT NULL,
	pos          {{int}}  NOT NULL,
	kind         {{text}} NOT NULL,
	account      {{text}} NOT NULL,
	upstream     {{text}} NOT NULL,
	state        {{text}} NOT NULL, -- sealed, confirmed, unconfirmed; what was discarded has no row
	reverse_path {{text}} NOT NULL,
	received     {{int}}  NOT NULL,
	sealed_at    {{int}}  NOT NULL,
	size         {{int}}  NOT NULL,
	envelope     {{text}} NOT NULL, -- JSON
	code         {{int}}  NOT NULL, -- the upstream's verdict; 0 while unknown
	reply        {{text}} NOT NULL,
	verdict_at   {{int}}  NOT NULL,
	queued       {{int}}  NOT NULL, -- 1 when its jobs were added
	settled      {{int}}  NOT NULL  -- 1 when the outbox has done with it
);
CREATE INDEX entries_account ON entries (account, id);
CREATE INDEX entries_state ON entries (state, id);
CREATE INDEX entries_sealed ON entries (node, sealed_at) WHERE state = 'sealed';
CREATE INDEX entries_unqueued ON entries (node, id) WHERE queued = 0 AND state <> 'sealed';

CREATE TABLE journal_checkpoints (
	node       {{text}} PRIMARY KEY,
	segment    {{int}} NOT NULL, -- all records before this place are in the index
	pos        {{int}} NOT NULL,
	updated_at {{int}} NOT NULL
);

CREATE TABLE ledger (
	entry      {{text}} NOT NULL,
	target     {{text}} NOT NULL, -- empty: the entry itself, whatever becomes of it at the targets
	message_id {{text}} NOT NULL,
	account    {{text}} NOT NULL,
	state      {{text}} NOT NULL,
	reason     {{text}} NOT NULL,
	at         {{int}}  NOT NULL,
	PRIMARY KEY (entry, target)
);
CREATE INDEX ledger_message ON ledger (message_id, at) WHERE message_id <> '';
CREATE INDEX ledger_account ON ledger (account, at);
CREATE INDEX ledger_state ON ledger (state, at);
CREATE INDEX ledger_at ON ledger (at);

-- +goose Down
DROP TABLE ledger;
DROP TABLE journal_checkpoints;
DROP TABLE entries;
