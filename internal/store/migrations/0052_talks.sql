-- Who wrote to whom, and when: so that a fresh mail counts as the answer (hooks/rules, answered_by: contact).

-- +goose Up
ALTER TABLE correspondents ADD COLUMN part    {{text}} NOT NULL DEFAULT ''; -- wrote or got; empty: neither, or a machine wrote the message
ALTER TABLE correspondents ADD COLUMN sent_at {{int}}  NOT NULL DEFAULT 0;  -- by the clocks of gateway and mail server
ALTER TABLE correspondents ADD COLUMN seen_at {{int}}  NOT NULL DEFAULT 0;  -- when the gateway first saw it
UPDATE correspondents SET part = 'got', sent_at = CASE WHEN m.moment BETWEEN 1 AND m.first_seen THEN m.moment ELSE m.first_seen END, seen_at = m.first_seen
	FROM messages m WHERE m.key = correspondents.message_key AND m.direction = 'outbound' AND m.automated = 0;
UPDATE correspondents SET part = 'wrote', sent_at = CASE WHEN m.moment BETWEEN 1 AND m.first_seen THEN m.moment ELSE m.first_seen END, seen_at = m.first_seen
	FROM messages m, archive_messages a
	WHERE m.key = correspondents.message_key AND m.direction = 'inbound' AND m.automated = 0 AND a.key = m.key AND a.sender = correspondents.address;
CREATE INDEX correspondents_talks ON correspondents (address, part, sent_at, seen_at) WHERE part <> '';

-- +goose Down
DROP INDEX correspondents_talks;
ALTER TABLE correspondents DROP COLUMN seen_at;
ALTER TABLE correspondents DROP COLUMN sent_at;
ALTER TABLE correspondents DROP COLUMN part;
