-- What internal/oauth keeps of access to others, and which mail accounts the gateway may sign in for.

-- +goose Up
CREATE TABLE grants (
	name       {{text}} PRIMARY KEY,         -- target:NAME or account:ADDRESS, the latter in lower case
	kind       {{text}} NOT NULL,            -- token, consent or password
	version    {{int}}  NOT NULL,            -- grows with each change of sealed; two rows of one name never share one
	sealed     {{bytes}} NOT NULL,           -- tokens and passwords, encrypted with the journal's master key and bound to the name
	expires_at {{int}}  NOT NULL DEFAULT 0,  -- of the access token; 0: there is none, or its vendor did not say
	granted_at {{int}}  NOT NULL,            -- when a person or the configuration last gave it
	fetched_at {{int}}  NOT NULL DEFAULT 0,  -- when the access token was got
	failed_at  {{int}}  NOT NULL DEFAULT 0,  -- when none could be got; 0: the last time one could
	trouble    {{text}} NOT NULL DEFAULT '', -- what the vendor said then
	busy_by    {{text}} NOT NULL DEFAULT '', -- who is getting a token now, so that no two do
	busy_until {{int}}  NOT NULL DEFAULT 0
);

CREATE TABLE enrolments (
	address     {{text}} PRIMARY KEY,         -- the account, lower case
	upstream    {{text}} NOT NULL,            -- its name in the configuration
	login       {{text}} NOT NULL,            -- the user name at the provider
	hash        {{text}} NOT NULL DEFAULT '', -- of the gateway password; empty: no mail program may use the grant
	enrolled_at {{int}}  NOT NULL,
	changed_at  {{int}}  NOT NULL
);

-- +goose Down
DROP TABLE enrolments;
DROP TABLE grants;
