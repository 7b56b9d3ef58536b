package rest_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/internal/mailtest"
)

// requestTracker starts a Request Tracker of Debian with SQLite, for one test, and returns the section of the example for it.
func requestTracker(t *testing.T) (section string) {
	t.Helper()
	dir, port := t.TempDir(), mailtest.FreePort(t)
	site := fmt.Sprintf(`Set($rtname, 'test'); Set($Organization, 'test');
Set($DatabaseType, 'SQLite'); Set($DatabaseName, '%[1]s/rt.db');
Set($WebDomain, '127.0.0.1'); Set($WebPort, %[2]d); Set($Timezone, 'UTC');
Set($MailCommand, 'testfile'); Set($LogToSyslog, undef); Set($LogToSTDERR, 'error'); Set($MasonDataDir, '%[1]s/mason');
1;
`, dir, port)
	config, data := filepath.Join(dir, "RT_SiteConfig.pm"), filepath.Join("testdata", "rt-initialdata.pl")
	if err := os.WriteFile(config, []byte(site), 0o600); err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(dir, "token")
	env := append(os.Environ(), "RT_SITE_CONFIG="+config, "RT_SITE_CONFIG_DIR="+filepath.Join(dir, "none"), "TMPDIR="+dir, "HELIOGRAPH_TOKEN_FILE="+token)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, args := range [][]string{{"--action", "init", "--dba", "root", "--dba-password", "none"}, {"--action", "insert", "--datafile", data}} {
		cmd := exec.CommandContext(ctx, "/usr/sbin/rt-setup-database-5", args...)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("rt-setup-database-5 (run `make deps`): %v\n%s", err, out)
		}
	}
	server := exec.Command("/usr/share/request-tracker5/libexec/rt-server", "--server", "Starlet", "--host", "127.0.0.1",
		"--port", strconv.Itoa(port), "--max-workers", "1")
	server.Env = env
	mailtest.EndWithTest(t, server)
	url := fmt.Sprintf("http://127.0.0.1:%d/REST/2.0", port)
	mailtest.Eventually(t, time.Minute, func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/rt", http.NoBody)
		if err != nil {
			return err
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return err
		}
		return res.Body.Close()
	})
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	key, err := os.ReadFile(token)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("examples/request-tracker.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("https://rt.example.com/REST/2.0", url, "1-2-0123456789abcdef0123456789abcdef", string(key)).Replace(string(text))
}

func file(name, content string) crmclient.Attachment {
	sum := sha256.Sum256([]byte(content))
	return crmclient.Attachment{
		Name: name, Type: "text/plain", Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]),
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil },
	}
}

