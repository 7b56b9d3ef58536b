package jiandaoyun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// Check reads the widgets of every form of the section and tries the mappings on them. It writes nothing.
func (c *Client) Check(ctx context.Context) (string, error) {
	forms, err := c.formNames(ctx)
	if err != nil {
		return "", fmt.Errorf("check: %w", err)
	}
	var parts []string
	var bad []error
	for _, object := range c.objects() {
		s, err := c.fetchSchema(ctx, object, c.byName[object])
		if err != nil {
			bad = append(bad, err)
			if crmclient.ClassOf(err) != crmclient.ClassConfiguration && crmclient.ClassOf(err) != crmclient.ClassAuth {
				break // no other form will do better
			}
			continue
		}
		if err := c.checkForm(ctx, s); err != nil {
			bad = append(bad, err)
		}
		parts = append(parts, fmt.Sprintf("%s 「%s」 %d widgets", object, forms[c.byName[object]], len(s.widgets)))
	}
	if err := c.checkMembers(ctx); err != nil {
		bad = append(bad, err)
	}
	if len(bad) > 0 {
		return "", fmt.Errorf("check: %w", together(bad...))
	}
	return "简道云 " + c.url.Host + ": " + strings.Join(parts, ", "), nil
}

// together makes one error of several, so that an administrator sees all at once. Its class is that of the first, or passing if any is.
func together(errs ...error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	out := &crmclient.Error{Class: crmclient.ClassOf(errs[0]), Err: errors.Join(errs...)}
	var messages, remedies []string
	for _, err := range errs {
		messages = append(messages, err.Error())
		if crmclient.ClassOf(err) == crmclient.ClassRetry {
			out.Class = crmclient.ClassRetry
		}
		var e *crmclient.Error
		if errors.As(err, &e) && e.Remedy != "" && !slices.Contains(remedies, e.Remedy) {
			remedies = append(remedies, e.Remedy)
		}
	}
	out.Message, out.Remedy = strings.Join(messages, "; "), strings.Join(remedies, "; ")
	return out
}

// formNames returns the titles of the forms, and an error where an app or form is not among those that the key may see.
func (c *Client) formNames(ctx context.Context) (map[Form]string, error) {
	names := map[Form]string{}
	apps, unlisted := map[string]bool{}, map[string]bool{}
	for _, object := range c.objects() {
		form := c.byName[object]
		if !apps[form.AppID] {
			apps[form.AppID] = true
			err := c.formsOf(ctx, form.AppID, names)
			switch {
			case hasCode(err, codeNotGranted):
				unlisted[form.AppID] = true // only the check needs this call, the titles of forms are no more than nice
			case err != nil:
				return nil, nameForm(err, object)
			}
		}
		if _, ok := names[form]; !ok && !unlisted[form.AppID] {
			return nil, configuration(remedyApp, "%s: app %s has no form %s, or the API key may not see it", object, form.AppID, form.EntryID)
		}
	}
	return names, nil
}

func (c *Client) formsOf(ctx context.Context, app string, into map[Form]string) error {
	const most = 100 // pages of 100 forms
	for page := range most {
		var answer struct {
			Forms []struct {
				AppID   string `json:"app_id"`
				EntryID string `json:"entry_id"`
				Name    string `json:"name"`
			} `json:"forms"`
		}
		err := c.post(ctx, callForms, struct {
			AppID string `json:"app_id"`
			Skip  int    `json:"skip"`
			Limit int    `json:"limit"`
		}{app, page * maxPage, maxPage}, &answer)
		if err != nil {
			return err
		}
		for _, f := range answer.Forms {
			into[Form{cmp.Or(f.AppID, app), f.EntryID}] = f.Name
		}
		if len(answer.Forms) < maxPage {
			break
		}
	}
	return nil
}

// checkForm tries everything that is done with a form on its widgets.
func (c *Client) checkForm(ctx context.Context, s *schema) error {
	switch s.object {
	case objActivities:
		_, err := s.needType(c.cfg.Activities.Key, typeText)
		return together(err, c.checkFiles(s, c.cfg.Activities.Attachments), c.checkMap(ctx, s, c.maps.activity, fieldmap.ActivitySources(), fieldmap.Activity(sampleActivity())))
	case objContacts:
		return c.checkPeople(ctx, s, c.cfg.Contacts, crmclient.KindContact, c.maps.contacts)
	case objLeads:
		return c.checkPeople(ctx, s, c.cfg.Leads, crmclient.KindLead, c.maps.leads)
	case objCompanies:
		_, err := s.needType(cmp.Or(c.cfg.Companies.Domain, "domain"), typeText)
		_, err2 := s.optional(c.cfg.Companies.Name, "name")
		_, err3 := s.optional(c.cfg.Companies.Owner, "owner")
		return together(err, err2, err3)
	case objTickets:
		_, err := s.needType(c.cfg.Tickets.Key, typeText)
		_, err2 := s.needType(c.cfg.Tickets.Assignee, typeUser, "usergroup")
		return together(err, err2, c.checkFiles(s, c.cfg.Tickets.Attachments), c.checkMap(ctx, s, c.maps.ticket, fieldmap.TicketSources(), fieldmap.Ticket(sampleTicket())))
	case objMembers:
		_, err := s.needType(c.cfg.Members.Form.Address, typeText)
		_, err2 := s.needType(c.cfg.Members.Form.Member, typeUser)
		return together(err, err2)
	}
	return nil
}

