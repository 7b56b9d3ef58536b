-- Who may use the console and the API (internal/console/access), in which role, and whose mail they see.

-- +goose Up
CREATE TABLE access_people (
	id           {{text}} PRIMARY KEY,
	email        {{text}} NOT NULL UNIQUE,     -- lower case
	name         {{text}} NOT NULL,
	role         {{text}} NOT NULL,            -- admin, manager, agent, auditor
	scope        {{text}} NOT NULL,            -- own, team, all
	language     {{text}} NOT NULL,            -- zh, en; empty: as the browser says
	accounts     {{text}} NOT NULL,            -- JSON array of the person's own mail accounts, lower case
	disabled     {{int}}  NOT NULL DEFAULT 0,
	password     {{text}} NOT NULL DEFAULT '', -- argon2id in PHC form; empty: none
	issuer       {{text}} NOT NULL DEFAULT '', -- name of the OIDC issuer that knows the person
	subject      {{text}} NOT NULL DEFAULT '', -- what it calls the person
	wrong_codes  {{int}}  NOT NULL DEFAULT 0,  -- second factors that were wrong since the last right one
	codes_after  {{int}}  NOT NULL DEFAULT 0,  -- no further one before
	version      {{int}}  NOT NULL,            -- grows with each change that others see
	created_at   {{int}}  NOT NULL,
	signed_in_at {{int}}  NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX access_people_subject ON access_people (issuer, subject) WHERE subject <> '';

CREATE TABLE access_teams (
	id      {{text}} PRIMARY KEY,
	name    {{text}} NOT NULL UNIQUE,
	version {{int}}  NOT NULL
);

CREATE TABLE access_team_people (
	team    {{text}} NOT NULL REFERENCES access_teams (id) ON DELETE CASCADE,
	person  {{text}} NOT NULL REFERENCES access_people (id) ON DELETE CASCADE,
	manages {{int}}  NOT NULL, -- 1: with scope team the person sees the mail of all in the team
	PRIMARY KEY (team, person, manages)
);
CREATE INDEX access_team_people_person ON access_team_people (person);

-- One row: whoever changes who is an admin changes it first, so that two cannot take each other's last admin away.
CREATE TABLE access_clock (
	one     {{int}} PRIMARY KEY,
	changes {{int}} NOT NULL
);
INSERT INTO access_clock (one, changes) VALUES (1, 0);

-- +goose Down
DROP TABLE access_clock;
DROP TABLE access_team_people;
DROP TABLE access_teams;
DROP TABLE access_people;
