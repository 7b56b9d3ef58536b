package exchange_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"heliograph/config"
	"heliograph/crmclient/builtin"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api/apitest"
	"heliograph/internal/console/api/exchange"
	"heliograph/internal/console/onboard"
	"heliograph/internal/limit"
	"heliograph/internal/report"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
	"heliograph/internal/tablefile"
	"heliograph/internal/tables"
)

func TestMain(m *testing.M) { storetest.Main(apitest.Whole(m)) }

// rig is a part with a built-in CRM.
type rig struct {
	t      *testing.T
	server *apitest.Server
	crm    *builtin.CRM
	shelf  *tables.Shelf
	dir    string
	now    time.Time
}

func newRig(t *testing.T, db *store.DB, change func(*exchange.Options)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), now: time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)}
	var err error
	if r.crm, err = builtin.New(db, builtin.Config{}); err != nil {
		t.Fatal(err)
	}
	r.shelf = tables.Open(filepath.Join(r.dir, "tables"), nil)
	o := exchange.Options{
		Store: db, DataDir: r.dir, CRM: r.crm, Tables: r.shelf, PublicURL: "https://gw.example.com", Limiter: limit.NewMemory(limit.MemoryOptions{}),
		Config: config.Exchange{
			UploadBytes: 1 << 20, UploadRows: 5000, ExportRows: 100, KeepExports: config.Duration(24 * time.Hour), KeepUploads: config.Duration(7 * 24 * time.Hour),
		},
		ConfiguredTables: func() []exchange.ConfiguredTable {
			return []exchange.ConfiguredTable{{Name: "prices", Read: func() (*report.Table, error) { return report.ReadCSV([]byte("sku,price\nA,5\n"), report.Limits{}) }}}
		},
		Onboard: onboard.New(onboard.Options{
			Config: config.Onboarding{Enabled: true, IMAPHost: "mail.example.com", SMTPHost: "mail.example.com"}, PublicURL: "https://gw.example.com",
			Listeners: []config.Listener{{Protocol: "imap", Address: ":993", TLS: config.TLSImplicit}, {Protocol: "smtp", Address: ":465", TLS: config.TLSImplicit}},
			Upstreams: []config.Upstream{{Name: "main", Domains: []string{"example.com"}, Provider: "exmail"}},
		}),
		Now: func() time.Time { return r.now },
	}
	if change != nil {
		change(&o)
	}
	p := exchange.New(o)
	t.Cleanup(func() { _ = p.Close() })
	r.server = apitest.New(t, p.API())
	return r
}

func person(id string, role access.Role, scope access.Scope, masks ...string) *access.Caller {
	return access.NewCaller(access.Person{ID: id, Email: id + "@example.com", Role: role}, scope, []string{id + "@example.com"}, nil, masks...)
}

var admin = person("admin", access.Admin, access.ScopeAll)

// form is an upload.
func form(t *testing.T, fields map[string]string, name string, data []byte) (*bytes.Buffer, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range fields {
		if err := w.WriteField(k, v); err != nil {
			t.Fatal(err)
		}
	}
	f, err := w.CreateFormFile("file", name)
	if err == nil {
		_, err = f.Write(data)
	}
	if err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	return &b, w.FormDataContentType()
}

func (r *rig) upload(c *access.Caller, fields map[string]string, name string, data []byte) *apitest.Answer {
	r.t.Helper()
	b, kind := form(r.t, fields, name, data)
	return r.server.As(c).Post("/api/v1/imports", b, "Content-Type", kind)
}

