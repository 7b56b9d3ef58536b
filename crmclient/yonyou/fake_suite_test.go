package yonyou_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
)

func (f *tenant) is(r *http.Request, path string) bool { return strings.HasSuffix(r.URL.Path, path) }

func (f *tenant) Writes(r *http.Request) bool       { return f.is(r, "/crm/bill/followupsave") }
func (f *tenant) WritesPerson(r *http.Request) bool { return f.is(r, "/crm/bill/save") }
func (f *tenant) WritesTicket(*http.Request) bool   { return false }
func (f *tenant) WritesObject(*http.Request) bool   { return false }

// Records takes subject and text out of the content: the first line, and what is behind the first empty one.
func (f *tenant) Records(t *testing.T) []crmtest.Record {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []crmtest.Record
	for _, r := range f.follows {
		content, _ := r["followContext"].(string)
		head, text, ok := strings.Cut(content, "\n\n")
		lines := strings.Split(head, "\n")
		if !ok {
			t.Errorf("content without an empty line: %.100q", content)
		}
		rec := crmtest.Record{Subject: lines[0], Text: text}
		for _, l := range lines[1:] {
			if names, ok := strings.CutPrefix(l, "附件: "); ok {
				rec.Attachments = strings.Split(names, ", ")
			}
		}
		more, _ := r["followRecordDefineCharacter"].(map[string]any)
		rec.Key, _ = more["CRM01"].(string)
		out = append(out, rec)
	}
	return out
}

func (f *tenant) AddContact(_ *testing.T, name, address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nextID += 2
	f.contacts = append(f.contacts, map[string]any{
		"id": json.Number(strconv.FormatInt(f.nextID, 10)), "name": name, "email": address,
		"customer": strconv.FormatInt(f.nextID-1, 10), "customer_name": "客户 " + name,
	})
}

func (f *tenant) ExpireTokens(*testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.tokens)
}

func (f *tenant) RefuseCredentials(*testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.tokens)
	f.closed = true
}

func (f *tenant) TokensIssued(*testing.T) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.issued
}

func (f *tenant) Object() crmtest.Object {
	return crmtest.Object{Name: "clue", Text: "companyName", MissingID: "424242"}
}

func (f *tenant) PutObject(_ *testing.T, id string, fields map[string]any) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.leads {
		if fmt.Sprint(r["id"]) == id {
			maps.Copy(r, fields)
			r["modifyTime"] = f.stamp()
			return id
		}
	}
	f.nextID++
	id = strconv.FormatInt(f.nextID, 10)
	row := map[string]any{"id": id, "code": "XS" + id, "name": "线索 " + id, "createTime": f.stamp()}
	maps.Copy(row, fields)
	f.leads = append(f.leads, row)
	return id
}

func (f *tenant) DeleteObject(_ *testing.T, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leads = slices.DeleteFunc(f.leads, func(r map[string]any) bool { return fmt.Sprint(r["id"]) == id })
}

func (f *tenant) ObjectFields(_ *testing.T, id string) (map[string]any, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.leads {
		if fmt.Sprint(r["id"]) == id {
			return maps.Clone(r), true
		}
	}
	return nil, false
}

func (f *tenant) ObjectsWithText(_ *testing.T, text string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []string
	for _, r := range f.leads {
		if r["companyName"] == text {
			ids = append(ids, fmt.Sprint(r["id"]))
		}
	}
	return ids
}

// Delivery makes an event as the vendor's own samples do.
func (f *tenant) Delivery(t *testing.T, id string, at time.Time) *crmclient.Delivery {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pushed++
	event, err := json.Marshal(map[string]any{
		"type": "CLUE_UPDATE", "eventId": fmt.Sprintf("event-%d", f.pushed), "timestamp": at.UnixMilli(), "tenantId": tenantID, "clueId": []string{id},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f.pack(t, event, at)
}

func (f *tenant) pack(t *testing.T, event []byte, at time.Time) *crmclient.Delivery {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString((strings.ReplaceAll(appSecret, "-", "") + strings.Repeat("0", 43))[:43] + "=")
	if err != nil {
		t.Fatal(err)
	}
	b := append([]byte("0123456789abcdef"), binary.BigEndian.AppendUint32(nil, uint32(len(event)))...)
	b = append(append(b, event...), appKey...)
	pad := 32 - len(b)%32
	b = append(b, bytes.Repeat([]byte{byte(pad)}, pad)...)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCBCEncrypter(block, key[:16]).CryptBlocks(b, b)
	encrypted, stamp, nonce := base64.StdEncoding.EncodeToString(b), strconv.FormatInt(at.UnixMilli(), 10), "uM48M4qajlEtVCz4"
	parts := []string{appSecret, stamp, nonce, encrypted}
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, "")))
	short := []string{stamp, nonce, encrypted}
	slices.Sort(short)
	m := hmac.New(sha256.New, []byte(appSecret))
	m.Write([]byte(strings.Join(short, "")))
	body := fmt.Sprintf(`{"msgSignature":%q,"signature":%q,"timestamp":%s,"nonce":%q,"encrypt":%q}`,
		hex.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(m.Sum(nil)), stamp, nonce, encrypted)
	return &crmclient.Delivery{
		Method: http.MethodPost, URL: &url.URL{Path: "/hooks/crm"}, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body), At: at,
	}
}
