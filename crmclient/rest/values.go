package rest

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// scope holds the values that templates may use, by name.
type scope struct {
	values map[string]any
	more   *scope // looked up next
	tables map[string]map[string]any
}

func newScope(values map[string]any, base *scope) scope {
	s := scope{values: values, more: base}
	if base != nil {
		s.tables = base.tables
	}
	return s
}

// with returns the scope with one more value.
func (s scope) with(name string, v any) scope {
	return scope{values: map[string]any{name: v}, more: &s, tables: s.tables}
}

func (s scope) table(name string) (map[string]any, bool) {
	t, ok := s.tables[name]
	return t, ok
}

// lookup returns a value, nil where there is none. A dotted name leads into objects and, by a number, into lists.
func (s scope) lookup(name string) any {
	head, rest, dotted := strings.Cut(name, ".")
	for at := &s; at != nil; at = at.more {
		v, ok := at.values[head]
		if !ok {
			continue
		}
		for dotted {
			head, rest, dotted = strings.Cut(rest, ".")
			v = member(v, head)
		}
		return v
	}
	return nil
}

// member returns one value of an object or a list.
func member(v any, name string) any {
	switch v := v.(type) {
	case map[string]any:
		return v[name]
	case []any:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(v) {
			return v[i]
		}
	}
	return nil
}

// vocabulary is the set of the first parts of names that an operation's templates may use.
type vocabulary map[string]bool

func words(lists ...[]string) vocabulary {
	v := vocabulary{"item": true, "vars": true, "secret": true, "now": true, "nonce": true}
	for _, list := range lists {
		for _, w := range list {
			v[w] = true
		}
	}
	return v
}

// peopleNames are values of an activity besides those of package fieldmap: lists of objects.
var peopleNames = []string{"sender", "recipients", "copied", "blind", "contacts", "companies", "files", "correspondent", "correspondents"}

func activityNames() []string {
	return append(fieldmap.ActivitySources().Names(), peopleNames...)
}

func ticketNames() []string {
	return append(fieldmap.TicketSources().Names(), "files", "fields")
}

func contactNames() []string { return fieldmap.ContactSources().Names() }

// activityValues are those of fieldmap and the people, contacts and files as objects. contents are the files' bytes, by place.
func activityValues(a *crmclient.Activity, contents [][]byte) map[string]any {
	v := plainValues(fieldmap.Activity(a))
	v["sender"], v["recipients"], v["copied"], v["blind"] = person(a.From), people(a.To), people(a.CC), people(a.BCC)
	contacts := make([]any, 0, len(a.Contacts))
	for _, c := range a.Contacts {
		contacts = append(contacts, map[string]any{
			"id": c.ID, "kind": c.Kind, "address": c.Address, "name": c.Name, "company": c.Company, "owner": c.Owner,
		})
	}
	companies := make([]any, 0, len(a.Companies))
	for _, c := range a.Companies {
		companies = append(companies, map[string]any{"id": c.ID, "name": c.Name, "domain": c.Domain, "owner": c.Owner})
	}
	others := correspondents(a)
	v["contacts"], v["companies"], v["files"] = contacts, companies, fileValues(a.Attachments, contents)
	v["correspondents"], v["correspondent"] = others, map[string]any{}
	if len(others) > 0 {
		v["correspondent"] = others[0]
	}
	return v
}

// correspondents are the people outside the company, as far as direction and accounts tell.
func correspondents(a *crmclient.Activity) []any {
	all := append(append(append([]crmclient.Person{}, a.To...), a.CC...), a.BCC...)
	if a.Direction == crmclient.Inbound {
		all = append([]crmclient.Person{a.From}, all...)
	}
	ours := map[string]bool{"": true}
	for _, account := range a.Accounts {
		ours[account] = true
	}
	if a.Direction != crmclient.Inbound {
		ours[a.From.Address] = true
	}
	out := []any{}
	for _, p := range all {
		if !ours[p.Address] {
			ours[p.Address] = true
			out = append(out, person(p))
		}
	}
	return out
}

func ticketValues(t *crmclient.Ticket, contents [][]byte) map[string]any {
	v := plainValues(fieldmap.Ticket(t))
	fields := t.Fields
	if fields == nil {
		fields = map[string]any{}
	}
	v["fields"], v["files"] = fields, fileValues(t.Files, contents)
	return v
}

func person(p crmclient.Person) map[string]any {
	return map[string]any{"name": p.Name, "address": p.Address}
}

func people(list []crmclient.Person) []any {
	out := make([]any, len(list))
	for i, p := range list {
		out[i] = person(p)
	}
	return out
}

func fileValue(f crmclient.Attachment, content []byte) map[string]any {
	return map[string]any{
		"name": f.Name, "type": f.Type, "size": f.Size, "sha256": f.SHA256, "inline": f.Inline, "content": content,
	}
}

func fileValues(files []crmclient.Attachment, contents [][]byte) []any {
	out := make([]any, len(files))
	for i, f := range files {
		var content []byte
		if i < len(contents) {
			content = contents[i]
		}
		out[i] = fileValue(f, content)
	}
	return out
}

// plainValues turns lists of texts into lists.
func plainValues(in map[string]any) map[string]any {
	out := make(map[string]any, len(in)+len(peopleNames))
	for k, v := range in {
		if list, ok := v.([]string); ok {
			v = texts(list)
		}
		out[k] = v
	}
	return out
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// encodeJSON writes JSON without the escapes that encoding/json adds for the sake of HTML pages.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
