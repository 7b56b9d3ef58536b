-- The tables of the built-in CRM (crmclient/builtin).
-- "search" columns hold lower-cased text for substring search; the text of activities, which is much larger,
-- has an index of tokens instead.

-- +goose Up
CREATE TABLE crm_companies (
	id          {{id}},
	name        {{text}} NOT NULL,
	name_key    {{text}} NOT NULL, -- lower case, for finding a company by name
	domain      {{text}} UNIQUE,   -- registrable domain; null means none
	phone       {{text}} NOT NULL,
	website     {{text}} NOT NULL,
	address     {{text}} NOT NULL, -- postal
	owner       {{text}} NOT NULL, -- mail address of an employee; empty means nobody
	note        {{text}} NOT NULL,
	custom      {{text}} NOT NULL, -- JSON object
	version     {{int}}  NOT NULL, -- grows with each change
	created_at  {{int}}  NOT NULL,
	updated_at  {{int}}  NOT NULL,
	search      {{text}} NOT NULL
);
CREATE INDEX crm_companies_name ON crm_companies (name_key);

CREATE TABLE crm_contacts (
	id          {{id}},
	name        {{text}} NOT NULL,
	company_id  {{int}}  REFERENCES crm_companies (id) ON DELETE SET NULL,
	title       {{text}} NOT NULL,
	phone       {{text}} NOT NULL,
	mobile      {{text}} NOT NULL,
	owner       {{text}} NOT NULL,
	source      {{text}} NOT NULL, -- mail, import, manual
	note        {{text}} NOT NULL,
	custom      {{text}} NOT NULL,
	last_activity_at {{int}} NOT NULL, -- 0 means never
	version     {{int}}  NOT NULL,
	created_at  {{int}}  NOT NULL,
	updated_at  {{int}}  NOT NULL,
	search      {{text}} NOT NULL
);
CREATE INDEX crm_contacts_company ON crm_contacts (company_id, id);
CREATE INDEX crm_contacts_owner ON crm_contacts (owner, id);
CREATE INDEX crm_contacts_name ON crm_contacts (name);

CREATE TABLE crm_contact_addresses (
	address     {{text}} PRIMARY KEY, -- lower case: one person per address
	contact_id  {{int}}  NOT NULL REFERENCES crm_contacts (id) ON DELETE CASCADE,
	position    {{int}}  NOT NULL     -- 0 is the main one
);
CREATE INDEX crm_contact_addresses_contact ON crm_contact_addresses (contact_id, position);

CREATE TABLE crm_deals (
	id          {{id}},
	title       {{text}} NOT NULL,
	stage       {{text}} NOT NULL,
	amount      {{int}}  NOT NULL, -- minor units of the currency
	currency    {{text}} NOT NULL, -- ISO 4217
	owner       {{text}} NOT NULL,
	company_id  {{int}}  REFERENCES crm_companies (id) ON DELETE SET NULL,
	contact_id  {{int}}  REFERENCES crm_contacts (id) ON DELETE SET NULL,
	close_on    {{text}} NOT NULL, -- YYYY-MM-DD; empty means not known
	note        {{text}} NOT NULL,
	custom      {{text}} NOT NULL,
	version     {{int}}  NOT NULL,
	created_at  {{int}}  NOT NULL,
	updated_at  {{int}}  NOT NULL,
	search      {{text}} NOT NULL
);
CREATE INDEX crm_deals_stage ON crm_deals (stage, id);
CREATE INDEX crm_deals_owner ON crm_deals (owner, id);
CREATE INDEX crm_deals_company ON crm_deals (company_id, id);
CREATE INDEX crm_deals_contact ON crm_deals (contact_id, id);

CREATE TABLE crm_tickets (
	id          {{id}},
	subject     {{text}} NOT NULL,
	body        {{text}} NOT NULL,
	status      {{text}} NOT NULL,
	priority    {{text}} NOT NULL,
	assignee    {{text}} NOT NULL, -- mail address of an employee; empty means nobody
	contact_id  {{int}}  REFERENCES crm_contacts (id) ON DELETE SET NULL,
	custom      {{text}} NOT NULL,
	version     {{int}}  NOT NULL,
	created_at  {{int}}  NOT NULL,
	updated_at  {{int}}  NOT NULL,
	closed_at   {{int}}  NOT NULL, -- 0 while it is open
	search      {{text}} NOT NULL
);
CREATE INDEX crm_tickets_status ON crm_tickets (status, id);
CREATE INDEX crm_tickets_assignee ON crm_tickets (assignee, id);
CREATE INDEX crm_tickets_contact ON crm_tickets (contact_id, id);

