package archive

import (
	"heliograph/crmclient"
	"heliograph/internal/store"
)

// Indexed is what a message's row of words holds, for who fills the tables without the archive (archivetest).
func Indexed(d store.Dialect, subject, text, direction string, accounts, files []string, people []Person) string {
	t := tokensOf(&draft{subject: subject, text: text, files: files, attachments: len(files), people: people}, direction, accounts, crmclient.CompanyDomains{})
	if d == store.Postgres {
		return t.tsvector()
	}
	return t.fts()
}
