-- The tables of internal/customerbox: the UIDs of the customer mailboxes. UIDs are given out when a mailbox is
-- opened, for each reader that sees a part of it of his own.

-- +goose Up
CREATE TABLE customerbox_mailboxes (
	id          {{id}},
	kind        {{text}} NOT NULL, -- company, contact, ticket
	record      {{int}}  NOT NULL, -- id of that record in the built-in CRM
	reader      {{text}} NOT NULL, -- account; empty: those who see all
	uid_next    {{int}}  NOT NULL,
	created_at  {{int}}  NOT NULL, -- with id, what UIDVALIDITY is made of
	UNIQUE (reader, kind, record)
);

CREATE TABLE customerbox_uids (
	mailbox     {{int}}  NOT NULL REFERENCES customerbox_mailboxes (id) ON DELETE CASCADE,
	uid         {{int}}  NOT NULL,
	activity    {{int}}  NOT NULL REFERENCES crm_activities (id) ON DELETE CASCADE,
	entry       {{text}} NOT NULL, -- entry id in the journal: the copy that the reader is shown
	PRIMARY KEY (mailbox, uid)
);
CREATE UNIQUE INDEX customerbox_uids_activity ON customerbox_uids (activity, mailbox);

-- What reading a whole message told, so that it is read once. All of it can be found again.
CREATE TABLE customerbox_entries (
	entry       {{text}} PRIMARY KEY REFERENCES entries (id) ON DELETE CASCADE,
	size        {{int}}  NOT NULL, -- bytes
	structure   {{text}} NOT NULL  -- JSON: envelope and parts
);

CREATE INDEX sightings_account ON sightings (account, message_key);

-- +goose Down
DROP INDEX sightings_account;
DROP TABLE customerbox_entries;
DROP TABLE customerbox_uids;
DROP TABLE customerbox_mailboxes;
