-- Links by which people see the settings of their mail program without a login, once.

-- +goose Up
CREATE TABLE onboarding_links (
	token_hash {{text}} PRIMARY KEY, -- SHA-256; the token is not kept
	address    {{text}} NOT NULL,
	made_by    {{text}} NOT NULL, -- mail address
	made_at    {{int}}  NOT NULL,
	expires_at {{int}}  NOT NULL,
	used_at    {{int}}  NOT NULL -- 0 while it was not
);
CREATE INDEX onboarding_links_address ON onboarding_links (address);

-- +goose Down
DROP TABLE onboarding_links;
