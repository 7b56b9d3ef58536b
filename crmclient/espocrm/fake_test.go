package espocrm_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-message/mail"

	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
)

const (
	apiKey     = "f00dfeedf00dfeed"
	secretKey  = "s3cr3t-of-the-api-user"
	hookID     = "64a1b2c3d4"
	hookSecret = "s3cr3t-of-the-webhook"
	keyField   = "heliographKey"
	agent      = "agent@example.com"
)

// fake is EspoCRM's API as its documentation has it. What the documentation does not know fails the test.
type fake struct {
	t      *testing.T
	signed bool // requests must be signed
	mu     sync.Mutex
	next   int
	tick   time.Time
	rows   map[string]map[string]map[string]any // by object and id
	order  map[string][]string
	files  map[string]file
	hidden map[string]bool // objects that the role may not read
	fields map[string][]string
	noEML  bool // the server is too old
}

type file struct {
	name, related string
	content       []byte
}

func newFake(t *testing.T) *fake {
	common := []string{"id", "name", "createdAt", "modifiedAt", "modifiedById", "assignedUserId"}
	f := &fake{
		t: t, signed: true, rows: map[string]map[string]map[string]any{}, order: map[string][]string{},
		files: map[string]file{}, hidden: map[string]bool{},
		fields: map[string][]string{
			"Contact": append([]string{"firstName", "lastName", "emailAddress", "emailAddressData", "accountName", "title", "phoneNumber"}, common...),
			"Lead":    append([]string{"firstName", "lastName", "emailAddress", "emailAddressData", "accountName", "title", "phoneNumber"}, common...),
			"Account": append([]string{"website", "emailAddress"}, common...),
			"User":    append([]string{"userName", "emailAddress"}, common...),
			"Email": append([]string{
				"subject", "status", "dateSent", "from", "fromString", "to", "cc", "bcc", "isHtml", "body", "parentType", "parentId",
				"attachmentsIds", "messageId", keyField, "cSource",
			}, common...),
			"Case":        append([]string{"description", "status", "priority", "type", "contactId", "attachmentsIds", keyField}, common...),
			"Opportunity": append([]string{"amount", "stage", keyField}, common...),
		},
	}
	f.put("User", map[string]any{"userName": "agent", "name": "Agent", "emailAddress": agent})
	return f
}

// put stores a row and returns it. The caller holds the lock, or nobody else is there.
func (f *fake) put(object string, row map[string]any) map[string]any {
	f.next++
	if now := time.Now().UTC(); now.After(f.tick) {
		f.tick = now
	}
	stored := map[string]any{"id": fmt.Sprintf("%017x", f.next), "createdAt": f.tick.Format(time.DateTime)}
	for k, v := range row {
		stored[k] = v
	}
	stored["modifiedAt"] = f.tick.Format(time.DateTime)
	if f.rows[object] == nil {
		f.rows[object] = map[string]map[string]any{}
	}
	id := stored["id"].(string)
	if f.rows[object][id] == nil {
		f.order[object] = append(f.order[object], id)
	}
	f.rows[object][id] = stored
	return stored
}

func (f *fake) authorized(r *http.Request, path string) bool {
	if !f.signed {
		return r.Header.Get("X-Api-Key") == apiKey && r.Header.Get("X-Hmac-Authorization") == ""
	}
	h := hmac.New(sha256.New, []byte(secretKey))
	h.Write([]byte(r.Method + " /" + path))
	return r.Header.Get("X-Hmac-Authorization") == base64.StdEncoding.EncodeToString([]byte(apiKey+":"+hex.EncodeToString(h.Sum(nil))))
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("X-Status-Reason", reason)
	w.WriteHeader(status)
}

// ServeHTTP answers as EspoCRM does.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, "/api/v1/")
	if !ok {
		f.t.Errorf("%s %s is not in the API", r.Method, r.URL.Path)
	}
	if !f.authorized(r, path) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the connector gave up
	}
	writes := r.Method == http.MethodPost || r.Method == http.MethodPut
	if writes && r.Header.Get("Content-Type") != "application/json" {
		f.t.Errorf("%s %s with %q", r.Method, path, r.Header.Get("Content-Type"))
	}
	var in map[string]any
	if writes && json.Unmarshal(body, &in) != nil {
		f.t.Errorf("%s %s: the body is no JSON: %.200s", r.Method, path, body)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	object, id, _ := strings.Cut(path, "/")
	switch {
	case f.hidden[object]:
		refuse(w, http.StatusForbidden, "No read access")
	case r.Method == http.MethodGet && path == "App/user":
		answer(w, 200, map[string]any{"user": map[string]any{"userName": "heliograph"}})
	case r.Method == http.MethodPost && path == "Attachment":
		f.attach(w, in)
	case r.Method == http.MethodPost && path == "Email/importEml":
		f.importEML(w, in)
	case f.fields[object] == nil:
		w.WriteHeader(http.StatusNotFound)
	case id == "" && r.Method == http.MethodGet:
		f.list(w, object, r.URL.Query())
	case id == "" && r.Method == http.MethodPost:
		f.create(w, object, in)
	default:
		f.one(w, r.Method, object, id, in)
	}
}

