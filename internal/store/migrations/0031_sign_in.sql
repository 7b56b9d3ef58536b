-- How people prove who they are (internal/console/access). Of each secret that a browser or program sends there is a hash only.

-- +goose Up
CREATE TABLE access_sessions (
	id           {{text}} PRIMARY KEY,     -- shown to the person
	hash         {{text}} NOT NULL UNIQUE, -- SHA-256 of the cookie
	person       {{text}} NOT NULL REFERENCES access_people (id) ON DELETE CASCADE,
	state        {{text}} NOT NULL,        -- done; half: the second factor is missing
	kind         {{text}} NOT NULL,        -- how it began: password, mailbox, oidc, passkey, setup
	device       {{text}} NOT NULL,
	address      {{text}} NOT NULL,        -- of the client
	tries        {{int}}  NOT NULL,        -- second factors that were wrong
	created_at   {{int}}  NOT NULL,
	used_at      {{int}}  NOT NULL,        -- to the minute
	proven_at    {{int}}  NOT NULL,        -- when the person last proved who it is
	expires_at   {{int}}  NOT NULL
);
CREATE INDEX access_sessions_person ON access_sessions (person);
CREATE INDEX access_sessions_end ON access_sessions (expires_at);

CREATE TABLE access_tokens (
	id          {{text}} PRIMARY KEY,
	hash        {{text}} NOT NULL UNIQUE, -- SHA-256 of the token
	person      {{text}} NOT NULL REFERENCES access_people (id) ON DELETE CASCADE,
	name        {{text}} NOT NULL,
	permissions {{text}} NOT NULL,        -- JSON array
	created_at  {{int}}  NOT NULL,
	expires_at  {{int}}  NOT NULL,
	used_at     {{int}}  NOT NULL DEFAULT 0
);
CREATE INDEX access_tokens_person ON access_tokens (person);

CREATE TABLE access_factors (
	id         {{text}}  PRIMARY KEY,
	person     {{text}}  NOT NULL REFERENCES access_people (id) ON DELETE CASCADE,
	kind       {{text}}  NOT NULL,            -- totp, passkey
	name       {{text}}  NOT NULL,
	sealed     {{bytes}} NOT NULL,            -- the secret, or the credential in JSON; encrypted with the master key and bound to the id
	credential {{text}}  NOT NULL DEFAULT '', -- of a passkey: its id, base64url
	step       {{int}}   NOT NULL DEFAULT 0,  -- of an authenticator app: the last time step that was used (RFC 6238, 5.2)
	confirmed  {{int}}   NOT NULL,            -- 0: begun only
	created_at {{int}}   NOT NULL,
	used_at    {{int}}   NOT NULL DEFAULT 0
);
CREATE INDEX access_factors_person ON access_factors (person);
CREATE UNIQUE INDEX access_factors_credential ON access_factors (credential) WHERE credential <> '';

CREATE TABLE access_recovery_codes (
	person {{text}} NOT NULL REFERENCES access_people (id) ON DELETE CASCADE,
	hash   {{text}} NOT NULL, -- SHA-256 of the code, which is random
	PRIMARY KEY (person, hash)
);

-- What a browser has begun and comes back to: passkeys, sign-ins at an issuer.
CREATE TABLE access_ceremonies (
	hash       {{text}} PRIMARY KEY, -- SHA-256 of its name
	kind       {{text}} NOT NULL,
	person     {{text}} NOT NULL,    -- empty: nobody is known yet
	data       {{text}} NOT NULL,    -- JSON
	expires_at {{int}}  NOT NULL
);
CREATE INDEX access_ceremonies_end ON access_ceremonies (expires_at);

-- Links that work once.
CREATE TABLE access_links (
	hash       {{text}} PRIMARY KEY, -- SHA-256 of the token
	kind       {{text}} NOT NULL,    -- first_admin, password
	person     {{text}} NOT NULL,    -- whose password it sets; empty for first_admin
	expires_at {{int}}  NOT NULL
);

-- +goose Down
DROP TABLE access_links;
DROP TABLE access_ceremonies;
DROP TABLE access_recovery_codes;
DROP TABLE access_factors;
DROP TABLE access_tokens;
DROP TABLE access_sessions;
