package zoho

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// Check asks who the company is, whether the token is of the configured data centre, and whether the fields and rights are there
// that the section needs. It writes nothing.
func (c *Client) Check(ctx context.Context) (string, error) {
	token, err := c.tokens.Token(ctx)
	if err != nil {
		return "", err
	}
	if dc := dataCentreOf(token.Extra["api_domain"]); dc != "" && dc != c.cfg.centre() {
		return "", misconfigured("set data_center: "+dc, "the company's Zoho CRM is in the data centre %s, but data_center says %s", dc, c.cfg.centre())
	}
	var org struct {
		Org []struct {
			Name    string `json:"company_name"`
			License struct {
				Type string `json:"paid_type"`
			} `json:"license_details"`
		} `json:"org"`
	}
	if _, err := c.call(ctx, request{method: http.MethodGet, path: "/org"}, &org); err != nil {
		return "", fmt.Errorf("read organisation: %w", err)
	}
	if len(org.Org) != 1 {
		return "", unclear()
	}
	if err := c.checkFields(ctx); err != nil {
		return "", err
	}
	if _, err := c.users.ID(ctx, nobody); err != nil {
		return "", err
	}
	if err := c.checkRecord(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("Zoho CRM of %s (%s edition, data centre %s)", org.Org[0].Name, org.Org[0].License.Type, c.cfg.centre()), nil
}

// fieldCheck is what a module must have.
type fieldCheck struct {
	module string
	fields *fieldmap.Map // may be nil
	key    string        // must be unique
	used   []string      // are only read
}

// checkFields compares the mappings with the modules.
func (c *Client) checkFields(ctx context.Context) error {
	checks := []fieldCheck{{moduleContact, c.maps.contact, "", c.cfg.emailFields()}}
	if c.cfg.leads() {
		checks = append(checks, fieldCheck{moduleLead, c.maps.lead, "", c.cfg.emailFields()})
	}
	if c.cfg.Record == RecordActivity {
		checks = append(checks, fieldCheck{c.cfg.activityModule(), c.maps.activity, c.cfg.KeyField, nil})
	}
	if c.cfg.CaseKeyField != "" {
		checks = append(checks, fieldCheck{moduleCases, c.maps.ticket, c.cfg.CaseKeyField, nil})
	}
	for _, module := range slices.Sorted(maps.Keys(c.cfg.RecordKeys)) {
		checks = append(checks, fieldCheck{module, nil, c.cfg.RecordKeys[module], nil})
	}
	for _, check := range checks {
		fields, err := c.DescribeObject(ctx, check.module)
		if err != nil {
			return err
		}
		if check.fields != nil {
			if err := check.fields.Validate(check.module, fields, "Owner"); err != nil {
				return err
			}
		}
		for _, name := range check.used {
			if !slices.ContainsFunc(fields, func(f crmclient.Field) bool { return f.Name == name }) {
				return misconfigured("set email_fields to the fields of contacts and leads that hold addresses", "field %s is not in %s", name, check.module)
			}
		}
		if check.key != "" && !slices.ContainsFunc(fields, func(f crmclient.Field) bool { return f.Name == check.key && f.Unique }) {
			return misconfigured(fmt.Sprintf("tick \"Do not allow duplicate values\" of the field %s: Setup, Modules and Fields, %s", check.key, check.module),
				"the field %s of %s takes the same value twice, so mail could be stored twice", check.key, check.module)
		}
	}
	return nil
}

// checkRecord tries the rights that storing a mail needs, as far as questions tell.
func (c *Client) checkRecord(ctx context.Context) error {
	if c.cfg.Record == RecordActivity || c.cfg.Search == searchCOQL {
		if _, err := c.coql(ctx, "select id from "+moduleContact+" where "+c.cfg.emailFields()[0]+" = '"+nobody+"' limit 1"); err != nil {
			return err
		}
	}
	if c.cfg.Record == RecordActivity {
		return nil
	}
	if _, err := c.call(ctx, asksFor("<"+nobody+">"), nil); err != nil {
		return fmt.Errorf("ask for e-mails: %w", err)
	}
	for _, p := range c.parents(&crmclient.Activity{}) { // the default record
		_, there, err := c.read(ctx, p, []string{"id"})
		if err != nil {
			return err
		}
		if !there {
			return misconfigured("open a record in Zoho CRM and take the number at the end of its address", "default_record: there is no such record in %s", p.module)
		}
	}
	return nil
}
