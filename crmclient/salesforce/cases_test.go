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
	"heliograph/crmclient/fieldmap"
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

func TestTickets(t *testing.T) {
	t.Parallel()
	f, c := start(t, func(c *salesforce.Config) { c.AssignmentRule = true })
	wang := f.user("wang@example.com")
	queue := f.add("Group", map[string]any{"Name": "Support '1'", "DeveloperName": "Support_1", "Type": "Queue"})
	contact := f.add("Contact", map[string]any{"LastName": "Li"})
	var assign []string
	f.fail = func(r *http.Request) (int, string) {
		if h := r.Header.Get("Sforce-Auto-Assign"); h != "" {
			assign = append(assign, h)
		}
		return 0, ""
	}
	k := &crmclient.Ticket{
		Key: "t1", Subject: "Broken", Text: "It is broken.", Priority: "urgent", Assignee: "Wang@example.com", ContactID: contact,
		Requester: crmclient.Person{Name: "Li", Address: "li@customer.example"}, Fields: map[string]any{"Due__c": time.Date(2026, 5, 6, 0, 0, 0, 0, time.UTC)},
		Files: []crmclient.Attachment{attachment("log.txt", "log"), {Name: "lost.txt"}},
	}
	first := must(c.CreateTicket(t.Context(), k))(t)
	again := must(c.CreateTicket(t.Context(), k))(t)
	if first.RemoteID != again.RemoteID || !again.Duplicate || len(f.rows("ContentVersion")) != 1 {
		t.Errorf("got %+v, then %+v, %d files", first, again, len(f.rows("ContentVersion")))
	}
	row := f.rows("Case")[0]
	if row["OwnerId"] != wang || row["Priority"] != "High" || row["Due__c"] != "2026-05-06" || row["ContactId"] != contact || !strings.Contains(row["Description"].(string), "lost.txt") {
		t.Errorf("case: %v", row)
	}
	must(c.CreateTicket(t.Context(), &crmclient.Ticket{Key: "t2", Subject: "For a queue", Queue: "Support '1'"}))(t)
	must(c.CreateTicket(t.Context(), &crmclient.Ticket{Key: "t3", Subject: "For the rules"}))(t)
	if rows := f.rows("Case"); rows[1]["OwnerId"] != queue || rows[2]["OwnerId"] != nil || !slices.Equal(assign, []string{"FALSE", "FALSE", "TRUE"}) {
		t.Errorf("cases: %v, headers %q", rows[1:], assign)
	}
	found, ok, err := c.FindTicket(t.Context(), "t1")
	if err != nil || !ok || found.ID != first.RemoteID || found.Fields["Subject"] != "Broken" || found.Fields["Due__c"] != time.Date(2026, 5, 6, 0, 0, 0, 0, time.UTC) {
		t.Errorf("found %+v, %v, %v", found, ok, err)
	}
	if _, ok, err := c.FindTicket(t.Context(), "nothing"); ok || err != nil {
		t.Errorf("no ticket: %v, %v", ok, err)
	}
	zhao := f.user("zhao@example.com")
	if err := c.AssignTicket(t.Context(), first.RemoteID, "zhao@example.com"); err != nil || f.rows("Case")[0]["OwnerId"] != zhao {
		t.Errorf("assign: %v", err)
	}
	wantClass(t, c.AssignTicket(t.Context(), first.RemoteID, "nobody@example.com"), crmclient.ClassPermanent)
	_, err = c.CreateTicket(t.Context(), &crmclient.Ticket{Key: "t4", Queue: "Nowhere"})
	wantClass(t, err, crmclient.ClassPermanent)
}

func TestFilesOfRecords(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	id := f.add("Case", map[string]any{"Subject": "x"})
	file := attachment("a.txt", "hello")
	first := must(c.AttachFile(t.Context(), "Case", id, file))(t)
	again := must(c.AttachFile(t.Context(), "Case", id, file))(t)
	if first != again || !strings.HasPrefix(first, "069") {
		t.Errorf("got %q, then %q", first, again)
	}
	_, err := c.AttachFile(t.Context(), "Case", "500000000000999AAA", file)
	if !errors.Is(err, crmclient.ErrNoRecord) {
		t.Errorf("no record: got %v", err)
	}
}

