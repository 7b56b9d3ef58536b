package mail_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api/mail"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

const offer = `From: Li Lei <li@kunde.example>
To: Anna <anna@corp.example>
Cc: Ben <ben@corp.example>
Subject: 报价 for you
Date: Mon, 2 Nov 2026 10:00:00 +0800
Message-ID: <1@kunde.example>
Content-Type: text/plain; charset=utf-8

Please look at the offer. Call 13800138000.

-- 
Li Lei
Kunde GmbH

> what you wrote
> before
`

const answer = `From: Anna <anna@corp.example>
To: li@kunde.example
Subject: Re: offer
Date: Mon, 2 Nov 2026 11:00:00 +0800
Message-ID: <2@corp.example>
In-Reply-To: <1@kunde.example>

Thank you.
`

func TestMessagesByScope(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := open(t, db)
		_, first := w.find("anna@corp.example", 1, offer)
		w.find("ben@corp.example", 9, offer)
		_, second := w.submit("anna@corp.example", answer, "li@kunde.example", "secret@other.example")
		w.state(second, "mirrored")
		for _, c := range []struct {
			name  string
			who   *access.Caller
			query string
			want  []string
		}{
			{"admin", admin(), "", []string{second, first}},
			{"ben", agent("ben@corp.example"), "", []string{first}},
			{"eva", agent("eva@corp.example"), "", nil},
			{"ben's boss", manager("ben@corp.example", "boss@corp.example"), "", []string{first}},
			{"words", admin(), "?q=" + url.QueryEscape("报价"), []string{first}},
			{"state", admin(), "?state=mirrored&direction=outbound", []string{second}},
			{"the blind recipient", agent("ben@corp.example"), "?person=secret@other.example", nil},
			{"a domain", admin(), "?domain=kunde.example", []string{second, first}},
			{"another's account", agent("ben@corp.example"), "?account=anna@corp.example", nil},
		} {
			var list mail.MessageList
			w.server.As(c.who).Get("/api/v1/messages"+c.query).JSON(200, &list)
			var got []string
			for _, m := range list.Items {
				got = append(got, m.Key)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: got %q, want %q", c.name, got, c.want)
			}
		}
		w.server.As(admin()).Get("/api/v1/messages?cursor=x").Problem(422, "bad_cursor")
		w.server.As(admin()).Get("/api/v1/messages?person=a@b.example&domain=b.example").Problem(422, "one_of")

		var m mail.Message
		w.server.As(admin()).Get("/api/v1/messages/"+second).JSON(200, &m)
		if len(m.Deliveries) != 1 || *m.Deliveries[0].Url != "https://crm.example/"+second || len(m.People) != 3 || *m.ThreadMessages != 2 || m.Mine {
			t.Errorf("%+v", m)
		}
		m = mail.Message{}
		w.server.As(agent("ben@corp.example", "phone")).Get("/api/v1/messages/"+first).JSON(200, &m)
		if len(m.Text) != 3 || !*m.Text[2].Quoted || !*m.Text[1].Signature || strings.Contains(m.Text[0].Text, "13800138000") || len(m.Sightings) != 1 || !m.Mine || m.RawUrl != nil {
			t.Errorf("%+v", m)
		}
		var thread mail.Thread
		w.server.As(admin()).Get("/api/v1/threads/"+m.Thread).JSON(200, &thread)
		if len(thread.Items) != 2 || thread.Items[0].Key != first {
			t.Errorf("%+v", thread)
		}
		// What is another's is not there, whatever is asked of it.
		ben := w.server.As(agent("ben@corp.example"))
		for _, path := range []string{"", "/html", "/attachments/0"} {
			ben.Get("/api/v1/messages/"+second+path).Problem(404, "no_message")
		}
		ben.Get("/api/v1/messages/"+second+"/raw").Problem(403, "forbidden")
		for verb, body := range map[string]any{"withdraw": map[string]any{"reason": "x"}, "restrict": map[string]any{"reason": "x"}, "tags": map[string]any{"add": []string{"x"}}} {
			ben.Post("/api/v1/messages/"+second+"/"+verb, body).Problem(404, "no_message")
		}
		w.server.As(agent("eva@corp.example")).Get("/api/v1/threads/"+m.Thread).Problem(404, "no_thread")
		w.server.As(auditor()).Get("/api/v1/messages").Problem(403, "forbidden")
		w.server.As(nil).Get("/api/v1/messages").Problem(401, "sign_in")
		if acts := w.server.Acts("getMessage"); len(acts) == 0 {
			t.Error("nobody wrote down who read mail")
		}
		raw := w.server.As(manager("ben@corp.example")).Get("/api/v1/messages/" + first + "/raw").Is(200)
		if !strings.HasPrefix(string(raw.Body), "From: Li Lei") || raw.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%q %v", raw.Body, raw.Header)
		}
	})
}

