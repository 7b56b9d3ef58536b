package customerbox_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"heliograph/config"
	"heliograph/crmclient/builtin"
	"heliograph/internal/customerbox"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// news collects what a server tells unasked.
type news struct {
	mu       sync.Mutex
	exists   uint32
	expunged []uint32
}

func (n *news) options() *imapclient.Options {
	return &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(data *imapclient.UnilateralDataMailbox) {
			n.mu.Lock()
			defer n.mu.Unlock()
			if data.NumMessages != nil {
				n.exists = *data.NumMessages
			}
		},
		Expunge: func(seq uint32) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.expunged = append(n.expunged, seq)
		},
	}}
}

func (n *news) now() (uint32, []uint32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.exists, slices.Clone(n.expunged)
}

// uids lists the UIDs of a mailbox.
func uids(t testing.TB, c *imapclient.Client) []imap.UID {
	t.Helper()
	data, err := c.UIDSearch(&imap.SearchCriteria{}, nil).Wait()
	must(t, err)
	return data.AllUIDs()
}

func TestIdleTellsOfNewMail(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, nil)
		w.fill()
		var all, own news
		boss, rep := w.login(chef, all.options()), w.login(anna, own.options())
		for _, c := range []*imapclient.Client{boss, rep} {
			_, err := c.Select(acmeBox, nil).Wait()
			must(t, err)
		}
		idleAll, err := boss.Idle()
		must(t, err)
		idleOwn, err := rep.Idle()
		must(t, err)

		raw := letter(7, "wang@acme.cn", bert+", "+anna, "news", "new")
		w.receive(bert, raw)
		w.eventually("the manager hears of it", func() bool { n, _ := all.now(); return n == 3 })
		if n, _ := own.now(); n != 0 {
			t.Errorf("anna, who has not got it, hears of %d", n)
		}
		w.receive(anna, raw) // the same message, now in her mailbox too
		w.eventually("anna hears of it", func() bool { n, _ := own.now(); return n == 2 })
		must(t, idleOwn.Close())
		must(t, idleOwn.Wait())
		must(t, idleAll.Close())
		must(t, idleAll.Wait())
		if got := uids(t, rep); !slices.Equal(got, []imap.UID{1, 2}) {
			t.Errorf("anna's UIDs are %v", got)
		}
		// NOOP tells as well.
		w.receive(bert, letter(8, "li@acme.cn", bert, "more", "more"))
		w.eventually("the manager hears of it", func() bool {
			must(t, boss.Noop().Wait())
			n, _ := all.now()
			return n == 4
		})
	})
}

func TestWhatIsNotToBeSeenGoes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, nil)
		w.fill()
		raw := letter(7, "wang@acme.cn", bert, "private", "do not look")
		entry := w.receive(bert, raw)
		w.mirrored(4, 4)
		w.receive(bert, letter(8, "wang@acme.cn", bert, "last", "last"))
		w.mirrored(5, 5)
		var n news
		c := w.login(chef, n.options())
		data, err := c.Select(acmeBox, nil).Wait()
		must(t, err)
		if data.NumMessages != 4 || data.UIDNext != 5 {
			t.Fatalf("%d messages, UIDNEXT %d", data.NumMessages, data.UIDNext)
		}
		exclude := func(reason string) {
			must(t, db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
				_, err := tx.ExecContext(ctx, `UPDATE sightings SET excluded = $1 WHERE entry = $2`, reason, entry)
				return err
			}))
		}
		exclude("marked as private")
		// At once, whatever the client still takes to be there.
		messages, err := c.Fetch(imap.SeqSetNum(3), &imap.FetchOptions{Envelope: true, BodySection: []*imap.FetchItemBodySection{{}}}).Collect()
		if err == nil || len(messages) != 0 {
			t.Errorf("an excluded message is fetched: %v, %v", messages, err)
		}
		if found, err := c.Search(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: "private"}}}, nil).Wait(); err != nil || len(found.AllSeqNums()) != 0 {
			t.Errorf("an excluded message is found: %v, %v", found, err)
		}
		w.receive(bert, letter(9, "zoe@gmail.com", bert, "elsewhere", "")) // makes the pulse beat
		w.eventually("it is expunged", func() bool {
			must(t, c.Noop().Wait())
			_, gone := n.now()
			return slices.Equal(gone, []uint32{3})
		})
		if got := uids(t, c); !slices.Equal(got, []imap.UID{1, 2, 4}) {
			t.Errorf("UIDs are %v", got)
		}
		// When it comes back it is a new one.
		exclude("")
		if got := subjects(t, c, acmeBox); !slices.Equal(got, []string{"采购订单 4711", "Re: 采购订单 4711", "last", "private"}) {
			t.Errorf("afterwards %q", got)
		}
		if got := uids(t, c); !slices.Equal(got, []imap.UID{1, 2, 4, 5}) {
			t.Errorf("UIDs are %v", got)
		}
	})
}

