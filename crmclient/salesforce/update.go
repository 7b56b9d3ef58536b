package salesforce

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"heliograph/crmclient"
)

// UpdateEmail writes the custom fields of the mapping anew, and adds relations to further owners and blind recipients. Other fields
// of an EmailMessage cannot be changed, and those of a Task belong to the staff by now.
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
	who, err := c.participants(ctx, a)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	if err := c.rewrite(ctx, id, a, who); err != nil {
		return crmclient.Receipt{}, fmt.Errorf("update mail: %w", err)
	}
	if c.cfg.LogAs == LogAsEmailMessage {
		if err := c.relateMore(ctx, id, a, who); err != nil {
			return crmclient.Receipt{}, fmt.Errorf("relate mail: %w", err)
		}
	}
	return c.receipt(id, true), nil
}

// mailID returns the id of the record that is there.
func (c *Client) mailID(ctx context.Context, remoteID string, a *crmclient.Activity) (string, error) {
	if idForm.MatchString(remoteID) {
		r, err := c.one(ctx, fmt.Sprintf("SELECT Id FROM %s WHERE Id = %s", c.cfg.object(), text(remoteID)))
		if err != nil || r != nil {
			return r.text("Id"), err
		}
	}
	id, err := c.findMail(ctx, a)
	if err == nil && id == "" {
		err = noRecord(nil)
	}
	return id, err
}

// rewrite sets the custom fields, which are the only ones of an EmailMessage that may change.
func (c *Client) rewrite(ctx context.Context, id string, a *crmclient.Activity, who participants) error {
	all, err := c.maps.mail.Apply(c.mailValues(a, who, a.AttachmentsLeft))
	if err != nil {
		return err
	}
	custom := map[string]any{}
	for name, v := range all {
		if strings.HasSuffix(name, "__c") {
			custom[name] = v
		}
	}
	if len(custom) == 0 {
		return nil
	}
	err = c.patch(ctx, c.cfg.object(), id, custom)
	if err != nil && gone(err) {
		return noRecord(err)
	}
	return err
}

// relateMore adds what became known later. Blind recipients that are nobody's in Salesforce are rows with an address only.
func (c *Client) relateMore(ctx context.Context, id string, a *crmclient.Activity, who participants) error {
	has, err := c.relations(ctx, id)
	if err != nil {
		return err
	}
	want := wantedRelations(a, who)
	if len(a.BCC) > 0 {
		r, err := c.one(ctx, "SELECT BccAddress FROM EmailMessage WHERE Id = "+text(id))
		if err != nil {
			return err
		}
		var written []string
		for address := range strings.SplitSeq(r.text("BccAddress"), ";") {
			written = append(written, strings.ToLower(strings.TrimSpace(address)))
		}
		for _, p := range a.BCC {
			if p.Address != "" && !slices.Contains(written, p.Address) {
				want = append(want, relation{relationBCC, who.ids[p.Address], p.Address})
			}
		}
	}
	return c.addRelations(ctx, id, want, has)
}

// WithdrawEmail deletes the record of a message and the files that were made for it.
func (c *Client) WithdrawEmail(ctx context.Context, remoteID, key string) error {
	release, err := c.turns.Take(ctx, "mail:"+key)
	if err != nil {
		return err
	}
	defer release()
	id := remoteID
	if field := c.cfg.keyField(c.cfg.object()); field != "" && !idForm.MatchString(id) {
		if id, err = c.findByKey(ctx, c.cfg.object(), field, keyHash(key)); err != nil {
			return fmt.Errorf("find mail: %w", err)
		}
	}
	if !idForm.MatchString(id) {
		if id == "" && c.cfg.keyField(c.cfg.object()) == "" {
			return c.withdrawUnknown(ctx, key)
		}
		return nil
	}
	return c.withdraw(ctx, id)
}

// withdrawUnknown looks for a message whose id and Message-ID are both unknown: one that had no Message-ID can be found.
func (c *Client) withdrawUnknown(ctx context.Context, key string) error {
	r, err := c.one(ctx, "SELECT Id FROM EmailMessage WHERE MessageIdentifier = "+text(keyHash(key)+"@heliograph.invalid"))
	if err != nil {
		return fmt.Errorf("find mail: %w", err)
	}
	if r == nil {
		return nil
	}
	return c.withdraw(ctx, r.text("Id"))
}

// withdraw deletes files first: with the message gone nobody would find them.
func (c *Client) withdraw(ctx context.Context, id string) error {
	files, err := c.filesOf(ctx, id)
	if err != nil {
		return fmt.Errorf("find files: %w", err)
	}
	for _, f := range files {
		if err := c.remove(ctx, objectDocument, f.document); err != nil {
			return fmt.Errorf("delete file: %w", err)
		}
	}
	if err := c.remove(ctx, c.cfg.object(), id); err != nil {
		return fmt.Errorf("delete mail: %w", err)
	}
	return nil
}