func TestTagsWithdrawRestrict(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := open(t, db)
		_, key := w.find("anna@corp.example", 1, offer)
		w.find("ben@corp.example", 9, offer)
		w.state(key, "mirrored")
		var tags mail.TagResult
		ben := w.server.As(agent("ben@corp.example"))
		ben.Post("/api/v1/messages/"+key+"/tags", map[string]any{"add": []string{"vip", "hot"}}).JSON(200, &tags)
		ben.Post("/api/v1/messages/"+key+"/tags", map[string]any{"remove": []string{"hot"}}).JSON(200, &tags)
		if !slices.Equal(tags.Tags, []string{"vip"}) {
			t.Errorf("%q", tags.Tags)
		}
		var list mail.MessageList
		ben.Get("/api/v1/messages?tag=vip").JSON(200, &list)
		if len(list.Items) != 1 {
			t.Errorf("%+v", list)
		}
		var did mail.WithdrawResult
		ben.Post("/api/v1/messages/"+key+"/withdraw", map[string]any{"reason": "mine", "dry_run": true}).JSON(200, &did)
		if did.Done || len(did.Steps) != 1 || did.Steps[0].Step != "update" {
			t.Errorf("%+v", did)
		}
		ben.Post("/api/v1/messages/"+key+"/withdraw", map[string]any{"reason": "x", "target": "nowhere"}).Problem(422, "no_target")
		ben.Post("/api/v1/messages/"+key+"/restrict", map[string]any{"reason": "mine", "keep_out": "domains"}).JSON(200, &did)
		if !did.Done || !slices.Equal(*did.KeptOut, []string{"kunde.example"}) {
			t.Errorf("%+v", did)
		}
		// It is gone for Ben, and stays for Anna.
		ben.Get("/api/v1/messages").JSON(200, &list)
		if len(list.Items) != 0 {
			t.Errorf("%+v", list)
		}
		w.server.As(agent("anna@corp.example")).Get("/api/v1/messages").JSON(200, &list)
		if len(list.Items) != 1 {
			t.Errorf("%+v", list)
		}
		w.server.As(manager("anna@corp.example")).Post("/api/v1/messages/"+key+"/restrict", map[string]any{"reason": "mine"}).Problem(403, "no_own_copy")
		w.server.As(admin()).Post("/api/v1/messages/"+key+"/withdraw", map[string]any{"reason": "by order"}).JSON(200, &did)
		var m mail.Message
		w.server.As(admin()).Get("/api/v1/messages/"+key).JSON(200, &m)
		if *m.Body != "withdrawn" || m.Subject != "" || len(m.Text) != 0 || !*m.Flags.Withdrawn {
			t.Errorf("%+v", m)
		}
		w.server.As(admin()).Get("/api/v1/messages/"+key+"/raw").Problem(410, "withdrawn")
	})
}

