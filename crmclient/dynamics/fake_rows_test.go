package dynamics_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

func (f *fake) newID() string {
	f.seq++
	return fmt.Sprintf("10000000-0000-0000-0000-%012x", f.seq)
}

func (f *fake) insert(r *http.Request, t *ftable, fields map[string]any) (int, any, *apiFault) {
	if t.denied {
		return 0, nil, bad(403, "0x80040220", "Principal user is missing prvCreate%s privilege", t.name)
	}
	if t.name == "incident" {
		_, a := fields["customerid_contact@odata.bind"]
		_, b := fields["customerid_account@odata.bind"]
		if !a && !b {
			return 0, nil, bad(400, "0x80048d19", "You should specify a parent contact or account.")
		}
	}
	row := map[string]any{}
	if fault := f.set(t, row, fields, true); fault != nil {
		return 0, nil, fault
	}
	t.put(f.newID(), row)
	if r.Header.Get("Prefer") == "return=representation" {
		return 201, f.shown(t, row, slices.Collect(maps.Keys(t.columns)), ""), nil
	}
	return 204, nil, nil
}

var bindForm = regexp.MustCompile(`^/([a-z]+)\(([0-9a-f-]{36})\)$`)

// bound checks a reference and returns the id.
func (f *fake) bound(v any) (string, *apiFault) {
	s, _ := v.(string)
	m := bindForm.FindStringSubmatch(s)
	if m == nil {
		return "", bad(400, "0x80048d19", "not a reference: %v", v)
	}
	set := m[1]
	if set == "activitypointers" {
		set = "emails"
	}
	if t := f.tables[set]; t == nil || t.rows[m[2]] == nil {
		return "", bad(404, "0x80040217", "%s With Id = %s Does Not Exist", m[1], m[2])
	}
	return m[2], nil
}

// set writes fields into a row, after it has checked all of them.
func (f *fake) set(t *ftable, row, fields map[string]any, fresh bool) *apiFault {
	next := map[string]any{}
	for name, v := range fields {
		plain, isBind := strings.CutSuffix(name, "@odata.bind")
		if isBind {
			id, fault := f.bound(v)
			if fault != nil {
				return fault
			}
			column := map[string]string{"customerid_contact": "customerid", "customerid_account": "customerid", "objectid_activitypointer": "objectid"}[plain]
			if strings.HasPrefix(plain, "regardingobjectid_") && strings.HasSuffix(plain, f.regards) {
				column = "regardingobjectid"
			}
			if plain == "ownerid" {
				column = "ownerid"
			}
			if column == "" {
				return bad(400, "0x80048d19", "An undeclared property '%s' which only has property annotations in the payload", plain)
			}
			next[column] = id
			continue
		}
		if name == "email_activity_parties" && t.name == "email" && fresh {
			if fault := f.parties(v); fault != nil {
				return fault
			}
			next["parties"] = v
			continue
		}
		value, fault := typed(t, name, v)
		if fault != nil {
			return fault
		}
		if name == t.alternate && !f.slow {
			for id, other := range t.rows {
				if other[name] == v && id != row[t.key] {
					return bad(412, "0x80060892", "A record that has the attribute values %s already exists.", name)
				}
			}
		}
		next[name] = value
	}
	if t.name == "email" && !fresh && row["statecode"] == 1.0 {
		for name := range next {
			if !strings.HasPrefix(name, "new_") {
				return bad(400, "0x80040203", "the email is closed")
			}
		}
	}
	if t.name == "activitymimeattachment" {
		if mail := f.tables["emails"].rows[next["objectid"].(string)]; mail["statecode"] == 1.0 {
			return bad(400, "0x80040203", "the email is closed")
		}
	}
	maps.Copy(row, next)
	if fresh && row["statecode"] == nil {
		row["statecode"] = 0.0
	}
	if _, ok := t.columns["fullname"]; ok {
		first, _ := row["firstname"].(string)
		last, _ := row["lastname"].(string)
		row["fullname"] = strings.TrimSpace(first + " " + last)
	}
	f.now = f.now.Add(time.Second)
	row["modifiedon"], row["modifiedby"] = f.now, ownUser
	return nil
}

func (f *fake) parties(v any) *apiFault {
	list, _ := v.([]any)
	for _, each := range list {
		party, _ := each.(map[string]any)
		if mask, ok := party["participationtypemask"].(float64); !ok || mask < 1 || mask > 4 || len(party) != 2 {
			return bad(400, "0x80048d19", "party: %v", party)
		}
		for name, value := range party {
			switch name {
			case "participationtypemask", "addressused":
			case "partyid_contact@odata.bind", "partyid_lead@odata.bind", "partyid_account@odata.bind", "partyid_systemuser@odata.bind":
				if _, fault := f.bound(value); fault != nil {
					return fault
				}
			default:
				return bad(400, "0x80048d19", "An undeclared property '%s'", name)
			}
		}
	}
	return nil
}

func typed(t *ftable, name string, v any) (any, *apiFault) {
	kind, ok := t.columns[name]
	if !ok {
		return nil, bad(400, "0x80048d19", "Error identified in Payload: An undeclared property '%s'", name)
	}
	wrong := bad(400, "0x80048d19", "Cannot convert the literal to the expected type Edm.%s", kind)
	if v == nil {
		return nil, nil
	}
	switch kind {
	case "String", "Memo":
		if _, ok := v.(string); !ok {
			return nil, wrong
		}
	case "Boolean":
		if _, ok := v.(bool); !ok {
			return nil, wrong
		}
	case "DateTime":
		s, _ := v.(string)
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return nil, wrong
		}
		return at.UTC(), nil
	case "Picklist", "State", "Status", "Decimal":
		if _, ok := v.(float64); !ok {
			return nil, wrong
		}
	default:
		return nil, wrong
	}
	return v, nil
}
