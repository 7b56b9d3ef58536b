package jiandaoyun

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// activityFields are the aliases that a form of mails may have, with what goes into them. sample.yaml explains them in Chinese.
func activityFields() fieldmap.Fields {
	return fieldmap.Fields{
		"message_id":  fieldmap.From("message_id"),
		"thread":      fieldmap.From("thread"),
		"subject":     fieldmap.From("subject"),
		"direction":   fieldmap.From("direction", fieldmap.Lookup(map[string]any{"outbound": "发出", "inbound": "收到", "internal": "内部"}, nil)),
		"sent_at":     fieldmap.From("date"),
		"mail_from":   fieldmap.From("from"),
		"mail_to":     fieldmap.From("to", fieldmap.Join(", ")),
		"mail_cc":     fieldmap.From("cc", fieldmap.Join(", ")),
		"mail_bcc":    fieldmap.From("bcc", fieldmap.Join(", ")),
		"content":     fieldmap.From("text"),
		"new_content": fieldmap.From("text_unquoted"),
		"html":        fieldmap.From("html"),
		"accounts":    fieldmap.From("accounts", fieldmap.Join(", ")),
		"owner":       fieldmap.From("owner"),
		"contact":     fieldmap.From("contact_ids", fieldmap.First()),
		"lead":        fieldmap.From("lead_ids", fieldmap.First()),
		"customer":    fieldmap.From("company_ids", fieldmap.First()),

		"contact_name":     fieldmap.From("contact_names", fieldmap.Join(", ")),
		"customer_name":    fieldmap.From("company_names", fieldmap.Join(", ")),
		"file_names":       fieldmap.From("attachments", fieldmap.Join(", ")),
		"files_left":       fieldmap.From("attachments_left", fieldmap.Join("\n")),
		"unconfirmed":      fieldmap.From("unconfirmed", fieldmap.Words("是", "否")),
		"automated":        fieldmap.From("automated", fieldmap.Words("是", "否")),
		"attachment_count": fieldmap.From("attachment_count"),
	}
}

func (c Config) mappings() (mappings, error) {
	var m mappings
	var errs []error
	build := func(into *mapping, key string, sources fieldmap.Sources, defaults, given fieldmap.Fields) {
		got, err := newMapping(key, sources, defaults, given)
		if err != nil {
			errs = append(errs, err)
		}
		*into = got
	}
	build(&m.activity, "activities: fields", fieldmap.ActivitySources(), activityFields(), c.Activities.Fields)
	build(&m.ticket, "tickets: fields", fieldmap.TicketSources(), ticketFields(), c.Tickets.Fields)
	build(&m.contacts, "contacts: fields", fieldmap.ContactSources(), contactFields(), c.Contacts.Fields)
	build(&m.leads, "leads: fields", fieldmap.ContactSources(), contactFields(), c.Leads.Fields)
	return m, errors.Join(errs...)
}

// maxKey is above any key of the gateway; a longer one would not fit into a single-line text.
const maxKey = 500

func usableKey(key string) error {
	if key == "" || len(key) > maxKey || strings.TrimSpace(key) != key || strings.ContainsAny(key, "\r\n") || strings.Contains(key, "${") || strings.Contains(key, "$(") {
		return permanent("the activity has no usable key")
	}
	return nil
}

// LogEmail makes a record of the mail in the form activities.
func (c *Client) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	if err := usableKey(a.Key); err != nil {
		return crmclient.Receipt{}, err
	}
	release, err := c.turns.Take(ctx, objActivities+"\x00"+a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	var receipt crmclient.Receipt
	err = c.with(ctx, objActivities, func(s *schema) error {
		by, err := s.needType(c.cfg.Activities.Key, typeText)
		if err != nil {
			return err
		}
		found, err := c.findByText(ctx, s, by, a.Key)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			receipt = crmclient.Receipt{RemoteID: found[0].id(), Duplicate: true}
			return nil
		}
		receipt.RemoteID, err = c.logNew(ctx, s, by, a)
		return err
	})
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("log mail: %w", err)
	}
	return receipt, nil
}

