-- What the console needs of rules: the message that a run is about, so that people find the runs of their mail; replays and previews.

-- +goose Up
ALTER TABLE rule_runs ADD COLUMN entry {{text}} NOT NULL DEFAULT '';   -- entry id in the journal; empty without a mail
ALTER TABLE rule_runs ADD COLUMN message {{text}} NOT NULL DEFAULT ''; -- key of the message
ALTER TABLE rule_runs ADD COLUMN account {{text}} NOT NULL DEFAULT ''; -- whose copy it was, lower case
{{sqlite}}
UPDATE rule_runs SET entry = COALESCE(json_extract(event, '$.entry'), ''), message = COALESCE(json_extract(event, '$.message'), ''),
	account = lower(COALESCE(json_extract(event, '$.data.mail.account'), ''));
{{end}}
{{postgres}}
UPDATE rule_runs SET entry = COALESCE(event::jsonb ->> 'entry', ''), message = COALESCE(event::jsonb ->> 'message', ''),
	account = lower(COALESCE(event::jsonb #>> '{data,mail,account}', ''));
{{end}}
CREATE INDEX rule_runs_made ON rule_runs (made_at);
CREATE INDEX rule_runs_entry ON rule_runs (entry) WHERE entry <> '';
CREATE INDEX rule_runs_message ON rule_runs (message) WHERE message <> '';
CREATE INDEX rule_runs_account ON rule_runs (account, made_at);

-- Rules tried on what happened, for one person each. A job of the queue has the same id.
CREATE TABLE rule_replays (
	id          {{text}} PRIMARY KEY,
	person      {{text}} NOT NULL,
	rule        {{text}} NOT NULL,
	request     {{text}} NOT NULL, -- JSON: what was asked, with the versions as they were
	state       {{text}} NOT NULL, -- queued, running, done, failed, cancelled
	progress    {{int}}  NOT NULL, -- per mille
	events      {{int}}  NOT NULL,
	error       {{text}} NOT NULL,
	result      {{text}} NOT NULL, -- JSON; empty until it is done
	made_at     {{int}}  NOT NULL,
	finished_at {{int}}  NOT NULL  -- 0 until then
);
CREATE INDEX rule_replays_person ON rule_replays (person, made_at);
CREATE INDEX rule_replays_made ON rule_replays (made_at);
-- What would have happened, and how two versions differ.
CREATE TABLE rule_replay_items (
	replay      {{text}} NOT NULL REFERENCES rule_replays (id) ON DELETE CASCADE,
	kind        {{text}} NOT NULL, -- run or difference
	place       {{int}}  NOT NULL, -- 0, 1, 2 …
	body        {{text}} NOT NULL, -- JSON
	PRIMARY KEY (replay, kind, place)
);

-- Pages of HTML that somebody looks at for a while.
CREATE TABLE rule_previews (
	id          {{text}} PRIMARY KEY,
	person      {{text}} NOT NULL,
	page        {{text}} NOT NULL,
	made_at     {{int}}  NOT NULL
);
CREATE INDEX rule_previews_made ON rule_previews (made_at);

-- +goose Down
DROP TABLE rule_previews;
DROP TABLE rule_replay_items;
DROP TABLE rule_replays;
DROP INDEX rule_runs_account;
DROP INDEX rule_runs_message;
DROP INDEX rule_runs_entry;
DROP INDEX rule_runs_made;
ALTER TABLE rule_runs DROP COLUMN account;
ALTER TABLE rule_runs DROP COLUMN message;
ALTER TABLE rule_runs DROP COLUMN entry;
