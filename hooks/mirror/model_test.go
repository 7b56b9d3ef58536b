package mirror_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/hooks/mirror"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// TestRandomOrders lets sightings, deliveries, updates and withdrawals meet in random orders, with answers that are lost
// and restarts. A model that knows nothing of how tells what the CRM has to have in the end.
func TestRandomOrders(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 1))
		c := newCRM()
		var trouble atomic.Uint64
		trouble.Store(seed)
		lose := func() error { // one answer in four is lost
			if trouble.Add(0x9e3779b97f4a7c15)>>62 == 0 {
				return &crmclient.Error{Class: crmclient.ClassRetry, Message: "the answer was lost"}
			}
			return nil
		}
		c.before = func(context.Context, int) error { return lose() }
		c.after = func(context.Context, int) error { return lose() }
		c.beforeChange = func(string) error { return lose() }
		c.afterChange = c.beforeChange
		w := open(t, db, oneTarget(c))
		w.start()
		const messages, steps = 5, 40
		model := map[int]map[string]bool{} // owners of each message that is seen and not withdrawn
		gone := map[int]bool{}
		sightings := 0
		for range steps {
			n := r.IntN(messages)
			switch what := r.IntN(10); {
			case what < 7:
				account := colleague(r.IntN(6))
				w.submit(mail{account: account, recipients: to("li@customer.test"), raw: offer(n)})
				if sightings++; !gone[n] {
					if model[n] == nil {
						model[n] = map[string]bool{}
					}
					model[n][account] = true
				}
			case what == 7:
				w.clock.forward(time.Duration(r.IntN(20)) * time.Second)
			case what == 8:
				if model[n] != nil && r.IntN(2) == 0 {
					w.eventually("all is recorded", func() bool { return len(w.states("crm")) == sightings })
					w.withdraw(mirror.Withdrawal{MessageID: fmt.Sprintf("offer-%d@example.com", n)})
					gone[n], model[n] = true, nil
				}
			default:
				w.reopen()
				w.start()
			}
		}
		w.eventually("all is recorded", func() bool { return len(w.states("crm")) == sightings })
		w.eventually(fmt.Sprintf("nothing is left to do (seed %d)", seed), func() bool {
			w.clock.forward(time.Minute)
			jobs := 0
			for _, kind := range []string{mirror.Kind("crm"), mirror.UpdateKind("crm"), mirror.WithdrawKind("crm")} {
				for _, j := range w.jobs(kind) {
					if j.State.Live() {
						jobs++
					}
				}
			}
			return jobs == 0
		})
		want := []string{}
		for n, owners := range model {
			if owners != nil {
				list := []string{}
				for o := range owners {
					list = append(list, o)
				}
				slices.Sort(list)
				want = append(want, fmt.Sprintf("offer-%d@example.com %s", n, strings.Join(list, " ")))
			}
		}
		slices.Sort(want)
		got := []string{}
		for _, a := range c.logged() {
			got = append(got, a.MessageID+" "+strings.Join(slices.Sorted(slices.Values(a.Accounts)), " "))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("seed %d: the CRM has\n%s\nwant\n%s", seed, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