func (c *Client) logNew(ctx context.Context, s *schema, by *widget, a *crmclient.Activity) (string, error) {
	place, err := s.optional(c.cfg.Activities.Attachments, "attachments")
	if err != nil {
		return "", err
	}
	keys, left, err := c.attach(ctx, s, place, c.transaction(s, a.Key), a.Attachments)
	if err != nil {
		return "", err
	}
	told := *a
	told.AttachmentsLeft = append(append([]crmclient.AttachmentLeft(nil), a.AttachmentsLeft...), left...)
	data, err := c.activityValues(ctx, s, &told, nil)
	if err != nil {
		return "", err
	}
	if len(keys) > 0 {
		value, err := c.fileKeys(place, keys)
		if err != nil {
			return "", err
		}
		data[place.Name] = wrapped{value}
	}
	return c.create(ctx, newRecord{schema: s, by: by, key: a.Key, data: data, workflow: c.cfg.Activities.StartWorkflow})
}

// activityValues fills the form. Files that were left out are told of in the text where the form has no widget for them.
func (c *Client) activityValues(ctx context.Context, s *schema, a *crmclient.Activity, only []string) (map[string]wrapped, error) {
	v := fieldmap.Activity(a)
	if len(a.AttachmentsLeft) > 0 && !c.tells(s, "attachments_left") {
		lines := "\n\n未同步的附件 (files left out):"
		for _, line := range v["attachments_left"].([]string) {
			lines += "\n- " + line
		}
		// The text is cut here already, or the lines behind it would be.
		room := max(c.cfg.TextRunes-len([]rune(lines)), 0)
		for _, name := range []string{"text", "text_unquoted"} {
			t, _ := v[name].(string)
			v[name] = fieldmap.CutRunes(t, room) + lines
		}
	}
	return c.values(ctx, s, c.maps.activity, v, only)
}

// tells says whether the form has a widget that a source fills.
func (c *Client) tells(s *schema, source string) bool {
	for name, sources := range c.maps.activity.sources {
		if _, there := s.find(name); there && sources[0] == source && c.maps.activity.Has(name) {
			return true
		}
	}
	return false
}

// updated are the sources that may change after a mail was logged.
var updated = []string{"accounts", "bcc", "bcc_addresses", "thread", "unconfirmed", "owner"}

// UpdateEmail sets what became known of the mail since.
func (c *Client) UpdateEmail(ctx context.Context, remoteID string, a *crmclient.Activity) (crmclient.Receipt, error) {
	if err := usableKey(a.Key); err != nil {
		return crmclient.Receipt{}, err
	}
	release, err := c.turns.Take(ctx, objActivities+"\x00"+a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	var receipt crmclient.Receipt
	err = c.with(ctx, objActivities, func(s *schema) error {
		id, err := c.activityID(ctx, s, remoteID, a.Key)
		if err != nil {
			return err
		}
		data, err := c.activityValues(ctx, s, a, updated)
		if err != nil {
			return err
		}
		receipt.RemoteID = id
		return c.update(ctx, s, id, "", data)
	})
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("update mail: %w", err)
	}
	return receipt, nil
}

// activityID finds the record with the key. It looks by the id only where the search does not find it.
func (c *Client) activityID(ctx context.Context, s *schema, remoteID, key string) (string, error) {
	by, err := s.needType(c.cfg.Activities.Key, typeText)
	if err != nil {
		return "", err
	}
	found, err := c.findByText(ctx, s, by, key)
	switch {
	case err != nil:
		return "", err
	case len(found) > 0:
		return found[0].id(), nil
	case remoteID == "":
		return "", gone("find mail", nil)
	}
	r, err := c.get(ctx, s, remoteID)
	if err != nil {
		return "", err
	}
	if r.text(by.Name) != key {
		return "", gone("find mail", nil)
	}
	return remoteID, nil
}

// maxDoubles bounds how many records of one key are taken back: doubles are rare, and more are a mistake of ours.
const maxDoubles = 100

// WithdrawEmail deletes the records with the key. Their files go with them.
func (c *Client) WithdrawEmail(ctx context.Context, remoteID, key string) error {
	if err := usableKey(key); err != nil {
		return err
	}
	release, err := c.turns.Take(ctx, objActivities+"\x00"+key)
	if err != nil {
		return err
	}
	defer release()
	err = c.with(ctx, objActivities, func(s *schema) error {
		for range maxDoubles {
			id, err := c.activityID(ctx, s, remoteID, key)
			if errors.Is(err, crmclient.ErrNoRecord) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := c.remove(ctx, s, id); err != nil {
				return err
			}
			c.spend(s, key) // or logging it again would be a repetition for the vendor
		}
		return permanent("form %s has too many records of one mail", s.object)
	})
	if err != nil {
		return fmt.Errorf("withdraw mail: %w", err)
	}
	return nil
}
