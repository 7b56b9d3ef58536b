-- The review queue of package hooks/mirror, and what the built-in CRM needs for leads, companies and owners of mail.

-- +goose Up
-- Correspondents whom a CRM did not know, and what was decided of them. No content of mail is here.
CREATE TABLE reviews (
	subject     {{text}} PRIMARY KEY, -- an address in its canonical form, or @ and a domain in ASCII
	domain      {{text}} NOT NULL,    -- in ASCII
	name        {{text}} NOT NULL,    -- as the person was last called in mail
	first_seen  {{int}}  NOT NULL,
	last_seen   {{int}}  NOT NULL,
	state       {{text}} NOT NULL,    -- open, decided
	decision    {{text}} NOT NULL,    -- contact, lead, link, skip, ignore; empty while open
	link        {{text}} NOT NULL,    -- id of the contact in the target, with the decision link
	target      {{text}} NOT NULL,    -- that link belongs to
	decided_at  {{int}}  NOT NULL,
	suggestions {{text}} NOT NULL     -- JSON: who it may be
);
CREATE INDEX reviews_open ON reviews (last_seen, subject) WHERE state = 'open';
CREATE INDEX reviews_domain ON reviews (domain);

-- Messages of such people: those that wait for a decision, those that have one and are to go on, and those that targets
-- have without the contact, or do not have because of the decision, so that another decision can be applied to them.
CREATE TABLE review_messages (
	subject     {{text}} NOT NULL, -- an address in its canonical form
	message_key {{text}} NOT NULL,
	target      {{text}} NOT NULL,
	state       {{text}} NOT NULL, -- waiting, due, done
	decision    {{text}} NOT NULL, -- that holds for this message; empty while it waits
	at          {{int}}  NOT NULL, -- when the message was captured
	PRIMARY KEY (subject, message_key, target)
);
CREATE INDEX review_messages_message ON review_messages (message_key, subject);
CREATE INDEX review_messages_waiting ON review_messages (target, message_key) WHERE state = 'waiting';
CREATE INDEX review_messages_due ON review_messages (at, message_key) WHERE state = 'due';

ALTER TABLE crm_contacts ADD COLUMN kind {{text}} NOT NULL DEFAULT 'contact'; -- contact, lead
ALTER TABLE crm_activities ADD COLUMN owner {{text}} NOT NULL DEFAULT '';     -- mail address of an employee; empty means nobody
CREATE TABLE crm_activity_companies (
	company_id  {{int}}  NOT NULL REFERENCES crm_companies (id) ON DELETE CASCADE,
	activity_id {{int}}  NOT NULL REFERENCES crm_activities (id) ON DELETE CASCADE,
	sent_at     {{int}}  NOT NULL, -- of the activity, for the order of a timeline
	PRIMARY KEY (company_id, activity_id)
);
CREATE INDEX crm_activity_companies_activity ON crm_activity_companies (activity_id);

-- +goose Down
DROP TABLE crm_activity_companies;
ALTER TABLE crm_activities DROP COLUMN owner;
ALTER TABLE crm_contacts DROP COLUMN kind;
DROP TABLE review_messages;
DROP TABLE reviews;
