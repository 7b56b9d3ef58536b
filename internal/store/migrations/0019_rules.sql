-- The tables of hooks/rules: rules and their versions, what happened, and what rules did about it. Texts of mail are in them only where a
-- rule took them out for its own use (extracted fields, outputs of steps); they go with the runs.

-- +goose Up
CREATE TABLE rules (
	id          {{text}} PRIMARY KEY,
	state       {{text}} NOT NULL, -- draft: no version is in force; shadow: effects are written down only; live; off
	version     {{int}}  NOT NULL, -- in force; 0 while there is none
	latest      {{int}}  NOT NULL, -- number of the newest version; 0 while there is none
	draft       {{text}} NOT NULL, -- JSON of what is being worked on; empty: nothing beyond the latest version
	held        {{text}} NOT NULL, -- why nothing of the rule is done at present; empty: it is
	updated_at  {{int}}  NOT NULL,
	updated_by  {{text}} NOT NULL
);
CREATE TABLE rule_versions (
	rule        {{text}} NOT NULL REFERENCES rules (id) ON DELETE CASCADE,
	version     {{int}}  NOT NULL, -- 1, 2, 3 …
	body        {{text}} NOT NULL, -- JSON; never changed
	note        {{text}} NOT NULL, -- why it was made
	made_at     {{int}}  NOT NULL,
	made_by     {{text}} NOT NULL,
	PRIMARY KEY (rule, version)
);
-- Grows with each change of a rule, so that all nodes notice.
CREATE TABLE rule_clock (
	one         {{int}}  PRIMARY KEY, -- always 1
	tick        {{int}}  NOT NULL,
	held        {{text}} NOT NULL  -- why nothing of all rules is done at present; empty: it is
);
INSERT INTO rule_clock (one, tick, held) VALUES (1, 0, '');

-- What happened, each once. What came of it stays for "why".
CREATE TABLE rule_events (
	id          {{text}} PRIMARY KEY, -- digest of type and key
	type        {{text}} NOT NULL,
	event_key   {{text}} NOT NULL,
	entry       {{text}} NOT NULL, -- entry id in the journal; empty without a mail
	at          {{int}}  NOT NULL,
	body        {{text}} NOT NULL, -- JSON of the event
	decided     {{text}} NOT NULL  -- JSON: the rules that were looked at and what they said; empty until then
);
CREATE INDEX rule_events_at ON rule_events (at);
CREATE INDEX rule_events_entry ON rule_events (entry) WHERE entry <> '';

CREATE TABLE rule_runs (
	id          {{text}} PRIMARY KEY, -- follows from the rule and the event
	rule        {{text}} NOT NULL,
	version     {{int}}  NOT NULL,
	mode        {{text}} NOT NULL, -- live or shadow
	state       {{text}} NOT NULL, -- running, waiting, done, failed, cancelled
	title       {{text}} NOT NULL, -- a line for people
	event       {{text}} NOT NULL, -- JSON
	why         {{text}} NOT NULL, -- JSON: the explanation tree of the condition
	reason      {{text}} NOT NULL, -- of failed and cancelled
	signals     {{int}}  NOT NULL, -- grows when something happens that the run may wait for
	made_at     {{int}}  NOT NULL,
	changed_at  {{int}}  NOT NULL,
	wake_at     {{int}}  NOT NULL  -- of waiting; 0: only when something happens
);
CREATE INDEX rule_runs_rule ON rule_runs (rule, made_at);
CREATE INDEX rule_runs_state ON rule_runs (state, changed_at);

CREATE TABLE rule_steps (
	run         {{text}} NOT NULL REFERENCES rule_runs (id) ON DELETE CASCADE,
	path        {{text}} NOT NULL, -- where it stands in the rule: 0, 1.0.2, 3[17].0
	step        {{text}} NOT NULL, -- its id in the rule
	kind        {{text}} NOT NULL,
	state       {{text}} NOT NULL, -- waiting, done, skipped, failed, stopped
	attempts    {{int}}  NOT NULL, -- failed ones
	due_at      {{int}}  NOT NULL, -- of waiting; 0: none
	output      {{text}} NOT NULL, -- JSON
	reason      {{text}} NOT NULL, -- of skipped and failed, or of the last attempt
	began_at    {{int}}  NOT NULL,
	changed_at  {{int}}  NOT NULL,
	PRIMARY KEY (run, path)
);

