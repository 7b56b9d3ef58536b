package yonyou

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

var (
	_ crmclient.LeadCreator   = (*Client)(nil)
	_ crmclient.ContactGetter = (*Client)(nil)
)

// check is one of the calls that look for people: the tenant's check for duplicates, which compares what its rules say.
type check struct {
	path, bill, address string
}

var (
	contactCheck = check{"/yonbip/crm/bill/contactcheckrepeat", "cust_contactcard", "email"}
	leadCheck    = check{"/yonbip/crm/bill/cluecheckrepeatddd", "sfa_cluecard", "mailbox"}
)

// hit is somebody who is there already. Names end in _v where the tenant shows a value.
type hit struct {
	ID           scalar `json:"id"` // not in the vendor's example, taken where it is there
	Bill         string `json:"billNum"`
	Name         scalar `json:"name_v"`
	Email        scalar `json:"email_v"`
	Mailbox      scalar `json:"mailbox_v"`
	Person       scalar `json:"contactPerson_v"`
	Company      scalar `json:"companyName_v"`
	Customer     scalar `json:"customer"`
	CustomerName scalar `json:"customer_name"`
}

// hits asks for one address.
func (c *Client) hits(ctx context.Context, k check, address string) ([]hit, error) {
	body := map[string]any{
		"systemSource": "mt", "action": "browse", "mainBillNum": k.bill,
		"data":    map[string]string{k.address: address},
		"tabInfo": []map[string]string{{"billNum": k.bill, "mappingType": "0"}},
	}
	if k == contactCheck {
		body["billnum"] = k.bill
	}
	data, err := c.post(ctx, k.path, body)
	if err != nil {
		return nil, err
	}
	list := bytes.TrimSpace(data)
	if len(list) > 0 && list[0] == '{' {
		var page struct {
			Records json.RawMessage `json:"recordList"`
		}
		if json.Unmarshal(list, &page) == nil && page.Records != nil {
			list = page.Records
		} else {
			list = append(append([]byte{'['}, list...), ']')
		}
	}
	var all, same []hit
	if err := decode(list, &all); err != nil {
		return nil, err
	}
	for _, h := range all { // the tenant's rules may compare other things too
		if found := string(h.Email) + string(h.Mailbox); strings.EqualFold(found, address) && (h.Bill == "" || h.Bill == k.bill) {
			same = append(same, h)
		}
	}
	return same, nil
}

// customerPrefix begins the ids of contacts whose own id the tenant does not tell: behind it are those of their
// customers and their addresses.
const customerPrefix = "customer:"

// splitID returns the ids of a contact and a customer that an id of ours holds.
func splitID(id string) (contact, customer string) {
	rest, ok := strings.CutPrefix(id, customerPrefix)
	if !ok {
		return id, ""
	}
	customer, _, _ = strings.Cut(rest, ":")
	return "", customer
}

// FindContacts asks for each address, a few at once.
func (c *Client) FindContacts(ctx context.Context, addresses []string) ([]crmclient.Contact, error) {
	found := make([][]crmclient.Contact, len(addresses))
	errs := make([]error, len(addresses))
	slots := make(chan struct{}, defaultParallel)
	var group sync.WaitGroup
	for i, address := range addresses {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			if ctx.Err() == nil {
				found[i], errs[i] = c.find(ctx, address)
			} else {
				errs[i] = context.Cause(ctx)
			}
		})
	}
	group.Wait()
	var all []crmclient.Contact
	for i := range addresses {
		if errs[i] != nil {
			return nil, fmt.Errorf("find contacts: %w", errs[i])
		}
		all = append(all, found[i]...)
	}
	return all, nil
}

func (c *Client) find(ctx context.Context, address string) ([]crmclient.Contact, error) {
	var out []crmclient.Contact
	contacts, err := c.hits(ctx, contactCheck, address)
	if err != nil {
		return nil, err
	}
	for _, h := range contacts {
		p := crmclient.Contact{ID: string(h.ID), Kind: crmclient.KindContact, Address: address, Name: string(h.Name), Company: string(h.CustomerName)}
		if p.ID == "" {
			p.ID = customerPrefix + string(h.Customer) + ":" + address
		}
		out = append(out, p)
	}
	if !c.cfg.Leads.find() {
		return out, nil
	}
	leads, err := c.hits(ctx, leadCheck, address)
	if err != nil {
		return nil, err
	}
	for _, h := range leads {
		id, err := c.leadID(ctx, h)
		if err != nil {
			return nil, err
		}
		if id != "" {
			out = append(out, crmclient.Contact{ID: id, Kind: crmclient.KindLead, Address: address, Name: string(h.Person), Company: string(h.Company)})
		}
	}
	return out, nil
}

// leadID finds the id of a lead by its name, which the tenant keeps unique.
func (c *Client) leadID(ctx context.Context, h hit) (string, error) {
	if h.ID != "" {
		return string(h.ID), nil
	}
	found, err := c.listBy(ctx, c.cfg.Objects["clue"].List, "name", string(h.Name))
	if err != nil {
		return "", err
	}
	for _, r := range found {
		if r.Name == h.Name {
			return string(r.ID), nil
		}
	}
	return "", nil
}