func TestCustomers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := open(t, db)
		w.crm.people = []crmclient.ContactRecord{
			{ID: "7", Kind: "contact", Name: "Lei Li", Company: "Kunde GmbH", Owner: "anna@corp.example", Addresses: []string{"li@kunde.example", "lei@private.example"}, Phones: []string{"13800138000"}, Fields: map[string]string{"phone": "13800138000"}},
			{ID: "8", Kind: "contact", Name: "Silent One", Addresses: []string{"silent@quiet.example"}},
		}
		if err := w.book.Sync(t.Context(), "crm"); err != nil {
			t.Fatal(err)
		}
		w.find("anna@corp.example", 1, offer)
		w.find("ben@corp.example", 9, offer)
		w.submit("anna@corp.example", answer, "li@kunde.example", "secret@other.example")
		for _, c := range []struct {
			name, query string
			who         *access.Caller
			want        string
		}{
			{"all", "", admin(), "secret@other.example 1, Lei Li 2, Silent One 0"},
			{"ben", "", agent("ben@corp.example"), "Lei Li 1, Silent One 0"},
			{"known", "?known=true", admin(), "Lei Li 2, Silent One 0"},
			{"unknown", "?known=false", admin(), "secret@other.example 1"},
			{"companies", "?kind=company", admin(), "other.example 1, Kunde GmbH 2"},
			{"by name", "?q=lei", admin(), "Lei Li 2"},
			{"by company", "?q=kunde", admin(), "Lei Li 2"},
			{"silent by name", "?q=silent", admin(), "Silent One 0"},
			{"of ben", "?account=ben@corp.example", admin(), "Lei Li 1"},
		} {
			var got []string
			next := ""
			for range 5 {
				var list mail.CustomerList
				sign := "?"
				if c.query != "" {
					sign = "&"
				}
				w.server.As(c.who).Get("/api/v1/customers"+c.query+sign+"limit=1&cursor="+next).JSON(200, &list)
				for _, one := range list.Items {
					got = append(got, one.Name+" "+string(rune('0'+one.Messages)))
				}
				if list.Next == nil {
					break
				}
				next = *list.Next
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("%s: got %q, want %q", c.name, got, c.want)
			}
		}
		var list mail.CustomerList
		w.server.As(admin()).Get("/api/v1/customers?q=lei").JSON(200, &list)
		at := "/api/v1/customers/" + list.Items[0].Id
		var one mail.CustomerDetail
		w.server.As(agent("ben@corp.example", "phone")).Get(at).JSON(200, &one)
		if one.Messages != 1 || len(one.Colleagues) != 1 || *one.Phone != "*********00" || len(one.Records) != 1 || len(one.Addresses) != 2 {
			t.Errorf("%+v", one)
		}
		var line mail.MessageList
		w.server.As(admin()).Get(at+"/timeline").JSON(200, &line)
		if len(line.Items) != 2 {
			t.Errorf("%+v", line)
		}
		w.server.As(agent("ben@corp.example")).Get(at+"/timeline").JSON(200, &line)
		if len(line.Items) != 1 {
			t.Errorf("%+v", line)
		}
		w.server.As(admin()).Get("/api/v1/customers/"+*one.CompanyId).JSON(200, &one)
		if one.Name != "Kunde GmbH" || one.Messages != 2 || len(one.People) != 1 || len(one.Colleagues) != 2 {
			t.Errorf("%+v", one)
		}
		w.server.As(admin()).Get("/api/v1/customers?kind=company&known=false").JSON(200, &list)
		w.server.As(agent("ben@corp.example")).Get("/api/v1/customers/"+list.Items[0].Id).Problem(404, "no_customer")
		w.server.As(admin()).Get("/api/v1/customers/x").Problem(404, "no_customer")
	})
}

