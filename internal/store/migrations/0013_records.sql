-- The tables of package hooks/changes: what is known of the records of each target, and how they changed; and what the
-- built-in CRM needs to tell of its own changes.

-- +goose Up
CREATE TABLE change_watches (
	target      {{text}} NOT NULL,
	object      {{text}} NOT NULL, -- the target's own name of it
	fields      {{text}} NOT NULL, -- JSON list of the watched fields, sorted
	step        {{int}}  NOT NULL, -- grows with each write; who finds another one than it read has lost a race
	phase       {{text}} NOT NULL, -- learn: all records are read, and nothing is told; follow; compare: all are read, and differences are told
	generation  {{int}}  NOT NULL, -- of learning and comparing; records of an older one are looked for one by one when it ends
	change_cursor {{text}} NOT NULL, -- where following goes on; from before learning or comparing began
	page_cursor {{text}} NOT NULL, -- of learning and comparing
	learned     {{int}}  NOT NULL, -- 1: all records were read once, so that a record that is not known is new
	polled_at   {{int}}  NOT NULL, -- when the target last had nothing newer; 0: not yet
	not_before  {{int}}  NOT NULL, -- the target wants to be left alone until then
	failures    {{int}}  NOT NULL, -- in a row
	reason      {{text}} NOT NULL, -- of the last failure; empty while all is well
	PRIMARY KEY (target, object)
);

-- The last seen values, without mail.
CREATE TABLE change_records (
	target      {{text}} NOT NULL,
	object      {{text}} NOT NULL,
	record      {{text}} NOT NULL, -- the target's own id
	vals        {{text}} NOT NULL, -- JSON object of the watched fields
	generation  {{int}}  NOT NULL,
	PRIMARY KEY (target, object, record)
);
CREATE INDEX change_records_generation ON change_records (target, object, generation, record);

-- Each change takes the next number, under a lock, so that who has seen a number has seen all below it.
CREATE TABLE change_clock (
	one         {{int}}  PRIMARY KEY, -- always 1
	seq         {{int}}  NOT NULL
);
INSERT INTO change_clock (one, seq) VALUES (1, 0);
CREATE TABLE change_events (
	seq         {{int}}  PRIMARY KEY,
	target      {{text}} NOT NULL,
	object      {{text}} NOT NULL,
	record      {{text}} NOT NULL,
	kind        {{text}} NOT NULL, -- made, changed, deleted
	fields      {{text}} NOT NULL, -- JSON object: the changed fields, each with old and new value
	who         {{text}} NOT NULL, -- the target's user, where it tells
	url         {{text}} NOT NULL,
	changed_at  {{int}}  NOT NULL, -- by the target; 0: it does not tell
	seen_at     {{int}}  NOT NULL
);
CREATE INDEX change_events_seen ON change_events (seen_at);
CREATE TABLE change_consumers (
	name        {{text}} PRIMARY KEY,
	seq         {{int}}  NOT NULL, -- of the last change that it has dealt with
	at          {{int}}  NOT NULL
);

-- Records that are to be read again at once, because a webhook told of them.
CREATE TABLE change_wakes (
	target      {{text}} NOT NULL,
	object      {{text}} NOT NULL,
	record      {{text}} NOT NULL,
	asked       {{int}}  NOT NULL, -- grows each time, so that a wake during the reading is not lost
	at          {{int}}  NOT NULL,
	PRIMARY KEY (target, object, record)
);

-- What the gateway itself wrote, so that it is not told as a change.
CREATE TABLE change_echoes (
	target      {{text}} NOT NULL,
	object      {{text}} NOT NULL,
	record      {{text}} NOT NULL,
	field       {{text}} NOT NULL,
	hash        {{text}} NOT NULL, -- of the value
	at          {{int}}  NOT NULL,
	PRIMARY KEY (target, object, record, field)
);
CREATE INDEX change_echoes_at ON change_echoes (at);

-- The built-in CRM: the record that was made with a key.
CREATE TABLE crm_keys (
	object      {{text}} NOT NULL,
	key         {{text}} NOT NULL,
	record      {{int}}  NOT NULL,
	PRIMARY KEY (object, key)
);
CREATE INDEX crm_keys_record ON crm_keys (object, record);