// ContactByID reads a contact or, where only its customer is known, asks for its address.
func (c *Client) ContactByID(ctx context.Context, id string) (crmclient.Contact, bool, error) {
	if rest, ok := strings.CutPrefix(id, customerPrefix); ok {
		_, address, _ := strings.Cut(rest, ":")
		found, err := c.find(ctx, address)
		for _, p := range found {
			if p.ID == id {
				return p, true, err
			}
		}
		return crmclient.Contact{}, false, err
	}
	if !isID(id) {
		return crmclient.Contact{}, false, nil
	}
	data, err := c.get(ctx, c.cfg.Objects["contact"].Detail, url.Values{"id": {id}})
	if err != nil {
		if errors.Is(noRecord(err), crmclient.ErrNoRecord) {
			return crmclient.Contact{}, false, nil
		}
		return crmclient.Contact{}, false, fmt.Errorf("read contact: %w", err)
	}
	var r struct {
		ID       scalar `json:"id"`
		Name     scalar `json:"name"`
		Email    scalar `json:"email"`
		Customer scalar `json:"customer_name"`
	}
	if err := decode(data, &r); err != nil || r.ID == "" {
		return crmclient.Contact{}, false, err
	}
	return crmclient.Contact{
		ID: string(r.ID), Kind: crmclient.KindContact, Address: strings.ToLower(string(r.Email)), Name: string(r.Name), Company: string(r.Customer),
	}, true, nil
}

// leadSave makes a lead.
const leadSave = "/yonbip/crm/bill/save"

// CreateLead makes a lead unless a contact or lead with the address is there. The tenant has no key for it, but the
// lead's code is made of the address, so that a repetition collides.
func (c *Client) CreateLead(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	address := strings.ToLower(p.Address)
	release, err := c.turns.Take(ctx, "lead:"+address)
	if err != nil {
		return crmclient.Contact{}, err
	}
	defer release()
	there, err := c.find(ctx, address)
	if err != nil {
		return crmclient.Contact{}, fmt.Errorf("look for the lead: %w", err)
	}
	if len(there) > 0 {
		return there[0], nil
	}
	if c.cfg.Leads.Source == "" || c.cfg.Leads.Type == "" || c.cfg.Mail.Org == "" {
		return crmclient.Contact{}, &crmclient.Error{
			Class: crmclient.ClassConfiguration, Message: "leads cannot be made without source, type and organisation",
			Remedy: "set leads.source_code (线索来源), leads.type_code (线索类型) and mail.org_code",
		}
	}
	values := fieldmap.Contact(crmclient.Person{Name: p.Name, Address: address}, owner)
	fields, err := c.lead.Apply(values)
	if err != nil {
		return crmclient.Contact{}, err
	}
	if owner != "" {
		code, err := c.ownerCode(ctx, owner)
		if err != nil {
			return crmclient.Contact{}, fmt.Errorf("find the employee: %w", err)
		}
		if code != "" {
			fields["ower_code"] = code // sic
		}
	}
	name, _ := values["name"].(string)
	fields["systemSource"], fields["code"], fields["_status"] = "mk", recordCode(address), "Insert"
	fields["name"] = name + " " + address // must be unique
	id, err := c.saveLead(ctx, nested(fields))
	if err != nil {
		return crmclient.Contact{}, fmt.Errorf("create lead: %w", err)
	}
	return crmclient.Contact{ID: id, Kind: crmclient.KindLead, Address: address, Name: name, Owner: owner}, nil
}

func (c *Client) saveLead(ctx context.Context, fields map[string]any) (string, error) {
	data, err := c.post(ctx, leadSave, map[string]any{"billnum": leadCheck.bill, "data": fields})
	if err == nil {
		var made record
		if err := decode(data, &made); err != nil {
			return "", err
		}
		if made.ID == "" {
			return "", &crmclient.Error{Class: crmclient.ClassRetry, Message: "the tenant's answer holds no id of the lead"}
		}
		return string(made.ID), nil
	}
	if class := crmclient.ClassOf(err); class != crmclient.ClassPermanent && class != crmclient.ClassDuplicate {
		return "", err
	}
	found, findErr := c.listBy(ctx, c.cfg.Objects["clue"].List, "code", fmt.Sprint(fields["code"]))
	for _, r := range found {
		if findErr == nil && string(r.Code) == fields["code"] {
			return string(r.ID), nil
		}
	}
	return "", err
}

// staffPath finds an employee by mobile number or mail address.
const staffPath = "/yonbip/uspace/staff/info_by_mobile_email"

const byMail = "2"

// maxOwners bounds the memory of employees' codes; beyond it, it begins anew.
const maxOwners = 4096

// ownerCode returns the code of the employee with a mail address, or nothing.
func (c *Client) ownerCode(ctx context.Context, address string) (string, error) {
	if code, ok := c.cfg.Owners[address]; ok {
		return code, nil
	}
	c.mu.Lock()
	code, ok := c.owners[address]
	c.mu.Unlock()
	if ok {
		return code, nil
	}
	code, err := c.askOwner(ctx, address)
	if err != nil || code == "" {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.owners) >= maxOwners {
		c.owners = map[string]string{}
	}
	c.owners[address] = code
	return code, nil
}

func (c *Client) askOwner(ctx context.Context, address string) (string, error) {
	data, err := c.get(ctx, staffPath, url.Values{"type": {byMail}, "field": {address}})
	if err != nil {
		if crmclient.ClassOf(err) == crmclient.ClassPermanent { // nobody has it, which the tenant tells as an error
			return "", nil
		}
		return "", err
	}
	var r record
	if err := decode(data, &r); err != nil {
		return "", err
	}
	return string(r.Code), nil
}
