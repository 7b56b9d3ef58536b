package salesforce_test

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
)

// kindOf returns the kind of a field, also of one behind relationships.
func (f *fake) kindOf(t *ftable, name, object string) (string, error) {
	first, rest, deep := strings.Cut(name, ".")
	if deep {
		target := map[string]string{"Account": "Account", "Owner": "User"}[first]
		if _, ok := t.fields[first+"Id"]; !ok || target == "" {
			return "", fmt.Errorf("Didn't understand relationship '%s' in field path", first)
		}
		return f.kindOf(f.tables[target], rest, target)
	}
	d, ok := t.fields[name]
	if !ok {
		return "", fmt.Errorf("No such column '%s' on entity '%s'", name, object)
	}
	return d.kind, nil
}

func (f *fake) valueOf(row map[string]any, name string) any {
	first, rest, deep := strings.Cut(name, ".")
	if !deep {
		return row[name]
	}
	id, _ := row[first+"Id"].(string)
	for _, t := range f.tables {
		if other, ok := t.rows[id]; ok && id != "" {
			return f.valueOf(other, rest)
		}
	}
	return nil
}

func (f *fake) query(values url.Values, all bool) (int, any, *apiFault) {
	soql := values.Get("q")
	if len(values) != 1 || len(values.Encode()) > 16_000 {
		f.problem("query: %v", values)
	}
	unknown := false
	q, err := parseSOQL(soql, func(object string) (func(string) (string, error), error) {
		t := f.tables[object]
		if t == nil {
			unknown = true
			return nil, fmt.Errorf("sObject type '%s' is not supported", object)
		}
		return func(name string) (string, error) { return f.kindOf(t, name, object) }, nil
	})
	switch {
	case unknown:
		return 0, nil, bad("INVALID_TYPE", "%s\n^\nERROR at Row:1:Column:1\n%v", soql, err)
	case err != nil && strings.Contains(err.Error(), "column"):
		return 0, nil, bad("INVALID_FIELD", "%s\n^\nERROR at Row:1:Column:1\n%v", soql, err)
	case err != nil:
		f.problem("query %s: %v", soql, err)
		return 0, nil, bad("MALFORMED_QUERY", "%s: %v", soql, err)
	}
	t := f.tables[q.object]
	var rows []map[string]any
	for _, id := range t.order {
		row := t.rows[id]
		if (all || row["IsDeleted"] != true) && q.where(func(n string) any { return f.valueOf(row, n) }) {
			rows = append(rows, row)
		}
	}
	sortRows(rows, q.order)
	if q.limit > 0 {
		rows = rows[:min(len(rows), q.limit)]
	}
	shown := make([]map[string]any, len(rows))
	for i, row := range rows {
		shown[i] = f.shown(q.object, t, row, q.fields)
	}
	return 200, f.page(shown, len(shown)), nil
}

func sortRows(rows []map[string]any, order []string) {
	slices.SortStableFunc(rows, func(a, b map[string]any) int {
		for _, name := range order {
			field, falling := strings.CutPrefix(name, "-")
			n := 0
			switch x := a[field].(type) {
			case string:
				y, _ := b[field].(string)
				n = strings.Compare(x, y)
			case time.Time:
				y, _ := b[field].(time.Time)
				n = x.Compare(y)
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

func (f *fake) page(rows []map[string]any, total int) any {
	out := map[string]any{"totalSize": total, "done": true, "records": rows}
	if len(rows) > batchSize {
		f.seq++
		locator := "01g" + strconv.Itoa(f.seq) + "-2000"
		f.pages[locator] = rows[batchSize:]
		out["done"], out["records"], out["nextRecordsUrl"] = false, rows[:batchSize], apiRoot+"/query/"+locator
	}
	return out
}

// shown is a record as the API writes it.
func (f *fake) shown(object string, t *ftable, row map[string]any, fields []string) map[string]any {
	out := map[string]any{"attributes": map[string]any{"type": object, "url": apiRoot + "/sobjects/" + object + "/" + row["Id"].(string)}}
	for _, name := range fields {
		v := f.valueOf(row, name)
		if at, ok := v.(time.Time); ok {
			v = at.Format("2006-01-02T15:04:05.000-0700")
		}
		if v == "" {
			v = nil
		}
		if v == nil && t.fields[name].kind == "boolean" {
			v = false
		}
		put(out, strings.Split(name, "."), v)
	}
	return out
}

func put(into map[string]any, path []string, v any) {
	if len(path) == 1 {
		into[path[0]] = v
		return
	}
	inner, ok := into[path[0]].(map[string]any)
	if !ok {
		inner = map[string]any{}
		into[path[0]] = inner
	}
	put(inner, path[1:], v)
}

// Records returns the mails.
func (f *fake) Records(t *testing.T) []crmtest.Record {
	t.Helper()
	f.report(t)
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []crmtest.Record
	for _, object := range []string{"EmailMessage", "Task"} {
		table := f.tables[object]
		for _, id := range table.order {
			row := table.rows[id]
			if row["IsDeleted"] == true {
				continue
			}
			get := func(name string) string { s, _ := row[name].(string); return s }
			r := crmtest.Record{Key: get("Mail_Key__c"), Subject: get("Subject"), Accounts: list(get("Accounts__c")), BCC: list(get("Bcc__c")), Thread: get("Thread__c")}
			body, note, _ := strings.Cut(get("TextBody")+get("Description"), "\n\n-- \nFiles that are not here:\n")
			r.Text = body
			for line := range strings.Lines(note) {
				name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "- "), " (")
				r.Attachments = append(r.Attachments, name)
			}
			out = append(out, r)
		}
	}
	return out
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// add puts a record without asking for rights, and returns its id.
func (f *fake) add(object string, fields map[string]any) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.tables[object]
	return f.store(t, f.newID(t.prefix), fields)
}

// change runs body with the records at hand.
func (f *fake) change(body func(tables map[string]*ftable)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body(f.tables)
}

// AddContact puts a contact.
func (f *fake) AddContact(_ *testing.T, name, address string) {
	f.add("Contact", map[string]any{"LastName": name, "Email": address})
}

// PutContact puts or changes a contact.
func (f *fake) PutContact(_ *testing.T, r crmclient.ContactRecord) string {
	fields := map[string]any{"FirstName": "", "LastName": r.Name, "Email": r.Addresses[0], "Title": r.Fields[crmclient.FieldTitle]}
	if r.ID == "" {
		return f.add("Contact", fields)
	}
	f.change(func(tables map[string]*ftable) { f.set(tables["Contact"], tables["Contact"].rows[r.ID], fields) })
	return r.ID
}

// DeleteContact puts a contact into the recycle bin.
func (f *fake) DeleteContact(_ *testing.T, id string) {
	f.change(func(tables map[string]*ftable) {
		row := tables["Contact"].rows[id]
		row["IsDeleted"] = true
		f.stamp(row)
	})
}
