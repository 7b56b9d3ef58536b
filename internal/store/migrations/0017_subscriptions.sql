-- Who subscribed to the messages of a webhook target, and what connectors are about to write.

-- +goose Up
CREATE TABLE hook_subscriptions (
	id         {{text}} PRIMARY KEY,
	target     {{text}} NOT NULL,
	event      {{text}} NOT NULL,            -- mail.captured, mail.updated or mail.withdrawn; empty: all of them
	sealed     {{bytes}} NOT NULL,           -- address and secret, encrypted and bound to the id: the address is a credential, too
	host       {{text}} NOT NULL,            -- of the address, to be shown
	digest     {{text}} NOT NULL,            -- of event and address: subscribing again gives the same subscription
	created_at {{int}}  NOT NULL,
	failed_at  {{int}}  NOT NULL DEFAULT 0,  -- 0: the last delivery arrived, or there was none
	trouble    {{text}} NOT NULL DEFAULT '', -- what was wrong then
	ended_at   {{int}}  NOT NULL DEFAULT 0,  -- 0: in force
	reason     {{text}} NOT NULL DEFAULT ''  -- why it ended: gone or unsubscribed
);
CREATE UNIQUE INDEX hook_subscriptions_live ON hook_subscriptions (target, digest) WHERE ended_at = 0;

-- One row per message and subscriber, written with the job that delivers it, so that a message that the target gets again is delivered once.
CREATE TABLE hook_deliveries (
	subscription {{text}} NOT NULL,
	event_id     {{text}} NOT NULL, -- the webhook-id
	at           {{int}}  NOT NULL,
	PRIMARY KEY (subscription, event_id)
);
CREATE INDEX hook_deliveries_old ON hook_deliveries (at);

-- What a connector is about to write into a CRM that cannot find a record by our key, and the id of what was written.
CREATE TABLE write_intents (
	target    {{text}} NOT NULL,
	key       {{text}} NOT NULL,
	remote_id {{text}} NOT NULL DEFAULT '', -- empty: the outcome is not known
	began_at  {{int}}  NOT NULL,
	PRIMARY KEY (target, key)
);
CREATE INDEX write_intents_old ON write_intents (began_at);

-- +goose Down
DROP TABLE write_intents;
DROP TABLE hook_deliveries;
DROP TABLE hook_subscriptions;