// ended waits for the end of a job.
func ended[T any](r *rig, c *access.Caller, path string, over func(T) bool) T {
	r.t.Helper()
	for {
		var v T
		r.server.As(c).Get(path).JSON(http.StatusOK, &v)
		if over(v) {
			return v
		}
		select {
		case <-r.t.Context().Done():
			r.t.Fatal("the job does not end")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (r *rig) run(id, verb string) exchange.Import {
	r.t.Helper()
	r.server.As(admin).Post("/api/v1/imports/"+id+"/"+verb, nil).Is(http.StatusAccepted)
	return ended(r, admin, "/api/v1/imports/"+id, func(i exchange.Import) bool {
		return i.State != exchange.ImportStateRunning && i.State != exchange.ImportStateChecking
	})
}

const list = "客户名单,,,\n姓名,电子邮箱,联系电话,备忘\n李雷,li@customer.cn,13800001111,a\n韩梅梅,han@customer.cn,,b\n坏,no-address,,c\n,,,\n"

func TestImportContacts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db, nil)
		gbk, err := simplifiedchinese.GBK.NewEncoder().String(list)
		if err != nil {
			t.Fatal(err)
		}
		var i exchange.Import
		a := r.upload(admin, map[string]string{"kind": "contacts_create"}, `C:\Users\x\客户.csv`, []byte(gbk))
		a.JSON(http.StatusCreated, &i)
		if i.File != "客户.csv" || i.Encoding != "gb18030" || *i.HeaderRow != 2 || len(i.Problems) != 0 || len(i.Preview.Rows) != 4 || a.Header.Get("ETag") != `"1"` {
			t.Fatalf("got %+v", i)
		}
		if m := i.Mapping; *m[0].Field != "name" || *m[1].Field != "email" || *m[2].Field != "phone" || m[3].Field != nil || *m[1].Confidence != 1 {
			t.Errorf("guessed %s", a.Body)
		}
		path := "/api/v1/imports/" + i.Id
		change := map[string]any{"mapping": []map[string]any{{"column": 3, "field": "note"}}, "duplicates": "update", "owner": "wang@example.com"}
		r.server.As(admin).Patch(path, change, "If-Match", `"7"`).Problem(http.StatusPreconditionFailed, "changed_meanwhile")
		r.server.As(admin).Patch(path, change, "If-Match", `"1"`).JSON(http.StatusOK, &i)

		if i = r.run(i.Id, "check"); i.State != exchange.ImportStateChecked || i.Counts.Added != 2 || i.Counts.Refused != 1 || i.Counts.Read != 3 {
			t.Fatalf("checked: %+v", i)
		}
		if page, err := r.crm.Contacts(t.Context(), builtin.ContactFilter{}); err != nil || len(page.Items) != 0 {
			t.Fatalf("a check changed something: %+v, %v", page, err)
		}
		var rows exchange.ImportRowPage
		r.server.As(admin).Get(path+"/rows?outcome=added&limit=1").JSON(http.StatusOK, &rows)
		if len(rows.Items) != 1 || *rows.Items[0].Key != "li@customer.cn" || rows.Items[0].Line != 3 || rows.Next == nil {
			t.Errorf("got %+v", rows)
		}
		if i = r.run(i.Id, "start"); i.State != exchange.ImportStateDone || i.Counts.Added != 2 || i.Counts.Refused != 1 {
			t.Fatalf("done: %+v", i)
		}
		page, err := r.crm.Contacts(t.Context(), builtin.ContactFilter{Query: "li@customer.cn"})
		if err != nil || len(page.Items) != 1 || page.Items[0].Name != "李雷" || page.Items[0].Note != "a" || page.Items[0].Owner != "wang@example.com" {
			t.Errorf("got %+v, %v", page.Items, err)
		}
		refused := r.server.As(admin).Get(path + "/refused?lang=zh").Is(http.StatusOK)
		if !bytes.HasPrefix(refused.Body, []byte("\xef\xbb\xbf行,")) || !strings.Contains(string(refused.Body), "\n5,") {
			t.Errorf("got %s", refused.Body)
		}
		r.server.As(admin).Post(path+"/start", nil).Problem(http.StatusConflict, "import_busy")

		// The same again changes nothing.
		r.upload(admin, map[string]string{"kind": "contacts_create"}, "a.csv", []byte(gbk)).JSON(http.StatusCreated, &i)
		r.server.As(admin).Patch("/api/v1/imports/"+i.Id, change).JSON(http.StatusOK, &i)
		if i = r.run(i.Id, "start"); i.Counts.Unchanged != 2 || i.Counts.Changed != 0 || i.Counts.Added != 0 {
			t.Errorf("again: %+v", i.Counts)
		}
		if acts := r.server.Acts("startImport"); len(acts) == 0 || acts[0].Caller.Person.Email != "admin@example.com" {
			t.Errorf("recorded %+v", acts)
		}
		r.server.As(admin).Delete("/api/v1/imports/" + i.Id).Is(http.StatusNoContent)
		r.server.As(admin).Get("/api/v1/imports/"+i.Id).Problem(http.StatusNotFound, "no_such_import")
		if _, err := os.Stat(filepath.Join(r.dir, "imports", i.Id)); !os.IsNotExist(err) {
			t.Errorf("the file is left: %v", err)
		}
	})
}

