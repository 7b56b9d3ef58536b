package hubspot_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/crmclient/crmtest"
)

const (
	clientID      = "11111111-2222-3333-4444-555555555555"
	clientSecret  = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
	refreshToken  = "refresh-s3cr3t-of-hubspot"
	privateToken  = "pat-na1-s3cr3t-of-an-app"
	accessPrefix  = "access-s3cr3t-of-hubspot-"
	wangOwner     = "77001"
	webhookURL    = "https://gateway.example.com/hooks/hubspot"
	ownApp        = "54321"
	headerStamp   = "X-HubSpot-Request-Timestamp"
	headerSigned  = "X-HubSpot-Signature-v3"
	contentIsJSON = "application/json"
)

// property is one of an object in the fake's metadata.
type property struct {
	name, kind       string
	unique, readOnly bool
}

// row is a stored record.
type row struct {
	id      string
	props   map[string]string
	at      time.Time
	deleted bool
}

// hubFake is HubSpot as the specification says, and strict: what it does not know fails the test.
type hubFake struct {
	t     *testing.T
	oauth *httptest.Server

	mu         sync.Mutex // guards all below
	properties map[string][]property
	rows       map[string]map[string]*row
	by         map[string]*row // the last that had a value, by indexKey: thousands of records are looked up
	links      map[string]int  // how often each link was set
	files      map[string]string
	nextID     int
	tokens     int
	live       string
	refuse     map[string]any
	denied     map[string]map[string]any // answers with 403 by prefix of the path
	lag        time.Duration             // of the index of the search
	searchable bool                      // mails may be searched
	typed      []any                     // associations of a plain create
	clock      time.Time
	deliveries int
}

func newFake(t *testing.T) *hubFake {
	f := &hubFake{
		t: t, rows: map[string]map[string]*row{}, by: map[string]*row{}, links: map[string]int{}, files: map[string]string{}, nextID: 500,
		denied: map[string]map[string]any{}, live: privateToken,
	}
	own := []property{
		{"hs_object_id", "number", false, true},
		{"hs_lastmodifieddate", "datetime", false, true},
		{"hubspot_owner_id", "enumeration", false, false},
	}
	f.properties = map[string][]property{
		"emails": append(slices.Clone(own), texts("hs_email_direction", "hs_email_status", "hs_email_subject", "hs_email_text", "hs_email_html",
			"hs_email_headers", "hs_attachment_ids", "mail_thread", "mail_accounts")...),
		"contacts":  append(slices.Clone(own), texts("firstname", "lastname", "company", "hs_additional_emails", "lifecyclestage")...),
		"companies": append(slices.Clone(own), texts("name", "domain")...),
		"deals":     append(slices.Clone(own), texts("dealname", "dealstage")...),
		"tickets":   append(slices.Clone(own), texts("subject", "content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority", "product_line")...),
	}
	f.properties["emails"] = append(f.properties["emails"], property{"hs_timestamp", "datetime", false, false}, property{"heliograph_key", "string", true, false})
	f.properties["contacts"] = append(f.properties["contacts"], property{"email", "string", true, false}, property{"lastmodifieddate", "datetime", false, true})
	f.properties["deals"] = append(f.properties["deals"], property{"amount", "number", false, false}, property{"deal_key", "string", true, false})
	f.properties["tickets"] = append(f.properties["tickets"], property{"ticket_key", "string", true, false})
	for name := range f.properties {
		f.rows[name] = map[string]*row{}
	}
	f.oauth = httptest.NewServer(http.HandlerFunc(f.serveToken))
	t.Cleanup(f.oauth.Close)
	return f
}

func texts(names ...string) []property {
	out := make([]property, len(names))
	for i, n := range names {
		out[i] = property{name: n, kind: "string"}
	}
	return out
}

