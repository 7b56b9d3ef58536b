-- The tables of package hooks/archive: what people list and find messages by. All of it can be built again from the journal.

-- +goose Up
-- Messages to be looked at (again). Rows are only added, so that nobody waits for anybody.
CREATE TABLE archive_dirty (
	seq         {{id}},
	message_key {{text}} NOT NULL,
	not_before  {{int}}  NOT NULL DEFAULT 0, -- after a failure
	failures    {{int}}  NOT NULL DEFAULT 0
);

CREATE TABLE archive_messages (
	id          {{int}}  PRIMARY KEY, -- when it was sent, in microseconds, and a little more where two were at once: the order of lists
	key         {{text}} NOT NULL UNIQUE, -- message key
	direction   {{text}} NOT NULL,
	sender      {{text}} NOT NULL, -- address
	subject     {{text}} NOT NULL,
	preview     {{text}} NOT NULL,
	size        {{int}}  NOT NULL,
	automated   {{int}}  NOT NULL,
	attachments {{int}}  NOT NULL,
	files       {{text}} NOT NULL, -- JSON: names of the first attachments
	people      {{text}} NOT NULL, -- JSON: the first people
	people_count {{int}} NOT NULL
);

-- Which accounts have a copy in scope.
CREATE TABLE archive_seen (
	account     {{text}} NOT NULL,
	id          {{int}}  NOT NULL,
	PRIMARY KEY (account, id)
);
CREATE INDEX archive_seen_id ON archive_seen (id);

-- Who outside took part: addresses, and @ with a domain.
CREATE TABLE archive_people (
	subject     {{text}} NOT NULL,
	id          {{int}}  NOT NULL,
	part        {{text}} NOT NULL, -- wrote, got, blind: only in Bcc, which nobody but the sender knows
	PRIMARY KEY (subject, id)
);
CREATE INDEX archive_people_id ON archive_people (id);

-- How often and when last somebody outside and an account wrote each other.
CREATE TABLE archive_talks (
	subject     {{text}} NOT NULL, -- as in archive_people
	account     {{text}} NOT NULL, -- empty: all together
	name        {{text}} NOT NULL, -- as the person was last called in mail
	messages    {{int}}  NOT NULL,
	last_at     {{int}}  NOT NULL,
	last_in     {{int}}  NOT NULL, -- 0: never
	last_out    {{int}}  NOT NULL,
	PRIMARY KEY (subject, account)
);
CREATE INDEX archive_talks_last ON archive_talks (account, last_at, subject);

CREATE INDEX deliveries_rare ON deliveries (state, message_key) WHERE state IN ('pending', 'failed', 'excluded', 'withdrawing', 'withdrawn');

{{sqlite}}
CREATE VIRTUAL TABLE archive_tokens USING fts5(
	tokens, content='', contentless_delete=1,
	tokenize="unicode61 remove_diacritics 0 categories 'L* N* M* Co'"
);
-- +goose StatementBegin
CREATE TRIGGER archive_sighting_made AFTER INSERT ON sightings BEGIN
	INSERT INTO archive_dirty (message_key) VALUES (NEW.message_key);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER archive_sighting_changed AFTER UPDATE ON sightings
WHEN (OLD.message_key, OLD.excluded, OLD.account) IS NOT (NEW.message_key, NEW.excluded, NEW.account) BEGIN
	INSERT INTO archive_dirty (message_key) VALUES (OLD.message_key);
	INSERT INTO archive_dirty (message_key) SELECT NEW.message_key WHERE NEW.message_key <> OLD.message_key;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER archive_sighting_gone AFTER DELETE ON sightings BEGIN
	INSERT INTO archive_dirty (message_key) VALUES (OLD.message_key);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER archive_withdrawn AFTER INSERT ON withdrawals BEGIN
	INSERT INTO archive_dirty (message_key) VALUES (NEW.message_key);
END;
-- +goose StatementEnd
{{end}}
{{postgres}}
CREATE TABLE archive_tokens (
	rowid  BIGINT PRIMARY KEY REFERENCES archive_messages (id) ON DELETE CASCADE,
	tokens TSVECTOR NOT NULL
);
CREATE INDEX archive_tokens_gin ON archive_tokens USING gin (tokens);
-- +goose StatementBegin
CREATE FUNCTION archive_note() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
	IF TG_OP <> 'INSERT' THEN
		INSERT INTO archive_dirty (message_key) VALUES (OLD.message_key);
	END IF;
	IF TG_OP = 'INSERT' THEN
		INSERT INTO archive_dirty (message_key) VALUES (NEW.message_key);
	ELSIF TG_OP = 'UPDATE' AND NEW.message_key <> OLD.message_key THEN
		INSERT INTO archive_dirty (message_key) VALUES (NEW.message_key);
	END IF;
	RETURN NULL;
END
$body$;
-- +goose StatementEnd
CREATE TRIGGER archive_sighting_made AFTER INSERT OR DELETE ON sightings FOR EACH ROW EXECUTE FUNCTION archive_note();
CREATE TRIGGER archive_sighting_changed AFTER UPDATE ON sightings FOR EACH ROW
	WHEN (OLD.message_key IS DISTINCT FROM NEW.message_key OR OLD.excluded IS DISTINCT FROM NEW.excluded OR OLD.account IS DISTINCT FROM NEW.account)
	EXECUTE FUNCTION archive_note();
CREATE TRIGGER archive_withdrawn AFTER INSERT ON withdrawals FOR EACH ROW EXECUTE FUNCTION archive_note();
{{end}}

-- What is there already is indexed in the background, the newest first.
INSERT INTO archive_dirty (message_key) SELECT key FROM messages WHERE joined = '' ORDER BY first_seen;

-- +goose Down
{{sqlite}}
DROP TRIGGER archive_sighting_made;
DROP TRIGGER archive_sighting_changed;
DROP TRIGGER archive_sighting_gone;
DROP TRIGGER archive_withdrawn;
{{end}}
{{postgres}}
DROP TRIGGER archive_sighting_made ON sightings;
DROP TRIGGER archive_sighting_changed ON sightings;
DROP TRIGGER archive_withdrawn ON withdrawals;
DROP FUNCTION archive_note();
{{end}}
DROP TABLE archive_tokens;
DROP INDEX deliveries_rare;
DROP TABLE archive_talks;
DROP TABLE archive_people;
DROP TABLE archive_seen;
DROP TABLE archive_messages;
DROP TABLE archive_dirty;