func TestFileOfAnotherLengthIsNotWritten(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	id := f.add("Case", map[string]any{"Subject": "x"})
	for _, content := range []string{"too short", strings.Repeat("too long ", 100)} {
		file := attachment("a.txt", content)
		file.Size = 100
		if _, err := c.AttachFile(t.Context(), "Case", id, file); err == nil {
			t.Errorf("%.9s: no error", content)
		}
	}
	if n := len(f.rows("ContentVersion")); n != 0 {
		t.Errorf("files: %d", n)
	}
}

func TestSecretsInAnswersAreHidden(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	f.fail = func(r *http.Request) (int, string) {
		return 400, `[{"errorCode":"ODD","message":"header ` + r.Header.Get("Authorization") + `"}]`
	}
	_, err := c.FindContacts(t.Context(), []string{"li@customer.example"})
	if err == nil || strings.Contains(fmt.Sprintf("%+v", err), "s3cr3t") || !strings.Contains(err.Error(), "ODD") {
		t.Errorf("got %v", err)
	}
}

func TestLimitOfTheDayIsNotUsedUp(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := section(f, server.URL)
	share := 20
	cfg.APIReserve = &share
	now := time.Date(2026, 3, 4, 8, 0, 0, 0, time.UTC)
	c := open(t, cfg, crmclient.Deps{Now: func() time.Time { return now }})
	f.used, f.most = 78, 100
	ask := func() error {
		_, err := c.FindContacts(t.Context(), []string{"a@b.example"})
		return err
	}
	if err := ask(); err != nil { // two requests: 80 are used now
		t.Fatal(err)
	}
	e := wantClass(t, ask(), crmclient.ClassRate)
	if e.RetryAfter != 10*time.Minute || f.used != 80 {
		t.Errorf("wait %s, used %d", e.RetryAfter, f.used)
	}
	now = now.Add(11 * time.Minute)
	f.used = 10 // the window went on
	if err := errors.Join(ask(), ask()); err != nil || f.used != 14 {
		t.Errorf("after the pause: %v, used %d", err, f.used)
	}
	f.used = 100
	e = wantClass(t, ask(), crmclient.ClassRate)
	if e.RetryAfter < time.Minute || e.Status != http.StatusForbidden {
		t.Errorf("got %+v", e)
	}
}

func TestUpsertThatSalesforceRefuses(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	f.change(func(tables map[string]*ftable) { delete(tables["EmailMessage"].fields, "Heliograph_Key__c") })
	_, err := c.LogEmail(t.Context(), crmtest.Activity("no key"))
	if e := wantClass(t, err, crmclient.ClassConfiguration); !strings.Contains(e.Message, "Heliograph_Key__c") || !strings.Contains(e.Remedy, "External ID") {
		t.Errorf("got %v, remedy %q", e, e.Remedy)
	}
}

