-- The tables of package hooks/mirror/scope: what employees keep from being mirrored, and which messages no target gets.

-- +goose Up
CREATE TABLE scope_choices (
	account    {{text}} NOT NULL, -- lower case
	kind       {{text}} NOT NULL, -- opt-out, pause, address, domain, subdomains, folder, subject
	value      {{text}} NOT NULL, -- empty for opt-out and pause
	until      {{int}}  NOT NULL, -- of a pause; 0 means for good
	created_at {{int}}  NOT NULL,
	PRIMARY KEY (account, kind, value)
);

-- One row. Its number grows with each change of scope_choices, so that a process can tell whether it knows them.
CREATE TABLE scope_version (
	one     {{int}} PRIMARY KEY CHECK (one = 1),
	version {{int}} NOT NULL
);
INSERT INTO scope_version (one, version) VALUES (1, 1);

-- Messages that are marked private themselves: no copy of them may leave, whoever has it.
CREATE TABLE scope_vetoes (
	message_key {{text}} PRIMARY KEY REFERENCES messages (key),
	entry       {{text}} NOT NULL, -- the copy that showed it
	reason      {{text}} NOT NULL,
	at          {{int}}  NOT NULL
);

-- The generation of rules and choices under which a sighting was found to be in scope.
ALTER TABLE sightings ADD COLUMN decided {{text}} NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE sightings DROP COLUMN decided;
DROP TABLE scope_vetoes;
DROP TABLE scope_version;
DROP TABLE scope_choices;