func TestWhoImports(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t), nil)
	agent, manager, other := person("agent", access.Agent, access.ScopeOwn), person("manager", access.Manager, access.ScopeTeam), person("other", access.Manager, access.ScopeTeam)
	r.upload(agent, map[string]string{"kind": "contacts_create"}, "a.csv", []byte(list)).Problem(http.StatusForbidden, "forbidden")
	var i exchange.Import
	r.upload(manager, map[string]string{"kind": "contacts_create"}, "a.csv", []byte(list)).JSON(http.StatusCreated, &i)
	path := "/api/v1/imports/" + i.Id
	r.server.As(other).Get(path).Problem(http.StatusNotFound, "no_such_import")
	r.server.As(other).Post(path+"/start", nil).Problem(http.StatusNotFound, "no_such_import")
	r.server.As(other).Get(path+"/rows").Problem(http.StatusNotFound, "no_such_import")
	r.server.As(manager).Patch(path, map[string]string{"duplicates": "update"}).Problem(http.StatusForbidden, "forbidden")
	var page exchange.ImportPage
	r.server.As(other).Get("/api/v1/imports").JSON(http.StatusOK, &page)
	if len(page.Items) != 0 {
		t.Errorf("somebody sees the imports of another: %+v", page)
	}
	r.server.As(admin).Get("/api/v1/imports").JSON(http.StatusOK, &page)
	if len(page.Items) != 1 || page.Items[0].CreatedBy != "manager@example.com" {
		t.Errorf("got %+v", page)
	}
	r.upload(manager, map[string]string{"kind": "contacts_learn"}, "a.csv", []byte(list)).Problem(http.StatusForbidden, "forbidden")
}

func TestUploadsThatAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t), nil)
	for _, c := range []struct {
		name, kind, code string
		status           int
		data             []byte
	}{
		{"empty", "contacts_create", "empty_file", 422, nil},
		{"too large", "contacts_create", "too_large", 413, bytes.Repeat([]byte("a,b\n"), 1<<19)},
		{"old Excel", "contacts_create", "file_broken", 422, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")},
		{"broken workbook", "table", "file_broken", 422, []byte("PK\x03\x04nothing")},
		{"binary", "contacts_create", "file_broken", 422, []byte("MZ\x90\x00\x03\x00")},
		{"wide", "contacts_create", "file_broken", 422, []byte(strings.Repeat("a,", 600))},
		{"no kind", "something", "bad_kind", 422, []byte(list)},
		{"learn", "contacts_learn", "no_crm", 409, []byte(list)},
	} {
		r.upload(admin, map[string]string{"kind": c.kind, "table": "x"}, "a", c.data).Problem(c.status, c.code)
	}
	r.upload(admin, map[string]string{"kind": "table", "table": "prices"}, "a.csv", []byte(list)).Problem(http.StatusConflict, "table_of_config")
	r.upload(admin, map[string]string{"kind": "table"}, "a.csv", []byte(list)).Problem(http.StatusUnprocessableEntity, "bad_name")
	if left, err := filepath.Glob(filepath.Join(r.dir, "imports", "*")); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	var i exchange.Import
	r.upload(admin, map[string]string{"kind": "contacts_create"}, "a.csv", []byte("foo,bar\n1,2\n")).JSON(http.StatusCreated, &i)
	if len(i.Problems) != 1 || i.Problems[0].Code != exchange.NoKey {
		t.Errorf("got %+v", i.Problems)
	}
	r.server.As(admin).Post("/api/v1/imports/"+i.Id+"/start", nil).Problem(http.StatusUnprocessableEntity, "mapping_incomplete")
	r.server.As(admin).Patch("/api/v1/imports/"+i.Id, map[string]any{"mapping": []map[string]any{{"column": 9, "field": "email"}}}).Problem(http.StatusUnprocessableEntity, "bad_column")

	// What was sound at the beginning may break later, and have too many rows.
	many := "email\n" + strings.Repeat("a@b.cn\n", 6000)
	r.upload(admin, map[string]string{"kind": "contacts_create"}, "a.csv", []byte(many)).JSON(http.StatusCreated, &i)
	if i = r.run(i.Id, "start"); i.State != exchange.ImportStateFailed || *i.ProblemCode != "too_many_rows" {
		t.Errorf("got %+v", i)
	}
	r.upload(admin, map[string]string{"kind": "contacts_create"}, "a.csv", []byte("email\n"+strings.Repeat("a@b.cn\n", 2000)+"\"")).JSON(http.StatusCreated, &i)
	if i = r.run(i.Id, "check"); i.State != exchange.ImportStateChecked || i.Counts.Unchanged == 0 {
		t.Errorf("got %+v", i)
	}
}

