-- Other forms of one message (package hooks/mirror, kin.go): each row of "messages" is a form, known by its key; a form
-- that is a copy of another message, rewritten on its way, names the row that stands for all of them.

-- +goose Up
ALTER TABLE messages ADD COLUMN joined {{text}} NOT NULL DEFAULT ''; -- the message that this is a form of; empty: itself
ALTER TABLE messages ADD COLUMN mate {{text}} NOT NULL DEFAULT ''; -- the form that it was recognised by
ALTER TABLE messages ADD COLUMN bond {{int}} NOT NULL DEFAULT 0; -- how: 1 strong, 2 weak, 3 list
ALTER TABLE messages ADD COLUMN gap {{int}} NOT NULL DEFAULT 0; -- microseconds between its moment and its mate's
ALTER TABLE messages ADD COLUMN likeness {{text}} NOT NULL DEFAULT ''; -- of package message
ALTER TABLE messages ADD COLUMN moment {{int}} NOT NULL DEFAULT 0; -- when it was sent, as the first sighting tells
ALTER TABLE messages ADD COLUMN ways {{int}} NOT NULL DEFAULT 0; -- bits: 1 seen on the wire, 2 in a mailbox, 4 in the sender's own, 8 from a list
CREATE INDEX messages_alike ON messages (likeness, moment) WHERE likeness <> '';
CREATE INDEX messages_same_date ON messages (likeness, sent_at) WHERE likeness <> '' AND sent_at <> 0;
CREATE INDEX messages_joined ON messages (joined) WHERE joined <> '';
ALTER TABLE sightings ADD COLUMN form {{text}} NOT NULL DEFAULT ''; -- key of what was seen; empty in old rows, where it is message_key

-- +goose Down
ALTER TABLE sightings DROP COLUMN form;
DROP INDEX messages_joined;
DROP INDEX messages_same_date;
DROP INDEX messages_alike;
ALTER TABLE messages DROP COLUMN ways;
ALTER TABLE messages DROP COLUMN moment;
ALTER TABLE messages DROP COLUMN likeness;
ALTER TABLE messages DROP COLUMN gap;
ALTER TABLE messages DROP COLUMN bond;
ALTER TABLE messages DROP COLUMN mate;
ALTER TABLE messages DROP COLUMN joined;
