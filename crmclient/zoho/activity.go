package zoho

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

const (
	maxActivitySubject = 255
	maxDescription     = 32_000
	maxNotice          = 2_000 // of the list of files that were left out
	maxTitle           = 120   // the name of a record of a module that a company made
)

// ActivityClient writes mails as records of a module, upserted by their key.
type ActivityClient struct{ *Client }

// activityDefaults are the fields of a mail in the module.
func (c *Config) activityDefaults() fieldmap.Fields {
	if c.Record != RecordActivity {
		return nil
	}
	defaults := fieldmap.Fields{
		"Name": fieldmap.From("subject", fieldmap.Default("(no subject)"), fieldmap.Cut(maxTitle)),
	}
	if c.activityModule() == moduleTasks {
		defaults = fieldmap.Fields{
			"Subject":     fieldmap.From("subject", fieldmap.Default("(no subject)"), fieldmap.Cut(maxActivitySubject)),
			"Description": fieldmap.From("body", fieldmap.Cut(maxDescription)),
			"Status":      fieldmap.Value("Completed"),
			"Due_Date":    fieldmap.From("date", fieldmap.Date(fieldmap.DateFormat("date"), "")),
			"Who_Id":      fieldmap.From("contact_ids", fieldmap.First(), fieldmap.Wrap("id")),
		}
	}
	if c.KeyField != "" {
		defaults[c.KeyField] = fieldmap.From("key")
	}
	return defaults
}

// fields fills the fields of an activity. left are all files that its text tells of.
func (c *ActivityClient) fields(ctx context.Context, a *crmclient.Activity, left []crmclient.AttachmentLeft) (map[string]any, error) {
	v := fieldmap.Activity(a)
	notice := fieldmap.CutRunes(leftNotice(left), maxNotice)
	v["body"] = fieldmap.CutRunes(a.Text, maxDescription-len([]rune(notice))) + notice
	record, err := c.maps.activity.Apply(v)
	if err != nil {
		return nil, err
	}
	record[c.cfg.KeyField] = storedKey(a.Key)
	if c.cfg.activityModule() == moduleTasks {
		relate(record, a)
	}
	if _, mapped := record["Owner"]; !mapped && a.Owner != "" {
		id, err := c.users.ID(ctx, a.Owner)
		if err != nil {
			return nil, err
		}
		if id != "" {
			record["Owner"] = map[string]any{"id": id}
		}
	}
	return record, nil
}

// relate sets what a task is about: a lead, or else the company.
func relate(record map[string]any, a *crmclient.Activity) {
	if _, mapped := record["What_Id"]; mapped {
		return
	}
	_, who := record["Who_Id"]
	for _, k := range a.Contacts {
		if k.Kind == crmclient.KindLead && !who {
			record["What_Id"], record["$se_module"] = map[string]any{"id": k.ID}, moduleLead
			return
		}
	}
	if len(a.Companies) > 0 {
		record["What_Id"], record["$se_module"] = map[string]any{"id": a.Companies[0].ID}, moduleAccount
	}
}

// LogEmail upserts the record of the mail and adds its files.
func (c *ActivityClient) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	unlock, err := c.turns.Take(ctx, a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer unlock()
	sent, left := limits.Split(a.Attachments, a.AttachmentsLeft)
	record, err := c.fields(ctx, a, left)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	module := c.cfg.activityModule()
	id, updated, err := c.write(ctx, http.MethodPost, "/"+module+"/upsert", record, map[string]any{"duplicate_check_fields": []string{c.cfg.KeyField}})
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("log e-mail: %w", err)
	}
	if left, err = c.attachAll(ctx, parent{module, id}, sent, left); err != nil || left == nil {
		return crmclient.Receipt{RemoteID: id, Duplicate: updated}, err
	}
	if record, err = c.fields(ctx, a, left); err != nil {
		return crmclient.Receipt{}, err
	}
	if _, _, err := c.write(ctx, http.MethodPut, parent{module, id}.path(), record, nil); err != nil {
		return crmclient.Receipt{}, fmt.Errorf("name files that were refused: %w", err)
	}
	return crmclient.Receipt{RemoteID: id, Duplicate: updated}, nil
}