func (f *hubFake) serveToken(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method != http.MethodPost || r.URL.Path != "/oauth/v1/token" || r.ParseForm() != nil {
		f.t.Errorf("token endpoint: %s %s", r.Method, r.URL.Path)
	}
	switch {
	case f.refuse != nil:
		answer(w, http.StatusBadRequest, f.refuse)
	case r.PostForm.Get("client_id") != clientID || r.PostForm.Get("client_secret") != clientSecret:
		answer(w, http.StatusBadRequest, map[string]any{"status": "BAD_CLIENT_ID", "message": "missing or unknown client id", "error": "invalid_client"})
	case r.PostForm.Get("grant_type") != "refresh_token" || r.PostForm.Get("refresh_token") != refreshToken:
		answer(w, http.StatusBadRequest, map[string]any{"status": "BAD_REFRESH_TOKEN", "message": "missing or unknown refresh token", "error": "invalid_grant"})
	default:
		f.tokens++
		f.live = accessPrefix + strconv.Itoa(f.tokens)
		answer(w, http.StatusOK, map[string]any{"access_token": f.live, "refresh_token": refreshToken, "expires_in": 1800, "token_type": "bearer"})
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", contentIsJSON+";charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func failure(category, message string) map[string]any {
	return map[string]any{"status": "error", "message": message, "category": category, "correlationId": "aeb5f871-7f07-4993-9211-075dc63e7cbf"}
}

func fail(w http.ResponseWriter, status int, category, message string) {
	answer(w, status, failure(category, message))
}

var (
	objectsPath = regexp.MustCompile(`^/crm/v3/objects/([a-z]+)(?:/(.*))?$`)
	linkPath    = regexp.MustCompile(`^/crm/v4/objects/([a-z]+)/(\d+)/associations/default/([a-z]+)/(\d+)$`)
)

// ServeHTTP is the API.
func (f *hubFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		f.t.Errorf("%s: no bearer token", r.URL.Path)
	}
	if f.live == "" || token != f.live {
		fail(w, http.StatusUnauthorized, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired")
		return
	}
	for prefix, refusal := range f.denied {
		if strings.HasPrefix(r.URL.Path, prefix) {
			answer(w, http.StatusForbidden, refusal)
			return
		}
	}
	f.route(w, r, body)
}

func (f *hubFake) route(w http.ResponseWriter, r *http.Request, body []byte) {
	q := r.URL.Query()
	switch {
	case objectsPath.MatchString(r.URL.Path):
		m := objectsPath.FindStringSubmatch(r.URL.Path)
		f.serveObjects(w, r, q, body, m[1], m[2])
	case r.Method == http.MethodPut && linkPath.MatchString(r.URL.Path):
		m := linkPath.FindStringSubmatch(r.URL.Path)
		f.params(q)
		if f.get(m[1], m[2]) == nil || f.get(m[3], m[4]) == nil {
			fail(w, http.StatusNotFound, "OBJECT_NOT_FOUND", "one of the objects does not exist")
			return
		}
		f.links[strings.Join(m[1:], " ")]++
		answer(w, http.StatusOK, map[string]any{"status": "COMPLETE", "results": []any{}})
	case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/crm/v3/properties/"):
		f.params(q)
		f.serveProperties(w, strings.TrimPrefix(r.URL.Path, "/crm/v3/properties/"))
	case r.Method == http.MethodGet && r.URL.Path == "/crm/v3/owners":
		f.params(q, "limit", "after", "email")
		if q.Get("after") == "" {
			answer(w, 200, map[string]any{"results": []any{map[string]any{"id": "77000", "email": "Boss@example.com"}}, "paging": map[string]any{"next": map[string]any{"after": "77000"}}})
			return
		}
		answer(w, 200, map[string]any{"results": []any{map[string]any{"id": wangOwner, "email": "wang@example.com"}}})
	case r.Method == http.MethodPost && r.URL.Path == "/files/v3/files":
		f.params(q)
		f.serveFile(w, r, body)
	default:
		f.t.Errorf("unknown request %s %s", r.Method, r.URL.Path)
		fail(w, http.StatusNotFound, "", "unknown")
	}
}

func (f *hubFake) params(q url.Values, known ...string) {
	for name := range q {
		if !slices.Contains(known, name) {
			f.t.Errorf("unknown parameter %q", name)
		}
	}
}

func (f *hubFake) decode(r *http.Request, body []byte, into any) {
	if r.Header.Get("Content-Type") != contentIsJSON {
		f.t.Errorf("%s: content type %q", r.URL.Path, r.Header.Get("Content-Type"))
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil { // numbers where texts are wanted fail here too
		f.t.Errorf("%s: body: %v", r.URL.Path, err)
	}
}

func (f *hubFake) get(object, id string) *row {
	if r := f.rows[object][id]; r != nil && !r.deleted {
		return r
	}
	return nil
}

func (f *hubFake) serveProperties(w http.ResponseWriter, object string) {
	list, ok := f.properties[object]
	if !ok {
		fail(w, http.StatusBadRequest, "VALIDATION_ERROR", "Unable to infer object type from: "+object)
		return
	}
	var out []any
	for _, p := range list {
		out = append(out, map[string]any{
			"name": p.name, "label": strings.ToUpper(p.name), "type": p.kind, "fieldType": "text", "hasUniqueValue": p.unique,
			"modificationMetadata": map[string]any{"readOnlyValue": p.readOnly, "archivable": true},
		})
	}
	answer(w, 200, map[string]any{"results": out})
}

func (f *hubFake) serveFile(w http.ResponseWriter, r *http.Request, body []byte) {
	r.Body = io.NopCloser(bytes.NewReader(body))
	file, header, err := r.FormFile("file")
	if err != nil {
		f.t.Errorf("upload: %v", err)
		return
	}
	content, _ := io.ReadAll(file)
	var options struct {
		Access string `json:"access"`
	}
	if json.Unmarshal([]byte(r.FormValue("options")), &options) != nil || options.Access != "PRIVATE" || r.FormValue("folderPath") == "" || r.FormValue("fileName") != header.Filename {
		f.t.Errorf("upload: options %q, folder %q, name %q", r.FormValue("options"), r.FormValue("folderPath"), r.FormValue("fileName"))
	}
	if bytes.Contains(content, []byte("EICAR")) {
		fail(w, http.StatusBadRequest, "VALIDATION_ERROR", "the file type is not supported")
		return
	}
	f.nextID++
	id := strconv.Itoa(f.nextID)
	f.files[id] = header.Filename
	answer(w, http.StatusCreated, map[string]any{"id": id, "access": "PRIVATE"})
}

type input struct {
	IDProperty string            `json:"idProperty"`
	ID         string            `json:"id"`
	Properties map[string]string `json:"properties"`
}

func (f *hubFake) serveObjects(w http.ResponseWriter, r *http.Request, q url.Values, body []byte, object, rest string) {
	if _, ok := f.rows[object]; !ok {
		fail(w, http.StatusBadRequest, "VALIDATION_ERROR", "Unable to infer object type from: "+object)
		return
	}
	switch key := r.Method + " " + rest; {
	case key == "POST batch/read":
		f.params(q)
		f.serveBatchRead(w, r, body, object)
	case key == "POST batch/upsert":
		f.params(q)
		f.serveUpsert(w, r, body, object)
	case key == "POST search":
		f.params(q)
		f.serveSearch(w, r, body, object)
	case key == "POST ":
		f.params(q)
		f.serveCreate(w, r, body, object)
	case regexp.MustCompile(`^\d+$`).MatchString(rest):
		f.serveOne(w, r, q, body, object, rest)
	default:
		f.t.Errorf("unknown request %s %s", r.Method, r.URL.Path)
		fail(w, http.StatusNotFound, "", "unknown")
	}
}

func (f *hubFake) serveBatchRead(w http.ResponseWriter, r *http.Request, body []byte, object string) {
	var in struct {
		IDProperty string  `json:"idProperty"`
		Inputs     []input `json:"inputs"`
		Properties []string
		History    []string `json:"propertiesWithHistory"`
	}
	f.decode(r, body, &in)
	if len(in.Inputs) == 0 || len(in.Inputs) > 100 || in.History == nil {
		f.t.Errorf("batch read of %d inputs", len(in.Inputs))
	}
	if in.IDProperty != "" && !f.unique(object, in.IDProperty) {
		fail(w, http.StatusBadRequest, "VALIDATION_ERROR", in.IDProperty+" is not a unique property")
		return
	}
	var results, errs []any
	seen := map[string]bool{}
	for _, i := range in.Inputs {
		if seen[i.ID] {
			f.t.Errorf("input %s twice", i.ID)
		}
		seen[i.ID] = true
		if one := f.find(object, in.IDProperty, i.ID); one != nil {
			results = append(results, f.shown(object, one, in.Properties))
		} else {
			errs = append(errs, map[string]any{"status": "error", "category": "OBJECT_NOT_FOUND", "message": "Could not get some objects", "context": map[string]any{"ids": []string{i.ID}}})
		}
	}
	if len(errs) > 0 {
		answer(w, http.StatusMultiStatus, map[string]any{"status": "COMPLETE", "results": results, "numErrors": len(errs), "errors": errs})
		return
	}
	answer(w, http.StatusOK, map[string]any{"status": "COMPLETE", "results": results})
}

func (f *hubFake) unique(object, name string) bool {
	return slices.ContainsFunc(f.properties[object], func(p property) bool { return p.name == name && p.unique })
}

func (f *hubFake) find(object, property, id string) *row {
	if property == "" {
		return f.get(object, id)
	}
	r := f.by[indexKey(object, property, id)]
	if r == nil && len(id) < maxIndexed || r != nil && !r.deleted && strings.EqualFold(r.props[property], id) {
		return r
	}
	for _, r := range f.rows[object] { // that one is another now
		if !r.deleted && strings.EqualFold(r.props[property], id) {
			return r
		}
	}
	return nil
}

// maxIndexed is how long a value is that nobody looks a record up by.
const maxIndexed = 500

func indexKey(object, property, value string) string {
	return object + "\x00" + property + "\x00" + strings.ToLower(value)
}

func (f *hubFake) shown(object string, r *row, properties []string) map[string]any {
	out := map[string]any{}
	for _, name := range properties {
		if !slices.ContainsFunc(f.properties[object], func(p property) bool { return p.name == name }) {
			continue // HubSpot leaves out what it does not know
		}
		if v, ok := r.value(name); ok {
			out[name] = v
		} else {
			out[name] = nil
		}
	}
	return map[string]any{"id": r.id, "properties": out, "updatedAt": r.at.UTC().Format("2006-01-02T15:04:05.000Z"), "archived": r.deleted}
}

func (r *row) value(name string) (string, bool) {
	switch name {
	case "hs_object_id":
		return r.id, true
	case "hs_lastmodifieddate", "lastmodifieddate":
		return r.at.UTC().Format("2006-01-02T15:04:05.000Z"), true
	}
	v, ok := r.props[name]
	return v, ok && v != ""
}

// valid checks properties that are written, and answers where they are not.
func (f *hubFake) valid(w http.ResponseWriter, object string, props map[string]string) bool {
	for name, v := range props {
		i := slices.IndexFunc(f.properties[object], func(p property) bool { return p.name == name })
		if i < 0 {
			fail(w, http.StatusBadRequest, "VALIDATION_ERROR", `Property values were not valid: [{"isValid":false,"message":"Property does not exist","error":"PROPERTY_DOESNT_EXIST","name":"`+name+`"}]`)
			return false
		}
		p := f.properties[object][i]
		if _, err := strconv.ParseFloat(v, 64); p.kind == "number" && v != "" && err != nil || p.readOnly {
			fail(w, http.StatusBadRequest, "VALIDATION_ERROR", "Property values were not valid: READ_ONLY_VALUE or INVALID_INTEGER "+name)
			return false
		}
	}
	return true
}

// store makes or changes a record.
func (f *hubFake) store(object string, r *row, props map[string]string) *row {
	if r == nil {
		f.nextID++
		r = &row{id: strconv.Itoa(f.nextID), props: map[string]string{}}
		f.rows[object][r.id] = r
	}
	r.props = maps.Clone(r.props)
	maps.Copy(r.props, props)
	for name, value := range props {
		if len(value) < maxIndexed {
			f.by[indexKey(object, name, value)] = r
		}
	}
	r.at = f.tick()
	return r
}

// tick is the time, a millisecond further each time, as HubSpot counts.
func (f *hubFake) tick() time.Time {
	f.clock = f.clock.Add(time.Millisecond)
	if now := time.Now().Truncate(time.Millisecond); now.After(f.clock) {
		f.clock = now
	}
	return f.clock
}

func (f *hubFake) serveUpsert(w http.ResponseWriter, r *http.Request, body []byte, object string) {
	var in struct {
		Inputs []input `json:"inputs"`
	}
	f.decode(r, body, &in)
	if len(in.Inputs) != 1 || !f.unique(object, in.Inputs[0].IDProperty) || in.Inputs[0].Properties[in.Inputs[0].IDProperty] != in.Inputs[0].ID {
		fail(w, http.StatusBadRequest, "VALIDATION_ERROR", "idProperty is not unique")
		return
	}
	i := in.Inputs[0]
	if !f.valid(w, object, i.Properties) {
		return
	}
	old := f.find(object, i.IDProperty, i.ID)
	if old == nil && object == "emails" && !f.timely(w, i.Properties) {
		return
	}
	made := f.store(object, old, i.Properties)
	out := f.shown(object, made, []string{i.IDProperty})
	out["new"] = old == nil
	answer(w, http.StatusOK, map[string]any{"status": "COMPLETE", "results": []any{out}})
}

func (f *hubFake) timely(w http.ResponseWriter, props map[string]string) bool {
	var headers struct {
		From          map[string]string
		To, CC, BCC   []map[string]string
		Sender, Extra any
	}
	_, err := time.Parse("2006-01-02T15:04:05.000Z", props["hs_timestamp"])
	if err != nil || json.Unmarshal([]byte(props["hs_email_headers"]), &headers) != nil ||
		!slices.Contains([]string{"EMAIL", "INCOMING_EMAIL", "FORWARDED_EMAIL"}, props["hs_email_direction"]) || props["hs_email_status"] != "SENT" {
		fail(w, http.StatusBadRequest, "VALIDATION_ERROR", "hs_timestamp, headers, direction or status")
		return false
	}
	for _, id := range strings.FieldsFunc(props["hs_attachment_ids"], func(r rune) bool { return r == ';' }) {
		if f.files[id] == "" {
			f.t.Errorf("file %s was not uploaded", id)
		}
	}
	return true
}

func (f *hubFake) serveCreate(w http.ResponseWriter, r *http.Request, body []byte, object string) {
	var in struct {
		Properties   map[string]string `json:"properties"`
		Associations []any             `json:"associations"`
	}
	f.decode(r, body, &in)
	if in.Associations == nil {
		fail(w, http.StatusBadRequest, "VALIDATION_ERROR", "Some required fields were not set: [associations]")
		return
	}
	if !f.valid(w, object, in.Properties) || object == "emails" && !f.timely(w, in.Properties) {
		return
	}
	for _, p := range f.properties[object] {
		if old := f.find(object, p.name, in.Properties[p.name]); p.unique && in.Properties[p.name] != "" && old != nil {
			fail(w, http.StatusConflict, "CONFLICT", "Contact already exists. Existing ID: "+old.id)
			return
		}
	}
	f.typed = append(f.typed, in.Associations...)
	answer(w, http.StatusCreated, f.shown(object, f.store(object, nil, in.Properties), nil))
}

func (f *hubFake) serveOne(w http.ResponseWriter, r *http.Request, q url.Values, body []byte, object, id string) {
	one := f.get(object, id)
	if one == nil && r.Method != http.MethodDelete {
		fail(w, http.StatusNotFound, "OBJECT_NOT_FOUND", "Object not found")
		return
	}
	switch r.Method {
	case http.MethodGet:
		f.params(q, "properties")
		answer(w, http.StatusOK, f.shown(object, one, strings.Split(q.Get("properties"), ",")))
	case http.MethodPatch:
		f.params(q)
		var in struct {
			Properties map[string]string `json:"properties"`
		}
		f.decode(r, body, &in)
		if f.valid(w, object, in.Properties) {
			answer(w, http.StatusOK, f.shown(object, f.store(object, one, in.Properties), nil))
		}
	case http.MethodDelete:
		f.params(q)
		if one != nil {
			one.deleted = true
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		f.t.Errorf("%s of a record", r.Method)
	}
}

func (f *hubFake) Writes(r *http.Request) bool {
	return r.Method == http.MethodPost && (r.URL.Path == "/crm/v3/objects/emails/batch/upsert" || r.URL.Path == "/crm/v3/objects/emails")
}

var leftLine = regexp.MustCompile(`(?m)^- (.*) \(\d+ bytes\): `)

// Records returns the mails.
func (f *hubFake) Records(*testing.T) []crmtest.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []crmtest.Record
	for _, one := range f.rows["emails"] {
		if one.deleted {
			continue
		}
		words, notice, _ := strings.Cut(one.props["hs_email_text"], "\n\n-- \nFiles that are not in the CRM:")
		r := crmtest.Record{Key: decoded(one.props["heliograph_key"]), Subject: one.props["hs_email_subject"], Text: words, Thread: one.props["mail_thread"]}
		for _, m := range leftLine.FindAllStringSubmatch(notice, -1) {
			r.Attachments = append(r.Attachments, m[1])
		}
		for _, id := range strings.FieldsFunc(one.props["hs_attachment_ids"], func(r rune) bool { return r == ';' }) {
			r.Attachments = append(r.Attachments, f.files[id])
		}
		if one.props["mail_accounts"] != "" {
			r.Accounts = strings.Split(one.props["mail_accounts"], ", ")
		}
		var headers struct{ BCC []struct{ Email string } }
		_ = json.Unmarshal([]byte(one.props["hs_email_headers"]), &headers)
		for _, p := range headers.BCC {
			r.BCC = append(r.BCC, p.Email)
		}
		out = append(out, r)
	}
	return out
}

func decoded(key string) string {
	coded, ok := strings.CutPrefix(key, "b64.")
	if !ok {
		return key
	}
	raw, _ := base64.RawURLEncoding.DecodeString(coded)
	return string(raw)
}

// AddContact makes a contact, as a user of HubSpot does.
func (f *hubFake) AddContact(_ *testing.T, name, address string) {
	f.put("contacts", "", map[string]string{"lastname": name, "email": address, "hubspot_owner_id": wangOwner})
}

func (f *hubFake) put(object, id string, props map[string]string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.store(object, f.get(object, id), props).id
}