// TestRequestTracker runs the documented example against a real Request Tracker: nothing here or in the package is written for it.
func TestRequestTracker(t *testing.T) {
	t.Parallel()
	text := requestTracker(t)
	client := open(t, section(t, text), crmclient.Deps{Target: "rt"})

	t.Run("check", func(t *testing.T) {
		line, err := client.(crmclient.Checker).Check(t.Context())
		if err != nil || !strings.HasPrefix(line, "Request Tracker 5") {
			t.Errorf("got %q, %v", line, err)
		}
	})
	t.Run("check with a wrong token", func(t *testing.T) {
		cfg := section(t, text)
		cfg.Auth.Key = config.NewSecret("1-14-wrong0wrong0wrong0wrong0wrong0wr")
		_, err := open(t, cfg, crmclient.Deps{Target: "rt"}).(crmclient.Checker).Check(t.Context())
		wantClass(t, err, crmclient.ClassAuth)
	})
	t.Run("check finds a missing field", func(t *testing.T) {
		cfg := section(t, text)
		cfg.Needs = map[string][]string{"ticket": {"Mail key", "No such field"}}
		_, err := open(t, cfg, crmclient.Deps{Target: "rt"}).(crmclient.Checker).Check(t.Context())
		if wantClass(t, err, crmclient.ClassConfiguration); err == nil || !strings.Contains(err.Error(), "No such field") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("contacts", func(t *testing.T) { rtContacts(t, client) })
	t.Run("mail", func(t *testing.T) { rtMail(t, text, client) })
	t.Run("tickets", func(t *testing.T) { rtTickets(t, client) })
}

func rtContacts(t *testing.T, client crmclient.Client) {
	found, err := client.FindContacts(t.Context(), []string{"li.lei@customer.example", "nobody@customer.example"})
	want := crmclient.Contact{ID: "li", Kind: crmclient.KindContact, Address: "li.lei@customer.example", Name: "李雷", Company: "Customer Ltd"}
	if err != nil || len(found) != 1 || found[0] != want {
		t.Errorf("got %+v, %v; want %+v", found, err, want)
	}
	creator := able[crmclient.ContactCreator](t, client)
	for range 2 {
		made, err := creator.CreateContact(t.Context(), crmclient.Person{Name: "赵 '敏'", Address: "zhao@customer.example"}, "")
		if err != nil || made.ID != "zhao@customer.example" || made.Name != "赵 '敏'" {
			t.Errorf("got %+v, %v", made, err)
		}
	}
}

func rtMail(t *testing.T, text string, client crmclient.Client) {
	for _, key := range []string{"rt-1", "rt-1", "rt-2"} {
		a := crmtest.Activity(key)
		a.Thread, a.Subject = "it's a \\ thread", "报价 'quotation' \\ 42"
		a.Attachments = []crmclient.Attachment{file("报价单 📎.txt", "您好"), file("plain.txt", "hello")}
		if _, err := client.LogEmail(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	tickets, next, err := able[crmclient.RecordQuerier](t, client).QueryRecords(t.Context(),
		crmclient.Query{Object: "ticket", Where: []crmclient.Condition{{Field: "Subject", Is: crmclient.Contains, Value: "'quotation' \\ 42"}}}, "")
	if err != nil || next != "" || len(tickets) != 1 {
		t.Fatalf("tickets of the thread: got %+v, %q, %v; want one", tickets, next, err)
	}
	// The text of each mail is one comment, with its files.
	id, files := tickets[0].ID, able[crmclient.FileAttacher](t, client)
	for _, f := range []crmclient.Attachment{file("报价单 📎.txt", "您好"), file("added.txt", "later"), file("added.txt", "later")} {
		if _, err := files.AttachFile(t.Context(), "ticket", id, f); err != nil {
			t.Error(err)
		}
	}
	names := rtFileNames(t, text, id)
	for name, want := range map[string]int{"报价单 📎.txt": 2, "plain.txt": 2, "added.txt": 1} {
		if names[name] != want {
			t.Errorf("files called %s: got %d, want %d", name, names[name], want)
		}
	}
}

// rtFileNames counts the files of a ticket by their names, with an operation of the same kind as those of the example.
func rtFileNames(t *testing.T, text, id string) map[string]int {
	t.Helper()
	cfg := section(t, text)
	cfg.Operations.QueryRecords = cfg.Operations.FindFile
	cfg.Operations.QueryRecords.Path = "/ticket/" + id + "/attachments"
	cfg.Operations.QueryRecords.Result.Fields = map[string]string{"name": "$.Filename"}
	client, names, cursor := able[crmclient.RecordQuerier](t, open(t, cfg, crmclient.Deps{Target: "rt"})), map[string]int{}, ""
	for {
		records, next, err := client.QueryRecords(t.Context(), crmclient.Query{Object: "attachment"}, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			names[fmt.Sprint(r.Fields["name"])]++
		}
		if cursor = next; cursor == "" {
			return names
		}
	}
}

func rtTickets(t *testing.T, client crmclient.Client) {
	tickets, changes := able[crmclient.Ticketer](t, client), able[crmclient.RecordChanges](t, client)
	_, cursor, err := changes.RecordChanges(t.Context(), "ticket", nil, "")
	if err != nil {
		t.Fatal(err)
	}
	ticket := &crmclient.Ticket{
		Key: "mail-77", Subject: "Drucker 打印机 \"kaputt\"", Text: "您好,\n\nthe printer is broken. ${x} {{ y }}\n", Priority: "high",
		Requester: crmclient.Person{Name: "李雷", Address: "li.lei@customer.example"}, Files: []crmclient.Attachment{file("错误 log.txt", "E42\n")},
		Fields: map[string]any{"Status": "open"},
	}
	first, err := tickets.CreateTicket(t.Context(), ticket)
	if err != nil || first.RemoteID == "" || first.Duplicate || !strings.HasSuffix(first.URL, "id="+first.RemoteID) {
		t.Fatalf("got %+v, %v", first, err)
	}
	again, err := tickets.CreateTicket(t.Context(), ticket)
	if err != nil || again.RemoteID != first.RemoteID || !again.Duplicate {
		t.Errorf("again: got %+v, %v; want the same ticket", again, err)
	}
	for range 2 { // also to the one who has it
		if err := tickets.AssignTicket(t.Context(), first.RemoteID, "wang@example.com"); err != nil {
			t.Error(err)
		}
	}
	wantClass(t, tickets.AssignTicket(t.Context(), first.RemoteID, "stranger@example.com"), crmclient.ClassPermanent)
	// Somebody whom RT knows but who may not own tickets.
	wantClass(t, tickets.AssignTicket(t.Context(), first.RemoteID, "li.lei@customer.example"), crmclient.ClassPermanent)
	found, there, err := tickets.FindTicket(t.Context(), "mail-77")
	if err != nil || !there || found.ID != first.RemoteID || found.Fields["Owner"] != "wang" || found.Fields["Subject"] != ticket.Subject ||
		found.Fields["Status"] != "open" || found.UpdatedAt.IsZero() {
		t.Errorf("got %+v, %v, %v", found, there, err)
	}
	if _, there, err := tickets.FindTicket(t.Context(), "mail-78' OR id > 0 OR Subject = '"); there || err != nil {
		t.Errorf("a key with quotes found another ticket: %v, %v", there, err)
	}
	rec, err := able[crmclient.RecordReader](t, client).ReadRecord(t.Context(), "ticket", first.RemoteID)
	if err != nil || fmt.Sprint(rec.Fields["Priority"]) != "70" {
		t.Errorf("got %+v, %v", rec.Fields["Priority"], err)
	}
	if _, err := able[crmclient.RecordReader](t, client).ReadRecord(t.Context(), "ticket", "99999"); !errors.Is(err, crmclient.ErrNoRecord) {
		t.Errorf("got %v, want ErrNoRecord", err)
	}
	if err := able[crmclient.RecordUpdater](t, client).UpdateRecord(t.Context(), "ticket", first.RemoteID, map[string]any{"Subject": "repaired"}); err != nil {
		t.Error(err)
	}
	told, _, err := changes.RecordChanges(t.Context(), "ticket", []string{"Subject"}, cursor)
	i := slices.IndexFunc(told, func(c crmclient.RecordChange) bool { return c.ID == first.RemoteID })
	if err != nil || i < 0 || told[i].Fields["Subject"] != "repaired" || !told[i].Own {
		t.Errorf("changes: got %+v, %v; want the new subject, by ourselves", told, err)
	}
}

func wantClass(t *testing.T, err error, want crmclient.Class) {
	t.Helper()
	if got := crmclient.ClassOf(err); got != want {
		t.Errorf("class of %v: got %q, want %q", err, got, want)
	}
}
