package mirror_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/mirror"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// filed is a mail with two files.
func filed(extra string) string {
	part := func(name, text string) string {
		return "--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=\"" + name + "\"\nContent-Transfer-Encoding: base64\n\n" +
			base64.StdEncoding.EncodeToString([]byte(text)) + "\n"
	}
	return extra + "From: Wang <wang@example.com>\nTo: li@acme.test\nSubject: Files\nMessage-ID: <f-1@example.com>\n" +
		"Date: Fri, 20 Nov 2026 09:30:00 +0000\nContent-Type: multipart/mixed; boundary=b\n\n" +
		"--b\nContent-Type: text/plain\n\nsee the files\n" + part("offer.pdf", "offer 4711") + part("drawing 13800138000.pdf", "drawing 4712") + "--b--\n"
}

// linked are options of a target that gets links.
func linked(t *testing.T, db *store.DB, c crmclient.Client) mirror.Options {
	t.Helper()
	o, _ := scoped(t, db, c, sensitive)
	masking, err := scope.NewMasking([]config.Masking{{Kinds: []config.MaskKind{config.MaskPhone}}})
	if err != nil {
		t.Fatal(err)
	}
	o.Masking = masking
	o.Targets[0].Deliver = config.Delivery{Attachments: config.DeliverAttachments{
		Policy: config.AttachLink, MaxBytes: 1, LinkExpires: config.Duration(30 * 24 * time.Hour),
	}}
	return o
}

// tokens returns the tokens of the links that the CRM was given.
func tokens(t *testing.T, a *crmclient.Activity) (out []string) {
	t.Helper()
	if len(a.Attachments) != 0 {
		t.Errorf("the CRM got files: %+v", a.Attachments)
	}
	for _, left := range a.AttachmentsLeft {
		token, ok := strings.CutPrefix(left.URL, linkURL)
		if !ok || !strings.Contains(left.Reason, left.URL) {
			t.Fatalf("no link: %+v", left)
		}
		out = append(out, token)
	}
	return out
}

func (w *office) read(token string) string {
	f, err := w.links.Open(w.t.Context(), token)
	if err != nil {
		return err.Error()
	}
	text, err := io.ReadAll(f.Body)
	if err = errors.Join(err, f.Body.Close()); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s (%d): %s", f.Name, f.Size, text)
}

func TestLinksToFiles(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		w := open(t, db, linked(t, db, c))
		w.start()
		w.submit(mail{account: "wang@example.com", recipients: to("li@acme.test"), raw: filed("")})
		w.awaitStates("crm", "mirrored")
		links := tokens(t, c.logged()[0])
		if len(links) != 2 {
			t.Fatalf("got %d links, want 2", len(links))
		}
		if got := w.read(links[0]); got != "offer.pdf (10): offer 4711" {
			t.Errorf("the first file: %s", got)
		}
		if got := w.read(links[1]); got != "drawing 138****8000.pdf (12): drawing 4712" {
			t.Errorf("the second file: %s", got)
		}
		none := mirror.ErrNoFile.Error()
		for name, token := range map[string]string{
			"empty": "", "nonsense": "!!", "short": "AQ", "long": strings.Repeat("A", 5000), "cut": links[0][:len(links[0])-1], "longer": links[0] + "A",
			"joined": links[0] + links[1],
		} {
			if got := w.read(token); got != none {
				t.Errorf("%s: %s", name, got)
			}
		}
		raw, err := base64.RawURLEncoding.DecodeString(links[0])
		if err != nil {
			t.Fatal(err)
		}
		for i := range raw { // no bit of it may be another
			raw[i] ^= 1
			if got := w.read(base64.RawURLEncoding.EncodeToString(raw)); got != none {
				t.Errorf("byte %d changed: %s", i, got)
			}
			raw[i] ^= 1
		}
		w.stop()
		w.reopen() // the key stays
		w.start()
		if got := w.read(links[0]); got != "offer.pdf (10): offer 4711" {
			t.Errorf("after a restart: %s", got)
		}
		w.clock.forward(32 * 24 * time.Hour)
		if got := w.read(links[0]); got != none {
			t.Errorf("after 32 days: %s", got)
		}
	})
}

// Links end with the right of the target to have the message.
func TestLinksOfMailThatWasTakenBack(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(*office){
		"withdrawn": func(w *office) { w.withdraw(mirror.Withdrawal{MessageID: "f-1@example.com"}) },
		"of an account": func(w *office) {
			w.withdraw(mirror.Withdrawal{Account: "wang@example.com"})
		},
		"private": func(w *office) {
			w.submit(mail{account: "wang@example.com", recipients: to("li@acme.test"), raw: filed("Sensitivity: private\n")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, c := storetest.SQLite(t), newCRM()
			w := open(t, db, linked(t, db, c))
			w.start()
			w.submit(mail{account: "wang@example.com", recipients: to("li@acme.test"), raw: filed("")})
			w.awaitStates("crm", "mirrored")
			token := tokens(t, c.logged()[0])[0]
			take(w)
			w.eventually("the link is gone", func() bool { return w.read(token) == mirror.ErrFileGone.Error() })
		})
	}
}
