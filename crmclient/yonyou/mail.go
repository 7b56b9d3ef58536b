package yonyou

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

var (
	_ crmclient.Client = (*Client)(nil)
	_ crmclient.Capped = (*Client)(nil)
)

// The paths of follow-up records.
const (
	followSave = "/yonbip/crm/bill/followupsave"
	followList = "/yonbip/crm/followup/list"
)

// The sources that only this connector has.
const (
	sourceContent  = "content"     // the mail as one text: subject, head lines, text
	sourceContact  = "contact_id"  // of the first contact
	sourceCustomer = "customer_id" // that the first contact belongs to
	sourceLead     = "lead_id"     // of the first lead
	sourceOwner    = "owner_code"  // of the employee whom the mail belongs to
)

func mailSources() fieldmap.Sources {
	return fieldmap.ActivitySources().With(fieldmap.Sources{
		sourceContent: fieldmap.Text, sourceContact: fieldmap.Text, sourceCustomer: fieldmap.Text, sourceLead: fieldmap.Text, sourceOwner: fieldmap.Text,
	})
}

// keyPrefix begins the code of each follow-up record, so that people see where it comes from.
const keyPrefix = "HG"

// recordCode is the code of the record of a mail, the same on every try.
func recordCode(key string) string {
	sum := sha256.Sum256([]byte(key))
	return keyPrefix + base32.StdEncoding.EncodeToString(sum[:])[:26]
}

// submitKey is what the tenant knows a repeated request by: at most 32 characters.
func submitKey(key string) string {
	sum := sha256.Sum256([]byte("submit " + key))
	return hex.EncodeToString(sum[:16])
}

// The bounds of what stands before the text.
const (
	maxSubject = 300 // characters
	maxLine    = 200
	headRunes  = 1800 // of subject and all lines together
)

// Caps leaves room for the head lines.
func (c *Client) Caps() crmclient.Caps {
	return crmclient.Caps{SubjectRunes: maxSubject, TextRunes: c.cfg.Mail.Length - headRunes}
}

// content writes a mail as one text, for a record that has no other places.
func (c *Client) content(a *crmclient.Activity) string {
	var head strings.Builder
	oneLine := strings.NewReplacer("\r", " ", "\n", " ")
	subject := oneLine.Replace(a.Subject)
	if subject == "" {
		subject = "(无主题)"
	}
	head.WriteString(fieldmap.CutRunes(subject, maxSubject) + "\n")
	line := func(label string, parts ...string) {
		if text := strings.Join(parts, ", "); text != "" {
			head.WriteString(label + ": " + fieldmap.CutRunes(oneLine.Replace(text), maxLine) + "\n")
		}
	}
	line("发件人", people(a.From)...)
	line("收件人", people(a.To...)...)
	line("抄送", people(a.CC...)...)
	line("密送", people(a.BCC...)...)
	line("时间", a.Date.In(c.zone).Format(time.DateTime))
	line("Message-ID", a.MessageID)
	var names, left []string
	for _, f := range a.Attachments {
		names = append(names, f.Name)
	}
	for _, f := range a.AttachmentsLeft {
		left = append(left, fmt.Sprintf("%s (%d bytes, %s)", f.Name, f.Size, f.Reason))
	}
	line("附件", names...)
	line("未保存的附件", left...)
	text := a.Text
	if text == "" {
		text = a.TextUnquoted
	}
	whole := fieldmap.CutRunes(head.String()+"\n"+text, c.cfg.Mail.Length)
	if c.cfg.Mail.Content == contentHTML {
		return fieldmap.HTMLFromText(whole)
	}
	return whole
}

func people(list ...crmclient.Person) []string {
	var out []string
	for _, p := range list {
		switch {
		case p.Address == "":
		case p.Name == "":
			out = append(out, p.Address)
		default:
			out = append(out, p.Name+" ("+p.Address+")")
		}
	}
	return out
}

// record is what is read of any record.
type record struct {
	ID   scalar `json:"id"`
	Code scalar `json:"code"`
	Name scalar `json:"name"`
}

// scalar is a value that the tenant writes as a number or as a text: ids have more digits than a float.
type scalar string

// UnmarshalJSON takes a number as its digits, and null as nothing.
func (s *scalar) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	switch {
	case bytes.Equal(b, []byte("null")):
		*s = ""
	case len(b) > 0 && b[0] == '"':
		var text string
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
		*s = scalar(text)
	default:
		*s = scalar(b)
	}
	return nil
}

