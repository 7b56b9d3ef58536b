package zoho_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (f *zohoFake) serveUpload(w http.ResponseWriter, r *http.Request, body []byte, to string) {
	r.Body = io.NopCloser(bytes.NewReader(body))
	file, header, err := r.FormFile("file")
	if err != nil {
		f.t.Errorf("upload: %v", err)
		fail(w, 400, "INVALID_DATA", nil)
		return
	}
	content, _ := io.ReadAll(file)
	f.uploads++
	switch {
	case len(content) > 20<<20:
		fail(w, 413, "FILE_SIZE_MORE_THAN_ALLOWED_SIZE", nil)
		return
	case bytes.Contains(content, []byte("EICAR")):
		fail(w, 400, "VIRUS_DETECTED", nil)
		return
	}
	id := f.newID()
	f.files[id], f.contents[id] = header.Filename, content
	if module, record, ok := strings.Cut(to, "/"); ok && f.rows[module][record] == nil {
		fail(w, 400, "INVALID_DATA", map[string]any{"resource_path_index": 1})
		return
	}
	if to != "" {
		f.attached[to] = append(f.attached[to], map[string]string{"id": id, "File_Name": header.Filename, "Size": strconv.Itoa(len(content))})
	}
	answer(w, 200, map[string]any{"data": []any{map[string]any{"code": "SUCCESS", "status": "success", "message": "uploaded", "details": map[string]any{"id": id, "name": header.Filename}}}})
}

func (f *zohoFake) serveAttachments(w http.ResponseWriter, r *http.Request, q url.Values, body []byte, record string) {
	if r.Method == http.MethodPost {
		f.params(q)
		f.serveUpload(w, r, body, record)
		return
	}
	f.params(q, "fields", "page", "per_page")
	if r.Method != http.MethodGet || q.Get("fields") == "" {
		f.t.Errorf("attachments: %s %v", r.Method, q)
	}
	if len(f.attached[record]) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	answer(w, 200, map[string]any{"data": f.attached[record], "info": map[string]any{"more_records": false}})
}

func (f *zohoFake) serveRecord(w http.ResponseWriter, r *http.Request, q url.Values, body []byte, module, id string) {
	rows, ok := f.rows[module]
	if !ok {
		fail(w, 400, "INVALID_MODULE", nil)
		return
	}
	row := rows[id]
	switch r.Method {
	case http.MethodGet:
		f.params(q, "fields")
		if row == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		var fields []string
		if q.Has("fields") {
			fields = strings.Split(q.Get("fields"), ",")
		}
		f.page(w, []map[string]any{row}, fields, 1, 1)
	case http.MethodDelete:
		f.params(q)
		if row == nil {
			fail(w, 400, "INVALID_DATA", map[string]any{"id": id})
			return
		}
		delete(rows, id)
		f.deleted[module] = append(f.deleted[module], map[string]any{"id": id, "deleted_time": f.stamp(), "type": "recycle"})
		answer(w, 200, map[string]any{"data": []any{map[string]any{"code": "SUCCESS", "status": "success", "details": map[string]any{"id": id}}}})
	case http.MethodPut:
		f.params(q)
		record := f.one(f.object(r, body), "data", "trigger")
		if row == nil {
			answer(w, 400, map[string]any{"data": []any{map[string]any{"code": "INVALID_DATA", "status": "error", "message": "the id given seems to be invalid", "details": map[string]any{"id": id}}}})
			return
		}
		f.store(w, module, id, record, "update")
	default:
		f.t.Errorf("%s of a record", r.Method)
	}
}

// one takes the only record out of a body.
func (f *zohoFake) one(body map[string]any, known ...string) map[string]any {
	f.keys("body", body, known...)
	list, _ := body["data"].([]any)
	if len(list) != 1 {
		f.t.Errorf("body with %d records", len(list))
		return nil
	}
	record, _ := list[0].(map[string]any)
	return record
}

func (f *zohoFake) stamp() string {
	return f.now().In(time.FixedZone("CST", 8*3600)).Format(time.RFC3339)
}