func (f *fake) known(object string, in map[string]any) bool {
	for name := range in {
		if strings.HasPrefix(name, "NoSuch") {
			return false
		}
		if !slices.Contains(f.fields[object], name) || name == "messageId" || name == "modifiedAt" || name == "createdAt" {
			f.t.Errorf("%s has no field %s that can be written", object, name)
		}
	}
	return true
}

func (f *fake) one(w http.ResponseWriter, method, object, id string, in map[string]any) {
	row := f.rows[object][id]
	switch {
	case row == nil:
		w.WriteHeader(http.StatusNotFound)
	case method == http.MethodGet:
		answer(w, 200, row)
	case method == http.MethodPut:
		if !f.known(object, in) {
			refuse(w, http.StatusBadRequest, "Bad field")
			return
		}
		for k, v := range in {
			row[k] = v
		}
		answer(w, 200, f.put(object, row))
	case method == http.MethodDelete:
		delete(f.rows[object], id)
		f.order[object] = slices.DeleteFunc(f.order[object], func(s string) bool { return s == id })
		answer(w, 200, true)
	default:
		f.t.Errorf("%s %s/%s", method, object, id)
	}
}

func (f *fake) create(w http.ResponseWriter, object string, in map[string]any) {
	if !f.known(object, in) {
		refuse(w, http.StatusBadRequest, "Bad field")
		return
	}
	need := map[string][]string{"Contact": {"lastName"}, "Lead": {"lastName"}, "Account": {"name"}, "Case": {"name"}, "Email": {"name", "subject", "from", "to"}}
	for _, field := range need[object] {
		if s, _ := in[field].(string); s == "" {
			refuse(w, http.StatusBadRequest, "Field validation failure; "+field+" required")
			return
		}
	}
	if object == "Email" && in["status"] != "Archived" {
		f.t.Errorf("a mail with status %v would be sent", in["status"])
	}
	if object == "Contact" || object == "Lead" {
		in["name"] = strings.TrimSpace(fmt.Sprint(in["firstName"], " ", in["lastName"]))
		in["emailAddressData"] = []any{map[string]any{"emailAddress": in["emailAddress"], "primary": true}}
	}
	answer(w, 200, f.put(object, in))
}

var dataURL = regexp.MustCompile(`^data:([^;,]+);base64,`)

func (f *fake) attach(w http.ResponseWriter, in map[string]any) {
	s, _ := in["file"].(string)
	head := dataURL.FindString(s)
	content, err := base64.StdEncoding.DecodeString(s[len(head):])
	if head == "" || err != nil || in["role"] != "Attachment" {
		f.t.Errorf("attachment %v: %v", in["name"], err)
	}
	related, _ := in["relatedType"].(string)
	if related == "" {
		related, _ = in["parentType"].(string)
	}
	f.next++
	id := fmt.Sprintf("%017x", f.next)
	f.files[id] = file{fmt.Sprint(in["name"]), related, content}
	answer(w, 200, map[string]any{"id": id})
}

