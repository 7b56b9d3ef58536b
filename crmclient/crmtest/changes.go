package crmtest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"heliograph/crmclient"
)

// change is something that a connector may be able to do to a record that it made.
type change struct {
	name string
	able func(crmclient.Client) bool
	do   func(t *testing.T, c crmclient.Client, remoteID string, a *crmclient.Activity) error
	done func(t *testing.T, b *bench, a *crmclient.Activity) // checks that it is done, once
}

var updating = change{
	name: "update",
	able: func(c crmclient.Client) bool { _, ok := crmclient.As[crmclient.ActivityUpdater](c); return ok },
	do: func(t *testing.T, c crmclient.Client, remoteID string, a *crmclient.Activity) error {
		_, err := able[crmclient.ActivityUpdater](c).UpdateEmail(t.Context(), remoteID, a)
		return err
	},
	done: func(t *testing.T, b *bench, a *crmclient.Activity) {
		t.Helper()
		b.wantOne(t, a.Key)
		for _, r := range b.records(t, a.Key) {
			accounts, bcc := slices.Sorted(slices.Values(a.Accounts)), []string(nil)
			for _, p := range a.BCC {
				bcc = append(bcc, p.Address)
			}
			slices.Sort(r.Accounts)
			if !slices.Equal(r.Accounts, accounts) || !slices.Equal(r.BCC, bcc) || r.Thread != a.Thread || r.Subject != a.Subject {
				t.Errorf("record: got %+v, want accounts %q, bcc %q, thread %q", r, accounts, bcc, a.Thread)
			}
		}
	},
}

var withdrawing = change{
	name: "withdraw",
	able: func(c crmclient.Client) bool { _, ok := crmclient.As[crmclient.ActivityWithdrawer](c); return ok },
	do: func(t *testing.T, c crmclient.Client, remoteID string, a *crmclient.Activity) error {
		return able[crmclient.ActivityWithdrawer](c).WithdrawEmail(t.Context(), remoteID, a.Key)
	},
	done: func(t *testing.T, b *bench, a *crmclient.Activity) {
		t.Helper()
		if n := len(b.records(t, a.Key)); n != 0 {
			t.Errorf("records with key %s: got %d, want none", a.Key, n)
		}
	},
}

// changed is the activity as it is after two more copies were seen.
func changed(key string) *crmclient.Activity {
	a := Activity(key)
	a.Accounts = append(a.Accounts, "zhao@example.com", "sun@example.com")
	a.Sightings = append(a.Sightings, crmclient.Sighting{Entry: "01hzx0000000000000000000bb", Kind: "fetch", Account: "zhao@example.com", At: a.Date})
	a.BCC = append(a.BCC, crmclient.Person{Address: "secret@customer.example"})
	a.Thread = "thread-joined"
	return a
}