-- The built-in CRM: each change of a record with the values from before. The numbers are of crm_contact_clock: one lock for all,
-- so that two writers never wait for each other. The oldest go when 200,000 newer numbers were taken.
CREATE TABLE crm_changes (
	seq         {{int}}  PRIMARY KEY,
	object      {{text}} NOT NULL, -- companies, contacts, deals, tickets
	record      {{int}}  NOT NULL,
	action      {{text}} NOT NULL, -- insert, update, delete
	old         {{text}} NOT NULL, -- JSON object of the columns as they were; empty for a new record
	own         {{int}}  NOT NULL  -- 1: written through the connector
);
CREATE INDEX crm_changes_object ON crm_changes (object, seq);

{{sqlite}}
-- +goose StatementBegin
CREATE TRIGGER crm_companies_made AFTER INSERT ON crm_companies BEGIN
	UPDATE crm_contact_clock SET seq = seq + 1 WHERE one = 1;
	INSERT INTO crm_changes SELECT seq, 'companies', NEW.id, 'insert', '', 0 FROM crm_contact_clock WHERE one = 1;
	DELETE FROM crm_changes WHERE seq < (SELECT seq - 200000 FROM crm_contact_clock WHERE one = 1);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER crm_companies_changed AFTER UPDATE ON crm_companies
WHEN (OLD.name, COALESCE(OLD.domain, ''), OLD.phone, OLD.website, OLD.address, OLD.owner, OLD.note, OLD.custom)
	IS NOT (NEW.name, COALESCE(NEW.domain, ''), NEW.phone, NEW.website, NEW.address, NEW.owner, NEW.note, NEW.custom) BEGIN
	UPDATE crm_contact_clock SET seq = seq + 1 WHERE one = 1;
	INSERT INTO crm_changes SELECT seq, 'companies', OLD.id, 'update', json_object('name', OLD.name, 'domain', COALESCE(OLD.domain, ''),
		'phone', OLD.phone, 'website', OLD.website, 'address', OLD.address, 'owner', OLD.owner, 'note', OLD.note, 'custom', json(COALESCE(NULLIF(OLD.custom, ''), '{}'))),
		0 FROM crm_contact_clock WHERE one = 1;
	DELETE FROM crm_changes WHERE seq < (SELECT seq - 200000 FROM crm_contact_clock WHERE one = 1);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER crm_companies_gone AFTER DELETE ON crm_companies BEGIN
	UPDATE crm_contact_clock SET seq = seq + 1 WHERE one = 1;
	DELETE FROM crm_keys WHERE object = 'companies' AND record = OLD.id;
	INSERT INTO crm_changes SELECT seq, 'companies', OLD.id, 'delete', '', 0 FROM crm_contact_clock WHERE one = 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER crm_contacts_made AFTER INSERT ON crm_contacts BEGIN
	UPDATE crm_contact_clock SET seq = seq + 1 WHERE one = 1;
	INSERT INTO crm_changes SELECT seq, 'contacts', NEW.id, 'insert', '', 0 FROM crm_contact_clock WHERE one = 1;
	DELETE FROM crm_changes WHERE seq < (SELECT seq - 200000 FROM crm_contact_clock WHERE one = 1);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER crm_contacts_told AFTER UPDATE ON crm_contacts
