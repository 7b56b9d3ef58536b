package dynamics

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html"
	"net/url"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// keyHash is what stands in a key column: always 64 characters, whatever the key has in it.
func keyHash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// The states of an activity.
const (
	stateOpen      = "0"
	stateCompleted = 1
)

// LogEmail makes the draft of a message, adds its files and closes it. A draft that is there is completed.
func (c *Client) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	if a.Key == "" {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the activity has no key"}
	}
	release, err := c.turns.Take(ctx, "mail:"+a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	mail, err := c.findMail(ctx, a)
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("find mail: %w", err)
	}
	files, left := c.files().Split(a.Attachments, a.AttachmentsLeft)
	duplicate := mail != nil
	if !duplicate {
		if mail, duplicate, err = c.makeMail(ctx, a, left); err != nil {
			return crmclient.Receipt{}, fmt.Errorf("write mail: %w", err)
		}
	}
	id := mail.text("activityid")
	if !guidForm.MatchString(id) {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassRetry, Message: "the answer has no id of the mail"}
	}
	if mail.text("statecode") == stateOpen || !duplicate {
		if err := c.attach(ctx, id, files, duplicate); err != nil {
			return crmclient.Receipt{}, fmt.Errorf("attach files: %w", err)
		}
		status := c.cfg.StatusSent
		if a.Direction == crmclient.Inbound {
			status = c.cfg.StatusReceived
		}
		if err := c.patch(ctx, "emails", id, map[string]any{"statecode": stateCompleted, "statuscode": status}); err != nil {
			return crmclient.Receipt{}, fmt.Errorf("close mail: %w", err)
		}
	}
	return c.receipt(tableEmail, id, duplicate), nil
}

func (c *Client) receipt(table, id string, duplicate bool) crmclient.Receipt {
	u := url.URL{
		Scheme: c.root.Scheme, Host: c.root.Host, Path: "/main.aspx",
		RawQuery: url.Values{"pagetype": {"entityrecord"}, "etn": {table}, "id": {id}}.Encode(),
	}
	return crmclient.Receipt{RemoteID: id, URL: u.String(), Duplicate: duplicate}
}

// findMail returns the mail of an activity, or nil: by its key, or where there is no column for it by Message-ID and time, as
// several may claim one Message-ID.
func (c *Client) findMail(ctx context.Context, a *crmclient.Activity) (row, error) {
	if column := c.cfg.KeyColumns[tableEmail]; column != "" {
		return c.one(ctx, "emails", "activityid,statecode", column+" eq "+text(keyHash(a.Key)))
	}
	rows, err := c.list(ctx, "emails", url.Values{
		"$select": {"activityid,statecode,actualend"}, "$filter": {"messageid eq " + text(bracketed(a))},
	}, 0)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if r.time("actualend").Truncate(time.Second).Equal(a.Date.UTC().Truncate(time.Second)) {
			return r, nil
		}
	}
	return nil, nil
}

// bracketed is never empty, so that the mail can be found again by it. An id that is too long is replaced, because a cut one
// may be another message's.
func bracketed(a *crmclient.Activity) string {
	if a.MessageID == "" || len([]rune(a.MessageID)) > emailID-2 {
		return "<" + keyHash(a.Key) + "@heliograph.invalid>"
	}
	return "<" + a.MessageID + ">"
}

// makeMail makes the draft. Should somebody have made one meanwhile, the alternate key tells.
func (c *Client) makeMail(ctx context.Context, a *crmclient.Activity, left []crmclient.AttachmentLeft) (row, bool, error) {
	who, err := c.participants(ctx, a)
	if err != nil {
		return nil, false, err
	}
	fields, err := c.maps.mail.Apply(c.mailValues(a, left))
	if err != nil {
		return nil, false, err
	}
	fields["email_activity_parties"] = who.parties(a)
	if err := c.bindRegarding(ctx, a, fields); err != nil {
		return nil, false, err
	}
	if owner := who.known[a.Owner]; owner.table == tableUser {
		fields["ownerid@odata.bind"] = bind(tableUser, owner.id)
	}
	if column := c.cfg.KeyColumns[tableEmail]; column != "" {
		fields[column] = keyHash(a.Key)
	}
	r, err := c.create(ctx, "emails", fields)
	if crmclient.ClassOf(err) == crmclient.ClassDuplicate {
		if there, findErr := c.findMail(ctx, a); findErr == nil && there != nil {
			return there, true, nil
		}
	}
	return r, false, err
}

