-- The ledger of mailboxes (package journal): which UIDs of a mailbox need no further look, and why. Places of
-- entries and sightings in mailboxes. The sets of captured UIDs can be rebuilt from the segments.

-- +goose Up
CREATE TABLE mailboxes (
	id          {{text}} PRIMARY KEY, -- hash over the next four
	upstream    {{text}} NOT NULL,
	account     {{text}} NOT NULL,
	mailbox     {{text}} NOT NULL, -- name in UTF-8
	uidvalidity {{int}}  NOT NULL,
	since       {{int}}  NOT NULL, -- the UID that was to come next when the mailbox was first seen; 0: not yet seen
	enrolled_at {{int}}  NOT NULL,
	changed_at  {{int}}  NOT NULL
);

-- The UIDs from low to high, both included, are in that state. The ranges of a mailbox do not overlap, and two of the same
-- state and reason do not touch.
CREATE TABLE mailbox_uids (
	mailbox {{text}} NOT NULL REFERENCES mailboxes (id) ON DELETE CASCADE,
	low     {{int}}  NOT NULL,
	high    {{int}}  NOT NULL,
	state   {{text}} NOT NULL, -- captured, excluded, gone, failed
	reason  {{text}} NOT NULL, -- empty when captured
	PRIMARY KEY (mailbox, low)
);

ALTER TABLE entries ADD COLUMN mailbox {{text}} NOT NULL DEFAULT '';
ALTER TABLE entries ADD COLUMN uidvalidity {{int}} NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN uid {{int}} NOT NULL DEFAULT 0; -- 0 while it is not known

ALTER TABLE sightings ADD COLUMN mailbox {{text}} NOT NULL DEFAULT '';
ALTER TABLE sightings ADD COLUMN uidvalidity {{int}} NOT NULL DEFAULT 0;
ALTER TABLE sightings ADD COLUMN uid {{int}} NOT NULL DEFAULT 0;
ALTER TABLE sightings ADD COLUMN place {{text}} NOT NULL DEFAULT ''; -- mailboxes.id; empty without a UID
CREATE UNIQUE INDEX sightings_place ON sightings (place, uid) WHERE uid <> 0;

-- +goose Down
DROP INDEX sightings_place;
ALTER TABLE sightings DROP COLUMN place;
ALTER TABLE sightings DROP COLUMN uid;
ALTER TABLE sightings DROP COLUMN uidvalidity;
ALTER TABLE sightings DROP COLUMN mailbox;
ALTER TABLE entries DROP COLUMN uid;
ALTER TABLE entries DROP COLUMN uidvalidity;
ALTER TABLE entries DROP COLUMN mailbox;
DROP TABLE mailbox_uids;
DROP TABLE mailboxes;
