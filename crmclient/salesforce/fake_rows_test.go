package salesforce_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// check says whether the values can be stored.
func (f *fake) check(name string, t *ftable, id string, fields map[string]any) *apiFault {
	for _, n := range slices.Sorted(maps.Keys(fields)) {
		d, ok := t.fields[n]
		v := fields[n]
		switch {
		case !ok:
			fault := bad("INVALID_FIELD", "No such column '%s' on sobject of type %s", n, name)
			return fault
		case d.readOnly, t.frozen && id != "" && !strings.HasSuffix(n, "__c"):
			return &apiFault{status: 400, code: "INVALID_FIELD_FOR_INSERT_UPDATE", text: "Unable to create/update fields: " + n, fields: []string{n}}
		case v == nil:
			continue
		}
		wrong := bad("JSON_PARSER_ERROR", "Cannot deserialize instance of %s from VALUE_STRING value %v", d.kind, v)
		switch d.kind {
		case "boolean":
			if _, ok := v.(bool); !ok {
				return wrong
			}
		case "double":
			if _, ok := v.(float64); !ok {
				return wrong
			}
		case "idlist":
			list, ok := v.([]any)
			if !ok {
				return wrong
			}
			for _, one := range list {
				if !f.has(one) {
					return bad("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
				}
			}
		case "datetime":
			s, _ := v.(string)
			if _, err := time.Parse(time.RFC3339, s); err != nil {
				return wrong
			}
		case "date":
			s, _ := v.(string)
			if _, err := time.Parse(time.DateOnly, s); err != nil {
				return wrong
			}
		default:
			s, ok := v.(string)
			if !ok {
				return wrong
			}
			if d.length > 0 && len([]rune(s)) > d.length {
				return &apiFault{status: 400, code: "STRING_TOO_LONG", text: fmt.Sprintf("%s: data value too large: %s (max length=%d)", n, s, d.length), fields: []string{n}}
			}
			if d.kind == "id" && !f.has(s) {
				return bad("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
			}
			if d.unique {
				for other, row := range t.rows {
					if other != id && row[n] == s && row["IsDeleted"] != true {
						return bad("DUPLICATE_VALUE", "duplicate value found: %s duplicates value on record with id: %s", n, other)
					}
				}
			}
		}
	}
	return nil
}

func (f *fake) has(id any) bool {
	s, _ := id.(string)
	if strings.HasPrefix(s, "012") { // record types
		return true
	}
	for _, t := range f.tables {
		if row, ok := t.rows[s]; ok && row["IsDeleted"] != true {
			return true
		}
	}
	return false
}

func (f *fake) insert(name string, t *ftable, fields map[string]any) (string, *apiFault) {
	if t.closed {
		return "", &apiFault{status: http.StatusForbidden, code: "INSUFFICIENT_ACCESS_OR_READONLY", text: "insufficient access rights on object"}
	}
	if fault := f.check(name, t, "", fields); fault != nil {
		return "", fault
	}
	var missing []string
	for n, d := range t.fields {
		if d.required && (fields[n] == nil || fields[n] == "") {
			missing = append(missing, n)
		}
	}
	if len(missing) > 0 {
		return "", &apiFault{status: 400, code: "REQUIRED_FIELD_MISSING", text: fmt.Sprintf("Required fields are missing: %v", missing), fields: missing}
	}
	if f.block != "" && (name == "Contact" || name == "Lead") {
		object := "Contact"
		if strings.HasPrefix(f.block, "00Q") {
			object = "Lead"
		}
		return "", &apiFault{status: 400, code: "DUPLICATES_DETECTED", text: "Use one of these records?", extra: map[string]any{"duplicateResult": map[string]any{
			"matchResults": []any{map[string]any{"entityType": object, "matchRecords": []any{map[string]any{"record": map[string]any{"attributes": map[string]any{"type": object}, "Id": f.block}}}}},
		}}}
	}
	return f.store(t, f.newID(t.prefix), fields), nil
}

// store puts a record, with what Salesforce fills itself.
func (f *fake) store(t *ftable, id string, fields map[string]any) string {
	row := map[string]any{"Id": id, "IsDeleted": false}
	t.rows[id] = row
	t.order = append(t.order, id)
	f.set(t, row, fields)
	switch t.prefix {
	case "068":
		row["IsLatest"] = true
		row["ContentDocumentId"] = f.store(f.tables["ContentDocument"], f.newID("069"), map[string]any{"Title": row["Title"]})
	case "001":
		if row["PersonEmail"] != nil {
			row["PersonContactId"] = f.store(f.tables["Contact"], f.newID("003"), map[string]any{
				"FirstName": row["FirstName"], "LastName": row["LastName"], "Email": row["PersonEmail"], "AccountId": id,
			})
			f.tables["Contact"].rows[row["PersonContactId"].(string)]["IsPersonAccount"] = true
		}
	case "02s":
		for list, kind := range map[string]string{"ToIds": "ToAddress", "CcIds": "CcAddress", "BccIds": "BccAddress"} {
			ids, _ := row[list].([]any)
			for _, person := range ids {
				f.store(f.tables["EmailMessageRelation"], f.newID("0Fz"), map[string]any{"EmailMessageId": id, "RelationId": person, "RelationType": kind})
			}
		}
	}
	return id
}

func (f *fake) set(t *ftable, row, fields map[string]any) {
	for n, v := range fields {
		if s, ok := v.(string); ok && t.fields[n].kind == "datetime" {
			at, _ := time.Parse(time.RFC3339, s)
			v = at.UTC()
		}
		row[n] = v
	}
	if _, ok := t.fields["LastName"]; ok && t.prefix != "001" {
		first, _ := row["FirstName"].(string)
		last, _ := row["LastName"].(string)
		row["Name"] = strings.TrimSpace(first + " " + last)
	}
	f.stamp(row)
}

func (f *fake) update(name string, t *ftable, row, fields map[string]any) *apiFault {
	if fault := f.check(name, t, row["Id"].(string), fields); fault != nil {
		return fault
	}
	if row["IsPersonAccount"] == true {
		return bad("INSUFFICIENT_ACCESS_OR_READONLY", "update the account of the person")
	}
	if contact, _ := row["PersonContactId"].(string); contact != "" {
		person := f.tables["Contact"].rows[contact]
		for from, to := range map[string]string{"PersonTitle": "Title", "PersonMobilePhone": "MobilePhone", "Phone": "Phone"} {
			if v, ok := fields[from]; ok {
				person[to] = v
			}
		}
		f.stamp(person)
	}
	f.set(t, row, fields)
	return nil
}
