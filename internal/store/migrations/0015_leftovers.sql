-- +goose Up
-- When contacts of a target were asked for, so that no job has to wait in the queue for the next time.
ALTER TABLE contact_syncs ADD COLUMN asked   {{int}} NOT NULL DEFAULT 0; -- grows each time that somebody wants the target asked at once
ALTER TABLE contact_syncs ADD COLUMN ran_at  {{int}} NOT NULL DEFAULT 0; -- when it was last asked
ALTER TABLE contact_syncs ADD COLUMN next_at {{int}} NOT NULL DEFAULT 0; -- when it is to be asked next; 0: now
-- The jobs of before waited for the next time.
DELETE FROM jobs WHERE kind LIKE 'contacts:%' AND state IN ('available', 'scheduled', 'retryable');
-- Signatures are learnt from when a target has the mail.
DELETE FROM jobs WHERE kind = 'hook:contacts' AND state IN ('available', 'scheduled', 'retryable');

-- For which copies of a message it counts that one must not leave: for all (form is empty), or for those that are as good as the same.
CREATE TABLE scope_vetoes_by_form (
	message_key {{text}} NOT NULL REFERENCES messages (key),
	form        {{text}} NOT NULL,
	entry       {{text}} NOT NULL, -- the copy that showed it
	reason      {{text}} NOT NULL,
	at          {{int}}  NOT NULL,
	PRIMARY KEY (message_key, form)
);
INSERT INTO scope_vetoes_by_form (message_key, form, entry, reason, at) SELECT message_key, '', entry, reason, at FROM scope_vetoes;
DROP TABLE scope_vetoes;
ALTER TABLE scope_vetoes_by_form RENAME TO scope_vetoes;

-- The key that links to files are signed with.
CREATE TABLE link_keys (
	one        {{int}}   PRIMARY KEY, -- always 1
	key        {{bytes}} NOT NULL,
	created_at {{int}}   NOT NULL
);

-- +goose Down
DROP TABLE link_keys;
CREATE TABLE scope_vetoes_of_all (
	message_key {{text}} PRIMARY KEY REFERENCES messages (key),
	entry       {{text}} NOT NULL,
	reason      {{text}} NOT NULL,
	at          {{int}}  NOT NULL
);
INSERT INTO scope_vetoes_of_all (message_key, entry, reason, at) SELECT message_key, entry, reason, at FROM scope_vetoes WHERE form = '';
DROP TABLE scope_vetoes;
ALTER TABLE scope_vetoes_of_all RENAME TO scope_vetoes;
ALTER TABLE contact_syncs DROP COLUMN next_at;
ALTER TABLE contact_syncs DROP COLUMN ran_at;
ALTER TABLE contact_syncs DROP COLUMN asked;