func TestLedgerAndStory(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := open(t, db)
		w.crm.broken.Store(true)
		entry, key := w.submit("anna@corp.example", answer, "li@kunde.example")
		w.state(key, "failed")
		private := strings.NewReplacer("Re: offer", "[private] doctor", "<2@", "<p@").Replace(answer)
		hidden, _ := w.submit("anna@corp.example", private, "li@kunde.example")
		story := func(who *access.Caller, query string) (s mail.Story, codes string) {
			w.server.As(who).Get("/api/v1/ledger/story?"+query).JSON(200, &s)
			var list []string
			for _, e := range s.Events {
				list = append(list, string(e.Code))
			}
			return s, strings.Join(list, " ")
		}
		s, codes := story(agent("anna@corp.example"), "message_id="+url.QueryEscape("<2@corp.example>"))
		for _, want := range []string{"smtp_received", "smtp_accepted", "sealed", "in_scope", "recognised", "delivery_asked", "delivery_failed"} {
			if !strings.Contains(codes, want) {
				t.Errorf("%s is not in %s", want, codes)
			}
		}
		if s.Outcome != "failed" || *s.Subject != "Re: offer" || !slices.Equal(*s.Entries, []string{entry}) {
			t.Errorf("%+v", s)
		}
		for _, e := range s.Events {
			if e.Level == "bad" && (e.Remedy == nil || e.RemedyCode == nil) {
				t.Errorf("no remedy: %+v", e)
			}
		}
		w.eventually(func() bool { // it is known before it is decided on
			s, codes = story(auditor(), "entry="+hidden)
			return s.Outcome != "waiting"
		})
		if s.Outcome != "excluded" || !strings.Contains(codes, "excluded") || s.Subject != nil || s.MessageKey != nil {
			t.Errorf("%s %+v", codes, s)
		}
		if i := slices.IndexFunc(s.Events, func(e mail.StoryEvent) bool { return e.Code == "excluded" }); i < 0 || *s.Events[i].Rule != "subject-mark" {
			t.Errorf("the rule has no name: %+v", s.Events)
		}
		if s, _ = story(auditor(), "entry="+entry); s.Subject != nil {
			t.Errorf("an auditor reads %q", *s.Subject)
		}
		// Another's mail was never seen, and nothing tells that it was.
		s, _ = story(agent("ben@corp.example"), "message_id=2@corp.example")
		if s.Found || s.Outcome != "unseen" || len(s.Events) != 0 || len(s.Likely) == 0 {
			t.Errorf("%+v", s)
		}
		s, _ = story(admin(), "message_id=none@x.example&account=anna@corp.example&sent_at="+time.Now().Add(time.Minute).UTC().Format(time.RFC3339))
		if s.Found || s.Likely[0].Code != "other_message_id" {
			t.Errorf("%+v", s)
		}
		s, _ = story(admin(), "message_id=none@x.example&account=anna@corp.example&sent_at=2020-01-01T00:00:00Z")
		if s.Likely[0].Code != "before_enrolment" {
			t.Errorf("%+v", s)
		}
		s, _ = story(admin(), "message_id=none@x.example&account=who@elsewhere.example")
		if s.Likely[0].Code != "account_not_routed" {
			t.Errorf("%+v", s)
		}
		w.server.As(admin()).Get("/api/v1/ledger/story").Problem(422, "one_of")

		for _, c := range []struct {
			query string
			who   *access.Caller
			want  int
		}{
			{"", admin(), 2},
			{"", agent("anna@corp.example"), 2},
			{"", agent("ben@corp.example"), 0},
			{"?state=failed", auditor(), 1},
			{"?state=excluded", auditor(), 1},
			{"?address=li@kunde.example", admin(), 1}, // of excluded mail nothing is known
			{"?address=anna@corp.example", admin(), 2},
			{"?message_id=2@corp.example", admin(), 1},
			{"?until=2020-01-01T00:00:00Z", admin(), 0},
			{"?target=crm", admin(), 1},
		} {
			seen := map[string]bool{}
			next := ""
			for range 5 {
				var list mail.LedgerList
				sign := "?"
				if c.query != "" {
					sign = "&"
				}
				w.server.As(c.who).Get("/api/v1/ledger"+c.query+sign+"limit=1&cursor="+next).JSON(200, &list)
				for _, i := range list.Items {
					seen[i.Entry] = true
					if c.who.Person.Role == access.Auditor && i.Subject != nil || len(i.Steps) == 0 {
						t.Errorf("%s: %+v", c.query, i)
					}
				}
				if list.Next == nil {
					break
				}
				next = *list.Next
			}
			if len(seen) != c.want {
				t.Errorf("%q: %d entries, want %d", c.query, len(seen), c.want)
			}
		}
	})
}

