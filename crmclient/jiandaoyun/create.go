package jiandaoyun

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"

	"heliograph/crmclient"
)

// newRecord is a record to be made once.
type newRecord struct {
	schema   *schema
	by       *widget // that tells the record again
	key      string
	data     map[string]wrapped // by the names of the widgets
	workflow bool
}

// transaction returns the id under which the vendor knows a repetition of the same creation, and to which files are bound. A generation
// is spent when the vendor says that it knows the id, but the record is not there: it was deleted since.
func (c *Client) transaction(s *schema, key string) string {
	c.mu.Lock()
	generation := c.spent[s.object+"\x00"+key]
	c.mu.Unlock()
	return uuid(fmt.Sprintf("heliograph\x00%s\x00%s\x00%s\x00%d", s.form.AppID, s.form.EntryID, key, generation))
}

// spend makes the next try use another transaction id.
func (c *Client) spend(s *schema, key string) {
	const most = 10_000
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.spent) >= most {
		clear(c.spent)
	}
	c.spent[s.object+"\x00"+key]++
}

// uuid makes an id of version 5 of a name, which is made with SHA-1 (RFC 9562, 5.5); nothing rests on its strength.
func uuid(name string) string {
	h := sha1.Sum([]byte(name)) //nolint:gosec // the standard says so
	h[6] = h[6]&0x0f | 0x50
	h[8] = h[8]&0x3f | 0x80
	x := hex.EncodeToString(h[:16])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

// create makes a record, whose key was looked up before without success, and returns its id.
func (c *Client) create(ctx context.Context, n newRecord) (string, error) {
	transaction := c.transaction(n.schema, n.key)
	n.data[n.by.Name] = wrapped{n.key}
	id, got, err := c.send(ctx, n, transaction)
	switch {
	case hasCode(err, codeTransaction):
		// It was made before, and perhaps deleted since: the next try looks, and if there is none takes another id.
		c.spend(n.schema, n.key)
		return "", err
	case err != nil:
		return "", nameForm(err, n.schema.object)
	}
	if c.cfg.Verify != nil && !*c.cfg.Verify {
		return id, nil
	}
	if got == nil {
		if got, err = c.readBack(ctx, n, id); errors.Is(err, crmclient.ErrNoRecord) {
			c.spend(n.schema, n.key)
			return "", &crmclient.Error{Class: crmclient.ClassRetry, Message: "form " + n.schema.object + ": the record that was made is not there"}
		}
		if err != nil {
			return "", fmt.Errorf("read the new record back: %w", err)
		}
	}
	c.echo.wrote(got)
	if got.text(n.by.Name) != n.key {
		return "", c.lost(ctx, n, id)
	}
	return id, nil
}

// readBack reads a record that was made. One that is too long to be read is looked for by its key.
func (c *Client) readBack(ctx context.Context, n newRecord, id string) (row, error) {
	got, err := c.get(ctx, n.schema, id)
	if !errors.Is(err, errLong) {
		return got, err
	}
	found, err := c.findByText(ctx, n.schema, n.by, n.key)
	if err != nil {
		return nil, err
	}
	for _, r := range found {
		if r.id() == id {
			return r, nil
		}
	}
	return nil, gone(callList.path, nil)
}

// lost takes a record away that did not keep its key: nobody would find it again, and each try would make one more.
func (c *Client) lost(ctx context.Context, n newRecord, id string) error {
	c.spend(n.schema, n.key)
	if err := c.remove(ctx, n.schema, id); err != nil {
		c.log.WarnContext(ctx, "record without its key stays in the form", "object", n.schema.object, "id", id, "error", err)
	}
	return configuration(
		fmt.Sprintf("检查表单中别名为 %s 的单行文本字段 (look at the single-line text %s and its alias)", n.by.Name, n.by.Name),
		"form %s did not keep the value of widget %s", n.schema.object, n.by.show())
}

// send makes the record. The record itself comes back from one of the calls only.
func (c *Client) send(ctx context.Context, n newRecord, transaction string) (string, row, error) {
	if c.cfg.CreateWith == Create {
		var answer single
		err := c.post(ctx, callCreate, struct {
			address
			TransactionID string             `json:"transaction_id"`
			Creator       string             `json:"data_creator,omitempty"`
			Workflow      bool               `json:"is_start_workflow"`
			Trigger       bool               `json:"is_start_trigger"`
			Data          map[string]wrapped `json:"data"`
		}{address(n.schema.form), transaction, c.cfg.APIMember, n.workflow, false, n.data}, &answer)
		if errors.Is(err, errLong) { // made, but too long to be told
			found, err := c.findByText(ctx, n.schema, n.by, n.key)
			if err != nil || len(found) == 0 {
				return "", nil, errors.Join(err, unclear(n.schema))
			}
			return found[0].id(), found[0], nil
		}
		if err == nil && answer.Data.id() == "" {
			err = unclear(n.schema)
		}
		return answer.Data.id(), answer.Data, err
	}
	var answer struct {
		Status string   `json:"status"`
		Count  int      `json:"success_count"`
		IDs    []string `json:"success_ids"`
	}
	err := c.post(ctx, callBatchCreate, struct {
		address
		TransactionID string               `json:"transaction_id"`
		Creator       string               `json:"data_creator,omitempty"`
		Workflow      bool                 `json:"is_start_workflow"`
		List          []map[string]wrapped `json:"data_list"`
	}{address(n.schema.form), transaction, c.cfg.APIMember, n.workflow, []map[string]wrapped{n.data}}, &answer)
	if err != nil {
		return "", nil, err
	}
	if answer.Count != 1 || len(answer.IDs) != 1 || answer.IDs[0] == "" {
		return "", nil, unclear(n.schema)
	}
	return answer.IDs[0], nil, nil
}

func unclear(s *schema) error {
	return &crmclient.Error{Class: crmclient.ClassRetry, Message: "form " + s.object + ": the answer does not name the one record that was to be made"}
}
