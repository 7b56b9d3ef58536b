-- What proxy/watch keeps of the mailboxes that it watches. What was captured of them is in the ledger of mailboxes.

-- +goose Up
CREATE TABLE watches (
	account     {{text}} NOT NULL,            -- address, lower case
	mailbox     {{text}} NOT NULL,            -- name in UTF-8; INBOX in upper case
	upstream    {{text}} NOT NULL DEFAULT '', -- its name in the configuration
	uidvalidity {{int}}  NOT NULL DEFAULT 0,  -- 0: it was not opened yet
	since       {{int}}  NOT NULL DEFAULT 0,  -- the first UID that is new mail: what is below was there before
	began_at    {{int}}  NOT NULL DEFAULT 0,  -- when since was noted
	synced_at   {{int}}  NOT NULL DEFAULT 0,  -- when nothing was left to do
	mail_at     {{int}}  NOT NULL DEFAULT 0,  -- when a message was captured last
	state       {{text}} NOT NULL DEFAULT '', -- of the node that watches: a State of proxy/watch
	detail      {{text}} NOT NULL DEFAULT '', -- what is wrong, and what to do
	node        {{text}} NOT NULL DEFAULT '', -- which node watches
	changed_at  {{int}}  NOT NULL DEFAULT 0,  -- since when the state holds
	PRIMARY KEY (account, mailbox)
);

-- +goose Down
DROP TABLE watches;