func (c *Client) checkFiles(s *schema, given string) error {
	w, err := s.optional(given, "attachments")
	if err != nil || w == nil {
		return err
	}
	return w.mustBe(typeUpload, "image")
}

func (c *Client) checkPeople(ctx context.Context, s *schema, form ContactForm, kind string, m mapping) error {
	p, err := form.widgets(s, kind)
	if err != nil {
		return err
	}
	v := fieldmap.Contact(crmclient.Person{Name: sample, Address: sampleAddress}, "")
	errs := []error{c.checkMap(ctx, s, m, fieldmap.ContactSources(), v)}
	errs = append(errs, c.person(ctx, p, v, map[string]wrapped{}))
	for _, w := range []*widget{p.title, p.phone, p.mobile} {
		if w != nil {
			_, err := c.encode(ctx, w, "13800138000")
			errs = append(errs, err)
		}
	}
	if p.link != nil {
		_, err := c.encode(ctx, p.link, sampleID)
		errs = append(errs, err)
	}
	return together(errs...)
}

// What the mappings are tried with: every source has a value.
const (
	sample        = "示例"
	sampleAddress = "sample@customer.example"
	sampleID      = "000000000000000000000000"
)

func sampleActivity() *crmclient.Activity {
	p := []crmclient.Person{{Name: sample, Address: sampleAddress}}
	return &crmclient.Activity{
		Key: sample, MessageID: sample, Thread: sample, Direction: crmclient.Inbound, Subject: sample, Date: time.Unix(1_700_000_000, 0),
		From: p[0], To: p, CC: p, BCC: p, Text: sample, TextUnquoted: sample, HTML: sample, Flags: []string{sample},
		Attachments: []crmclient.Attachment{{Name: sample}}, AttachmentsLeft: []crmclient.AttachmentLeft{{Name: sample}},
		// The owner and the accounts stay empty: of them the address book would be asked.
		Contacts:  []crmclient.Contact{{ID: sampleID, Kind: crmclient.KindContact, Name: sample}, {ID: sampleID, Kind: crmclient.KindLead, Name: sample}},
		Companies: []crmclient.Company{{ID: sampleID, Name: sample}},
	}
}

func sampleTicket() *crmclient.Ticket {
	return &crmclient.Ticket{
		Key: sample, Subject: sample, Text: sample, Priority: "high", Queue: sample, MessageID: sample, ContactID: sampleID,
		Requester: crmclient.Person{Name: sample, Address: sampleAddress}, Files: []crmclient.Attachment{{Name: sample}},
	}
}

// checkMap compares a mapping with the form: first by the kinds of the values, then by encoding a sample.
func (c *Client) checkMap(ctx context.Context, s *schema, m mapping, sources fieldmap.Sources, v fieldmap.Values) error {
	var fields []crmclient.Field
	for _, name := range m.Names() {
		w, there := s.find(name)
		if _, given := m.given[name]; !there && given {
			_, err := s.need(name)
			return err
		}
		if there {
			fields = append(fields, crmclient.Field{Name: name, Label: w.Label, Type: plainType(w.Type), ReadOnly: slices.Contains(unwritable, w.Type)})
		}
	}
	// Defaults that the form has no widget for are left out of the comparison, and so is what takes them away.
	defaults, given := fieldmap.Fields{}, maps.Clone(m.given)
	for name, f := range m.defaults {
		if _, there := s.find(name); there {
			defaults[name] = f
		} else if given[name].Remove {
			delete(given, name)
		}
	}
	present, err := fieldmap.New(m.key, sources, defaults, given)
	if err != nil {
		return err
	}
	if err := present.Validate(s.object, fields); err != nil {
		return err
	}
	_, err = c.values(ctx, s, m, v, nil)
	if crmclient.ClassOf(err) == crmclient.ClassPermanent {
		return configuration(remedyFields, "%s, and a mail gives it a text: %v", m.key, err)
	}
	return err
}

// plainType is the word for a type that package fieldmap knows; others are not compared there.
func plainType(t string) string {
	switch t {
	case typeText, typeArea, "radiogroup", "combo", "richtext":
		return "text"
	}
	return t
}

// checkMembers sees whether the address book may be read, where that is needed, and whether api_member is there.
func (c *Client) checkMembers(ctx context.Context) error {
	name := c.cfg.APIMember
	if name == "" {
		if len(c.cfg.Members.Guess) == 0 {
			return nil
		}
		name = "heliograph"
	}
	there, err := c.memberExists(ctx, name)
	if err != nil {
		return err
	}
	if !there && c.cfg.APIMember != "" {
		return configuration("在 通讯录 查看成员编号并写入 api_member (put the username of a member into api_member)", "the address book has no member %q", name)
	}
	return nil
}
