package salesforce_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/salesforce"
)

// start starts a fake and a client for it.
func start(t *testing.T, change func(*salesforce.Config)) (*fake, *salesforce.Client) {
	t.Helper()
	f := newFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := section(f, server.URL)
	if change != nil {
		change(&cfg)
	}
	return f, open(t, cfg, crmclient.Deps{})
}

// rows returns the records of an object that are not deleted.
func (f *fake) rows(object string) []map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []map[string]any
	for _, id := range f.tables[object].order {
		if row := f.tables[object].rows[id]; row["IsDeleted"] != true {
			out = append(out, row)
		}
	}
	return out
}

func (f *fake) user(address string) string {
	return f.add("User", map[string]any{"Name": address, "Email": address, "IsActive": true})
}

func wantClass(t *testing.T, err error, class crmclient.Class) *crmclient.Error {
	t.Helper()
	var e *crmclient.Error
	if !errors.As(err, &e) || e.Class != class {
		t.Fatalf("got %v (class %q), want class %q", err, crmclient.ClassOf(err), class)
	}
	return e
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestJWTBearer(t *testing.T) {
	t.Parallel()
	key := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	other := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	pemOf := func(k *rsa.PrivateKey) config.Secret {
		return config.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)})))
	}
	sign := func(k *rsa.PrivateKey) func(*salesforce.Config) {
		return func(c *salesforce.Config) {
			c.ClientSecret, c.Username, c.PrivateKey = config.Secret{}, "gateway@example.com", pemOf(k)
		}
	}
	f, c := start(t, sign(key))
	f.public = &key.PublicKey
	if _, err := c.FindContacts(t.Context(), []string{"a@b.example"}); err != nil {
		t.Fatal(err)
	}
	g, wrong := start(t, sign(other))
	g.public = &key.PublicKey
	_, err := wrong.FindContacts(t.Context(), []string{"a@b.example"})
	if e := wantClass(t, err, crmclient.ClassAuth); e.Remedy == "" || strings.Contains(err.Error(), "eyJ") {
		t.Errorf("got %v, remedy %q", err, e.Remedy)
	}
}

func TestExpiredTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	if _, err := c.FindContacts(t.Context(), []string{"a@b.example"}); err != nil {
		t.Fatal(err)
	}
	f.change(func(map[string]*ftable) { clear(f.tokens) })
	if _, err := c.LogEmail(t.Context(), crmtest.Activity("renewed")); err != nil {
		t.Fatal(err)
	}
	if f.issued != 2 {
		t.Errorf("tokens: got %d, want 2", f.issued)
	}
	f.change(func(map[string]*ftable) {
		f.fail = func(*http.Request) (int, string) {
			return 401, `[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]`
		}
	})
	_, err := c.LogEmail(t.Context(), crmtest.Activity("locked out"))
	if e := wantClass(t, err, crmclient.ClassAuth); e.Remedy == "" {
		t.Error("no remedy")
	}
	if f.issued != 3 {
		t.Errorf("tokens: got %d, want 3: one more try only", f.issued)
	}
}

func TestTokenForAnotherHostIsNotUsed(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	for _, instance := range []string{"http://evil.example", "http://salesforce.com.evil.example", "ftp://x.salesforce.com", "", "http://user@na1.salesforce.com"} {
		f.change(func(map[string]*ftable) { f.instance = instance })
		_, err := c.FindContacts(t.Context(), []string{"a@b.example"})
		if e := wantClass(t, err, crmclient.ClassConfiguration); e.Remedy == "" {
			t.Errorf("%s: no remedy", instance)
		}
		c = open(t, salesforce.Config{Settings: crmclient.Settings{URL: f.login.URL}, ClientID: clientID, ClientSecret: config.NewSecret(clientSecret)}, crmclient.Deps{})
	}
}