// store checks and keeps a record, and answers as Zoho does: with a status of 200 and the refusal in the element, or 207.
func (f *zohoFake) store(w http.ResponseWriter, module, id string, record map[string]any, action string) {
	element := func(status int, m map[string]any) { answer(w, status, map[string]any{"data": []any{m}}) }
	for name, v := range record {
		i := slices.IndexFunc(f.columns[module], func(c column) bool { return c.name == name })
		if i < 0 || f.columns[module][i].readOnly {
			f.t.Errorf("%s has no field %s that can be written", module, name)
			continue
		}
		c := f.columns[module][i]
		_, isText := v.(string)
		switch c.kind {
		case "lookup", "ownerlookup":
			if m, ok := v.(map[string]any); !ok || text(m["id"]) == "" {
				f.t.Errorf("%s.%s: %v is no reference", module, name, v)
			}
		case "text", "textarea", "email", "phone", "picklist", "date":
			if !isText {
				f.t.Errorf("%s.%s: %T is no text", module, name, v)
			}
			if c.length > 0 && len([]rune(text(v))) > c.length {
				element(http.StatusMultiStatus, map[string]any{"code": "INVALID_DATA", "status": "error", "message": "too long", "details": map[string]any{"api_name": name, "maximum_length": c.length}})
				return
			}
		}
	}
	row := f.rows[module][id]
	for _, c := range f.columns[module] {
		if c.required && text(record[c.name]) == "" && (row == nil || text(row[c.name]) == "") {
			element(http.StatusAccepted, map[string]any{"code": "MANDATORY_NOT_FOUND", "status": "error", "message": "required field not found", "details": map[string]any{"api_name": c.name}})
			return
		}
	}
	status := http.StatusOK
	if row == nil {
		status, id, row = http.StatusCreated, f.newID(), map[string]any{}
		row["id"], row["Created_Time"] = id, f.stamp()
	} else {
		row = maps.Clone(row)
	}
	maps.Copy(row, record)
	row["Modified_Time"], row["Modified_By"] = f.stamp(), map[string]any{"id": selfID, "name": "Gateway"}
	if module == "Contacts" || module == "Leads" {
		row["Full_Name"] = strings.TrimSpace(text(row["First_Name"]) + " " + text(row["Last_Name"]))
	}
	f.rows[module][id] = row
	element(status, map[string]any{"code": "SUCCESS", "status": "success", "action": action, "message": "record added", "details": map[string]any{"id": id, "Modified_Time": row["Modified_Time"]}})
}

func (f *zohoFake) serveModule(w http.ResponseWriter, r *http.Request, q url.Values, body []byte, path []string) {
	rows, ok := f.rows[path[0]]
	if !ok {
		fail(w, 400, "INVALID_MODULE", nil)
		return
	}
	switch {
	case len(path) == 2 && path[1] == "search" && r.Method == http.MethodGet:
		f.params(q, "email", "word", "fields", "page", "per_page")
		f.serveSearch(w, path[0], rows, q)
	case len(path) == 2 && path[1] == "upsert" && r.Method == http.MethodPost:
		f.params(q)
		f.serveUpsert(w, path[0], rows, f.object(r, body))
	case len(path) == 2 && path[1] == "deleted" && r.Method == http.MethodGet:
		f.params(q, "type", "page", "per_page")
		f.serveDeleted(w, r, path[0], q)
	default:
		f.t.Errorf("unknown request %s %s", r.Method, r.URL.Path)
		fail(w, http.StatusNotFound, "INVALID_URL_PATTERN", nil)
	}
}

func (f *zohoFake) serveSearch(w http.ResponseWriter, module string, rows map[string]map[string]any, q url.Values) {
	var found []map[string]any
	for _, r := range rows {
		switch {
		case q.Has("email"):
			want := q.Get("email")
			if strings.EqualFold(text(r["Email"]), want) || strings.EqualFold(text(r["Secondary_Email"]), want) {
				found = append(found, r)
			}
		case strings.Contains(strings.ToLower(text(r["Website"])), q.Get("word")):
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b map[string]any) int { return strings.Compare(text(a["id"]), text(b["id"])) })
	fields := strings.Split(q.Get("fields"), ",")
	for _, name := range fields {
		if !f.has(module, name) {
			f.t.Errorf("search asks for the field %s, which %s has not", name, module)
		}
	}
	page, _ := strconv.Atoi(q.Get("page"))
	size, _ := strconv.Atoi(q.Get("per_page"))
	if page < 1 || size < 1 || size > 200 {
		f.t.Errorf("search: page %d of %d", page, size)
	}
	f.page(w, found, fields, page, size)
}

func (f *zohoFake) serveUpsert(w http.ResponseWriter, module string, rows map[string]map[string]any, body map[string]any) {
	record := f.one(body, "data", "trigger", "duplicate_check_fields", "lar_id")
	check, _ := body["duplicate_check_fields"].([]any)
	if len(check) != 1 {
		f.t.Errorf("duplicate_check_fields: %v", check)
		return
	}
	field := text(check[0])
	i := slices.IndexFunc(f.columns[module], func(c column) bool { return c.name == field && c.unique })
	if i < 0 {
		f.t.Errorf("%s is no unique field of %s", field, module)
	}
	if rule, ok := body["lar_id"]; ok && record["Owner"] == nil {
		record["Owner"] = map[string]any{"id": "5545974000000000900", "rule": rule}
	}
	for id, r := range rows {
		if text(r[field]) == text(record[field]) {
			f.store(w, module, id, record, "update")
			return
		}
	}
	f.store(w, module, "", record, "insert")
}

func (f *zohoFake) serveDeleted(w http.ResponseWriter, r *http.Request, module string, q url.Values) {
	since, err := time.Parse(time.RFC3339, r.Header.Get("If-Modified-Since"))
	if err != nil || q.Get("type") != "all" {
		f.t.Errorf("deleted: type %q since %q", q.Get("type"), r.Header.Get("If-Modified-Since"))
	}
	var found []map[string]any
	for _, d := range f.deleted[module] {
		if at, _ := time.Parse(time.RFC3339, text(d["deleted_time"])); !at.Before(since.Truncate(time.Second)) {
			found = append(found, d)
		}
	}
	if len(found) == 0 {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	page, _ := strconv.Atoi(q.Get("page"))
	size, _ := strconv.Atoi(q.Get("per_page"))
	f.page(w, found, nil, page, size)
}
