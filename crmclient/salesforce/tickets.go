package salesforce

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// CreateTicket makes a Case unless there is one with the key.
func (c *Client) CreateTicket(ctx context.Context, t *crmclient.Ticket) (crmclient.Receipt, error) {
	release, err := c.turns.Take(ctx, "case:"+t.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	key, err := c.needKey(objectCase)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	// Without looking first the upsert would undo what the staff did to the case.
	id, err := c.findByKey(ctx, objectCase, key, keyHash(t.Key))
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("find case: %w", err)
	}
	duplicate := id != ""
	if !duplicate {
		if id, duplicate, err = c.makeCase(ctx, key, t); err != nil {
			return crmclient.Receipt{}, fmt.Errorf("create case: %w", err)
		}
	}
	files, _ := c.files().Split(t.Files, nil)
	if err := c.attach(ctx, id, files, duplicate); err != nil {
		return crmclient.Receipt{}, fmt.Errorf("attach files: %w", err)
	}
	return c.receipt(id, duplicate), nil
}

func (c *Client) makeCase(ctx context.Context, key string, t *crmclient.Ticket) (string, bool, error) {
	owner, err := c.caseOwner(ctx, t)
	if err != nil {
		return "", false, err
	}
	values := fieldmap.Ticket(t)
	values["owner_id"] = owner
	if !strings.HasPrefix(t.ContactID, prefixContact) { // a lead has no cases
		values["contact_id"] = ""
	}
	_, left := c.files().Split(t.Files, nil)
	note, _ := notes(left)
	values["text"] = fieldmap.CutRunes(t.Text, caseText-len([]rune(note))) + note
	fields, err := c.maps.ticket.Apply(values)
	if err != nil {
		return "", false, err
	}
	more, err := c.outValues(ctx, objectCase, t.Fields)
	if err != nil {
		return "", false, err
	}
	maps.Copy(fields, more)
	assign := "FALSE"
	if c.cfg.AssignmentRule && owner == "" {
		assign = "TRUE"
	}
	return c.upsertWith(ctx, objectCase, key, keyHash(t.Key), fields, map[string]string{"Sforce-Auto-Assign": assign})
}

// caseOwner returns the id of the user or queue that the case is for.
func (c *Client) caseOwner(ctx context.Context, t *crmclient.Ticket) (string, error) {
	if t.Assignee != "" {
		return c.needUser(ctx, t.Assignee)
	}
	if t.Queue == "" {
		return "", nil
	}
	r, err := c.one(ctx, fmt.Sprintf("SELECT Id FROM Group WHERE Type = 'Queue' AND (DeveloperName = %[1]s OR Name = %[1]s) ORDER BY Id", text(t.Queue)))
	if err != nil {
		return "", fmt.Errorf("find queue: %w", err)
	}
	if r == nil {
		return "", &crmclient.Error{
			Class: crmclient.ClassPermanent, Message: "Salesforce has no queue of the name that the ticket asks for",
			Remedy: "compare the name with Setup, Queues",
		}
	}
	return r.text("Id"), nil
}

func (c *Client) needUser(ctx context.Context, address string) (string, error) {
	id, err := c.userID(ctx, address)
	if err == nil && id == "" {
		err = &crmclient.Error{
			Class: crmclient.ClassPermanent, Message: "Salesforce has no active user with the assignee's address",
			Remedy: fmt.Sprintf("compare the address with the field %s of the user in Setup, Users", c.cfg.UserField),
		}
	}
	return id, err
}

// needKey returns the key field of an object that cannot do without.
func (c *Client) needKey(object string) (string, error) {
	if key := c.cfg.keyField(object); key != "" {
		return key, nil
	}
	return "", &crmclient.Error{
		Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("records of %s cannot be made without a key field", object),
		Remedy: keyRemedy(object, defaultKeyField),
	}
}

// FindTicket returns the case that was made with the key.
func (c *Client) FindTicket(ctx context.Context, key string) (crmclient.Record, bool, error) {
	field, err := c.needKey(objectCase)
	if err != nil {
		return crmclient.Record{}, false, err
	}
	id, err := c.findByKey(ctx, objectCase, field, keyHash(key))
	if err != nil || id == "" {
		return crmclient.Record{}, false, err
	}
	r, err := c.ReadRecord(ctx, objectCase, id)
	return r, err == nil, err
}

// AssignTicket gives a case to a user.
func (c *Client) AssignTicket(ctx context.Context, id, assignee string) error {
	if !idForm.MatchString(id) {
		return noRecord(nil)
	}
	user, err := c.needUser(ctx, assignee)
	if err != nil {
		return err
	}
	err = c.patch(ctx, objectCase, id, map[string]any{"OwnerId": user})
	if err != nil && gone(err) {
		return noRecord(err)
	}
	return err
}