func TestFindConvertedLeadsAndPersons(t *testing.T) {
	t.Parallel()
	f, c := start(t, func(c *salesforce.Config) { c.PersonAccounts = true })
	boss := f.user("Boss@example.com")
	account := f.add("Account", map[string]any{"Name": "Acme"})
	contact := f.add("Contact", map[string]any{"LastName": "Lee", "Email": "new@acme.example", "AccountId": account, "OwnerId": boss})
	f.add("Lead", map[string]any{"LastName": "Lee", "Company": "Acme", "Email": "Old@acme.example", "IsConverted": true, "ConvertedContactId": contact})
	f.add("Lead", map[string]any{"LastName": "Wu", "Company": "Wu Ltd", "Email": "wu@lead.example", "IsConverted": false})
	f.add("Account", map[string]any{"FirstName": "Per", "LastName": "Son", "PersonEmail": "per@home.example"})
	found := must(c.FindContacts(t.Context(), []string{"old@acme.example", "wu@lead.example", "per@home.example", `x' OR Name != 'y\`}))(t)
	slices.SortFunc(found, func(a, b crmclient.Contact) int { return strings.Compare(a.Address, b.Address) })
	if len(found) != 3 {
		t.Fatalf("got %+v", found)
	}
	want := crmclient.Contact{ID: contact, Kind: crmclient.KindContact, Address: "old@acme.example", Name: "Lee", Company: "Acme", Owner: "boss@example.com"}
	if found[0] != want {
		t.Errorf("got %+v, want %+v", found[0], want)
	}
	if found[1].Name != "Per Son" || found[1].Kind != crmclient.KindContact || found[2].Kind != crmclient.KindLead || found[2].Company != "Wu Ltd" {
		t.Errorf("got %+v", found[1:])
	}
}

func TestPeopleAreMadeOnce(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	boss := f.user("boss@example.com")
	p := crmclient.Person{Name: "Ann Lee", Address: "Ann@acme.example"}
	lead := must(c.CreateLead(t.Context(), p, "boss@example.com"))(t)
	again := must(c.CreateLead(t.Context(), p, ""))(t)
	if lead != again || lead.Kind != crmclient.KindLead || lead.Owner != "boss@example.com" || lead.Address != "ann@acme.example" {
		t.Errorf("got %+v, then %+v", lead, again)
	}
	if row := f.rows("Lead")[0]; row["Company"] != "-" || row["FirstName"] != "Ann" || row["LastName"] != "Lee" || row["OwnerId"] != boss {
		t.Errorf("lead: %v", row)
	}
	contact := must(c.CreateContact(t.Context(), p, ""))(t)
	if contact.Kind != crmclient.KindContact || contact.ID == lead.ID {
		t.Errorf("got %+v: a lead is no contact", contact)
	}
	f.change(func(map[string]*ftable) { f.block = contact.ID })
	match := must(c.CreateContact(t.Context(), crmclient.Person{Address: "a.lee@acme.example"}, ""))(t)
	if match.ID != contact.ID || match.Address != "a.lee@acme.example" {
		t.Errorf("the match of the duplicate rule: got %+v", match)
	}
	f.change(func(map[string]*ftable) { f.block = "003999999999999AAA" })
	_, err := c.CreateContact(t.Context(), crmclient.Person{Address: "b.lee@acme.example"}, "")
	wantClass(t, err, crmclient.ClassPermanent)
}

func TestPersonAccounts(t *testing.T) {
	t.Parallel()
	f, c := start(t, func(c *salesforce.Config) { c.PersonAccounts, c.PersonRecordType = true, "012000000000001AAA" })
	p := must(c.CreateContact(t.Context(), crmclient.Person{Name: "Per Son", Address: "per@home.example"}, ""))(t)
	if row := f.rows("Account")[0]; row["PersonContactId"] != p.ID || row["RecordTypeId"] != "012000000000001AAA" {
		t.Errorf("account: %v", row)
	}
	if err := c.WriteContact(t.Context(), p.ID, map[string]string{crmclient.FieldTitle: "Dr", crmclient.FieldMobile: "+861"}, nil); err != nil {
		t.Fatal(err)
	}
	if row := f.rows("Contact")[0]; row["Title"] != "Dr" || row["MobilePhone"] != "+861" {
		t.Errorf("contact: %v", row)
	}
}

func TestMergedContactIsFollowed(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	winner := f.add("Contact", map[string]any{"LastName": "Win", "Email": "win@acme.example"})
	loser := f.add("Contact", map[string]any{"LastName": "Lose", "Email": "lose@acme.example"})
	_, cursor, err := c.ContactChanges(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	f.change(func(tables map[string]*ftable) {
		row := tables["Contact"].rows[loser]
		row["IsDeleted"], row["MasterRecordId"] = true, winner
		f.stamp(row)
	})
	p, ok, err := c.ContactByID(t.Context(), loser)
	if err != nil || !ok || p.ID != winner {
		t.Errorf("got %+v, %v, %v", p, ok, err)
	}
	changes, _, err := c.ContactChanges(t.Context(), cursor)
	if err != nil || len(changes) != 1 || changes[0].MergedInto != winner || !changes[0].Deleted {
		t.Errorf("got %+v, %v", changes, err)
	}
	if _, ok, err := c.ContactByID(t.Context(), "003000000000999AAA"); ok || err != nil {
		t.Errorf("nobody: %v, %v", ok, err)
	}
}

func TestCompanies(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	acme := f.add("Account", map[string]any{"Name": "Acme", "Website": "https://www.acme.example/about"})
	f.add("Account", map[string]any{"Name": "Acme branch", "Website": "shop.acme.example"})
	f.add("Account", map[string]any{"Name": "Not Acme", "Website": "notacme.example"})
	f.add("Account", map[string]any{"Name": "A%me", "Website": "a_me.example"})
	company, ok, err := c.FindCompany(t.Context(), "acme.example")
	if err != nil || !ok || company.ID != acme || company.Name != "Acme" {
		t.Errorf("got %+v, %v, %v", company, ok, err)
	}
	if _, ok, err := c.FindCompany(t.Context(), "b_me.example"); ok || err != nil {
		t.Errorf("a wildcard in a domain: %v, %v", ok, err)
	}
	contact := f.add("Contact", map[string]any{"LastName": "Lee", "Email": "lee@acme.example"})
	for range 2 {
		if err := c.PlaceContact(t.Context(), contact, acme); err != nil {
			t.Fatal(err)
		}
	}
	if f.rows("Contact")[0]["AccountId"] != acme {
		t.Error("the contact is not placed")
	}
	by := open(t, func() salesforce.Config {
		cfg := section(f, f.instance)
		cfg.CompanyBy = salesforce.CompanyByContacts
		return cfg
	}(), crmclient.Deps{})
	company, ok, err = by.FindCompany(t.Context(), "acme.example")
	if err != nil || !ok || company.ID != acme || company.Name != "Acme" {
		t.Errorf("by contacts: got %+v, %v, %v", company, ok, err)
	}
	suggested := must(c.SuggestContacts(t.Context(), crmclient.Person{Name: "Nobody", Address: "x@acme.example"}, 5))(t)
	if len(suggested) != 1 || suggested[0].ID != contact {
		t.Errorf("suggested: %+v", suggested)
	}
}

func attachment(name, content string) crmclient.Attachment {
	sum := sha256.Sum256([]byte(content))
	return crmclient.Attachment{
		Name: name, Type: "text/plain", Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]),
		Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(content)), nil
		},
	}
}

func TestMailIsLinkedAndFilesAreThere(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	wang, zhao := f.user("wang@example.com"), f.user("zhao@example.com")
	lei := f.add("Contact", map[string]any{"LastName": "Li", "Email": "li.lei@customer.example"})
	account := f.add("Account", map[string]any{"Name": "Customer"})
	content := strings.Repeat("content of a file ", 1000)
	a := crmtest.Activity("linked")
	a.Contacts = []crmclient.Contact{{ID: lei, Kind: crmclient.KindContact, Address: "li.lei@customer.example"}}
	a.Companies = []crmclient.Company{{ID: account}}
	a.Accounts = []string{"wang@example.com", "zhao@example.com"}
	a.Attachments = []crmclient.Attachment{attachment("a.txt", content), attachment("b/c.txt", "short"), attachment("b/c.txt", "short"), {Name: "huge.bin", Size: 1 << 40}}
	a.AttachmentsLeft = []crmclient.AttachmentLeft{{Name: "<b>.exe", Size: 5, Reason: "policy"}}
	// The first try breaks off at the second file, the next ones complete it and add nothing.
	files := 0
	f.fail = func(r *http.Request) (int, string) {
		if strings.HasSuffix(r.URL.Path, "/ContentVersion") {
			if files++; files == 2 {
				return 503, `[{"errorCode":"SERVER_UNAVAILABLE","message":"no"}]`
			}
		}
		return 0, ""
	}
	_, err := c.LogEmail(t.Context(), a)
	wantClass(t, err, crmclient.ClassRetry)
	for range 2 {
		receipt := must(c.LogEmail(t.Context(), a))(t)
		if !receipt.Duplicate || !strings.HasSuffix(receipt.URL, receipt.RemoteID) {
			t.Errorf("receipt: %+v", receipt)
		}
	}
	mail := f.rows("EmailMessage")
	if len(mail) != 1 {
		t.Fatalf("mails: %d", len(mail))
	}
	if m := mail[0]; fmt.Sprint(m["ToIds"]) != fmt.Sprint([]any{lei}) || m["ToAddress"] != nil || m["CcAddress"] != "boss@example.com" || m["RelatedToId"] != account ||
		m["Incoming"] != false || m["MessageIdentifier"] != "linked@example.com" || !strings.Contains(m["HtmlBody"].(string), "&lt;b&gt;.exe") {
		t.Errorf("mail: %v", m)
	}
	var relations []string
	for _, r := range f.rows("EmailMessageRelation") {
		relations = append(relations, fmt.Sprint(r["RelationType"], " ", r["RelationId"]))
	}
	slices.Sort(relations)
	if want := []string{"FromAddress " + wang, "OtherAddress " + zhao, "ToAddress " + lei}; !slices.Equal(relations, want) {
		t.Errorf("relations: got %q, want %q", relations, want)
	}
	versions := f.rows("ContentVersion")
	if len(versions) != 3 {
		t.Fatalf("files: got %d, want 3", len(versions))
	}
	data, err := base64.StdEncoding.DecodeString(versions[0]["VersionData"].(string))
	if err != nil || string(data) != content || versions[1]["Title"] != "b_c.txt" || versions[0]["FirstPublishLocationId"] != mail[0]["Id"] {
		t.Errorf("files: %v, %v", versions, err)
	}
	if err := c.WithdrawEmail(t.Context(), "", "linked"); err != nil {
		t.Fatal(err)
	}
	if n := len(f.rows("EmailMessage")) + len(f.rows("ContentDocument")); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

func TestLaterOwnersAndBlindRecipientsBecomeRelations(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	zhao := f.user("zhao@example.com")
	a := crmtest.Activity("later")
	receipt := must(c.LogEmail(t.Context(), a))(t)
	a.Accounts = append(a.Accounts, "zhao@example.com")
	a.BCC = append(a.BCC, crmclient.Person{Address: "secret@customer.example"})
	for range 2 {
		must(c.UpdateEmail(t.Context(), receipt.RemoteID, a))(t)
	}
	var relations []string
	for _, r := range f.rows("EmailMessageRelation") {
		relations = append(relations, fmt.Sprint(r["RelationType"], " ", r["RelationId"], " ", r["RelationAddress"]))
	}
	slices.Sort(relations)
	if want := []string{"BccAddress <nil> secret@customer.example", "OtherAddress " + zhao + " zhao@example.com"}; !slices.Equal(relations, want) {
		t.Errorf("relations: got %q, want %q", relations, want)
	}
}

func TestWithoutKeyField(t *testing.T) {
	t.Parallel()
	f, c := start(t, func(c *salesforce.Config) { c.KeyFields = map[string]string{"EmailMessage": ""} })
	a := crmtest.Activity("first")
	for range 3 {
		must(c.LogEmail(t.Context(), a))(t)
	}
	same := crmtest.Activity("second") // claims the Message-ID of another mail
	same.MessageID, same.Date = a.MessageID, a.Date.Add(time.Hour)
	must(c.LogEmail(t.Context(), same))(t)
	none := &crmclient.Activity{Key: "third", Date: a.Date}
	for range 2 {
		must(c.LogEmail(t.Context(), none))(t)
	}
	if n := len(f.rows("EmailMessage")); n != 3 {
		t.Errorf("mails: got %d, want 3", n)
	}
	if err := c.WithdrawEmail(t.Context(), "", "third"); err != nil {
		t.Fatal(err)
	}
	if n := len(f.rows("EmailMessage")); n != 2 {
		t.Errorf("mails after the withdrawal: got %d, want 2", n)
	}
}

func TestTaskIsAboutTheContact(t *testing.T) {
	t.Parallel()
	f, c := start(t, func(c *salesforce.Config) { c.LogAs = salesforce.LogAsTask })
	wang := f.user("wang@example.com")
	lei := f.add("Contact", map[string]any{"LastName": "Li"})
	account := f.add("Account", map[string]any{"Name": "Customer"})
	a := crmtest.Activity("task")
	a.Owner = "wang@example.com"
	a.Contacts = []crmclient.Contact{{ID: lei, Kind: crmclient.KindContact, Address: "li.lei@customer.example"}}
	a.Companies = []crmclient.Company{{ID: account}}
	must(c.LogEmail(t.Context(), a))(t)
	if row := f.rows("Task")[0]; row["WhoId"] != lei || row["WhatId"] != account || row["OwnerId"] != wang || row["Status"] != "Completed" || row["ActivityDate"] != "2026-03-04" {
		t.Errorf("task: %v", row)
	}
}
