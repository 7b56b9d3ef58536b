package zoho

import (
	"context"
	"fmt"
	"maps"
	"net/http"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

var _ crmclient.Ticketer = (*Client)(nil)

// caseDefaults are the fields of a new case, as the standard layout has them.
func (c *Config) caseDefaults() fieldmap.Fields {
	f := fieldmap.Fields{
		"Subject":     fieldmap.From("subject", fieldmap.Default("(no subject)"), fieldmap.Cut(maxActivitySubject)),
		"Description": fieldmap.From("text", fieldmap.Cut(maxDescription)),
		"Status":      fieldmap.Value("New"),
		"Case_Origin": fieldmap.Value("Email"),
		"Priority":    fieldmap.From("priority", fieldmap.Lookup(map[string]any{"low": "Low", "normal": "Medium", "high": "High", "urgent": "High"}, nil)),
		"Email":       fieldmap.From("requester_address"),
		"Reported_By": fieldmap.FirstOf([]string{"requester_name", "requester_address"}, fieldmap.Cut(50)),
		"Related_To":  fieldmap.From("contact_id", fieldmap.Wrap("id")),
	}
	if c.CaseKeyField != "" {
		f[c.CaseKeyField] = fieldmap.From("key")
	}
	return f
}

func (c *Client) wantCaseKey() error {
	if c.cfg.CaseKeyField != "" {
		return nil
	}
	return misconfigured("create a unique single-line field in Cases (Setup, Modules and Fields, Cases) and name it in case_key_field",
		"cases need case_key_field, which keeps one from being made twice")
}

// CreateTicket makes a case, or finds the one with the key.
func (c *Client) CreateTicket(ctx context.Context, t *crmclient.Ticket) (crmclient.Receipt, error) {
	unlock, err := c.turns.Take(ctx, "ticket "+t.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer unlock()
	r, there, err := c.FindTicket(ctx, t.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	id := r.ID
	if !there {
		if id, err = c.newCase(ctx, t); err != nil {
			return crmclient.Receipt{}, fmt.Errorf("create case: %w", err)
		}
	}
	for _, f := range t.Files { // also of one that is there: the try before may have broken off here
		if limits.Why(f, 0) != "" {
			continue
		}
		if _, err := c.AttachFile(ctx, moduleCases, id, f); err != nil && crmclient.ClassOf(err) != crmclient.ClassPermanent {
			return crmclient.Receipt{}, fmt.Errorf("attach file: %w", err)
		}
	}
	return crmclient.Receipt{RemoteID: id, Duplicate: there}, nil
}

func (c *Client) newCase(ctx context.Context, t *crmclient.Ticket) (string, error) {
	record, err := c.maps.ticket.Apply(fieldmap.Ticket(t))
	if err != nil {
		return "", err
	}
	maps.Copy(record, t.Fields)
	record[c.cfg.CaseKeyField] = storedKey(t.Key)
	more := map[string]any{"duplicate_check_fields": []string{c.cfg.CaseKeyField}}
	switch {
	case t.Assignee != "":
		owner, err := c.assignee(ctx, t.Assignee)
		if err != nil {
			return "", err
		}
		record["Owner"] = owner
	case c.cfg.AssignmentRule != "":
		more["lar_id"] = c.cfg.AssignmentRule
	}
	id, _, err := c.write(ctx, http.MethodPost, "/"+moduleCases+"/upsert", record, more)
	return id, err
}

func (c *Client) assignee(ctx context.Context, email string) (map[string]any, error) {
	id, err := c.users.ID(ctx, email)
	if err != nil {
		return nil, err
	}
	if id == "" {
		return nil, &crmclient.Error{
			Class: crmclient.ClassPermanent, Message: "the employee is no active user of Zoho CRM",
			Remedy: "add the employee with this mail address: Setup, Users and Control, Users",
		}
	}
	return map[string]any{"id": id}, nil
}

// FindTicket asks COQL for the case with the key.
func (c *Client) FindTicket(ctx context.Context, key string) (crmclient.Record, bool, error) {
	if err := c.wantCaseKey(); err != nil {
		return crmclient.Record{}, false, err
	}
	rows, err := c.coql(ctx, "select id, Subject, Status, Owner, Modified_Time from Cases where "+c.cfg.CaseKeyField+" = '"+storedKey(key)+"' limit 1")
	if err != nil || len(rows) == 0 {
		return crmclient.Record{}, false, err
	}
	return record(moduleCases, rows[0]), true, nil
}

// AssignTicket sets the owner of the case.
func (c *Client) AssignTicket(ctx context.Context, id, assignee string) error {
	owner, err := c.assignee(ctx, assignee)
	if err != nil {
		return err
	}
	return c.UpdateRecord(ctx, moduleCases, id, map[string]any{"Owner": owner})
}
