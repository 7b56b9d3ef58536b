package crmtest

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"heliograph/crmclient"
)

// OtherWriter is an HTTPFake that tells which requests make something other than the record of an activity. Faults are put around
// these then.
type OtherWriter interface {
	// WritesTicket, WritesObject and WritesPerson say whether the request makes a ticket, a record of the ObjectKeeper's object, a contact or lead.
	WritesTicket(r *http.Request) bool
	WritesObject(r *http.Request) bool
	WritesPerson(r *http.Request) bool
}

// creating are the ways to add a person.
var creating = map[string]func(context.Context, crmclient.Client, crmclient.Person, string) (crmclient.Contact, bool, error){
	"contact": func(ctx context.Context, c crmclient.Client, p crmclient.Person, owner string) (crmclient.Contact, bool, error) {
		creator, ok := crmclient.As[crmclient.ContactCreator](c)
		if !ok {
			return crmclient.Contact{}, false, nil
		}
		made, err := creator.CreateContact(ctx, p, owner)
		return made, true, err
	},
	"lead": func(ctx context.Context, c crmclient.Client, p crmclient.Person, owner string) (crmclient.Contact, bool, error) {
		creator, ok := crmclient.As[crmclient.LeadCreator](c)
		if !ok {
			return crmclient.Contact{}, false, nil
		}
		made, err := creator.CreateLead(ctx, p, owner)
		return made, true, err
	},
}

// runPeople adds contacts and leads, for connectors that can.
func (s Subject) runPeople(t *testing.T) {
	for kind, create := range creating {
		t.Run("create a "+kind+", once", func(t *testing.T) {
			t.Parallel()
			b := s.start(t, longTimeout)
			for i, p := range []crmclient.Person{
				{Name: "韩梅梅 👋", Address: "new." + kind + "@customer.example"},
				{Name: "O'Hara, \"Scarlett\"", Address: "new.o'hara+" + kind + "@customer.example"},
				{Address: "nameless." + kind + "@customer.example"},
			} {
				first, able, err := create(t.Context(), b.client, p, "")
				if !able {
					return
				}
				if err != nil || first.ID == "" || first.Address != p.Address {
					t.Fatalf("person %d: got %+v, %v", i, first, err)
				}
				again, _, err := create(t.Context(), b.client, p, "")
				if err != nil || again.ID != first.ID {
					t.Errorf("person %d: again: got %+v, %v; want the id %s", i, again, err, first.ID)
				}
				b.wantPerson(t, p.Address)
			}
		})
		t.Run("an existing contact is no new "+kind, func(t *testing.T) {
			t.Parallel()
			b := s.start(t, longTimeout)
			address := "known." + kind + "@customer.example"
			b.fake.(Seeder).AddContact(t, "Li Lei", address)
			made, able, err := create(t.Context(), b.client, crmclient.Person{Name: "Somebody Else", Address: address}, "")
			if !able {
				return
			}
			if err != nil || made.Name != "Li Lei" {
				t.Errorf("got %+v, %v; want the contact that is there", made, err)
			}
			b.wantPerson(t, address)
		})
		s.peopleOnWire(t, kind, create)
	}
}

func (b *bench) wantPerson(t *testing.T, address string) {
	t.Helper()
	found, err := b.connect(t, longTimeout).FindContacts(t.Context(), []string{address})
	if err != nil || len(found) != 1 {
		t.Errorf("people with the address %s: got %+v, %v; want one", address, found, err)
	}
}

// around are faults at a request that writes. One more try must leave exactly one of what it makes.
var around = map[string]func(*bench, http.ResponseWriter, *http.Request){
	"reset before": func(_ *bench, w http.ResponseWriter, _ *http.Request) { reset(w) },
	"reset after": func(b *bench, w http.ResponseWriter, r *http.Request) {
		b.gate.commit(r)
		reset(w)
	},
	"error after": func(b *bench, w http.ResponseWriter, r *http.Request) {
		b.gate.commit(r)
		w.WriteHeader(http.StatusGatewayTimeout)
	},
	"broken JSON after": func(b *bench, w http.ResponseWriter, r *http.Request) {
		b.gate.commit(r)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"id": "4`))
	},
	"silence after": func(b *bench, _ http.ResponseWriter, r *http.Request) {
		b.gate.commit(r)
		b.gate.silence(r)
	},
}

// around runs write with each fault at the requests that which names, then once more without, and check.
func (s Subject) around(t *testing.T, what string, which func(OtherWriter) func(*http.Request) bool, write func(context.Context, crmclient.Client) error, check func(*testing.T, *bench)) {
	fake := s.Fake(t)
	if _, http := fake.(HTTPFake); !http {
		return
	}
	if _, tells := fake.(OtherWriter); !tells {
		return
	}
	for name, fault := range around {
		t.Run(fmt.Sprintf("%s, %s", what, name), func(t *testing.T) {
			t.Parallel()
			timeout := longTimeout
			if name == "silence after" {
				timeout = shortTimeout
			}
			b := s.start(t, timeout)
			b.gate.setOnly(which(b.fake.(OtherWriter)), func(w http.ResponseWriter, r *http.Request) { fault(b, w, r) })
			err := write(t.Context(), b.client)
			if err != nil {
				s.wantClass(t, err, crmclient.ClassRetry)
			}
			if err == nil && name == "reset before" {
				t.Error("no error although nothing was made")
			}
			b.gate.set(nil)
			if err := write(t.Context(), b.connect(t, longTimeout)); err != nil {
				t.Errorf("second try: %v", err)
			}
			check(t, b)
		})
	}
}

func (s Subject) peopleOnWire(t *testing.T, kind string, create func(context.Context, crmclient.Client, crmclient.Person, string) (crmclient.Contact, bool, error)) {
	if _, able, _ := create(canceled(), s.start(t, longTimeout).client, crmclient.Person{Name: "x", Address: "x@customer.example"}, ""); !able {
		return
	}
	p := crmclient.Person{Name: "韩梅梅", Address: "wire." + kind + "@customer.example"}
	s.around(t, "create a "+kind, func(o OtherWriter) func(*http.Request) bool { return o.WritesPerson },
		func(ctx context.Context, c crmclient.Client) error {
			_, _, err := create(ctx, c, p, "")
			return err
		},
		func(t *testing.T, b *bench) { b.wantPerson(t, p.Address) })
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
