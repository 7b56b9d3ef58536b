package zoho

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

const (
	maxSubject = 250 // specs, 3.3
	// maxContent bounds the body of an associated e-mail in runes. Zoho names no limit; this is well beyond any letter.
	maxContent = 300_000
	// maxParents bounds on how many records one mail is put: a round letter to a whole list would use up the day's credits.
	maxParents = 20
	// nobody stands where Zoho demands an address and the mail has none (RFC 2606, 2).
	nobody = "unknown@address.invalid"

	storedRecord      = "record"
	storedAvailable   = "available"
	storedUnavailable = "unavailable"
)

// parent is a record that a mail is put on.
type parent struct{ module, id string }

func (p parent) path() string { return "/" + p.module + "/" + url.PathEscape(p.id) }

// parents are the records of the activity: contacts, leads and companies, or the default.
func (c *Client) parents(a *crmclient.Activity) []parent {
	var out []parent
	for _, k := range a.Contacts {
		if k.Kind == crmclient.KindLead {
			out = append(out, parent{moduleLead, k.ID})
		} else {
			out = append(out, parent{moduleContact, k.ID})
		}
	}
	for _, k := range a.Companies {
		out = append(out, parent{moduleAccount, k.ID})
	}
	if len(out) == 0 && c.cfg.DefaultRecord != "" {
		module, id, _ := strings.Cut(c.cfg.DefaultRecord, "/")
		out = append(out, parent{module, id})
	}
	return out[:min(len(out), maxParents)]
}

// LogEmail puts an associated e-mail on each record of the activity. Each is looked for before it is written. The receipt names the
// first.
func (c *Client) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	parents := c.parents(a)
	if len(parents) == 0 {
		return crmclient.Receipt{}, &crmclient.Error{
			Class: crmclient.ClassPermanent, Message: "the mail belongs to no contact and no company of Zoho CRM",
			Remedy: "let the gateway make contacts or leads of unknown correspondents, or set default_record, or use record: activity",
		}
	}
	unlock, err := c.turns.Take(ctx, a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer unlock()
	receipt := crmclient.Receipt{Duplicate: true}
	files := &uploads{c: c, a: a}
	for i, p := range parents {
		id, there, err := c.associate(ctx, a, p, files)
		if err != nil {
			return crmclient.Receipt{}, fmt.Errorf("log e-mail: %w", err)
		}
		receipt.Duplicate = receipt.Duplicate && there
		if i == 0 {
			receipt.RemoteID = id
		}
	}
	return receipt, nil
}

// associate writes the e-mail on one record unless it is there.
func (c *Client) associate(ctx context.Context, a *crmclient.Activity, p parent, files *uploads) (id string, there bool, err error) {
	original := originalID(a.Key, p)
	there, err = c.stored(ctx, original)
	if err != nil || there {
		return original, there, err
	}
	if err := files.send(ctx); err != nil {
		return "", false, err
	}
	// linked_record names a module by its id, which is not the API name; the path says the same.
	mail := map[string]any{
		"from": mailbox(sender(a)), "to": mailboxes(receivers(a)), "subject": subjectOf(a), "original_message_id": original,
		"sent": a.Direction != crmclient.Inbound, "date_time": a.Date.UTC().Format(time.RFC3339),
		"linked_record": map[string]any{"module": map[string]any{"api_name": p.module}, "id": p.id},
	}
	mail["content"], mail["mail_format"] = c.content(a, files.left)
	for name, people := range map[string][]crmclient.Person{"cc": a.CC, "bcc": a.BCC} {
		if len(people) > 0 {
			mail[name] = mailboxes(people)
		}
	}
	if len(files.ids) > 0 {
		mail["attachments"] = files.attachments()
	}
	var out struct {
		Emails []written `json:"Emails"`
	}
	_, err = c.call(ctx, request{
		method: http.MethodPost, path: p.path() + "/actions/associate_email", body: map[string]any{"Emails": []any{mail}},
	}, &out)
	switch {
	case crmclient.ClassOf(err) == crmclient.ClassDuplicate && hasCode(err, "DUPLICATE_DATA"):
		return original, true, nil
	case err != nil:
		return "", false, err
	case len(out.Emails) != 1 || out.Emails[0].Details.MessageID == "":
		return "", false, unclear()
	}
	return out.Emails[0].Details.MessageID, false, nil
}