func TestGuessByValues(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t), nil)
	var i exchange.Import
	r.upload(admin, map[string]string{"kind": "contacts_create"}, "a.csv", []byte("who;where;line\nA;a@b.cn;13800001111\nB;b@b.cn;13800002222\n")).JSON(http.StatusCreated, &i)
	if m := i.Mapping; *i.Delimiter != ";" || *m[1].Field != "email" || *m[1].By != exchange.Values || *m[1].Confidence >= 0.8 || *m[2].Field != "mobile" || m[0].Field != nil {
		t.Errorf("got %+v", i)
	}
	var o exchange.ImportOptions
	r.server.As(admin).Get("/api/v1/import-options").JSON(http.StatusOK, &o)
	if len(o.Kinds) != 2 || len(o.Fields) < 10 {
		t.Errorf("got %+v", o)
	}
	for _, f := range o.Fields {
		if f.Label.Zh == "" || f.Label.En == "" {
			t.Errorf("%s has no name", f.Name)
		}
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db, nil)
		put := func(text string) exchange.Import {
			var i exchange.Import
			r.upload(admin, map[string]string{"kind": "table", "table": "预算 表"}, "b.csv", []byte(text)).JSON(http.StatusCreated, &i)
			if i = r.run(i.Id, "start"); i.State != exchange.ImportStateDone {
				t.Fatalf("got %+v", i)
			}
			return i
		}
		if i := put("部门,预算,备注\n销售,100,x\n市场,200,y\n"); i.Counts.Added != 2 || *i.TableVersion != 1 {
			t.Errorf("got %+v", i)
		}
		if i := put("部门,预算,备注\n销售,150,x\n市场,200,y\n人事,1,z\n"); i.Counts.Added != 1 || i.Counts.Changed != 1 || i.Counts.Unchanged != 1 || *i.TableVersion != 2 {
			t.Errorf("got %+v", i)
		}
		if i := put("部门,预算,备注\n销售,150,x\n市场,200,y\n人事,1,z\n"); i.Counts.Unchanged != 3 || *i.TableVersion != 2 {
			t.Errorf("the same again: %+v", i)
		}
		path := "/api/v1/tables/" + url.PathEscape("预算 表")
		var one exchange.Table
		a := r.server.As(admin).Get(path)
		if a.JSON(http.StatusOK, &one); len(one.Versions) != 2 || one.Columns[1].Kind != "number" || a.Header.Get("ETag") != `"2"` {
			t.Errorf("got %+v", one)
		}
		r.server.As(admin).Post(path+"/restore", map[string]int{"version": 1}, "If-Match", `"1"`).Problem(http.StatusPreconditionFailed, "changed_meanwhile")
		r.server.As(admin).Post(path+"/restore", map[string]int{"version": 1}, "If-Match", `"2"`).JSON(http.StatusOK, &one)
		if *one.Version != 3 || *one.Versions[0].RestoredFrom != 1 || *one.Rows != 2 {
			t.Errorf("got %+v", one)
		}
		var rows exchange.TableRowPage
		r.server.As(admin).Get(path+"/rows?version=2&limit=2").JSON(http.StatusOK, &rows)
		if len(rows.Items) != 2 || rows.Items[0][1] != "150" || rows.Next == nil {
			t.Errorf("got %+v", rows)
		}
		var all exchange.TableList
		r.server.As(person("auditor", access.Auditor, access.ScopeAll)).Get("/api/v1/tables").JSON(http.StatusOK, &all)
		if len(all.Items) != 2 || all.Items[0].Source != "config" {
			t.Errorf("got %+v", all)
		}
		r.server.As(admin).Delete("/api/v1/tables/prices").Problem(http.StatusConflict, "table_of_config")
		r.server.As(person("agent", access.Agent, access.ScopeOwn)).Delete(path).Problem(http.StatusForbidden, "forbidden")
		r.server.As(admin).Delete(path).Is(http.StatusNoContent)
		r.server.As(admin).Get(path).Problem(http.StatusNotFound, "no_such_table")
	})
}

