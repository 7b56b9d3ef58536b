-- The tables of package hooks/contacts: what is known of the contacts of each target without asking it, and what
-- the built-in CRM needs to tell of its changes. Only names and numbers of people are here, no mail.

-- +goose Up
CREATE TABLE contact_syncs (
	target      {{text}} PRIMARY KEY,
	step        {{int}}  NOT NULL, -- grows with each page; who finds another one than it read has lost a race
	phase       {{text}} NOT NULL, -- list, follow
	generation  {{int}}  NOT NULL, -- of the listing; records of an older one are gone when it ends
	list_cursor {{text}} NOT NULL, -- of the next page
	change_cursor {{text}} NOT NULL, -- from before the listing began; empty where the target tells no changes
	started_at  {{int}}  NOT NULL, -- when the listing began
	listed_at   {{int}}  NOT NULL, -- when a listing last ended; 0: never
	polled_at   {{int}}  NOT NULL, -- when the target last had nothing newer; 0: not since the listing began
	not_before  {{int}}  NOT NULL, -- the target wants to be left alone until then
	failures    {{int}}  NOT NULL, -- in a row
	reason      {{text}} NOT NULL  -- of the last failure; empty while all is well
);

CREATE TABLE contact_records (
	target      {{text}} NOT NULL,
	id          {{text}} NOT NULL, -- the target's own
	record      {{text}} NOT NULL, -- JSON, as the target last said
	times       {{text}} NOT NULL, -- JSON: when each field got its value, in microseconds
	remote_at   {{int}}  NOT NULL, -- when the target says it was changed; 0: it does not say
	seen_at     {{int}}  NOT NULL,
	generation  {{int}}  NOT NULL,
	deleted     {{int}}  NOT NULL,
	merged_into {{text}} NOT NULL, -- by the target; empty means not
	joined_into {{text}} NOT NULL, -- by us; empty means not
	unchecked   {{int}}  NOT NULL, -- 1 until duplicates were looked for
	search      {{text}} NOT NULL, -- tokens between blanks
	PRIMARY KEY (target, id)
);
CREATE INDEX contact_records_unchecked ON contact_records (target, id) WHERE unchecked = 1;
CREATE INDEX contact_records_joined ON contact_records (target, joined_into) WHERE joined_into <> '';

-- What a contact is found by, and what duplicates have in common.
CREATE TABLE contact_keys (
	target      {{text}} NOT NULL,
	kind        {{text}} NOT NULL, -- address, domain, phone, name
	key         {{text}} NOT NULL, -- in its normal form
	contact     {{text}} NOT NULL,
	PRIMARY KEY (target, kind, key, contact)
);
CREATE INDEX contact_keys_contact ON contact_keys (target, contact);

-- What other sources than the target say, the latest of each.
CREATE TABLE contact_values (
	target      {{text}} NOT NULL,
	contact     {{text}} NOT NULL,
	field       {{text}} NOT NULL,
	origin      {{text}} NOT NULL, -- signature, import
	value       {{text}} NOT NULL,
	at          {{int}}  NOT NULL,
	push        {{int}}  NOT NULL, -- 1 while it is to be written to the target
	base        {{text}} NOT NULL, -- what the target had when that was decided
	refused     {{text}} NOT NULL, -- why the target did not take it; empty means it did, or was not asked
	PRIMARY KEY (target, contact, field, origin)
);

CREATE TABLE contact_conflicts (
	id          {{id}},
	target      {{text}} NOT NULL,
	contact     {{text}} NOT NULL,
	field       {{text}} NOT NULL,
	origin      {{text}} NOT NULL,
	value       {{text}} NOT NULL, -- of the origin
	at          {{int}}  NOT NULL,
	crm_value   {{text}} NOT NULL,
	crm_at      {{int}}  NOT NULL,
	state       {{text}} NOT NULL, -- open, crm, other, agreed, superseded, gone
	decided_at  {{int}}  NOT NULL  -- 0 while open
);
CREATE UNIQUE INDEX contact_conflicts_open ON contact_conflicts (target, contact, field, origin) WHERE state = 'open';
CREATE INDEX contact_conflicts_contact ON contact_conflicts (target, contact, field);

CREATE TABLE contact_duplicates (
	target      {{text}} NOT NULL,
	a           {{text}} NOT NULL, -- the lower id
	b           {{text}} NOT NULL,
	score       {{int}}  NOT NULL, -- percent
	reason      {{text}} NOT NULL,
	state       {{text}} NOT NULL, -- proposed, merged, undone
	found_at    {{int}}  NOT NULL,
	PRIMARY KEY (target, a, b)
);
CREATE INDEX contact_duplicates_state ON contact_duplicates (target, state, score);

CREATE TABLE contact_merges (
	id          {{id}},
	target      {{text}} NOT NULL,
	survivor    {{text}} NOT NULL,
	other       {{text}} NOT NULL,
	before      {{text}} NOT NULL, -- JSON: both records as they were
	automatic   {{int}}  NOT NULL,
	in_crm      {{int}}  NOT NULL, -- 1: the target was asked to do the same
	merged_at   {{int}}  NOT NULL,
	undone_at   {{int}}  NOT NULL
);

-- The built-in CRM: each change of a contact takes the next number, under a lock, so that who has seen a number has seen
-- all below it.
CREATE TABLE crm_contact_clock (
	one         {{int}}  PRIMARY KEY, -- always 1
	seq         {{int}}  NOT NULL
);
INSERT INTO crm_contact_clock (one, seq) SELECT 1, COALESCE(MAX(id), 0) FROM crm_contacts;
ALTER TABLE crm_contacts ADD COLUMN changed_seq {{int}} NOT NULL DEFAULT 0;
UPDATE crm_contacts SET changed_seq = id;
CREATE INDEX crm_contacts_changed ON crm_contacts (changed_seq, id);
CREATE TABLE crm_contact_tombstones (
	id          {{int}}  PRIMARY KEY, -- of the contact that was
	merged_into {{int}}  NOT NULL,    -- 0 means deleted
	deleted_at  {{int}}  NOT NULL,
	changed_seq {{int}}  NOT NULL
);
CREATE INDEX crm_contact_tombstones_changed ON crm_contact_tombstones (changed_seq, id);

-- +goose Down
DROP TABLE crm_contact_tombstones;
DROP INDEX crm_contacts_changed;
ALTER TABLE crm_contacts DROP COLUMN changed_seq;
DROP TABLE crm_contact_clock;
DROP TABLE contact_merges;
DROP TABLE contact_duplicates;
DROP TABLE contact_conflicts;
DROP TABLE contact_values;
DROP TABLE contact_keys;
DROP TABLE contact_records;
DROP TABLE contact_syncs;
