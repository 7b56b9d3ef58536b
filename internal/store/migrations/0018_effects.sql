-- What the outbox (hooks/automail) needs for mail that rules send: effects, lost verdicts, bounces, holds, opt-outs. What is
-- needed to send a message again after the index was built anew is in the journal's record, too.

-- +goose Up
ALTER TABLE outbox_messages ADD COLUMN effect {{text}} NOT NULL DEFAULT ''; -- empty: no rule sends it
ALTER TABLE outbox_messages ADD COLUMN held   {{text}} NOT NULL DEFAULT ''; -- why it waits although it is due
ALTER TABLE outbox_messages ADD COLUMN asked_at {{int}} NOT NULL DEFAULT 0; -- when the final dot of a lost verdict went out
ALTER TABLE outbox_messages ADD COLUMN looks  {{int}} NOT NULL DEFAULT 0;   -- how often the mailbox was asked about it since
-- outbox_recipients.state is one of pending, delivered, relayed, failed, unknown, bounced, suppressed.
ALTER TABLE outbox_recipients ADD COLUMN dotted {{int}} NOT NULL DEFAULT 0;  -- 1 from before a final dot until its verdict is written down
ALTER TABLE outbox_recipients ADD COLUMN told {{text}} NOT NULL DEFAULT '';  -- the state that the run was told of
CREATE INDEX outbox_messages_held ON outbox_messages (entry) WHERE held <> '';

-- Each effect is one message, however often it is asked for.
CREATE TABLE outbox_effects (
	effect      {{text}} PRIMARY KEY,
	entry       {{text}} NOT NULL UNIQUE, -- entry id in the journal
	message_id  {{text}} NOT NULL, -- without brackets
	rule        {{text}} NOT NULL,
	run         {{text}} NOT NULL,
	sender      {{text}} NOT NULL, -- address, lower case
	policy      {{text}} NOT NULL, -- at_least_once, at_most_once
	list        {{text}} NOT NULL, -- what can be opted out of; empty: all mail of rules
	essential   {{int}}  NOT NULL, -- 1 when an opt-out does not keep it back
	priority    {{int}}  NOT NULL, -- of its job
	not_before  {{int}}  NOT NULL, -- 0: at once
	created_at  {{int}}  NOT NULL,
	queued_at   {{int}}  NOT NULL, -- 0 until the message is known to be in the journal
	copy        {{text}} NOT NULL, -- of the copy in the sender's mailbox: empty, wanted, stored, found, provider, failed
	copy_reason {{text}} NOT NULL,
	copied_at   {{int}}  NOT NULL
);
CREATE INDEX outbox_effects_message ON outbox_effects (message_id);
CREATE INDEX outbox_effects_run ON outbox_effects (run) WHERE run <> '';
CREATE INDEX outbox_effects_created ON outbox_effects (created_at);

-- What reports said of messages of rules.
CREATE TABLE outbox_bounces (
	report      {{text}} NOT NULL, -- what tells reports apart: an entry id, or a digest
	effect      {{text}} NOT NULL,
	recipient   {{text}} NOT NULL, -- lower case
	action      {{text}} NOT NULL, -- failed, delayed (RFC 3464, 2.3.3)
	status      {{text}} NOT NULL, -- RFC 3463
	diagnostic  {{text}} NOT NULL,
	reporter    {{text}} NOT NULL,
	permanent   {{int}}  NOT NULL,
	at          {{int}}  NOT NULL,
	PRIMARY KEY (report, effect, recipient)
);
CREATE INDEX outbox_bounces_effect ON outbox_bounces (effect);
CREATE INDEX outbox_bounces_at ON outbox_bounces (at);

-- What is held back.
CREATE TABLE outbox_holds (
	scope       {{text}} NOT NULL, -- all, rule, domain
	name        {{text}} NOT NULL, -- of the rule or domain; empty for all
	reason      {{text}} NOT NULL,
	origin      {{text}} NOT NULL, -- who held it
	at          {{int}}  NOT NULL,
	PRIMARY KEY (scope, name)
);

-- Whom rules send no mail.
CREATE TABLE outbox_suppressed (
	address     {{text}} NOT NULL, -- lower case
	list        {{text}} NOT NULL, -- empty: all
	reason      {{text}} NOT NULL, -- opt_out, bounce, complaint, operator
	detail      {{text}} NOT NULL,
	origin      {{text}} NOT NULL,
	at          {{int}}  NOT NULL,
	PRIMARY KEY (address, list)
);
CREATE INDEX outbox_suppressed_at ON outbox_suppressed (at);

-- +goose Down
DROP TABLE outbox_suppressed;
DROP TABLE outbox_holds;
DROP TABLE outbox_bounces;
DROP TABLE outbox_effects;
DROP INDEX outbox_messages_held;
ALTER TABLE outbox_recipients DROP COLUMN told;
ALTER TABLE outbox_recipients DROP COLUMN dotted;
ALTER TABLE outbox_messages DROP COLUMN looks;
ALTER TABLE outbox_messages DROP COLUMN asked_at;
ALTER TABLE outbox_messages DROP COLUMN held;
ALTER TABLE outbox_messages DROP COLUMN effect;