func (r *rig) export(c *access.Caller, body map[string]any) (exchange.Export, *apitest.Answer) {
	r.t.Helper()
	var e exchange.Export
	r.server.As(c).Post("/api/v1/exports", body).JSON(http.StatusAccepted, &e)
	e = ended(r, c, "/api/v1/exports/"+e.Id, func(e exchange.Export) bool { return e.State != exchange.ExportStateRunning })
	if e.State != exchange.ExportStateDone {
		r.t.Fatalf("got %+v", e)
	}
	return e, r.server.As(c).Get("/api/v1/exports/" + e.Id + "/file").Is(http.StatusOK)
}

func TestExport(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db, nil)
		var csv strings.Builder
		csv.WriteString("name,email,phone,owner\n")
		for n := range 120 {
			fmt.Fprintf(&csv, "\"'=cmd|%d\",p%d@customer.cn,+86 1380000%04d,%s\n", n, n, n, []string{"manager@example.com", "else@example.com"}[n%2])
		}
		if _, err := r.crm.ImportContacts(t.Context(), strings.NewReader(csv.String()), builtin.ImportOptions{}); err != nil {
			t.Fatal(err)
		}
		manager := person("manager", access.Manager, access.ScopeTeam, "phone")
		for _, format := range []string{"csv", "xlsx"} {
			e, a := r.export(manager, map[string]any{"kind": "contacts", "format": format, "lang": "zh"})
			rows := readFile(t, a.Body)
			if e.Rows != 60 || len(rows) != 61 || rows[0][0] != "姓名" || *e.Bytes != int64(len(a.Body)) {
				t.Fatalf("%+v, %d rows, %q", e, len(rows), rows[0])
			}
			for _, row := range rows[1:] {
				if !strings.HasPrefix(row[0], "'=") || len(row) > 4 && row[4] != "" || row[6] != "manager@example.com" {
					t.Fatalf("got %q", row)
				}
			}
			// Nobody else gets it.
			r.server.As(admin).Get("/api/v1/exports/"+e.Id+"/file").Problem(http.StatusNotFound, "no_such_export")
			r.server.As(admin).Delete("/api/v1/exports/"+e.Id).Problem(http.StatusNotFound, "no_such_export")
			for _, operation := range []string{"createExport", "downloadExport"} {
				if acts := r.server.Acts(operation); len(acts) == 0 || acts[len(acts)-1].Notes["name"] != *e.File {
					t.Errorf("%s is on record as %+v, want the name %s", operation, acts, *e.File)
				}
			}
		}
		e, _ := r.export(admin, map[string]any{"kind": "contacts"})
		if e.Truncated == nil || e.Rows != 100 {
			t.Errorf("got %+v", e)
		}
		for _, kind := range []string{"companies", "deals", "tickets", "ledger", "runs"} {
			if _, a := r.export(admin, map[string]any{"kind": kind, "lang": "zh"}); len(readFile(t, a.Body)) == 0 {
				t.Errorf("%s: no header", kind)
			}
		}
		if _, a := r.export(admin, map[string]any{"kind": "table", "filter": map[string]string{"table": "prices"}}); !strings.Contains(string(a.Body), "A,5") {
			t.Errorf("got %s", a.Body)
		}
		r.server.As(admin).Post("/api/v1/exports", map[string]any{"kind": "contacts", "filter": map[string]string{"rule": "x"}}).Problem(http.StatusUnprocessableEntity, "bad_filter")
		r.server.As(admin).Post("/api/v1/exports", map[string]any{"kind": "messages"}).Problem(http.StatusConflict, "no_such_list")
		r.server.As(person("agent", access.Agent, access.ScopeOwn)).Post("/api/v1/exports", map[string]any{"kind": "contacts"}).Problem(http.StatusForbidden, "forbidden")

		r.now = r.now.Add(25 * time.Hour)
		r.server.As(admin).Get("/api/v1/exports/"+e.Id+"/file").Problem(http.StatusGone, "export_expired")
		r.export(admin, map[string]any{"kind": "deals"}) // cleans up
		r.server.As(admin).Get("/api/v1/exports/"+e.Id).Problem(http.StatusNotFound, "no_such_export")
		if left, err := filepath.Glob(filepath.Join(r.dir, "exports", "*")); err != nil || len(left) != 1 {
			t.Errorf("%v is left, %v", left, err)
		}
	})
}