func TestOwnPage(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := open(t, db)
		_, key := w.submit("anna@corp.example", answer, "li@kunde.example")
		w.state(key, "mirrored")
		anna := w.server.As(agent("anna@corp.example"))
		var mine mail.MineList
		anna.Get("/api/v1/me/mirrored").JSON(200, &mine)
		if len(mine.Items) != 1 || mine.Items[0].State != "mirrored" || *mine.Items[0].Subject != "Re: offer" {
			t.Errorf("%+v", mine)
		}
		var devices mail.DeviceList
		anna.Get("/api/v1/me/devices").JSON(200, &devices)
		if len(devices.Items) != 1 || *devices.Items[0].Name != "laptop" || *devices.Items[0].Address != "192.0.2.7" {
			t.Errorf("%+v", devices)
		}
		var p mail.Privacy
		a := anna.Get("/api/v1/me/privacy")
		a.JSON(200, &p)
		if p.Account != "anna@corp.example" || p.Paused || p.OptedOut || !slices.Equal(*p.CompanyRules, []string{"no-lawyers"}) {
			t.Errorf("%+v", p)
		}
		tag := a.Header.Get("ETag")
		change := map[string]any{"paused": true, "add": []map[string]any{{"kind": "domain", "value": "doctor.example"}, {"kind": "subject", "value": "^secret"}}}
		anna.Patch("/api/v1/me/privacy", change, "If-Match", tag).JSON(200, &p)
		if !p.Paused || len(p.Exclusions) != 2 {
			t.Errorf("%+v", p)
		}
		anna.Patch("/api/v1/me/privacy", change, "If-Match", tag).Problem(412, "changed_meanwhile")
		p = mail.Privacy{}
		anna.Patch("/api/v1/me/privacy", map[string]any{"paused": false, "remove": []map[string]any{{"kind": "domain", "value": "doctor.example"}}}).JSON(200, &p)
		if p.Paused || len(p.Exclusions) != 1 {
			t.Errorf("%+v", p)
		}
		var before mail.PrivacyPreview
		trial := map[string]any{"choices": []map[string]any{{"kind": "domain", "value": "kunde.example"}}}
		if anna.Post("/api/v1/me/privacy/preview", trial).JSON(200, &before); before.KeptOut == 0 || before.KeptOut > before.Looked || len(before.Examples) == 0 || before.Examples[0].Subject == "" {
			t.Errorf("preview %+v", before)
		}
		trial["choices"] = []map[string]any{{"kind": "subject", "value": "nothing is called so"}}
		if anna.Post("/api/v1/me/privacy/preview", trial).JSON(200, &before); before.KeptOut != 0 || before.Looked == 0 {
			t.Errorf("preview %+v", before)
		}
		trial["account"] = "ben@corp.example"
		anna.Post("/api/v1/me/privacy/preview", trial).Problem(404, "no_own_account")
		anna.Get("/api/v1/me/privacy?account=ben@corp.example").Problem(404, "no_own_account")
		anna.Patch("/api/v1/me/privacy", map[string]any{"account": "ben@corp.example", "opted_out": true}).Problem(404, "no_own_account")
		anna.Patch("/api/v1/me/privacy", map[string]any{"add": []map[string]any{{"kind": "address", "value": "nonsense"}}}).Problem(422, "bad_choice")
		anna.Patch("/api/v1/me/privacy", map[string]any{"paused": true, "paused_until": "2020-01-01T00:00:00Z"}).Problem(422, "time_over")
		w.server.As(auditor()).Get("/api/v1/me/privacy").Problem(403, "forbidden")
	})
}
