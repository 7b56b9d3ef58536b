-- What hooks/mirror needs to tell targets of later sightings and to take mail back, and what the built-in CRM keeps of both.

-- +goose Up
-- deliveries.state is one of pending, mirrored, failed, excluded, withdrawing, withdrawn.
ALTER TABLE deliveries ADD COLUMN wanted {{int}} NOT NULL DEFAULT 0;   -- grows with each sighting that adds something
ALTER TABLE deliveries ADD COLUMN told   {{int}} NOT NULL DEFAULT 0;   -- wanted as of what the target was told last
ALTER TABLE deliveries ADD COLUMN digest {{text}} NOT NULL DEFAULT ''; -- of what it was told and an update may change
ALTER TABLE deliveries ADD COLUMN held   {{int}} NOT NULL DEFAULT 0;   -- 1 while a rule or a person keeps it waiting
CREATE INDEX deliveries_waiting ON deliveries (target, received_at) WHERE state = 'pending' AND held = 0;

-- What was taken back stays away: a message that is seen later is compared with these rows.
CREATE TABLE withdrawals (
	message_key {{text}} NOT NULL,
	target      {{text}} NOT NULL, -- empty: all
	account     {{text}} NOT NULL, -- whose sightings; empty: the message
	reason      {{text}} NOT NULL,
	at          {{int}}  NOT NULL,
	PRIMARY KEY (message_key, target, account)
);

-- Who took part in a message besides the accounts that have it, so that an address can be taken back.
CREATE TABLE correspondents (
	address     {{text}} NOT NULL, -- lower case
	message_key {{text}} NOT NULL,
	PRIMARY KEY (address, message_key)
);

-- Keys of activities that were taken back: none of them is written again.
CREATE TABLE crm_withdrawn (
	key         {{text}} PRIMARY KEY,
	at          {{int}}  NOT NULL
);

ALTER TABLE crm_attachments ADD COLUMN left_out {{text}} NOT NULL DEFAULT ''; -- why the target was not given the file

-- +goose Down
ALTER TABLE crm_attachments DROP COLUMN left_out;
DROP TABLE crm_withdrawn;
DROP TABLE correspondents;
DROP TABLE withdrawals;
DROP INDEX deliveries_waiting;
ALTER TABLE deliveries DROP COLUMN held;
ALTER TABLE deliveries DROP COLUMN digest;
ALTER TABLE deliveries DROP COLUMN told;
ALTER TABLE deliveries DROP COLUMN wanted;