-- What a run waits for besides a time: an answer, a decision, a verdict on a mail.
CREATE TABLE rule_waits (
	run         {{text}} NOT NULL REFERENCES rule_runs (id) ON DELETE CASCADE,
	wait_key    {{text}} NOT NULL,
	PRIMARY KEY (run, wait_key)
);
CREATE INDEX rule_waits_key ON rule_waits (wait_key);

-- Each outside action. The id is what the outside world knows it by.
CREATE TABLE rule_effects (
	id          {{text}} PRIMARY KEY,
	run         {{text}} NOT NULL REFERENCES rule_runs (id) ON DELETE CASCADE,
	path        {{text}} NOT NULL,
	rule        {{text}} NOT NULL,
	kind        {{text}} NOT NULL, -- mail, notify, ticket, record, webhook …
	state       {{text}} NOT NULL, -- pending, done, failed, blocked (by a guard), shadow
	title       {{text}} NOT NULL,
	recipients  {{text}} NOT NULL, -- JSON list
	message_id  {{text}} NOT NULL, -- of a mail; empty otherwise
	output      {{text}} NOT NULL, -- JSON
	reason      {{text}} NOT NULL,
	made_at     {{int}}  NOT NULL,
	changed_at  {{int}}  NOT NULL
);
CREATE INDEX rule_effects_run ON rule_effects (run);
CREATE INDEX rule_effects_message ON rule_effects (message_id) WHERE message_id <> '';

-- How often an effect reached somebody, for the budgets. It goes when no budget looks so far back.
CREATE TABLE rule_counts (
	subject     {{text}} NOT NULL, -- rule, or rule and recipient, or rule and thread
	effect      {{text}} NOT NULL,
	at          {{int}}  NOT NULL,
	PRIMARY KEY (subject, effect)
);
CREATE INDEX rule_counts_at ON rule_counts (subject, at);

-- Files that steps made for later ones: reports, documents.
CREATE TABLE rule_files (
	run         {{text}} NOT NULL REFERENCES rule_runs (id) ON DELETE CASCADE,
	path        {{text}} NOT NULL, -- of the step
	position    {{int}}  NOT NULL,
	name        {{text}} NOT NULL,
	type        {{text}} NOT NULL, -- media type
	inline_id   {{text}} NOT NULL, -- Content-ID of a picture inside the text; empty: a file
	content     {{bytes}} NOT NULL,
	PRIMARY KEY (run, path, position)
);

-- What rules and people say of messages.
CREATE TABLE message_tags (
	message_key {{text}} NOT NULL,
	tag         {{text}} NOT NULL,
	set_by      {{text}} NOT NULL,
	set_at      {{int}}  NOT NULL,
	PRIMARY KEY (message_key, tag)
);
CREATE INDEX message_tags_tag ON message_tags (tag, set_at);

-- When schedules are due, and how far deadlines were looked at.
CREATE TABLE rule_times (
	rule        {{text}} NOT NULL,
	version     {{int}}  NOT NULL,
	next_at     {{int}}  NOT NULL,
	last_at     {{int}}  NOT NULL, -- 0: never
	reason      {{text}} NOT NULL, -- why the last look failed; empty: it did not
	PRIMARY KEY (rule)
);
CREATE INDEX rule_times_next ON rule_times (next_at);

-- +goose Down
DROP TABLE rule_times;
DROP TABLE message_tags;
DROP TABLE rule_files;
DROP TABLE rule_counts;
DROP TABLE rule_effects;
DROP TABLE rule_waits;
DROP TABLE rule_steps;
DROP TABLE rule_runs;
DROP TABLE rule_events;
DROP TABLE rule_clock;
DROP TABLE rule_versions;
DROP TABLE rules;