CREATE TABLE crm_activities (
	id          {{id}},
	key         {{text}} NOT NULL UNIQUE, -- activity key
	message_id  {{text}} NOT NULL,
	thread      {{text}} NOT NULL,
	direction   {{text}} NOT NULL,
	subject     {{text}} NOT NULL,
	sent_at     {{int}}  NOT NULL,
	from_name   {{text}} NOT NULL,
	from_address {{text}} NOT NULL,
	people      {{text}} NOT NULL, -- JSON: to, cc, bcc
	body        {{text}} NOT NULL,
	body_unquoted {{text}} NOT NULL,
	html        {{text}} NOT NULL,
	accounts    {{text}} NOT NULL, -- JSON list
	sightings   {{text}} NOT NULL, -- JSON list
	flags       {{text}} NOT NULL, -- JSON list
	automated   {{int}}  NOT NULL,
	unconfirmed {{int}}  NOT NULL,
	created_at  {{int}}  NOT NULL,
	updated_at  {{int}}  NOT NULL
);
CREATE INDEX crm_activities_sent ON crm_activities (sent_at, id);
CREATE INDEX crm_activities_message ON crm_activities (message_id);
CREATE INDEX crm_activities_thread ON crm_activities (thread, sent_at) WHERE thread <> '';

-- Who took part, so that a contact made later finds its older mail.
CREATE TABLE crm_activity_people (
	address     {{text}} NOT NULL,
	activity_id {{int}}  NOT NULL REFERENCES crm_activities (id) ON DELETE CASCADE,
	PRIMARY KEY (address, activity_id)
);
CREATE INDEX crm_activity_people_activity ON crm_activity_people (activity_id);

CREATE TABLE crm_activity_contacts (
	contact_id  {{int}}  NOT NULL REFERENCES crm_contacts (id) ON DELETE CASCADE,
	activity_id {{int}}  NOT NULL REFERENCES crm_activities (id) ON DELETE CASCADE,
	sent_at     {{int}}  NOT NULL, -- of the activity, for the order of a timeline
	PRIMARY KEY (contact_id, activity_id)
);
CREATE INDEX crm_activity_contacts_time ON crm_activity_contacts (contact_id, sent_at, activity_id);
CREATE INDEX crm_activity_contacts_activity ON crm_activity_contacts (activity_id);

CREATE TABLE crm_attachments (
	activity_id {{int}}  NOT NULL REFERENCES crm_activities (id) ON DELETE CASCADE,
	position    {{int}}  NOT NULL,
	name        {{text}} NOT NULL,
	type        {{text}} NOT NULL,
	size        {{int}}  NOT NULL, -- decoded bytes
	sha256      {{text}} NOT NULL,
	inline      {{int}}  NOT NULL,
	entry       {{text}} NOT NULL, -- the content is in the journal, in this entry
	PRIMARY KEY (activity_id, position)
);

-- Search tokens of activities. Both engines: id and something that matches a list of tokens.
{{sqlite}}
CREATE VIRTUAL TABLE crm_activity_tokens USING fts5(
	tokens, content='', contentless_delete=1,
	tokenize="unicode61 remove_diacritics 0 categories 'L* N* M* Co'"
);
{{end}}
{{postgres}}
CREATE TABLE crm_activity_tokens (
	rowid  BIGINT PRIMARY KEY REFERENCES crm_activities (id) ON DELETE CASCADE,
	tokens TEXT[] NOT NULL
);
CREATE INDEX crm_activity_tokens_gin ON crm_activity_tokens USING gin (tokens);
{{end}}

-- +goose Down
DROP TABLE crm_activity_tokens;
DROP TABLE crm_attachments;
DROP TABLE crm_activity_contacts;
DROP TABLE crm_activity_people;
DROP TABLE crm_activities;
DROP TABLE crm_tickets;
DROP TABLE crm_deals;
DROP TABLE crm_contact_addresses;
DROP TABLE crm_contacts;
DROP TABLE crm_companies;
