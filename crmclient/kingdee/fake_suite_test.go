package kingdee_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
)

// saves says whether a request saves into a form. It leaves the body as it was.
func saves(r *http.Request, form string) bool {
	if !strings.HasSuffix(r.URL.Path, "DynamicFormService.Save.common.kdsvc") {
		return false
	}
	b, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(b))
	return bytes.Contains(b, []byte(`"`+form+`"`))
}

func (s *site) Writes(r *http.Request) bool       { return saves(r, mailForm) }
func (s *site) WritesTicket(*http.Request) bool   { return false }
func (s *site) WritesObject(r *http.Request) bool { return saves(r, orders) }
func (s *site) WritesPerson(r *http.Request) bool { return saves(r, people) }
func (s *site) FilesOnce() bool                   { return false }
func (s *site) WritesFile(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "AttachmentUpLoad.common.kdsvc")
}

func (s *site) Files(_ *testing.T, id string) []crmtest.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []crmtest.File
	for name, u := range s.uploads {
		if u.inter == id && u.done {
			out = append(out, crmtest.File{ID: name, Name: u.name, Content: u.content})
		}
	}
	return out
}

func (s *site) ExpireTokens(*testing.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
}

func (s *site) RefuseCredentials(*testing.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
	s.closed = true
}

func (s *site) TokensIssued(*testing.T) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issued
}

func (s *site) Object() crmtest.Object {
	return crmtest.Object{Name: "orders", Text: "FNote", Number: "FAmount", MissingID: "424242", TellsOwn: true}
}

func (s *site) PutObject(_ *testing.T, id string, fields map[string]any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.forms[orders]
	row := map[string]any{}
	if i := s.index(f, id); i >= 0 {
		row = f.rows[i]
	} else {
		s.nextID++
		row["FID"], row["FBillNo"] = s.nextID, fmt.Sprintf("XSDD%06d", s.nextID)
		f.rows = append(f.rows, row)
	}
	maps.Copy(row, fields)
	row["FModifyDate"], row["FModifierId"] = stamp(s.now()), int64(1)
	return fmt.Sprint(row["FID"])
}

func (s *site) DeleteObject(_ *testing.T, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.forms[orders]
	f.rows = slices.DeleteFunc(f.rows, func(r map[string]any) bool { return fmt.Sprint(r["FID"]) == id })
}

func (s *site) ObjectFields(_ *testing.T, id string) (map[string]any, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.forms[orders]
	if i := s.index(f, id); i >= 0 {
		return maps.Clone(f.rows[i]), true
	}
	return nil, false
}

func (s *site) ObjectsWithText(_ *testing.T, text string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, r := range s.forms[orders].rows {
		if r["FNote"] == text {
			ids = append(ids, fmt.Sprint(r["FID"]))
		}
	}
	return ids
}

func (s *site) Records(*testing.T) []crmtest.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := func(v any) []string {
		t, _ := v.(string)
		if t == "" {
			return nil
		}
		return strings.Split(t, ", ")
	}
	str := func(v any) string { t, _ := v.(string); return t }
	var out []crmtest.Record
	for _, r := range s.forms[mailForm].rows {
		out = append(out, crmtest.Record{
			Key: str(r["F_HG_Key"]), Subject: str(r["F_HG_Subject"]), Text: str(r["F_HG_Text"]), Thread: str(r["F_HG_Thread"]),
			Attachments: list(r["F_HG_Attachments"]), Accounts: list(r["F_HG_Accounts"]), BCC: list(r["F_HG_BCC"]),
		})
	}
	return out
}

func (s *site) AddContact(t *testing.T, name, address string) {
	s.PutContact(t, crmclient.ContactRecord{Name: name, Addresses: []string{address}})
}

func (s *site) PutContact(_ *testing.T, r crmclient.ContactRecord) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.forms[people]
	row := map[string]any{}
	if i := s.index(f, r.ID); i >= 0 {
		row = f.rows[i]
	} else {
		s.nextID++
		row["FContactId"], row["FNumber"] = s.nextID, fmt.Sprintf("CXR%06d", s.nextID)
		f.rows = append(f.rows, row)
	}
	row["FName"], row["FEMail"], row["FPost"] = r.Name, r.Addresses[0], r.Fields[crmclient.FieldTitle]
	row["FModifyDate"] = stamp(s.now())
	return fmt.Sprint(row["FContactId"])
}

func (s *site) DeleteContact(_ *testing.T, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.forms[people]
	f.rows = slices.DeleteFunc(f.rows, func(r map[string]any) bool { return fmt.Sprint(r["FContactId"]) == id })
}

// put adds a row to a form and returns its id.
func (s *site) put(name string, row map[string]any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.forms[name]
	s.nextID++
	row = maps.Clone(row)
	row[f.id] = s.nextID
	if _, ok := row["FModifyDate"]; !ok {
		row["FModifyDate"] = stamp(s.now())
	}
	f.rows = append(f.rows, row)
	return fmt.Sprint(s.nextID)
}