// attachAll adds files to the record. It returns all files that are not there if Zoho refused one, else nothing.
func (c *ActivityClient) attachAll(ctx context.Context, p parent, sent []crmclient.Attachment, left []crmclient.AttachmentLeft) ([]crmclient.AttachmentLeft, error) {
	refused := false
	for _, f := range sent {
		_, err := c.AttachFile(ctx, p.module, p.id, f)
		switch {
		case crmclient.ClassOf(err) == crmclient.ClassPermanent:
			left = append(left, crmclient.AttachmentLeft{Name: f.Name, Size: f.Size, Reason: refusal(err)})
			refused = true
		case err != nil:
			return nil, fmt.Errorf("attach file: %w", err)
		}
	}
	if !refused {
		return nil, nil
	}
	return left, nil
}

// UpdateEmail writes the fields of the record again, as they are now.
func (c *ActivityClient) UpdateEmail(ctx context.Context, _ string, a *crmclient.Activity) (crmclient.Receipt, error) {
	id, err := c.findActivity(ctx, a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	if id == "" {
		return crmclient.Receipt{}, noRecord("the mail")
	}
	_, left := limits.Split(a.Attachments, a.AttachmentsLeft)
	record, err := c.fields(ctx, a, left)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	_, _, err = c.write(ctx, http.MethodPut, parent{c.cfg.activityModule(), id}.path(), record, nil)
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("update e-mail: %w", err)
	}
	return crmclient.Receipt{RemoteID: id}, nil
}

// WithdrawEmail deletes the record.
func (c *ActivityClient) WithdrawEmail(ctx context.Context, _, key string) error {
	id, err := c.findActivity(ctx, key)
	if err != nil || id == "" {
		return err
	}
	_, err = c.call(ctx, request{method: http.MethodDelete, path: parent{c.cfg.activityModule(), id}.path()}, nil)
	if isGone(err) {
		return nil
	}
	return err
}

// findActivity returns the id of the record with the key, or nothing. COQL is asked, because the index of the search may be behind;
// an id that is known is not believed, because people may have deleted that record.
func (c *ActivityClient) findActivity(ctx context.Context, key string) (string, error) {
	return c.idByKey(ctx, c.cfg.activityModule(), c.cfg.KeyField, key)
}

// idByKey returns the id of the record of a module whose key field has the key, or nothing.
func (c *Client) idByKey(ctx context.Context, module, field, key string) (string, error) {
	rows, err := c.coql(ctx, fmt.Sprintf("select id from %s where %s = '%s' limit 1", module, field, storedKey(key)))
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return textOf(rows[0]["id"]), nil
}

// storedKey is how a key is written in a field: as it is, unless it has characters that a COQL text may not have.
func storedKey(key string) string {
	switch {
	case !strings.ContainsAny(key, "'\"\\\r\n") && !strings.HasPrefix(key, codedKey) && len(key) <= maxKey:
		return key
	case len(key) <= maxKey:
		return codedKey + base64.RawURLEncoding.EncodeToString([]byte(key))
	}
	sum := sha256.Sum256([]byte(key))
	return "sha256." + hex.EncodeToString(sum[:])
}

func noRecord(what string) error {
	return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "Zoho CRM has no record of " + what, Err: crmclient.ErrNoRecord}
}

// isGone says that the record is not there. An id that Zoho's pattern allows but that nobody has is INVALID_DATA on the id.
func isGone(err error) bool {
	var f *fault
	if errors.As(err, &f) {
		return f.Code == "RESOURCE_NOT_FOUND" || f.Code == "INVALID_DATA" && (f.detail("id") != "" || f.detail("resource_path_index") != "")
	}
	return false
}