WHEN (OLD.name, OLD.kind, COALESCE(OLD.company_id, 0), OLD.title, OLD.phone, OLD.mobile, OLD.owner, OLD.source, OLD.note, OLD.custom, OLD.search)
	IS NOT (NEW.name, NEW.kind, COALESCE(NEW.company_id, 0), NEW.title, NEW.phone, NEW.mobile, NEW.owner, NEW.source, NEW.note, NEW.custom, NEW.search) BEGIN
	UPDATE crm_contact_clock SET seq = seq + 1 WHERE one = 1;
	INSERT INTO crm_changes SELECT seq, 'contacts', OLD.id, 'update', json_object('name', OLD.name, 'kind', OLD.kind,
		'company_id', COALESCE(OLD.company_id, 0), 'title', OLD.title, 'phone', OLD.phone, 'mobile', OLD.mobile, 'owner', OLD.owner,
		'source', OLD.source, 'note', OLD.note, 'custom', json(COALESCE(NULLIF(OLD.custom, ''), '{}'))), 0 FROM crm_contact_clock WHERE one = 1;
	DELETE FROM crm_changes WHERE seq < (SELECT seq - 200000 FROM crm_contact_clock WHERE one = 1);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER crm_contacts_gone AFTER DELETE ON crm_contacts BEGIN
	UPDATE crm_contact_clock SET seq = seq + 1 WHERE one = 1;
	DELETE FROM crm_keys WHERE object = 'contacts' AND record = OLD.id;
	INSERT INTO crm_changes SELECT seq, 'contacts', OLD.id, 'delete', '', 0 FROM crm_contact_clock WHERE one = 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER crm_deals_made AFTER INSERT ON crm_deals BEGIN
	UPDATE crm_contact_clock SET seq = seq + 1 WHERE one = 1;
	INSERT INTO crm_changes SELECT seq, 'deals', NEW.id, 'insert', '', 0 FROM crm_contact_clock WHERE one = 1;
	DELETE FROM crm_changes WHERE seq < (SELECT seq - 200000 FROM crm_contact_clock WHERE one = 1);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER crm_deals_changed AFTER UPDATE ON crm_deals
WHEN (OLD.title, OLD.stage, OLD.amount, OLD.currency, OLD.owner, COALESCE(OLD.company_id, 0), COALESCE(OLD.contact_id, 0), OLD.close_on, OLD.note, OLD.custom)
	IS NOT (NEW.title, NEW.stage, NEW.amount, NEW.currency, NEW.owner, COALESCE(NEW.company_id, 0), COALESCE(NEW.contact_id, 0), NEW.close_on, NEW.note, NEW.custom) BEGIN
	UPDATE crm_contact_clock SET seq = seq + 1 WHERE one = 1;
	INSERT INTO crm_changes SELECT seq, 'deals', OLD.id, 'update', json_object('title', OLD.title, 'stage', OLD.stage, 'amount', OLD.amount,
		'currency', OLD.currency, 'owner', OLD.owner, 'company_id', COALESCE(OLD.company_id, 0), 'contact_id', COALESCE(OLD.contact_id, 0),
		'close_on', OLD.close_on, 'note', OLD.note, 'custom', json(COALESCE(NULLIF(OLD.custom, ''), '{}'))), 0 FROM crm_contact_clock WHERE one = 1;
	DELETE FROM crm_changes WHERE seq < (SELECT seq - 200000 FROM crm_contact_clock WHERE one = 1);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER crm_deals_gone AFTER DELETE ON crm_deals BEGIN
	UPDATE crm_contact_clock SET seq = seq + 1 WHERE one = 1;
	DELETE FROM crm_keys WHERE object = 'deals' AND record = OLD.id;
	INSERT INTO crm_changes SELECT seq, 'deals', OLD.id, 'delete', '', 0 FROM crm_contact_clock WHERE one = 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER crm_tickets_made AFTER INSERT ON crm_tickets BEGIN
	UPDATE crm_contact_clock SET seq = seq + 1 WHERE one = 1;
	INSERT INTO crm_changes SELECT seq, 'tickets', NEW.id, 'insert', '', 0 FROM crm_contact_clock WHERE one = 1;
	DELETE FROM crm_changes WHERE seq < (SELECT seq - 200000 FROM crm_contact_clock WHERE one = 1);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER crm_tickets_changed AFTER UPDATE ON crm_tickets
WHEN (OLD.subject, OLD.body, OLD.status, OLD.priority, OLD.assignee, COALESCE(OLD.contact_id, 0), OLD.custom)
	IS NOT (NEW.subject, NEW.body, NEW.status, NEW.priority, NEW.assignee, COALESCE(NEW.contact_id, 0), NEW.custom) BEGIN
	UPDATE crm_contact_clock SET seq = seq + 1 WHERE one = 1;
	INSERT INTO crm_changes SELECT seq, 'tickets', OLD.id, 'update', json_object('subject', OLD.subject, 'body', OLD.body, 'status', OLD.status,
		'priority', OLD.priority, 'assignee', OLD.assignee, 'contact_id', COALESCE(OLD.contact_id, 0), 'custom', json(COALESCE(NULLIF(OLD.custom, ''), '{}'))),
		0 FROM crm_contact_clock WHERE one = 1;
	DELETE FROM crm_changes WHERE seq < (SELECT seq - 200000 FROM crm_contact_clock WHERE one = 1);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER crm_tickets_gone AFTER DELETE ON crm_tickets BEGIN
	UPDATE crm_contact_clock SET seq = seq + 1 WHERE one = 1;
	DELETE FROM crm_keys WHERE object = 'tickets' AND record = OLD.id;
	INSERT INTO crm_changes SELECT seq, 'tickets', OLD.id, 'delete', '', 0 FROM crm_contact_clock WHERE one = 1;
