-- The tables of internal/console/audit: who saw or changed what. Rows are only ever added, and removed from the oldest on when they are old. No
-- secrets and no texts of mails are in it.

-- +goose Up
CREATE TABLE audit_rows (
	seq         {{int}}  PRIMARY KEY, -- 1, 2, 3 … without a gap
	at          {{int}}  NOT NULL,
	until       {{int}}  NOT NULL, -- of repeated views the last time; otherwise as at
	count       {{int}}  NOT NULL, -- of repeated views; otherwise 1
	person      {{text}} NOT NULL, -- address, lower case; empty: nobody signed in
	role        {{text}} NOT NULL,
	via         {{text}} NOT NULL, -- session, token, link, command, gateway
	credential  {{text}} NOT NULL, -- id of the token, or the user of the command line
	address     {{text}} NOT NULL, -- of the client
	action      {{text}} NOT NULL,
	kind        {{text}} NOT NULL, -- of the object
	object      {{text}} NOT NULL, -- its id
	outcome     {{text}} NOT NULL, -- allowed, refused, failed
	details     {{text}} NOT NULL, -- JSON object; empty: none
	hash        {{text}} NOT NULL, -- over all of the above and the hash of the row before
	key         {{text}} NOT NULL, -- which key mac is made with
	mac         {{text}} NOT NULL  -- over hash
);
CREATE INDEX audit_rows_at ON audit_rows (at);
CREATE INDEX audit_rows_person ON audit_rows (person, seq);
CREATE INDEX audit_rows_action ON audit_rows (action, seq);
CREATE INDEX audit_rows_object ON audit_rows (object, seq) WHERE object <> '';

-- Where the chain ends. Whoever adds a row holds this one, so that no two follow the same.
CREATE TABLE audit_head (
	one         {{int}}  PRIMARY KEY, -- always 1
	seq         {{int}}  NOT NULL, -- of the last row; 0: there was none
	hash        {{text}} NOT NULL,
	key         {{text}} NOT NULL,
	mac         {{text}} NOT NULL
);
INSERT INTO audit_head (one, seq, hash, key, mac) VALUES (1, 0, '', '', '');

-- Where the chain begins after old rows were removed.
CREATE TABLE audit_checkpoints (
	seq         {{int}}  PRIMARY KEY, -- of the last row that was removed
	hash        {{text}} NOT NULL,
	at          {{int}}  NOT NULL,
	key         {{text}} NOT NULL,
	mac         {{text}} NOT NULL
);

-- Views that are still counted. They become rows of the chain.
CREATE TABLE audit_views (
	id          {{text}} PRIMARY KEY, -- digest of who, how and what
	at          {{int}}  NOT NULL, -- the first time
	until       {{int}}  NOT NULL,
	count       {{int}}  NOT NULL,
	person      {{text}} NOT NULL,
	role        {{text}} NOT NULL,
	via         {{text}} NOT NULL,
	credential  {{text}} NOT NULL,
	address     {{text}} NOT NULL,
	action      {{text}} NOT NULL,
	kind        {{text}} NOT NULL,
	object      {{text}} NOT NULL,
	outcome     {{text}} NOT NULL,
	details     {{text}} NOT NULL,
	key         {{text}} NOT NULL,
	mac         {{text}} NOT NULL
);
CREATE INDEX audit_views_at ON audit_views (at);

-- +goose Down
DROP TABLE audit_views;
DROP TABLE audit_checkpoints;
DROP TABLE audit_head;
DROP TABLE audit_rows;