// findMail looks for the record of a mail by its code.
func (c *Client) findMail(ctx context.Context, key string) (id string, there bool, err error) {
	code := recordCode(key)
	found, err := c.listBy(ctx, followList, "code", code)
	if err != nil {
		return "", false, err
	}
	for _, r := range found {
		if string(r.Code) == code { // whether the tenant compares exactly is not documented
			return string(r.ID), true, nil
		}
	}
	return "", false, nil
}

// listBy lists records by one of the parameters of a list.
func (c *Client) listBy(ctx context.Context, path, parameter, value string) ([]record, error) {
	data, err := c.post(ctx, path, map[string]any{"pageIndex": 1, "pageSize": c.cfg.PageSize, parameter: value})
	if err != nil {
		return nil, err
	}
	var list struct {
		Records []record `json:"recordList"`
	}
	if err := decode(data, &list); err != nil {
		return nil, err
	}
	return list.Records, nil
}

// decode reads the data of an answer; none is nothing.
func decode(data json.RawMessage, into any) error {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || bytes.Equal(data, []byte("null")) || bytes.Equal(data, []byte(`""`)) {
		return nil
	}
	if crmclient.ExactJSON(data, into) != nil {
		return &crmclient.Error{Class: crmclient.ClassRetry, Message: "the tenant's answer is not the expected JSON"}
	}
	return nil
}

// LogEmail looks for the record of the mail by its code, and saves it if it is not there, with a key by which the
// tenant itself knows a repetition.
func (c *Client) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	if a.Key == "" {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the activity has no key"}
	}
	release, err := c.turns.Take(ctx, "mail:"+a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	id, there, err := c.findMail(ctx, a.Key)
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("look for the mail: %w", err)
	}
	if there {
		return crmclient.Receipt{RemoteID: id, Duplicate: true}, nil
	}
	receipt, err := c.saveMail(ctx, a)
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("log mail: %w", err)
	}
	return receipt, nil
}

func (c *Client) saveMail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	values, err := c.mailValues(ctx, a)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	fields, err := c.mail.Apply(values)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	fields = nested(fields)
	fields["code"], fields["resubmitCheckKey"], fields["_status"] = recordCode(a.Key), submitKey(a.Key), "Insert"
	data, err := c.post(ctx, followSave, map[string]any{"data": fields})
	if err == nil {
		var made record
		if err := decode(data, &made); err != nil {
			return crmclient.Receipt{}, err
		}
		return crmclient.Receipt{RemoteID: string(made.ID)}, nil
	}
	duplicate := errors.Is(err, errDuplicate)
	if !duplicate && crmclient.ClassOf(err) != crmclient.ClassPermanent {
		return crmclient.Receipt{}, err
	}
	// Another node may have been faster, or an earlier try is known by its key.
	id, there, findErr := c.findMail(ctx, a.Key)
	switch {
	case findErr == nil && there:
		return crmclient.Receipt{RemoteID: id, Duplicate: true}, nil
	case duplicate: // the earlier try is not done yet, or its record is not to be seen yet
		return crmclient.Receipt{}, &crmclient.Error{
			Class: crmclient.ClassRetry, Message: "the tenant says that the mail was submitted before, but has no record of it", Err: err,
		}
	}
	return crmclient.Receipt{}, err
}

// nested puts fields with a dot into an object of their own.
func nested(fields map[string]any) map[string]any {
	out := make(map[string]any, len(fields)+3)
	for name, v := range fields {
		head, rest, ok := strings.Cut(name, ".")
		if !ok {
			out[name] = v
			continue
		}
		inner, _ := out[head].(map[string]any)
		if inner == nil {
			inner = map[string]any{}
			out[head] = inner
		}
		inner[rest] = v
	}
	return out
}

func (c *Client) mailValues(ctx context.Context, a *crmclient.Activity) (fieldmap.Values, error) {
	values := fieldmap.Activity(a)
	values[sourceContent] = c.content(a)
	put := func(source, id string) {
		if had, _ := values[source].(string); had == "" && id != "" {
			values[source] = id
		}
	}
	for _, p := range a.Contacts {
		if p.Kind == crmclient.KindLead {
			put(sourceLead, p.ID)
			continue
		}
		contact, customer := splitID(p.ID)
		put(sourceContact, contact)
		put(sourceCustomer, customer)
	}
	if a.Owner != "" {
		code, err := c.ownerCode(ctx, a.Owner)
		if err != nil {
			return nil, fmt.Errorf("find the employee: %w", err)
		}
		values[sourceOwner] = code
	}
	return values, nil
}
