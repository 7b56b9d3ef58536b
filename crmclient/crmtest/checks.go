package crmtest

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"heliograph/crmclient"
)

// Check is one set-up of a connection, and what crmclient.Checker must say of it.
type Check struct {
	// Break changes the fake before the connector is built, such as to take a field or a permission away. It may be nil.
	Break func(t *testing.T, f Fake)
	// New builds the connector with the set-up, such as with a wrong key; nil means Subject.New.
	New func(t *testing.T, f Fake, c Connection) crmclient.Client
	// Class is that of the error; empty means that all is well.
	Class crmclient.Class
	// Says is part of the error's message or remedy: what a person is to do, in the vendor's own terms.
	Says string
}

func (s Subject) runChecks(t *testing.T) {
	s.runElsewhere(t)
	for name, c := range s.Checks {
		t.Run("check: "+name, func(t *testing.T) {
			t.Parallel()
			s.check(t, c)
		})
	}
}

// runElsewhere lets the address be that of a server that knows nothing of the CRM: of another data centre, or a web site. The one who looks must be
// told that the address is to be compared.
func (s Subject) runElsewhere(t *testing.T) {
	b := s.start(t, longTimeout)
	if _, ok := crmclient.As[crmclient.Checker](b.client); !ok || b.gate == nil {
		return
	}
	const page = "<!DOCTYPE html><html><body>Welcome</body></html>"
	for name, status := range map[string]int{"a web site without such a page": http.StatusNotFound, "a web site that shows a page": http.StatusOK} {
		t.Run("check: "+name, func(t *testing.T) {
			t.Parallel()
			b := s.start(t, longTimeout)
			b.gate.set(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, page)
			})
			checker, _ := crmclient.As[crmclient.Checker](b.client)
			line, err := checker.Check(t.Context())
			switch remedy := crmclient.Remedy(err); {
			case err == nil && b.gate.passed.Load() == 0: // whoever sends no request only sees that somebody is there
			case err == nil:
				t.Errorf("got %q, want an error", line)
			case !strings.Contains(remedy, "url") && !strings.Contains(remedy, "address"):
				t.Errorf("got %v with the remedy %q; want one that names the address", err, remedy)
			}
		})
	}
}

func (s Subject) check(t *testing.T, c Check) {
	f := s.Fake(t)
	if c.Break != nil {
		c.Break(t, f)
	}
	broken := s
	broken.Fake = func(*testing.T) Fake { return f }
	if c.New != nil {
		broken.New = c.New
	}
	b := broken.start(t, longTimeout)
	checker, ok := crmclient.As[crmclient.Checker](b.client)
	if !ok {
		t.Fatal("there are set-ups for the check, but the client has none")
	}
	if b.gate != nil {
		b.gate.watch = func(name string) { t.Errorf("the check made a request that writes: %s", name) }
	}
	line, err := checker.Check(t.Context())
	s.noSecrets(t, "check", line)
	if c.Class == "" {
		if err != nil || line == "" {
			t.Errorf("got %q, %v; want a line and no error", line, err)
		}
		return
	}
	s.wantClass(t, err, c.Class)
	var e *crmclient.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	s.noSecrets(t, "remedy", e.Remedy)
	if e.Remedy == "" || !strings.Contains(err.Error()+" "+e.Remedy, c.Says) {
		t.Errorf("got %q with the remedy %q; want a remedy, and %q in one of them", err, e.Remedy, c.Says)
	}
}
