package exchange_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"heliograph/crmclient/builtin"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api/exchange"
	"heliograph/internal/report"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// slow are tables of the configuration whose file is read by an export only when the test says so.
type slow struct {
	began   chan struct{}
	further chan struct{}
	once    sync.Once
}

func (s *slow) release() { s.once.Do(func() { close(s.further) }) }

func (s *slow) table(name string) exchange.ConfiguredTable {
	var reads atomic.Int32
	return exchange.ConfiguredTable{Name: name, Read: func() (*report.Table, error) {
		if reads.Add(1) == 2 { // the first is that of the request, which looks whether the table is there
			s.began <- struct{}{}
			<-s.further
		}
		return report.ReadCSV([]byte("sku,price\nA,5\nB,6\n"), report.Limits{})
	}}
}

// newBusy is a rig whose two seats for jobs are taken by two exports of the admin, until they are released.
func newBusy(t *testing.T, db *store.DB) (r *rig, s *slow, exports [2]exchange.Export) {
	t.Helper()
	s = &slow{began: make(chan struct{}, 2), further: make(chan struct{})}
	tables := []exchange.ConfiguredTable{s.table("one"), s.table("two")}
	r = newRig(t, db, func(o *exchange.Options) { o.ConfiguredTables = func() []exchange.ConfiguredTable { return tables } })
	t.Cleanup(s.release)
	for n, table := range tables {
		r.server.As(admin).Post("/api/v1/exports", map[string]any{"kind": "table", "filter": map[string]string{"table": table.Name}}).JSON(http.StatusAccepted, &exports[n])
		<-s.began
	}
	return r, s, exports
}

func TestExportsAreListedAndRemoved(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, s, exports := newBusy(t, db)
		var first, second, others exchange.ExportPage
		r.server.As(admin).Get("/api/v1/exports?limit=1").JSON(http.StatusOK, &first)
		if len(first.Items) != 1 || first.Next == nil || first.Items[0].State != exchange.ExportStateRunning {
			t.Fatalf("the first page is %+v", first)
		}
		r.server.As(admin).Get("/api/v1/exports?limit=1&cursor="+*first.Next).JSON(http.StatusOK, &second)
		if len(second.Items) != 1 || second.Next != nil || second.Items[0].Id == first.Items[0].Id {
			t.Errorf("the second page is %+v", second)
		}
		manager, agent := r.server.As(person("manager", access.Manager, access.ScopeAll)), r.server.As(person("agent", access.Agent, access.ScopeOwn))
		manager.Get("/api/v1/exports").JSON(http.StatusOK, &others)
		if len(others.Items) != 0 {
			t.Errorf("another sees %+v", others.Items)
		}
		stopped, kept := "/api/v1/exports/"+exports[0].Id, "/api/v1/exports/"+exports[1].Id
		manager.Delete(stopped).Problem(http.StatusNotFound, "no_such_export")
		agent.Delete(stopped).Problem(http.StatusForbidden, "forbidden")
		agent.Get("/api/v1/exports").Problem(http.StatusForbidden, "forbidden")
		r.server.As(admin).Get(stopped+"/file").Problem(http.StatusConflict, "export_not_done")

		r.server.As(admin).Delete(stopped).Is(http.StatusNoContent) // it runs
		r.server.As(admin).Delete(stopped).Problem(http.StatusNotFound, "no_such_export")
		s.release()
		done := ended(r, admin, kept, func(e exchange.Export) bool { return e.State != exchange.ExportStateRunning })
		if done.State != exchange.ExportStateDone || done.Rows != 2 {
			t.Errorf("the other one is %+v", done)
		}
		r.server.As(admin).Get("/api/v1/exports").JSON(http.StatusOK, &others)
		if len(others.Items) != 1 || others.Items[0].Id != exports[1].Id {
			t.Errorf("left are %+v", others.Items)
		}
		file := filepath.Join(r.dir, "exports", exports[1].Id)
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
		r.server.As(admin).Delete(kept).Is(http.StatusNoContent) // it is done
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("the file is left: %v", err)
		}
		if acts := r.server.Acts("deleteExport"); len(acts) < 2 || !acts[len(acts)-1].Change {
			t.Errorf("on record is %+v", acts)
		}
	})
}

func TestImportsAreStopped(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, s, _ := newBusy(t, db)
		var i exchange.Import
		r.upload(admin, map[string]string{"kind": "contacts_create"}, "a.csv", []byte(list)).JSON(http.StatusCreated, &i)
		path := "/api/v1/imports/" + i.Id
		r.server.As(admin).Post(path+"/start", nil).JSON(http.StatusAccepted, &i)
		if i.State != exchange.ImportStateRunning {
			t.Fatalf("it began as %+v", i)
		}
		r.server.As(admin).Delete(path).Problem(http.StatusConflict, "import_busy")
		r.server.As(person("manager", access.Manager, access.ScopeTeam)).Post(path+"/cancel", nil).Problem(http.StatusNotFound, "no_such_import")
		r.server.As(person("agent", access.Agent, access.ScopeOwn)).Post(path+"/cancel", nil).Problem(http.StatusForbidden, "forbidden")
		r.server.As(admin).Post("/api/v1/imports/nothing/cancel", nil).Problem(http.StatusNotFound, "no_such_import")

		r.server.As(admin).Post(path+"/cancel", nil).Is(http.StatusOK)
		over := func(i exchange.Import) bool { return i.State != exchange.ImportStateRunning }
		if i = ended(r, admin, path, over); i.State != exchange.ImportStateCanceled || i.Counts.Read != 0 {
			t.Errorf("it ended as %+v", i)
		}
		if page, err := r.crm.Contacts(t.Context(), builtin.ContactFilter{}); err != nil || len(page.Items) != 0 {
			t.Errorf("imported is %+v, %v", page, err)
		}
		r.server.As(admin).Post(path+"/cancel", nil).JSON(http.StatusOK, &i)
		if i.State != exchange.ImportStateCanceled {
			t.Errorf("the second time it is %s", i.State)
		}

		// Where another gateway works on it, that one is told by the store.
		err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
			_, err := tx.ExecContext(ctx, `UPDATE exchange_jobs SET state = 'running' WHERE id = $1`, i.Id)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		r.server.As(admin).Post(path+"/cancel", nil).JSON(http.StatusOK, &i)
		if i.State != exchange.ImportStateCanceled {
			t.Errorf("elsewhere it is %s", i.State)
		}

		s.release()
		if i = r.run(i.Id, "start"); i.State != exchange.ImportStateDone || i.Counts.Added != 2 {
			t.Errorf("started again it is %+v", i)
		}
		r.server.As(admin).Post(path+"/cancel", nil).JSON(http.StatusOK, &i)
		if i.State != exchange.ImportStateDone {
			t.Errorf("what is done becomes %s", i.State)
		}
	})
}