END;
-- +goose StatementEnd
{{end}}
{{postgres}}
-- +goose StatementBegin
CREATE FUNCTION crm_note_change() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
	own_columns TEXT[] := ARRAY['id', 'name_key', 'version', 'created_at', 'updated_at', 'closed_at', 'last_activity_at', 'changed_seq'];
	before JSONB;
	now_at BIGINT;
	number BIGINT;
BEGIN
	IF TG_OP = 'UPDATE' THEN
		before := to_jsonb(OLD) - own_columns;
		IF before = to_jsonb(NEW) - own_columns THEN
			RETURN NULL;
		END IF;
		before := jsonb_set(before - 'search', '{custom}', COALESCE(NULLIF(OLD.custom, ''), '{}')::jsonb);
	END IF;
	IF TG_OP = 'DELETE' THEN
		number := OLD.id;
		DELETE FROM crm_keys WHERE object = TG_ARGV[0] AND record = OLD.id;
	ELSE
		number := NEW.id;
	END IF;
	UPDATE crm_contact_clock SET seq = seq + 1 WHERE one = 1 RETURNING seq INTO now_at;
	INSERT INTO crm_changes (seq, object, record, action, old, own)
		VALUES (now_at, TG_ARGV[0], number, lower(TG_OP), COALESCE(before::text, ''), 0);
	DELETE FROM crm_changes WHERE seq < now_at - 200000;
	RETURN NULL;
END
$body$;
-- +goose StatementEnd
CREATE TRIGGER crm_companies_changed AFTER INSERT OR UPDATE OR DELETE ON crm_companies FOR EACH ROW EXECUTE FUNCTION crm_note_change('companies');
CREATE TRIGGER crm_contacts_told AFTER INSERT OR UPDATE OR DELETE ON crm_contacts FOR EACH ROW EXECUTE FUNCTION crm_note_change('contacts');
CREATE TRIGGER crm_deals_changed AFTER INSERT OR UPDATE OR DELETE ON crm_deals FOR EACH ROW EXECUTE FUNCTION crm_note_change('deals');
CREATE TRIGGER crm_tickets_changed AFTER INSERT OR UPDATE OR DELETE ON crm_tickets FOR EACH ROW EXECUTE FUNCTION crm_note_change('tickets');
{{end}}

-- +goose Down
{{sqlite}}
DROP TRIGGER crm_companies_made;
DROP TRIGGER crm_companies_changed;
DROP TRIGGER crm_companies_gone;
DROP TRIGGER crm_contacts_made;
DROP TRIGGER crm_contacts_told;
DROP TRIGGER crm_contacts_gone;
DROP TRIGGER crm_deals_made;
DROP TRIGGER crm_deals_changed;
DROP TRIGGER crm_deals_gone;
DROP TRIGGER crm_tickets_made;
DROP TRIGGER crm_tickets_changed;
DROP TRIGGER crm_tickets_gone;
{{end}}
{{postgres}}
DROP TRIGGER crm_companies_changed ON crm_companies;
DROP TRIGGER crm_contacts_told ON crm_contacts;
DROP TRIGGER crm_deals_changed ON crm_deals;
DROP TRIGGER crm_tickets_changed ON crm_tickets;
DROP FUNCTION crm_note_change();
{{end}}
DROP TABLE crm_changes;
DROP TABLE crm_keys;
DROP TABLE change_echoes;
DROP TABLE change_wakes;
DROP TABLE change_consumers;
DROP TABLE change_events;
DROP TABLE change_clock;
DROP TABLE change_records;
DROP TABLE change_watches;