func readFile(t *testing.T, data []byte) (out [][]string) {
	t.Helper()
	rows, err := tablefile.Open(bytes.NewReader(data), tablefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for {
		row, _, err := rows.Next()
		if err != nil {
			return out
		}
		out = append(out, row)
	}
}

func TestOnboarding(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db, nil)
		var o exchange.Onboarding
		r.server.As(person("wang", access.Agent, access.ScopeOwn)).Get("/api/v1/me/onboarding").JSON(http.StatusOK, &o)
		if o.Address != "wang@example.com" || o.Incoming[0].Port != 993 || len(o.Programs) != 7 || o.Password.Kind != exchange.Code || !strings.HasPrefix(*o.QrSvg, "<svg") {
			t.Errorf("got %+v", o)
		}
		path := "/api/v1/accounts/wang@example.com/onboarding"
		r.server.As(admin).Get(path).JSON(http.StatusOK, &o)
		r.server.As(person("m", access.Manager, access.ScopeTeam)).Get(path).Problem(http.StatusNotFound, "no_settings")
		r.server.As(admin).Get("/api/v1/accounts/wang@elsewhere.example/onboarding").Problem(http.StatusNotFound, "no_settings")

		link := func() string {
			var l exchange.OnboardingLink
			r.server.As(admin).Post(path+"/link", nil).JSON(http.StatusCreated, &l)
			_, token, _ := strings.Cut(l.Url, "#")
			return token
		}
		first := link()
		second := link()
		redeem := func(token string) *apitest.Answer {
			return r.server.As(nil).Post("/api/v1/onboarding/redeem", map[string]string{"token": token})
		}
		redeem(first).Problem(http.StatusNotFound, "no_such_link")
		redeem(second).JSON(http.StatusOK, &o)
		if o.Address != "wang@example.com" || o.Problems != nil {
			t.Errorf("got %+v", o)
		}
		redeem(second).Problem(http.StatusNotFound, "no_such_link")
		third := link()
		r.now = r.now.Add(8 * 24 * time.Hour)
		redeem(third).Problem(http.StatusNotFound, "no_such_link")
		for range 100 {
			if a := redeem("x"); a.Status == http.StatusTooManyRequests {
				return
			}
		}
		t.Error("a stranger may try links for ever")
	})
}

// TestSilentJobs: a job whose gateway was stopped does not run for ever.
func TestSilentJobs(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	r := newRig(t, db, nil)
	var i exchange.Import
	r.upload(admin, map[string]string{"kind": "contacts_create"}, "a.csv", []byte(list)).JSON(http.StatusCreated, &i)
	err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `UPDATE exchange_jobs SET state = 'running' WHERE id = $1`, i.Id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r.server.As(admin).Get("/api/v1/imports/"+i.Id).JSON(http.StatusOK, &i)
	if i.State != exchange.ImportStateRunning {
		t.Errorf("another gateway may work on it: %+v", i)
	}
	r.now = r.now.Add(2 * time.Minute)
	r.server.As(admin).Get("/api/v1/imports/"+i.Id).JSON(http.StatusOK, &i)
	if i.State != exchange.ImportStateFailed || *i.ProblemCode != "interrupted" {
		t.Errorf("got %+v", i)
	}
	if i = r.run(i.Id, "start"); i.State != exchange.ImportStateDone {
		t.Errorf("got %+v", i)
	}
	var raw map[string]any
	if err := json.Unmarshal(r.server.As(admin).Get("/api/v1/imports/"+i.Id).Body, &raw); err != nil || raw["said"] != nil {
		t.Errorf("got %v, %v", raw, err)
	}
}