// asksFor is the question whether an e-mail with the id is there. The parameter is spelled as the vendor spells it.
func asksFor(original string) request {
	const parameter = "orginal_message_id" //nolint:misspell // see above
	return request{method: http.MethodGet, path: "/actions/email_available", query: url.Values{parameter: {original}}}
}

// stored asks whether an e-mail with the id is there.
func (c *Client) stored(ctx context.Context, original string) (bool, error) {
	var out struct {
		Available *bool `json:"available"`
		Record    *struct {
			ID string `json:"id"`
		} `json:"record"`
	}
	a, err := c.call(ctx, asksFor(original), &out)
	if err != nil || a.Status == http.StatusNoContent {
		return false, err
	}
	switch c.cfg.Stored {
	case storedAvailable:
		return out.Available != nil && *out.Available, nil
	case storedUnavailable:
		return out.Available != nil && !*out.Available, nil
	}
	if out.Available == nil && out.Record == nil {
		return false, unclear()
	}
	return out.Record != nil && out.Record.ID != "", nil
}

const (
	maxKey   = 100    // bytes of a key that is written in full
	codedKey = "b64." // begins one that is written in base64
)

// plainKey is a key that can stand in a Message-ID as it is (RFC 5322, 3.2.3).
var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// originalID is the id of a mail on a record. It is made of the key, because the sender of a mail chooses its Message-ID and could
// choose one that another mail has; and of the record, because a mail is put on several.
func originalID(key string, p parent) string {
	switch {
	case plainKey.MatchString(key):
	case len(key) <= maxKey:
		key = codedKey + base64.RawURLEncoding.EncodeToString([]byte(key))
	default:
		sum := sha256.Sum256([]byte(key))
		key = hex.EncodeToString(sum[:])
	}
	return "<" + key + "." + p.id + "@heliograph.invalid>"
}

func sender(a *crmclient.Activity) crmclient.Person {
	if a.From.Address == "" {
		return crmclient.Person{Name: a.From.Name, Address: nobody}
	}
	return a.From
}

// receivers are those in To, or who else got the mail: Zoho wants one.
func receivers(a *crmclient.Activity) []crmclient.Person {
	for _, people := range [][]crmclient.Person{a.To, a.CC, a.BCC} {
		if len(people) > 0 {
			return people
		}
	}
	return []crmclient.Person{{Address: nobody}}
}

func mailbox(p crmclient.Person) map[string]string {
	name := p.Name
	if name == "" {
		name = p.Address // both are mandatory
	}
	return map[string]string{"user_name": name, "email": p.Address}
}

func mailboxes(people []crmclient.Person) []map[string]string {
	out := make([]map[string]string, len(people))
	for i, p := range people {
		out[i] = mailbox(p)
	}
	return out
}

func subjectOf(a *crmclient.Activity) string {
	if strings.TrimSpace(a.Subject) == "" {
		return "(no subject)" // 1 to 250 characters
	}
	return fieldmap.CutRunes(a.Subject, maxSubject)
}

// content returns the body of the mail with the files that were left out, and its format.
func (c *Client) content(a *crmclient.Activity, left []crmclient.AttachmentLeft) (body, format string) {
	notice := leftNotice(left)
	if c.cfg.html() && a.HTML != "" && len([]rune(a.HTML)) <= maxContent {
		if notice != "" {
			notice = "<hr>" + strings.ReplaceAll(html.EscapeString(strings.TrimSpace(notice)), "\n", "<br>")
		}
		return a.HTML + notice, "html"
	}
	return fieldmap.CutRunes(a.Text, maxContent) + notice, "text"
}

// leftNotice lists the files that Zoho does not get.
func leftNotice(left []crmclient.AttachmentLeft) string {
	if len(left) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(leftHeading)
	for _, f := range left {
		fmt.Fprintf(&b, "\n- %s (%d bytes): %s", f.Name, f.Size, f.Reason)
	}
	return b.String()
}

const leftHeading = "\n\n-- \nFiles that are not in the CRM:"
