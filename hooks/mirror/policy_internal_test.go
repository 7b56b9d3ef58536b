package mirror

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/internal/message"
)

// small is a CRM with limits.
type small struct{ crmclient.Client }

func (small) Caps() crmclient.Caps {
	return crmclient.Caps{SubjectRunes: 10, TextRunes: 20, AttachmentBytes: 1000, AttachmentsBytes: 1500, Attachments: 3}
}

func sample() *crmclient.Activity {
	return &crmclient.Activity{
		Subject: "报价单：光学平台二十套", Text: "您好，\n报价见附件，请查收。\n> 昨天的话\n> 更早的话，说了很多很多", TextUnquoted: "您好，\n报价见附件，请查收。", HTML: "<p>您好</p>",
		From: crmclient.Person{Address: "wang@example.com"}, To: []crmclient.Person{{Address: "li@customer.test"}}, BCC: []crmclient.Person{{Address: "boss@example.com"}},
		Attachments: []crmclient.Attachment{
			{Name: "logo.png", Type: "image/png", Size: 300, Inline: true},
			{Name: "报价.PDF", Type: "application/pdf", Size: 900},
			{Name: "film.mp4", Type: "video/mp4", Size: 5000},
			{Name: "list.xlsx", Type: "application/octet-stream", Size: 400},
		},
	}
}

func names(a *crmclient.Activity) (kept, left []string) {
	for _, f := range a.Attachments {
		kept = append(kept, f.Name)
	}
	for _, f := range a.AttachmentsLeft {
		left = append(left, f.Name+": "+f.Reason)
	}
	return kept, left
}

func TestAttachmentsThatAreLeftOutAreNamed(t *testing.T) {
	t.Parallel()
	no := false
	for name, c := range map[string]struct {
		policy     config.DeliverAttachments
		client     crmclient.Client
		kept, left []string
	}{
		"all":    {kept: []string{"logo.png", "报价.PDF", "film.mp4", "list.xlsx"}},
		"none":   {policy: config.DeliverAttachments{Policy: config.AttachSkip}, left: []string{"logo.png: this target gets no attachments", "报价.PDF: this target gets no attachments", "film.mp4: this target gets no attachments", "list.xlsx: this target gets no attachments"}},
		"size":   {policy: config.DeliverAttachments{MaxBytes: 1000, MaxTotal: 1500}, kept: []string{"logo.png", "报价.PDF"}, left: []string{"film.mp4: larger than 1000", "list.xlsx: all files together would be larger than 1500"}},
		"caps":   {policy: config.DeliverAttachments{MaxBytes: 800}, client: small{}, kept: []string{"logo.png", "list.xlsx"}, left: []string{"报价.PDF: larger than 800", "film.mp4: larger than 800"}},
		"types":  {policy: config.DeliverAttachments{Types: []string{".pdf", "image/*", ".xlsx"}, ExceptTypes: []string{".xlsx"}}, kept: []string{"logo.png", "报价.PDF"}, left: []string{"film.mp4: this target gets no files of this type", "list.xlsx: this target gets no files of this type"}},
		"inline": {policy: config.DeliverAttachments{InlineImages: &no, MaxBytes: 1000}, kept: []string{"报价.PDF", "list.xlsx"}, left: []string{"logo.png: picture inside the text", "film.mp4: larger than 1000"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tg := &target{Target: Target{Client: c.client, Deliver: config.Delivery{Attachments: c.policy}}}
			a := sample()
			tg.shape(a, nil)
			if kept, left := names(a); !slices.Equal(kept, c.kept) || !slices.Equal(left, c.left) {
				t.Errorf("kept %q, left %q, want %q and %q", kept, left, c.kept, c.left)
			}
		})
	}
}

