package administration

import (
	_ "embed"
	"log/slog"

	"heliograph/internal/console/access"
	"heliograph/internal/console/audit"
)

//go:embed openapi.gen.json
var document []byte

// Options are what the Part needs.
type Options struct {
	SignIn *access.SignIn
	// Audit is the record of deeds; Settings the configuration file. Without one, its operations answer that there is none.
	Audit    *audit.Log
	Settings *SettingsFile
	// Changed is called after an operation that may have ended sessions or changed what somebody may see. It must not wait. Nil: nobody is told.
	Changed func()
	Logger  *slog.Logger // nil discards
}

// Part serves the operations.
type Part struct {
	o      Options
	signIn *access.SignIn
	log    *slog.Logger
}

// New returns a Part.
func New(o Options) *Part {
	p := &Part{o: o, signIn: o.SignIn, log: o.Logger}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	return p
}
