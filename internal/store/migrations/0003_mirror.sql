-- The tables of package hooks/mirror: which sightings are one message, which messages
-- are one thread, and what each target made of a message. No content is in them.

-- +goose Up
CREATE TABLE messages (
	key         {{text}} PRIMARY KEY, -- message key
	message_id  {{text}} NOT NULL, -- of the header, without brackets; may be empty
	thread      {{text}} NOT NULL,
	direction   {{text}} NOT NULL,
	sent_at     {{int}}  NOT NULL, -- of the Date field; 0 without one
	first_seen  {{int}}  NOT NULL,
	last_seen   {{int}}  NOT NULL
);
CREATE INDEX messages_thread ON messages (thread);
CREATE INDEX messages_id ON messages (message_id) WHERE message_id <> '';

CREATE TABLE sightings (
	entry       {{text}} PRIMARY KEY, -- entry id in the journal
	message_key {{text}} NOT NULL REFERENCES messages (key),
	kind        {{text}} NOT NULL,
	account     {{text}} NOT NULL,
	seen_at     {{int}}  NOT NULL,
	unconfirmed {{int}}  NOT NULL, -- 1 while the upstream's verdict is unknown
	excluded    {{text}} NOT NULL  -- the reason; empty means in scope
);
CREATE INDEX sightings_message ON sightings (message_key, entry);

CREATE TABLE threads (
	id          {{text}} PRIMARY KEY,
	created_at  {{int}}  NOT NULL,
	joined      {{text}} NOT NULL -- the thread that this one turned out to be; empty means none
);

-- Each Message-ID that a message of the thread has or names.
CREATE TABLE thread_refs (
	ref         {{text}} PRIMARY KEY,
	thread      {{text}} NOT NULL REFERENCES threads (id)
);
CREATE INDEX thread_refs_thread ON thread_refs (thread);

-- The last resort: a hash over the subject and the people, and the thread that had them last.
CREATE TABLE thread_subjects (
	hash        {{text}} PRIMARY KEY,
	thread      {{text}} NOT NULL REFERENCES threads (id),
	seen_at     {{int}}  NOT NULL
);

CREATE TABLE deliveries (
	message_key {{text}} NOT NULL REFERENCES messages (key),
	target      {{text}} NOT NULL,
	state       {{text}} NOT NULL, -- pending, mirrored, failed
	reason      {{text}} NOT NULL, -- of the last failure
	remote_id   {{text}} NOT NULL,
	url         {{text}} NOT NULL,
	received_at {{int}}  NOT NULL,
	updated_at  {{int}}  NOT NULL,
	PRIMARY KEY (message_key, target)
);
CREATE INDEX deliveries_state ON deliveries (target, state);

-- +goose Down
DROP TABLE deliveries;
DROP TABLE thread_subjects;
DROP TABLE thread_refs;
DROP TABLE threads;
DROP TABLE sightings;
DROP TABLE messages;