func TestTextPolicies(t *testing.T) {
	t.Parallel()
	whole := sample()
	for name, c := range map[string]struct {
		deliver              config.Delivery
		client               crmclient.Client
		subject, text, plain string
		html                 bool
	}{
		"full":     {subject: whole.Subject, text: whole.Text, plain: whole.TextUnquoted, html: true},
		"unquoted": {deliver: config.Delivery{Text: config.TextUnquoted}, subject: whole.Subject, text: whole.TextUnquoted, plain: whole.TextUnquoted},
		"excerpt":  {deliver: config.Delivery{Text: config.TextExcerpt, TextLimit: 5}, subject: whole.Subject, text: "您好，…", plain: "您好，…"},
		"none":     {deliver: config.Delivery{Text: config.TextNone}, subject: whole.Subject},
		"subject":  {deliver: config.Delivery{Fields: []config.DeliverField{config.FieldSubject}}, subject: whole.Subject},
		"no html":  {deliver: config.Delivery{Fields: []config.DeliverField{config.FieldText}}, text: whole.Text, plain: whole.TextUnquoted},
		"caps":     {client: small{}, subject: "报价单：光学平台二…", text: "您好，\n报价见附件，请查收。\n> 昨天…", plain: whole.TextUnquoted, html: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := sample()
			(&target{Target: Target{Client: c.client, Deliver: c.deliver}}).shape(a, nil)
			if a.Subject != c.subject || a.Text != c.text || a.TextUnquoted != c.plain || (a.HTML != "") != c.html {
				t.Errorf("got %q, %q, %q, %q", a.Subject, a.Text, a.TextUnquoted, a.HTML)
			}
		})
	}
	a := sample()
	(&target{Target: Target{Deliver: config.Delivery{Fields: []config.DeliverField{config.FieldText}}}}).shape(a, nil)
	if a.From.Address != "" || a.To != nil || a.BCC != nil || a.Attachments != nil || a.AttachmentsLeft != nil {
		t.Errorf("got %+v, want nobody and no files", a)
	}
}

func FuzzExcerpt(f *testing.F) {
	f.Add("您好，报价见附件", 3)
	f.Add("a\xff\xfeb", 2)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		got := excerpt(s, limit)
		switch {
		case limit <= 0 && got != s, utf8.RuneCountInString(s) <= limit && got != s:
			t.Errorf("%q was shortened to %q", s, got)
		case limit > 0 && utf8.RuneCountInString(got) > limit:
			t.Errorf("%q is longer than %d", got, limit)
		case got != s && !strings.HasPrefix(s, strings.TrimSuffix(got, "…")):
			t.Errorf("%q is no beginning of %q", got, s)
		}
	})
}

func TestWhichMailATargetGets(t *testing.T) {
	t.Parallel()
	no := false
	plain := &message.Message{}
	with := &message.Message{Attachments: []message.Attachment{{Name: "a.pdf"}}}
	logo := &message.Message{Attachments: []message.Attachment{{Name: "logo.png", Inline: true}}}
	machine := &message.Message{Automated: true}
	for name, c := range map[string]struct {
		mail config.DeliverMail
		msg  *message.Message
		want string
	}{
		"all":                {msg: machine},
		"direction":          {mail: config.DeliverMail{Directions: []config.MailDirection{"inbound"}}, msg: plain, want: unwantedDirection + "outbound"},
		"its direction":      {mail: config.DeliverMail{Directions: []config.MailDirection{"inbound", "outbound"}}, msg: plain},
		"machines":           {mail: config.DeliverMail{Automated: &no}, msg: machine, want: unwantedAutomated},
		"with, has":          {mail: config.DeliverMail{Attachments: config.AttachmentWith}, msg: with},
		"with, has none":     {mail: config.DeliverMail{Attachments: config.AttachmentWith}, msg: plain, want: unwantedBare},
		"a logo is none":     {mail: config.DeliverMail{Attachments: config.AttachmentWith}, msg: logo, want: unwantedBare},
		"without, has":       {mail: config.DeliverMail{Attachments: config.AttachmentWithout}, msg: with, want: unwantedAttachment},
		"account":            {mail: config.DeliverMail{Accounts: []string{"zhao@example.com"}}, msg: plain, want: unwantedAccount},
		"domain of accounts": {mail: config.DeliverMail{Accounts: []string{"*@example.com"}}, msg: plain},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tg := &target{Target: Target{Deliver: config.Delivery{Mail: c.mail}}}
			v := sight{sighting: sighting{account: "wang@example.com"}, msg: c.msg, people: people{direction: crmclient.Outbound}}
			if got := tg.unwanted(v); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
