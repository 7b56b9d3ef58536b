package operations_test

import (
	"net/http"
	"testing"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api/apitest"
	"heliograph/internal/console/api/operations"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// What happened a moment ago is in the trends before it is counted, and once when it was; for each what they may see.
func TestTrendsAreFresh(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		admin, team := r.as(access.Admin), r.as(access.Manager, li)
		total := func(who *apitest.Client, query string) (n int) {
			var tr operations.Trends
			who.Get("/api/v1/trends?"+query).JSON(http.StatusOK, &tr)
			for _, s := range tr.Series {
				n += s.Total
			}
			return n
		}
		hold := func(who *apitest.Client, query string, want int) {
			t.Helper()
			if got := total(who, query); got != want {
				t.Errorf("%s: %d, want %d", query, got, want)
			}
		}
		r.submit(wang, "a@customer.test")
		r.submit(li, "b@customer.test")
		r.eventually("both are delivered", func() bool { return total(admin, "metric=mirrored") == 2 })
		for range 2 {
			hold(admin, "metric=captured", 2)
			hold(admin, "metric=captured&step=1h", 2)
			hold(admin, "metric=captured&account="+wang, 1)
			hold(admin, "metric=lag&target=crm", 2)
			hold(admin, "metric=mirrored&target=other", 0)
			hold(admin, "metric=captured&direction=inbound", 0)
			hold(team, "metric=captured", 1)
			hold(team, "metric=captured&account="+wang, 0)
			if err := r.part.Count(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		r.submit(li, "c@customer.test")
		r.eventually("what came after it was counted is there, too", func() bool { return total(admin, "metric=mirrored") == 3 })
		hold(admin, "metric=captured&step=5m", 3)
		hold(team, "metric=captured&step=1d", 2)
	})
}
