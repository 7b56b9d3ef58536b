package dynamics_test

import (
	"html"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient/crmtest"
)

// columnOf returns the column of a property: lookups are read as _name_value.
func (t *ftable) columnOf(property string) (string, bool) {
	if inner, ok := strings.CutPrefix(property, "_"); ok && strings.HasSuffix(inner, "_value") {
		name := strings.TrimSuffix(inner, "_value")
		kind := t.columns[name]
		return name, kind == "Lookup" || kind == "Owner"
	}
	kind, ok := t.columns[property]
	return property, ok && kind != "Lookup" && kind != "Owner"
}

func (f *fake) query(r *http.Request, t *ftable) (int, any, *apiFault) {
	if t.unread {
		return 0, nil, bad(403, "0x80040220", "Principal user is missing prvRead%s privilege", t.name)
	}
	q := r.URL.Query()
	for name := range q {
		if !slices.Contains([]string{"$select", "$filter", "$expand", "$orderby", "$top", "$skiptoken"}, name) {
			f.problem("query: unknown option %s", name)
		}
	}
	columns := slices.Collect(maps.Keys(t.columns))
	if s := q.Get("$select"); s != "" {
		columns = nil
		for name := range strings.SplitSeq(s, ",") {
			column, ok := t.columnOf(name)
			if !ok {
				return 0, nil, bad(400, "0x80060888", "Could not find a property named '%s' on type 'Microsoft.Dynamics.CRM.%s'.", name, t.name)
			}
			columns = append(columns, column)
		}
	}
	keep := func(map[string]any) bool { return true }
	if s := q.Get("$filter"); s != "" {
		var err error
		keep, err = parseFilter(s, func(name string) (string, bool) {
			column, ok := t.columnOf(name)
			return t.columns[column], ok
		}, func(row map[string]any, name string) any {
			column, _ := t.columnOf(name)
			return row[column]
		})
		if err != nil {
			if !strings.Contains(err.Error(), "property") {
				f.problem("filter %s: %v", s, err)
			}
			return 0, nil, bad(400, "0x80060888", "%v", err)
		}
	}
	var rows []map[string]any
	for _, id := range t.order {
		if keep(t.rows[id]) {
			rows = append(rows, t.rows[id])
		}
	}
	sortRows(rows, q.Get("$orderby"))
	return f.page(r, t, rows, columns)
}

func sortRows(rows []map[string]any, order string) {
	slices.SortStableFunc(rows, func(a, b map[string]any) int {
		for part := range strings.SplitSeq(order, ",") {
			name, falling := strings.CutSuffix(part, " desc")
			name = strings.TrimSuffix(name, " asc")
			n := 0
			switch x := a[name].(type) {
			case string:
				n = strings.Compare(x, b[name].(string))
			case time.Time:
				n = x.Compare(b[name].(time.Time))
			}
			if falling {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return 0
	})
}

const batchSize = 50

func (f *fake) page(r *http.Request, t *ftable, rows []map[string]any, columns []string) (int, any, *apiFault) {
	q := r.URL.Query()
	if top, err := strconv.Atoi(q.Get("$top")); err == nil {
		rows = rows[:min(len(rows), top)]
	}
	skip, _ := strconv.Atoi(q.Get("$skiptoken"))
	rows = rows[min(skip, len(rows)):]
	out := map[string]any{}
	if len(rows) > batchSize {
		rows = rows[:batchSize]
		q.Set("$skiptoken", strconv.Itoa(skip+batchSize))
		out["@odata.nextLink"] = f.url + r.URL.Path + "?" + q.Encode()
	}
	value := []any{}
	for _, row := range rows {
		value = append(value, f.shown(t, row, columns, q.Get("$expand")))
	}
	out["value"] = value
	return 200, out, nil
}

// shown is a row as the API writes it.
func (f *fake) shown(t *ftable, row map[string]any, columns []string, expand string) map[string]any {
	out := map[string]any{"@odata.etag": `W/"1"`, t.key: row[t.key]}
	for _, name := range columns {
		v := row[name]
		if at, ok := v.(time.Time); ok {
			v = at.Format("2006-01-02T15:04:05Z")
		}
		if kind := t.columns[name]; kind == "Lookup" || kind == "Owner" {
			name = "_" + name + "_value"
		}
		out[name] = v
	}
	for _, part := range strings.Split(expand, ",") {
		switch part {
		case "":
		case "owninguser($select=internalemailaddress)":
			if owner, ok := row["ownerid"].(string); ok && f.tables["systemusers"].rows[owner] != nil {
				out["owninguser"] = map[string]any{"internalemailaddress": f.tables["systemusers"].rows[owner]["internalemailaddress"]}
			}
		case "parentcustomerid_account($select=name)":
			if id, ok := row["parentcustomerid"].(string); ok && f.tables["accounts"].rows[id] != nil {
				out["parentcustomerid_account"] = map[string]any{"name": f.tables["accounts"].rows[id]["name"]}
			}
		default:
			f.problem("unknown expand %s", part)
		}
	}
	return out
}

// add puts a row without asking for rights, and returns its id.
func (f *fake) add(set string, row map[string]any) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := f.newID()
	f.now = f.now.Add(time.Second)
	row["modifiedon"], row["modifiedby"] = f.now, otherUser
	f.tables[set].put(id, row)
	return id
}

func (f *fake) change(body func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body()
}

func (f *fake) rows(set string) []map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []map[string]any
	for _, id := range f.tables[set].order {
		out = append(out, f.tables[set].rows[id])
	}
	return out
}

// Records returns the mails.
func (f *fake) Records(t *testing.T) []crmtest.Record {
	t.Helper()
	f.report(t)
	var out []crmtest.Record
	for _, row := range f.rows("emails") {
		get := func(name string) string { s, _ := row[name].(string); return s }
		body, note, _ := strings.Cut(html.UnescapeString(strings.ReplaceAll(get("description"), "<br>\n", "\n")), "\n\n-- \nFiles that are not here:\n")
		r := crmtest.Record{Key: get("new_mailkey"), Subject: get("subject"), Text: body, Accounts: list(get("new_accounts")), BCC: list(get("new_bcc")), Thread: get("new_thread")}
		for line := range strings.Lines(note) {
			name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "- "), " (")
			r.Attachments = append(r.Attachments, name)
		}
		out = append(out, r)
	}
	return out
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// AddContact puts a contact.
func (f *fake) AddContact(_ *testing.T, name, address string) {
	f.add("contacts", map[string]any{"lastname": name, "fullname": name, "emailaddress1": address})
}
