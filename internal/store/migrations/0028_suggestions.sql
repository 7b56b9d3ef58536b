-- Labels that a mail may have, on which people decide (hooks/rules, the step classify). The evidence is words of the mail; it goes with the
-- decision.

-- +goose Up
CREATE TABLE message_suggestions (
	message_key  {{text}} NOT NULL,
	dimension    {{text}} NOT NULL, -- intent, urgency, product_line, tag, …
	label        {{text}} NOT NULL,
	probability  {{text}} NOT NULL, -- decimal; 0: nobody can tell
	evidence     {{text}} NOT NULL, -- JSON array of strings
	model        {{text}} NOT NULL,
	suggested_by {{text}} NOT NULL,
	suggested_at {{int}}  NOT NULL,
	PRIMARY KEY (message_key, dimension, label)
);
CREATE INDEX message_suggestions_at ON message_suggestions (suggested_at);

-- +goose Down
DROP TABLE message_suggestions;