func (f *fake) importEML(w http.ResponseWriter, in map[string]any) {
	if f.noEML {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	stored, ok := f.files[fmt.Sprint(in["fileId"])]
	if !ok || stored.related != "ImportEml" {
		refuse(w, http.StatusBadRequest, "no file")
		return
	}
	m, err := mail.CreateReader(bytes.NewReader(stored.content))
	if err != nil {
		f.t.Errorf("the mail file: %v", err)
		return
	}
	messageID, _ := m.Header.MessageID()
	for _, id := range f.order["Email"] {
		if row := f.rows["Email"][id]; row["messageId"] == messageID && messageID != "" {
			answer(w, http.StatusConflict, map[string]any{"messageTranslation": map[string]any{"label": "alreadyImported", "data": map[string]any{"id": id}}})
			return
		}
	}
	subject, _ := m.Header.Subject()
	row := map[string]any{"name": subject, "subject": subject, "messageId": messageID, "status": "Archived", "body": ""}
	for name, field := range map[string]string{"From": "from", "To": "to", "Cc": "cc", "Bcc": "bcc"} {
		list, _ := m.Header.AddressList(name)
		var out []string
		for _, a := range list {
			out = append(out, a.Address)
		}
		row[field] = strings.Join(out, ";")
	}
	var names []any
	for {
		p, err := m.NextPart()
		if err != nil {
			break
		}
		content, _ := io.ReadAll(p.Body)
		switch h := p.Header.(type) {
		case *mail.InlineHeader:
			if kind, _, _ := h.ContentType(); kind == "text/plain" {
				row["body"] = string(content)
			}
		case *mail.AttachmentHeader:
			name, _ := h.Filename()
			f.next++
			id := fmt.Sprintf("%017x", f.next)
			f.files[id] = file{name, "Email", content}
			names = append(names, id)
		}
	}
	row["attachmentsIds"] = names
	answer(w, 200, map[string]any{"id": f.put("Email", row)["id"]})
}

var whereKey = regexp.MustCompile(`^where\[(\d+)\]\[(type|attribute|value)\](\[\])?$`)

func (f *fake) list(w http.ResponseWriter, object string, q url.Values) {
	type where struct {
		kind, attribute string
		values          []string
	}
	filters := map[string]*where{}
	for name, values := range q {
		switch m := whereKey.FindStringSubmatch(name); {
		case m != nil:
			if filters[m[1]] == nil {
				filters[m[1]] = &where{}
			}
			switch m[2] {
			case "type":
				filters[m[1]].kind = values[0]
			case "attribute":
				filters[m[1]].attribute = values[0]
			case "value":
				filters[m[1]].values = values
			}
		case name == "select":
			for _, field := range strings.Split(values[0], ",") {
				if !slices.Contains(f.fields[object], field) {
					f.t.Errorf("%s has no field %s to select", object, field)
				}
			}
		case name != "maxSize" && name != "offset" && name != "orderBy" && name != "order":
			f.t.Errorf("unknown parameter %s", name)
		}
	}
	var found []map[string]any
	for _, id := range f.order[object] {
		row, all := f.rows[object][id], true
		for _, x := range filters {
			if !slices.Contains(f.fields[object], x.attribute) {
				refuse(w, http.StatusBadRequest, "Not existing attribute '"+x.attribute+"' in where")
				return
			}
			all = all && f.holds(row, x.kind, x.attribute, x.values)
		}
		if all {
			found = append(found, row)
		}
	}
	if len(f.order[object]) == 0 {
		for _, x := range filters {
			if !slices.Contains(f.fields[object], x.attribute) {
				refuse(w, http.StatusBadRequest, "Not existing attribute '"+x.attribute+"' in where")
				return
			}
		}
	}
	if q.Get("orderBy") == "modifiedAt" {
		slices.SortStableFunc(found, func(a, b map[string]any) int {
			return strings.Compare(a["modifiedAt"].(string), b["modifiedAt"].(string))
		})
	}
	if q.Get("order") == "desc" {
		slices.Reverse(found)
	}
	total := len(found)
	offset, _ := strconv.Atoi(q.Get("offset"))
	size, err := strconv.Atoi(q.Get("maxSize"))
	if err != nil || size < 1 || size > 200 {
		f.t.Errorf("maxSize %q", q.Get("maxSize"))
	}
	found = found[min(offset, total):]
	found = found[:min(size, len(found))]
	out := make([]map[string]any, len(found))
	for i, row := range found {
		out[i] = map[string]any{}
		for k, v := range row {
			if selected := q.Get("select"); selected != "" && k != "id" && !slices.Contains(strings.Split(selected, ","), k) {
				continue
			}
			out[i][k] = v
		}
	}
	answer(w, 200, map[string]any{"list": out, "total": total})
}

func (f *fake) holds(row map[string]any, kind, attribute string, values []string) bool {
	have := []string{fmt.Sprint(row[attribute])}
	if row[attribute] == nil {
		have[0] = ""
	}
	if attribute == "emailAddress" { // any of a person's addresses
		list, _ := row["emailAddressData"].([]any)
		for _, x := range list {
			have = append(have, fmt.Sprint(x.(map[string]any)["emailAddress"]))
		}
	}
	value := ""
	if len(values) > 0 {
		value = values[0]
	}
	number := func(s string) float64 { n, _ := strconv.ParseFloat(s, 64); return n }
	compare := func(s string) int {
		if _, err := strconv.ParseFloat(value, 64); err == nil {
			return int(1000 * (number(s) - number(value)))
		}
		return strings.Compare(s, value)
	}
	return slices.ContainsFunc(have, func(s string) bool {
		switch kind {
		case "equals":
			return strings.EqualFold(s, value)
		case "notEquals":
			return s != value
		case "in":
			return slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, s) })
		case "contains":
			return strings.Contains(strings.ToLower(s), strings.ToLower(value))
		case "greaterThan":
			return compare(s) > 0
		case "greaterThanOrEquals":
			return compare(s) >= 0
		case "lessThan":
			return compare(s) < 0
		case "lessThanOrEquals":
			return compare(s) <= 0
		case "isNull":
			return s == ""
		}
		f.t.Errorf("unknown filter %q", kind)
		return false
	})
}

