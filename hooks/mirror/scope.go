package mirror

import (
	"heliograph/config"
	"heliograph/crmclient"
)

// The reasons for which a message stays here. They are labels of a metric and texts of the ledger.
const excludedInternal = "internal only"

// excluded returns the reason why the message must not leave, or nothing.
func (m *Mirror) excluded(p people) string {
	if p.direction == crmclient.Internal && m.o.InternalMail == config.InternalExclude {
		return excludedInternal
	}
	return ""
}
