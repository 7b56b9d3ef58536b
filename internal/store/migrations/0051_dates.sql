-- What records were like when rules looked at dates in them, so that a replay knows which there were.

-- +goose Up
CREATE TABLE rule_dates (
	target      {{text}} NOT NULL,
	object      {{text}} NOT NULL,
	record      {{text}} NOT NULL, -- the target's own id; empty: the rule's first look, whatever it brought
	rule        {{text}} NOT NULL,
	seen_at     {{int}}  NOT NULL,
	present     {{int}}  NOT NULL, -- 1: the look brought it; 0: it brought it no more
	vals        {{text}} NOT NULL, -- JSON object of fields; empty: it was not there any more
	PRIMARY KEY (target, object, record, rule, seen_at)
);
CREATE INDEX rule_dates_rule ON rule_dates (rule, seen_at);

-- +goose Down
DROP TABLE rule_dates;
