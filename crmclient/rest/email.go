package rest

import (
	"context"
	"errors"

	"heliograph/crmclient"
)

// LogEmail writes the activity. With find_email it looks for it first.
func (c *Client) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	if a.Key == "" {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the activity has no key"}
	}
	unlock, err := c.keys.lock(ctx, "email "+a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer unlock()
	op := c.ops.logEmail
	contents, err := c.contents(ctx, op, a.Attachments)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	s := c.scope(activityValues(a, contents))
	if s, err = c.withParent(ctx, op, s, a); err != nil {
		return crmclient.Receipt{}, err
	}
	if s, err = c.withUser(ctx, op, s, a.Owner, false); err != nil {
		return crmclient.Receipt{}, err
	}
	receipt, err := c.write(ctx, op, c.ops.findEmail, s)
	if err != nil {
		return receipt, err
	}
	return receipt, c.attachAll(ctx, op, "", receipt.RemoteID, a.Attachments)
}

// write looks for what has the key and, where there is none, makes it.
func (c *Client) write(ctx context.Context, op, find *operation, s scope) (crmclient.Receipt, error) {
	if find != nil {
		found, there, err := c.findOne(ctx, find, s)
		if err != nil || there {
			return crmclient.Receipt{RemoteID: found.id, URL: found.url, Duplicate: there}, err
		}
	}
	made, err := c.make(ctx, op, s)
	if crmclient.ClassOf(err) != crmclient.ClassDuplicate {
		return crmclient.Receipt{RemoteID: made.id, URL: made.url}, err
	}
	if find != nil {
		found, there, err := c.findOne(ctx, find, s)
		if err != nil || there {
			return crmclient.Receipt{RemoteID: found.id, URL: found.url, Duplicate: there}, err
		}
	}
	if op.result.id != nil && (op.files == FilesAttach || op != c.ops.logEmail) {
		return crmclient.Receipt{}, err // the caller needs the id
	}
	return crmclient.Receipt{Duplicate: true}, nil
}

// found is what an answer tells of one object.
type found struct {
	id, url string
	item    any
}

// make sends the request of an operation that makes one object.
func (c *Client) make(ctx context.Context, op *operation, s scope) (found, error) {
	r, err := c.call(ctx, op, s, op.paging.start())
	if err != nil {
		return found{}, err
	}
	if op.result.id == nil {
		return found{}, nil
	}
	items, err := r.items(s)
	if err == nil && len(items) != 1 {
		if items = []any{nil}; op.result.items != nil || len(r.body) > 0 {
			err = r.retry("the answer is not one object")
		}
	}
	if r.op.result.id.path == nil { // from a header, also with an empty answer
		items, err = []any{r.root}, nil
	}
	if err != nil {
		return found{}, err
	}
	f, err := c.read(r, items[0], s)
	if err == nil && f.id == "" {
		err = r.retry("the answer has no id where result.id says")
	}
	return f, err
}

// read returns id and URL of an item.
func (c *Client) read(r *reply, item any, s scope) (found, error) {
	f := found{item: item}
	var err error
	if f.id, err = r.op.result.id.text(r.place(item, s)); err != nil {
		return f, r.broken("result.id", err)
	}
	if len(f.id) > maxCursor {
		return found{}, r.retry("the id is too long")
	}
	if f.url, err = r.op.result.url.text(r.place(item, s.with("id", f.id))); err != nil {
		return f, r.broken("result.url", err)
	}
	return f, nil
}

// findOne looks for what has the key. Several with one key are one too many, and the first is it.
func (c *Client) findOne(ctx context.Context, op *operation, s scope) (found, bool, error) {
	var first found
	there := false
	err := c.pages(ctx, op, s, func(r *reply, items []any) error {
		for _, item := range items {
			if there {
				return nil
			}
			if same, err := r.hasKey(item, s); err != nil || !same {
				if err != nil {
					return err
				}
				continue
			}
			f, err := c.read(r, item, s)
			if err != nil {
				return err
			}
			first, there = f, true
		}
		return nil
	})
	return first, there, err
}

