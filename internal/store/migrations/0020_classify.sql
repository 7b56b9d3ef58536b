-- The tables of the classifier (hooks/rules/classify): what people said about mails, and what was learned from it.
-- There is no text of mails here: features are the hashes of their words.

-- +goose Up
CREATE TABLE classify_corrections (
	id          {{id}},
	message_key {{text}}  NOT NULL,
	dimension   {{text}}  NOT NULL, -- intent, urgency, product_line, tag, …
	labels      {{text}}  NOT NULL, -- JSON array of strings: one where a mail has one label, any number for tags
	corrected_by {{text}} NOT NULL,
	corrected_at {{int}}  NOT NULL,
	trains      {{int}}   NOT NULL, -- 0: of automated mail, kept but not learned from
	scheme      {{int}}   NOT NULL, -- how features were made
	features    {{bytes}} NOT NULL
);
CREATE INDEX classify_corrections_dimension ON classify_corrections (dimension, id);
CREATE INDEX classify_corrections_message ON classify_corrections (message_key, dimension, id);

CREATE TABLE classify_models (
	dimension   {{text}}  NOT NULL,
	version     {{int}}   NOT NULL, -- counts from 1
	trained_at  {{int}}   NOT NULL,
	corrections {{int}}   NOT NULL, -- how many it learned from
	state       {{text}}  NOT NULL, -- digest of the corrections that it was made from
	model       {{bytes}} NOT NULL,
	PRIMARY KEY (dimension, version)
);

-- +goose Down
DROP TABLE classify_models;
DROP TABLE classify_corrections;