func TestUIDsLast(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, nil)
		w.fill()
		first, err := w.login(chef, nil).Select(acmeBox, nil).Wait()
		must(t, err)
		zoe, err := w.login(chef, nil).Select("Customers/Zoe", nil).Wait()
		must(t, err)
		// Several at once see new mail and give out its UIDs.
		for i := range 20 {
			w.receive(bert, letter(10+i, "wang@acme.cn", bert, fmt.Sprint("mail ", i), "x"))
		}
		w.mirrored(23, 23)
		var wg sync.WaitGroup
		seen := make([][]imap.UID, 6)
		for i := range seen {
			c := w.login(chef, nil)
			wg.Go(func() {
				if _, err := c.Select(acmeBox, nil).Wait(); err != nil {
					t.Error(err)
					return
				}
				data, err := c.UIDSearch(&imap.SearchCriteria{}, nil).Wait()
				if err != nil {
					t.Error(err)
					return
				}
				seen[i] = data.AllUIDs()
			})
		}
		wg.Wait()
		for _, got := range seen {
			if len(got) != 22 || !slices.Equal(got, seen[0]) {
				t.Errorf("one session sees the UIDs %v, another %v", got, seen[0])
			}
		}
		other := newWorldAgain(w)
		again, err := other.login(chef, nil).Select(acmeBox, nil).Wait()
		must(t, err)
		if first.UIDValidity != again.UIDValidity || zoe.UIDValidity == first.UIDValidity || again.UIDNext <= seen[0][21] {
			t.Errorf("UIDVALIDITY %d, after a restart %d, of another mailbox %d; UIDNEXT %d", first.UIDValidity, again.UIDValidity, zoe.UIDValidity, again.UIDNext)
		}
		mine, err := other.login(bert, nil).Select(acmeBox, nil).Wait()
		must(t, err)
		if mine.UIDValidity == first.UIDValidity {
			t.Error("two views of a mailbox have one UIDVALIDITY")
		}
	})
}

// newWorldAgain is another front on the same store.
func newWorldAgain(w *world) *world {
	again := *w
	again.startFront(setup{
		listener: config.Listener{
			Protocol: "imap", Mode: config.ModeCustomers, Address: "127.0.0.1:0", TLS: config.TLSStartTLS, AllowPlaintextAuth: true,
		},
		customers: config.Customers{Scope: config.ScopeOwn, Managers: []string{chef}}, perMinute: 100,
	})
	return &again
}

func TestReload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t), nil)
	w.fill()
	a, c := w.login(anna, nil), w.login(chef, nil)
	w.server.Reload(customerbox.Settings{Router: w.router, Customers: config.Customers{Scope: config.ScopeOwn, Managers: []string{anna, chef}}})
	w.eventually("anna's session ends", func() bool { return a.Noop().Wait() != nil })
	must(t, c.Noop().Wait())
	if got := subjects(t, w.login(anna, nil), acmeBox); len(got) != 2 {
		t.Errorf("anna, a manager now, sees %q", got)
	}
	w.server.Reload(customerbox.Settings{Router: w.router, Customers: config.Customers{Scope: config.ScopeAll}})
	if got := subjects(t, w.login(bert, nil), acmeBox); len(got) != 2 {
		t.Errorf("bert, who may see all, sees %q", got)
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t), nil)
	w.fill()
	quiet := w.login(anna, nil)
	conn, err := net.Dial("tcp", w.addr)
	must(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "l LOGIN %s \"%s\"\r\ns SELECT Customers/Zoe\r\ni IDLE\r\n", chef, secret)
	must(t, err)
	in := bufio.NewReader(conn)
	for line := ""; !strings.HasPrefix(line, "+ idling"); {
		line, err = in.ReadString('\n')
		must(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	must(t, w.proxy.Drain(ctx))
	rest, err := io.ReadAll(in)
	must(t, err)
	if !strings.HasPrefix(string(rest), "* BYE the server shuts down\r\n") {
		t.Errorf("the last words are %q", rest)
	}
	if err := quiet.Noop().Wait(); err == nil {
		t.Error("a session lives on")
	}
}

func TestTickets(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, nil)
		w.fill()
		people, err := w.crm.Contacts(t.Context(), builtin.ContactFilter{Query: "李伟"})
		must(t, err)
		li := people.Items[0].ID
		ticket, err := w.crm.AddTicket(t.Context(), builtin.Ticket{Subject: "Pump/leaks", ContactID: li, Assignee: anna})
		must(t, err)
		w.receive(bert, letter(20, "li@acme.cn", bert, "AW: pump/leaks again", "help"))
		w.mirrored(4, 4)
		w.receive(bert, letter(21, "li@acme.cn", bert, fmt.Sprintf("about [#%d]", ticket.ID), "by number"))
		w.mirrored(5, 5)
		reply := strings.Replace(letter(22, bert, "li@acme.cn", "quite another subject", "in the thread"), "MIME-Version", "In-Reply-To: <m20@mail.example>\nMIME-Version", 1)
		w.send(bert, reply, "li@acme.cn")
		w.mirrored(6, 6)
		w.receive(bert, letter(23, "wang@acme.cn", bert, "pump/leaks", "somebody else's"))
		w.receive(bert, letter(24, "li@acme.cn", bert, fmt.Sprintf("order #%d", ticket.ID), "another number"))
		w.mirrored(8, 8)
		box := fmt.Sprintf("Tickets/%d Pump-leaks", ticket.ID)
		for user, want := range map[string][]string{
			chef: {"AW: pump/leaks again", fmt.Sprintf("about [#%d]", ticket.ID), "quite another subject"},
			bert: {"AW: pump/leaks again", fmt.Sprintf("about [#%d]", ticket.ID), "quite another subject"},
			anna: {}, // it is hers, the mail is not
		} {
			c := w.login(user, nil)
			if got := names(t, c, "Tickets/%"); !slices.Equal(got, []string{box}) {
				t.Errorf("%s sees %q", user, got)
			}
			if got := subjects(t, c, box); !slices.Equal(got, want) {
				t.Errorf("%s finds %q, want %q", user, got, want)
			}
		}
	})
}