// hasKey says whether the item has the key that was looked for, as far as the section says where it is.
func (r *reply) hasKey(item any, s scope) (bool, error) {
	if r.op.result.key == nil {
		return true, nil
	}
	values, err := r.op.result.key.all(r.place(item, s))
	if err != nil {
		return false, r.broken("result.key", err)
	}
	for _, v := range values {
		if comparableText(v) == comparableText(s.lookup("key")) {
			return true, nil
		}
	}
	return false, nil
}

// withParent finds or makes the record that the mail is logged under.
func (c *Client) withParent(ctx context.Context, op *operation, s scope, a *crmclient.Activity) (scope, error) {
	if !op.used["parent"] {
		return s, nil
	}
	unlock, err := c.keys.lock(ctx, "parent "+a.Thread)
	if err != nil {
		return s, err
	}
	defer unlock()
	f, there, err := c.findOne(ctx, c.ops.findParent, s)
	if err != nil {
		return s, err
	}
	if !there {
		if c.ops.createParent == nil {
			return s, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "there is no record that the mail belongs to", Err: crmclient.ErrNoRecord}
		}
		if f, err = c.make(ctx, c.ops.createParent, s); err != nil {
			return s, err
		}
	}
	return s.with("parent", map[string]any{"id": f.id, "url": f.url, "record": f.item}), nil
}

// withUser finds the CRM's own id of an employee.
func (c *Client) withUser(ctx context.Context, op *operation, s scope, address string, required bool) (scope, error) {
	if !op.used["user"] {
		return s, nil
	}
	none := s.with("user", map[string]any{})
	if address == "" {
		return none, nil
	}
	f, there, err := c.findOne(ctx, c.ops.findUser, s.with("address", address))
	switch {
	case err != nil:
		return s, err
	case there:
		return s.with("user", map[string]any{"id": f.id, "record": f.item}), nil
	case required:
		return s, &crmclient.Error{
			Class: crmclient.ClassPermanent, Message: "the target knows no such user",
			Remedy: "add the employee as a user of the CRM with the same mail address",
		}
	}
	return none, nil
}

// idOf returns the id of the record with the key.
func (c *Client) idOf(ctx context.Context, remoteID, key string) (string, error) {
	if remoteID != "" || c.ops.findEmail == nil {
		return remoteID, nil
	}
	f, there, err := c.findOne(ctx, c.ops.findEmail, c.scope(map[string]any{"key": key}))
	if err != nil {
		return "", err
	}
	if !there || f.id == "" {
		return "", &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the target has no record of the mail", Err: crmclient.ErrNoRecord}
	}
	return f.id, nil
}

// UpdateEmail is that of crmclient.ActivityUpdater.
func (c emailUpdater) UpdateEmail(ctx context.Context, remoteID string, a *crmclient.Activity) (crmclient.Receipt, error) {
	unlock, err := c.keys.lock(ctx, "email "+a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer unlock()
	id := remoteID
	if c.ops.updateEmail.used["id"] {
		if id, err = c.idOf(ctx, remoteID, a.Key); err != nil {
			return crmclient.Receipt{}, err
		}
	}
	v := activityValues(a, nil)
	v["id"] = id
	if _, err := c.call(ctx, c.ops.updateEmail, c.scope(v), pageState{}); err != nil && crmclient.ClassOf(err) != crmclient.ClassDuplicate {
		return crmclient.Receipt{}, err
	}
	return crmclient.Receipt{RemoteID: id}, nil
}

// WithdrawEmail is that of crmclient.ActivityWithdrawer.
func (c emailWithdrawer) WithdrawEmail(ctx context.Context, remoteID, key string) error {
	unlock, err := c.keys.lock(ctx, "email "+key)
	if err != nil {
		return err
	}
	defer unlock()
	id := remoteID
	if c.ops.withdrawEmail.used["id"] {
		id, err = c.idOf(ctx, remoteID, key)
	}
	if err == nil {
		_, err = c.call(ctx, c.ops.withdrawEmail, c.scope(map[string]any{"id": id, "key": key}), pageState{})
	}
	if errors.Is(err, crmclient.ErrNoRecord) || crmclient.ClassOf(err) == crmclient.ClassDuplicate {
		return nil
	}
	return err
}