const (
	// noteRoom is what is kept free behind the text for the list of files, in runes.
	noteRoom = 1500
	noteName = 200 // runes of one file's name
	noteTail = 40  // for "and 99 more"
)

// note lists the files that Dynamics does not get.
func note(left []crmclient.AttachmentLeft) string {
	if len(left) == 0 {
		return ""
	}
	n := "\n\n-- \nFiles that are not here:\n"
	for i, f := range left {
		line := fmt.Sprintf("- %s (%d bytes): %s\n", fieldmap.CutRunes(f.Name, noteName), f.Size, fieldmap.CutRunes(f.Reason, noteName))
		if len([]rune(n+line)) > noteRoom-noteTail {
			return n + fmt.Sprintf("- and %d more\n", len(left)-i)
		}
		n += line
	}
	return n
}

func (c *Client) mailValues(a *crmclient.Activity, left []crmclient.AttachmentLeft) fieldmap.Values {
	v := fieldmap.Activity(a)
	n := note(left)
	plain := fieldmap.CutRunes(a.Text, c.cfg.MaxText-noteRoom) + n
	v["text_body"] = plain
	v["html_body"] = fieldmap.HTMLFromText(plain)
	if a.HTML != "" && len([]rune(a.HTML)) <= c.cfg.MaxText { // cut HTML is broken HTML
		v["html_body"] = a.HTML
		if n != "" {
			v["html_body"] = a.HTML + "<pre>" + html.EscapeString(n) + "</pre>"
		}
	}
	v["outgoing"] = a.Direction != crmclient.Inbound
	v["bracketed_id"] = bracketed(a)
	return v
}

// UpdateEmail writes the columns that the section adds to fields anew. The rest of a closed mail stays as it is.
func (c *Client) UpdateEmail(ctx context.Context, remoteID string, a *crmclient.Activity) (crmclient.Receipt, error) {
	release, err := c.turns.Take(ctx, "mail:"+a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	id, err := c.mailID(ctx, remoteID, a)
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("find mail: %w", err)
	}
	all, err := c.maps.mail.Apply(c.mailValues(a, a.AttachmentsLeft))
	if err != nil {
		return crmclient.Receipt{}, err
	}
	own, fields := mailFields(), map[string]any{}
	for name, v := range all {
		if _, standard := own[name]; !standard {
			fields[name] = v
		}
	}
	if len(fields) > 0 {
		if err := c.patch(ctx, "emails", id, fields); err != nil {
			if gone(err) {
				return crmclient.Receipt{}, noRecord(err)
			}
			return crmclient.Receipt{}, fmt.Errorf("update mail: %w", err)
		}
	}
	return c.receipt(tableEmail, id, true), nil
}

func (c *Client) mailID(ctx context.Context, remoteID string, a *crmclient.Activity) (string, error) {
	if guidForm.MatchString(remoteID) {
		r, err := c.one(ctx, "emails", "activityid", "activityid eq "+remoteID)
		if err != nil || r != nil {
			return r.text("activityid"), err
		}
	}
	r, err := c.findMail(ctx, a)
	if err == nil && r == nil {
		err = noRecord(nil)
	}
	return r.text("activityid"), err
}

// WithdrawEmail deletes the mail; its files go with it. Without the id and without a key column only a mail that had no Message-ID is found.
func (c *Client) WithdrawEmail(ctx context.Context, remoteID, key string) error {
	release, err := c.turns.Take(ctx, "mail:"+key)
	if err != nil {
		return err
	}
	defer release()
	id := remoteID
	if !guidForm.MatchString(id) {
		filter := "messageid eq " + text(bracketed(&crmclient.Activity{Key: key}))
		if column := c.cfg.KeyColumns[tableEmail]; column != "" {
			filter = column + " eq " + text(keyHash(key))
		}
		r, err := c.one(ctx, "emails", "activityid", filter)
		if err != nil {
			return fmt.Errorf("find mail: %w", err)
		}
		if r == nil {
			return nil
		}
		id = r.text("activityid")
	}
	if err := c.remove(ctx, "emails", id); err != nil {
		return fmt.Errorf("delete mail: %w", err)
	}
	return nil
}
