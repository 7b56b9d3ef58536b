-- The tables of the outbox (hooks/automail): what became of each recipient of a queued message.
-- The message itself is in the journal, and when to go on with it is a job of kind "outbox".

-- +goose Up
CREATE TABLE outbox_messages (
	entry        {{text}} PRIMARY KEY, -- entry id in the journal
	upstream     {{text}} NOT NULL, -- of the last attempt; before it, of the listener
	reverse_path {{text}} NOT NULL, -- empty is the null path
	queued_at    {{int}}  NOT NULL,
	expires_at   {{int}}  NOT NULL,
	next_try     {{int}}  NOT NULL, -- 0 once finished
	finished_at  {{int}}  NOT NULL, -- 0 while a recipient is pending or a DSN is to be written
	attempts     {{int}}  NOT NULL,
	warned       {{int}}  NOT NULL, -- 1 when the sender was told of the delay
	mirrored     {{int}}  NOT NULL, -- 1 when the journal was asked to mirror it
	retried      {{int}}  NOT NULL, -- 1 when an operator made it run again after it had failed
	planned      {{int}}  NOT NULL, -- DSNs decided on
	planned_at   {{int}}  NOT NULL, -- when the last of them was
	written      {{int}}  NOT NULL  -- DSNs that are in the journal
);
CREATE INDEX outbox_messages_live ON outbox_messages (queued_at) WHERE finished_at = 0;
CREATE INDEX outbox_messages_done ON outbox_messages (finished_at) WHERE finished_at <> 0;

CREATE TABLE outbox_recipients (
	entry        {{text}} NOT NULL REFERENCES outbox_messages (entry) ON DELETE CASCADE,
	position     {{int}}  NOT NULL, -- in the envelope: an address may be in it twice
	recipient    {{text}} NOT NULL,
	params       {{text}} NOT NULL, -- of RCPT, as they were sent
	state        {{text}} NOT NULL, -- pending, delivered, relayed, failed
	code         {{int}}  NOT NULL, -- of the last reply; 0 without one
	enhanced     {{text}} NOT NULL, -- status (RFC 3463)
	reply        {{text}} NOT NULL, -- text of the last reply, or our own words
	remote       {{text}} NOT NULL, -- name of the server that gave it; empty without one
	attempts     {{int}}  NOT NULL,
	last_try     {{int}}  NOT NULL,
	next_try     {{int}}  NOT NULL, -- 0 once not pending
	notice       {{int}}  NOT NULL, -- number of the DSN that last reports it; 0 means none
	notice_action {{text}} NOT NULL, -- failed, delayed, relayed (RFC 3464, 2.3.3)
	PRIMARY KEY (entry, position)
);

-- +goose Down
DROP TABLE outbox_recipients;
DROP TABLE outbox_messages;