// What the suite asks of a fake.

func (f *fake) Records(*testing.T) []crmtest.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []crmtest.Record
	for _, id := range f.order["Email"] {
		row := f.rows["Email"][id]
		key, _ := row[keyField].(string)
		subject := fmt.Sprint(row["subject"])
		out = append(out, crmtest.Record{Key: key, Subject: subject, Text: strings.ReplaceAll(fmt.Sprint(row["body"]), "\r\n", "\n")})
	}
	return out
}

func (f *fake) Writes(r *http.Request) bool {
	return r.Method == http.MethodPost && (r.URL.Path == "/api/v1/Email/importEml" || r.URL.Path == "/api/v1/Email")
}

func (f *fake) WritesTicket(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Path == "/api/v1/Case"
}

func (f *fake) WritesObject(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Path == "/api/v1/Opportunity"
}

func (f *fake) WritesPerson(r *http.Request) bool {
	return r.Method == http.MethodPost && (r.URL.Path == "/api/v1/Contact" || r.URL.Path == "/api/v1/Lead")
}

func (f *fake) AddContact(_ *testing.T, name, address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put("Contact", map[string]any{"name": name, "lastName": name, "emailAddress": address, "emailAddressData": []any{map[string]any{"emailAddress": address}}})
}

func (f *fake) Tickets(*testing.T) []crmtest.TicketRecord {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []crmtest.TicketRecord
	for _, id := range f.order["Case"] {
		row := f.rows["Case"][id]
		text := func(name string) string { s, _ := row[name].(string); return s }
		assignee := ""
		if u := f.rows["User"][text("assignedUserId")]; u != nil {
			assignee, _ = u["emailAddress"].(string)
		}
		out = append(out, crmtest.TicketRecord{ID: id, Key: text(keyField), Subject: text("name"), Text: text("description"), Assignee: assignee})
	}
	return out
}

func (f *fake) Agent(*testing.T) string { return agent }

func (f *fake) Object() crmtest.Object {
	return crmtest.Object{Name: "Opportunity", Text: "name", Number: "amount", MissingID: "00000000000000abc"}
}

func (f *fake) PutObject(_ *testing.T, id string, fields map[string]any) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	row := map[string]any{}
	for k, v := range f.rows["Opportunity"][id] {
		row[k] = v
	}
	for k, v := range fields {
		row[k] = v
	}
	return f.put("Opportunity", row)["id"].(string)
}

func (f *fake) DeleteObject(_ *testing.T, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.rows["Opportunity"], id)
	f.order["Opportunity"] = slices.DeleteFunc(f.order["Opportunity"], func(s string) bool { return s == id })
}

func (f *fake) ObjectFields(_ *testing.T, id string) (map[string]any, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	row, ok := f.rows["Opportunity"][id]
	return row, ok
}

func (f *fake) ObjectsWithText(_ *testing.T, text string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, id := range f.order["Opportunity"] {
		if f.rows["Opportunity"][id]["name"] == text {
			out = append(out, id)
		}
	}
	return out
}

// Delivery is a call of Espo's scheduled job.
func (f *fake) Delivery(_ *testing.T, id string, at time.Time) *crmclient.Delivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	body := []byte(fmt.Sprintf(`[{"id":%q,"name":"changed %d"}]`, id, f.next))
	h := hmac.New(sha256.New, []byte(hookSecret))
	h.Write(body)
	u := &url.URL{Path: "/hooks/espo", RawQuery: "object=Opportunity"}
	return &crmclient.Delivery{
		Method: http.MethodPost, URL: u, Body: body, At: at,
		Header: http.Header{"Signature": {base64.StdEncoding.EncodeToString([]byte(hookID + ":" + hex.EncodeToString(h.Sum(nil))))}},
	}
}
