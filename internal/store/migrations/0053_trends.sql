-- Figures of a year are read at once: in SQLite they now lie in the order of their key, which takes a third of the time.

-- +goose Up
{{sqlite}}
ALTER TABLE trends RENAME TO trends_before;
CREATE TABLE trends (
	step        {{int}}  NOT NULL, -- seconds: 300 or 3600
	at          {{int}}  NOT NULL, -- when the step begins
	metric      {{text}} NOT NULL,
	account     {{text}} NOT NULL, -- empty: not told apart
	target      {{text}} NOT NULL,
	direction   {{text}} NOT NULL,
	rule        {{text}} NOT NULL,
	count       {{int}}  NOT NULL,
	spread      {{text}} NOT NULL, -- of lag: JSON, how many were how long; empty otherwise
	PRIMARY KEY (step, metric, at, account, target, direction, rule)
) WITHOUT ROWID;
INSERT INTO trends SELECT step, at, metric, account, target, direction, rule, count, spread FROM trends_before ORDER BY step, metric, at, account, target, direction, rule;
DROP TABLE trends_before;
{{end}}
{{postgres}}
SELECT 1; -- a year takes it a quarter of a second as it is
{{end}}

-- +goose Down
{{sqlite}}
ALTER TABLE trends RENAME TO trends_before;
CREATE TABLE trends (
	step        {{int}}  NOT NULL,
	at          {{int}}  NOT NULL,
	metric      {{text}} NOT NULL,
	account     {{text}} NOT NULL,
	target      {{text}} NOT NULL,
	direction   {{text}} NOT NULL,
	rule        {{text}} NOT NULL,
	count       {{int}}  NOT NULL,
	spread      {{text}} NOT NULL,
	PRIMARY KEY (step, metric, at, account, target, direction, rule)
);
INSERT INTO trends SELECT step, at, metric, account, target, direction, rule, count, spread FROM trends_before;
DROP TABLE trends_before;
{{end}}
{{postgres}}
SELECT 1;
{{end}}