func TestErrorTable(t *testing.T) {
	t.Parallel()
	cases := []struct {
		status int
		code   string
		class  crmclient.Class
		remedy string
	}{
		{403, "REQUEST_LIMIT_EXCEEDED", crmclient.ClassRate, "System Overview"},
		{400, "UNABLE_TO_LOCK_ROW", crmclient.ClassRetry, ""},
		{400, "INVALID_FIELD", crmclient.ClassConfiguration, "Field-Level Security"},
		{400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", crmclient.ClassPermanent, "validation rule"},
		{400, "STRING_TOO_LONG", crmclient.ClassPermanent, "max_text"},
		{400, "STORAGE_LIMIT_EXCEEDED", crmclient.ClassConfiguration, "Storage Usage"},
		{403, "INSUFFICIENT_ACCESS_OR_READONLY", crmclient.ClassAuth, "permission set"},
		{403, "INSUFFICIENT_ACCESS_FOR_SOMETHING_NEW", crmclient.ClassAuth, "permission set"},
		{400, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", crmclient.ClassPermanent, "sharing"},
		{403, "API_DISABLED_FOR_ORG", crmclient.ClassConfiguration, "edition"},
		{400, "REQUIRED_FIELD_MISSING", crmclient.ClassConfiguration, "mapping"},
		{400, "SOMETHING_NEW", crmclient.ClassPermanent, ""},
		{503, "SERVER_UNAVAILABLE", crmclient.ClassRetry, ""},
		{500, "UNKNOWN_EXCEPTION", crmclient.ClassRetry, ""},
	}
	for _, k := range cases {
		t.Run(k.code, func(t *testing.T) {
			t.Parallel()
			f, c := start(t, nil)
			f.fail = func(r *http.Request) (int, string) {
				if !f.Writes(r) {
					return 0, ""
				}
				return k.status, `[{"errorCode":"` + k.code + `","message":"Subject: data value too large: Quotation 42","fields":["Subject"]}]`
			}
			_, err := c.LogEmail(t.Context(), crmtest.Activity("refused"))
			e := wantClass(t, err, k.class)
			if e.Status != k.status || !strings.Contains(e.Remedy, k.remedy) || !strings.Contains(e.Message, k.code) {
				t.Errorf("got %+v", e)
			}
			if k.code == "STRING_TOO_LONG" && strings.Contains(err.Error(), "Quotation") {
				t.Errorf("the subject is in %v", err)
			}
		})
	}
}

func TestAmbiguousKey(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	f.fail = func(r *http.Request) (int, string) {
		if f.Writes(r) {
			return 300, `["/services/data/v62.0/sobjects/EmailMessage/02s1","/services/data/v62.0/sobjects/EmailMessage/02s2"]`
		}
		return 0, ""
	}
	_, err := c.LogEmail(t.Context(), crmtest.Activity("twice"))
	if e := wantClass(t, err, crmclient.ClassPermanent); !strings.Contains(e.Remedy, "Unique") {
		t.Errorf("remedy: %q", e.Remedy)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil  func(f *fake, c *salesforce.Config)
		class  crmclient.Class // empty: good
		remedy string
	}{
		"good":         {func(*fake, *salesforce.Config) {}, "", ""},
		"good, task":   {func(_ *fake, c *salesforce.Config) { c.LogAs = salesforce.LogAsTask }, "", ""},
		"wrong secret": {func(_ *fake, c *salesforce.Config) { c.ClientSecret = config.NewSecret("another secret") }, crmclient.ClassAuth, "secret"},
		"wrong host":   {func(f *fake, _ *salesforce.Config) { f.refusal = "invalid_client_id" }, crmclient.ClassAuth, "data centre"},
		"not approved": {func(f *fake, _ *salesforce.Config) { f.refusal = "invalid_grant" }, crmclient.ClassAuth, ""},
		"session refused": {func(f *fake, _ *salesforce.Config) {
			f.fail = func(*http.Request) (int, string) { return 401, `[{"errorCode":"INVALID_SESSION_ID","message":"x"}]` }
		}, crmclient.ClassAuth, "IP ranges"},
		"old version":     {func(_ *fake, c *salesforce.Config) { c.APIVersion = "99.0" }, crmclient.ClassConfiguration, "api_version"},
		"no EmailMessage": {func(f *fake, _ *salesforce.Config) { delete(f.tables, "EmailMessage") }, crmclient.ClassConfiguration, "Enhanced Email"},
		"no permission":   {func(f *fake, _ *salesforce.Config) { f.tables["EmailMessage"].closed = true }, crmclient.ClassAuth, "Permission Sets"},
		"no relations":    {func(f *fake, _ *salesforce.Config) { f.tables["EmailMessageRelation"].closed = true }, crmclient.ClassAuth, "EmailMessageRelation"},
		"no key field": {func(f *fake, _ *salesforce.Config) {
			delete(f.tables["EmailMessage"].fields, "Heliograph_Key__c")
		}, crmclient.ClassConfiguration, "External ID"},
		"key field not unique": {func(f *fake, _ *salesforce.Config) {
			f.tables["EmailMessage"].fields["Heliograph_Key__c"] = ffield{kind: "string", length: 64, external: true}
		}, crmclient.ClassConfiguration, "Unique"},
		"key field of one's own": {func(f *fake, c *salesforce.Config) {
			name := "Mine__c"
			c.KeyField = &name
			f.tables["EmailMessage"].fields["Mine__c"] = ffield{kind: "string", length: 64, unique: true}
		}, crmclient.ClassConfiguration, "External ID"},
		"mapped field missing": {func(_ *fake, c *salesforce.Config) {
			c.Fields["Nothing__c"] = fieldmap.From("subject", fieldmap.Cut(10))
		}, crmclient.ClassConfiguration, "Nothing__c"},
		"case field missing": {func(_ *fake, c *salesforce.Config) {
			c.TicketFields = fieldmap.Fields{"Nothing__c": fieldmap.From("subject", fieldmap.Cut(10))}
		}, crmclient.ClassConfiguration, "Nothing__c"},
		"search field missing": {func(_ *fake, c *salesforce.Config) { c.ContactEmailFields = []string{"Email", "Email2__c"} }, crmclient.ClassConfiguration, "Field-Level Security"},
		"leads hidden":         {func(f *fake, _ *salesforce.Config) { delete(f.tables, "Lead") }, crmclient.ClassConfiguration, "object"},
		"bodies too long":      {func(_ *fake, c *salesforce.Config) { c.MaxText = 100_000 }, crmclient.ClassConfiguration, "max_text to 32000"},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			server := httptest.NewServer(f)
			t.Cleanup(server.Close)
			cfg := section(f, server.URL)
			k.spoil(f, &cfg)
			c := open(t, cfg, crmclient.Deps{})
			line, err := c.Check(t.Context())
			if k.class == "" {
				if err != nil || !strings.Contains(line, "organisation "+orgID) || !strings.Contains(line, "requests of 24 hours left") {
					t.Errorf("got %q, %v", line, err)
				}
			} else if e := wantClass(t, err, k.class); e.Remedy == "" || !strings.Contains(e.Remedy, k.remedy) {
				t.Errorf("got %v, remedy %q, want %q in it", e, e.Remedy, k.remedy)
			}
			for _, call := range f.calls {
				if !strings.HasPrefix(call, "GET ") {
					t.Errorf("the check made the request %s", call)
				}
			}
		})
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := salesforce.Config{Settings: crmclient.Settings{URL: "https://example.my.salesforce.com"}, ClientID: "x", ClientSecret: config.NewSecret("secret")}
	none := ""
	cases := map[string]struct {
		change func(*salesforce.Config)
		want   string
	}{
		"good":                   {func(*salesforce.Config) {}, ""},
		"nothing":                {func(c *salesforce.Config) { *c = salesforce.Config{} }, "credentials are missing"},
		"login host with secret": {func(c *salesforce.Config) { c.URL = "" }, "My Domain"},
		"both":                   {func(c *salesforce.Config) { c.Username = "x" }, "exclude each other"},
		"no key":                 {func(c *salesforce.Config) { c.ClientSecret, c.Username = config.Secret{}, "x" }, "private_key is missing"},
		"broken key": {func(c *salesforce.Config) {
			c.ClientSecret, c.Username, c.PrivateKey = config.Secret{}, "x", config.NewSecret("no key")
		}, "RSA key"},
		"version":             {func(c *salesforce.Config) { c.APIVersion = "62" }, "api_version"},
		"log_as":              {func(c *salesforce.Config) { c.LogAs = "event" }, "log_as"},
		"task without key":    {func(c *salesforce.Config) { c.LogAs, c.KeyField = "task", &none }, "needs a key_field"},
		"field that is none":  {func(c *salesforce.Config) { c.ContactEmailFields = []string{"Email' OR"} }, "API name"},
		"path in key field":   {func(c *salesforce.Config) { c.KeyFields = map[string]string{"Case": "a/b"} }, "API name"},
		"files too large":     {func(c *salesforce.Config) { b := config.Bytes(1 << 40); c.MaxAttachment = &b }, "max_attachment"},
		"record type alone":   {func(c *salesforce.Config) { c.PersonRecordType = "012000000000001AAA" }, "without person_accounts"},
		"reserve":             {func(c *salesforce.Config) { n := 100; c.APIReserve = &n }, "api_reserve"},
		"unknown source":      {func(c *salesforce.Config) { c.Fields = fieldmap.Fields{"X": fieldmap.From("nothing")} }, "fields: "},
		"domain with a path":  {func(c *salesforce.Config) { c.InstanceDomains = []string{"a.example/x"} }, "instance_domains"},
		"text length":         {func(c *salesforce.Config) { c.MaxText = 10 }, "max_text"},
		"unknown company way": {func(c *salesforce.Config) { c.CompanyBy = "name" }, "company_by"},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := good
			k.change(&c)
			err := c.Validate()
			if k.want == "" && err != nil || k.want != "" && (err == nil || !strings.Contains(err.Error(), k.want)) {
				t.Errorf("got %v, want %q", err, k.want)
			}
		})
	}
}
