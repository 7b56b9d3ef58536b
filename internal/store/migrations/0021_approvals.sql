-- What rules ask people to decide (hooks/rules): steps "approve", and the first mails of a version. What was shown is in it; it goes with the run.

-- +goose Up
CREATE TABLE rule_approvals (
	id          {{text}} PRIMARY KEY, -- of the effect
	kind        {{text}} NOT NULL, -- step, or mail: one of the first mails of a version
	run         {{text}} NOT NULL REFERENCES rule_runs (id) ON DELETE CASCADE,
	path        {{text}} NOT NULL,
	rule        {{text}} NOT NULL,
	version     {{int}}  NOT NULL,
	need        {{int}}  NOT NULL, -- how many have to say yes
	shown       {{text}} NOT NULL, -- JSON of what is to be decided; never changed
	hash        {{text}} NOT NULL, -- of id and shown
	initiators  {{text}} NOT NULL, -- JSON list of addresses: who caused it and may not decide
	comment     {{int}}  NOT NULL, -- 1: who refuses says why
	state       {{text}} NOT NULL, -- open, approved, refused, expired
	asked_at    {{int}}  NOT NULL,
	expires_at  {{int}}  NOT NULL,
	decided_at  {{int}}  NOT NULL, -- 0 while open
	changes     {{int}}  NOT NULL  -- grows with each change: whoever changes it holds the row
);
CREATE INDEX rule_approvals_run ON rule_approvals (run);
CREATE INDEX rule_approvals_state ON rule_approvals (state, asked_at);

-- Who is asked, and what they said. Rows are added by delegation and escalation, and never removed.
CREATE TABLE rule_approvers (
	approval    {{text}} NOT NULL REFERENCES rule_approvals (id) ON DELETE CASCADE,
	position    {{int}}  NOT NULL, -- from 0
	person      {{text}} NOT NULL, -- address, lower case
	name        {{text}} NOT NULL,
	escalated   {{int}}  NOT NULL, -- 1: the word of this one decides
	from_person {{text}} NOT NULL, -- who handed the vote over; empty: nobody
	asked_at    {{int}}  NOT NULL,
	nonce       {{text}} NOT NULL, -- random; the token follows from it and a key that is not in the database
	token_hash  {{text}} NOT NULL, -- SHA-256 of the token in the link; empty until there is one
	token_shows {{text}} NOT NULL, -- hash of the approval that the link is for
	decision    {{text}} NOT NULL, -- approved, refused, delegated; empty until then
	comment     {{text}} NOT NULL,
	via         {{text}} NOT NULL, -- link, command line …
	decided_at  {{int}}  NOT NULL,
	PRIMARY KEY (approval, position)
);
CREATE UNIQUE INDEX rule_approvers_person ON rule_approvers (approval, person);
CREATE UNIQUE INDEX rule_approvers_token ON rule_approvers (token_hash) WHERE token_hash <> '';

-- The first mails of a version, which wait for approval. They stay when the run is removed.
CREATE TABLE rule_firsts (
	rule        {{text}} NOT NULL,
	version     {{int}}  NOT NULL,
	effect      {{text}} NOT NULL, -- id of the approval
	run         {{text}} NOT NULL,
	state       {{text}} NOT NULL, -- that of the approval
	PRIMARY KEY (rule, version, effect)
);

-- +goose Down
DROP TABLE rule_firsts;
DROP TABLE rule_approvers;
DROP TABLE rule_approvals;