// runChanges runs what needs no wire, for connectors that can do it.
func (s Subject) runChanges(t *testing.T) {
	for _, c := range []change{updating, withdrawing} {
		if !c.able(s.start(t, longTimeout).client) {
			continue
		}
		t.Run(c.name+" repeated", func(t *testing.T) {
			t.Parallel()
			b := s.start(t, longTimeout)
			key := "repeated-" + c.name
			receipt, other := b.log(t, key), b.log(t, key+"-other")
			for range 3 {
				if err := c.do(t, b.client, receipt.RemoteID, changed(key)); err != nil {
					t.Fatal(err)
				}
				c.done(t, b, changed(key))
			}
			b.wantOne(t, key+"-other")
			// Where the outcome of LogEmail was never known there is no id.
			if err := c.do(t, b.client, "", changed(key+"-other")); err != nil {
				t.Errorf("without the id %s: %v", other.RemoteID, err)
			}
			c.done(t, b, changed(key+"-other"))
		})
		t.Run(c.name+" at once", func(t *testing.T) {
			t.Parallel()
			b := s.start(t, longTimeout)
			key := "at-once-" + c.name
			receipt := b.log(t, key)
			var group sync.WaitGroup
			for range 8 {
				group.Go(func() {
					if err := c.do(t, b.client, receipt.RemoteID, changed(key)); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			c.done(t, b, changed(key))
		})
	}
	t.Run("changes of unknown records", s.unknownRecords)
}

func (b *bench) log(t *testing.T, key string) crmclient.Receipt {
	t.Helper()
	receipt, err := b.client.LogEmail(t.Context(), Activity(key))
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

func (s Subject) unknownRecords(t *testing.T) {
	t.Parallel()
	b := s.start(t, longTimeout)
	if withdrawing.able(b.client) {
		if err := withdrawing.do(t, b.client, "", Activity("unknown-withdraw")); err != nil {
			t.Errorf("withdrawing what is not there: %v", err)
		}
	}
	if !updating.able(b.client) {
		return
	}
	err := updating.do(t, b.client, "", changed("unknown-update"))
	if err != nil && (!errors.Is(err, crmclient.ErrNoRecord) || crmclient.ClassOf(err) != crmclient.ClassPermanent) {
		t.Errorf("updating what is not there: got %v, want a permanent ErrNoRecord", err)
	}
	if n := len(b.records(t, "unknown-update")); n != 0 {
		t.Errorf("the update made %d records", n)
	}
}

// runChangesOnWire breaks the requests that change a record. One more try must do.
func (s Subject) runChangesOnWire(t *testing.T) {
	for _, c := range []change{updating, withdrawing} {
		if !c.able(s.start(t, longTimeout).client) {
			continue
		}
		t.Run(c.name+" every status has a class", func(t *testing.T) {
			t.Parallel()
			b := s.start(t, longTimeout)
			for status := 300; status < 600; status++ {
				b.gate.set(func(w http.ResponseWriter, r *http.Request) { echo(w, r, status) })
				err := c.do(t, b.client, "1", changed("status"))
				b.closeCircuit(t, err)
				want := s.wantedClass(status)
				gone := status == http.StatusNotFound || status == http.StatusGone
				if err == nil && (want == crmclient.ClassDuplicate || gone && c.name == withdrawing.name) ||
					gone && errors.Is(err, crmclient.ErrNoRecord) {
					continue // it is done, or there is nothing to be done
				}
				if err == nil {
					t.Fatalf("status %d: no error, want class %s", status, want)
				}
				if s.wantClass(t, err, want); t.Failed() {
					t.Fatalf("stopped at status %d", status)
				}
			}
		})
		for name, fault := range map[string]func(*bench, http.ResponseWriter, *http.Request){
			"reset before": func(_ *bench, w http.ResponseWriter, _ *http.Request) { reset(w) },
			"reset after": func(b *bench, w http.ResponseWriter, r *http.Request) {
				b.gate.commit(r)
				reset(w)
			},
			"silence after": func(b *bench, _ http.ResponseWriter, r *http.Request) {
				b.gate.commit(r)
				b.gate.silence(r)
			},
			"error after": func(b *bench, w http.ResponseWriter, r *http.Request) {
				b.gate.commit(r)
				w.WriteHeader(http.StatusGatewayTimeout)
			},
		} {
			t.Run(fmt.Sprintf("%s with %s", c.name, name), func(t *testing.T) {
				t.Parallel()
				timeout := longTimeout
				if name == "silence after" {
					timeout = shortTimeout
				}
				b := s.start(t, timeout)
				receipt, err := b.connect(t, longTimeout).LogEmail(t.Context(), Activity("changed"))
				if err != nil {
					t.Fatal(err)
				}
				b.gate.set(func(w http.ResponseWriter, r *http.Request) { fault(b, w, r) })
				s.wantClass(t, c.do(t, b.client, receipt.RemoteID, changed("changed")), crmclient.ClassRetry)
				b.gate.set(nil)
				if err := c.do(t, b.connect(t, longTimeout), receipt.RemoteID, changed("changed")); err != nil {
					t.Errorf("second try: %v", err)
				}
				c.done(t, b, changed("changed"))
			})
		}
	}
}
