package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// nobody is an address that no person has (RFC 2606): asking for it tries rights and fields, and reads nothing.
const nobody = "nobody@heliograph.invalid"

// Check signs in, compares the objects and fields with describe, tries the queries of the search, and writes nothing.
func (c *Client) Check(ctx context.Context) (string, error) {
	left, err := c.limits(ctx)
	if err != nil {
		return "", fmt.Errorf("sign in: %w", err)
	}
	if err := c.checkMail(ctx); err != nil {
		return "", err
	}
	if err := c.checkOthers(ctx); err != nil {
		return "", err
	}
	if _, err := c.FindContacts(ctx, []string{nobody}); err != nil {
		return "", fmt.Errorf("search people: %w", err)
	}
	if _, _, err := c.FindCompany(ctx, "heliograph.invalid"); err != nil {
		return "", fmt.Errorf("search accounts: %w", err)
	}
	if orTrue(c.cfg.LinkUsers) {
		if _, err := c.usersOf(ctx, []string{nobody}); err != nil {
			return "", fmt.Errorf("search users: %w", err)
		}
	}
	token, err := c.tokens.Token(ctx)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	line := fmt.Sprintf("Salesforce at %s, API v%s", strings.TrimPrefix(strings.TrimPrefix(c.instance, "https://"), "http://"), c.cfg.APIVersion)
	if parts := strings.Split(token.Extra["id"], "/"); len(parts) > 2 && idForm.MatchString(parts[len(parts)-2]) {
		line += ", organisation " + parts[len(parts)-2]
	}
	return line + left, nil
}

// limits asks how much of the day's requests is left.
func (c *Client) limits(ctx context.Context) (string, error) {
	var l struct {
		Daily struct {
			Max       json.Number `json:"Max"`
			Remaining json.Number `json:"Remaining"`
		} `json:"DailyApiRequests"`
	}
	if err := c.get(ctx, "/limits", nil, &l); err != nil {
		var e *crmclient.Error
		if errors.As(err, &e) && gone(err) {
			e.Class, e.Remedy = crmclient.ClassConfiguration, meanings["UNSUPPORTED_API_VERSION"].remedy
		}
		return "", err
	}
	if l.Daily.Max == "" {
		return "", nil
	}
	return fmt.Sprintf(", %s of %s requests of 24 hours left", l.Daily.Remaining, l.Daily.Max), nil
}

// checkMail compares the mapping of mail with the object.
func (c *Client) checkMail(ctx context.Context) error {
	name := c.cfg.object()
	o, err := c.creatable(ctx, name)
	if err != nil {
		return err
	}
	key := c.cfg.keyField(name)
	if err := checkKey(o, key); err != nil {
		return err
	}
	if err := c.maps.mail.Validate(name, o.fields(), key); err != nil {
		return err
	}
	for _, body := range []string{"TextBody", "HtmlBody", "Description"} {
		if f, ok := o.column(body); ok && c.maps.mail.Has(body) && f.Length > 0 && f.Length < c.cfg.MaxText {
			return &crmclient.Error{
				Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("field %s of object %s takes %d characters, max_text is %d", body, name, f.Length, c.cfg.MaxText),
				Remedy: fmt.Sprintf("set max_text to %d", f.Length),
			}
		}
	}
	if c.cfg.LogAs == LogAsEmailMessage {
		if _, err := c.creatable(ctx, objectRelation); err != nil {
			return err
		}
	}
	if c.cfg.maxAttachment() > 0 {
		_, err = c.creatable(ctx, objectVersion)
	}
	return err
}

// checkOthers compares what the section says of other objects. Those that it does not mention may never be needed.
func (c *Client) checkOthers(ctx context.Context) error {
	for _, other := range []struct {
		object  string
		section fieldmap.Fields
		m       *fieldmap.Map
		key     string
	}{
		{objectCase, c.cfg.TicketFields, c.maps.ticket, c.cfg.KeyFields[objectCase]},
		{objectContact, c.cfg.ContactFields, c.maps.contact, ""},
		{objectLead, c.cfg.LeadFields, c.maps.lead, ""},
	} {
		if len(other.section) == 0 && other.key == "" || other.object == objectContact && c.cfg.PersonRecordType != "" {
			continue
		}
		o, err := c.creatable(ctx, other.object)
		if errors.Is(err, errHugeDescription) {
			continue
		}
		if err == nil && other.object == objectCase {
			err = checkKey(o, c.cfg.keyField(objectCase))
		}
		if err == nil {
			err = other.m.Validate(other.object, o.fields(), other.key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// creatable describes an object and says so if the user may not make records of it.
func (c *Client) creatable(ctx context.Context, name string) (*object, error) {
	o, err := c.describe(ctx, name)
	if err != nil {
		return nil, err
	}
	if !o.Createable {
		return nil, &crmclient.Error{
			Class: crmclient.ClassAuth, Message: fmt.Sprintf("the user may not create records of %s", name),
			Remedy: fmt.Sprintf("give the user that the gateway acts as a permission set with create on %s (Setup, Permission Sets, Object Settings)", name),
		}
	}
	return o, nil
}

// checkKey says what is wrong with a key field.
func checkKey(o *object, key string) error {
	if key == "" {
		return nil
	}
	wrong := ""
	switch f, ok := o.column(key); {
	case !ok:
		wrong = fmt.Sprintf("field %s is not in object %s, or the user may not see it", key, o.Name)
	case !f.ExternalID:
		wrong = fmt.Sprintf("field %s of object %s is not an External ID", key, o.Name)
	case !f.Unique:
		wrong = fmt.Sprintf("field %s of object %s is not Unique", key, o.Name)
	case f.Length > 0 && f.Length < 64:
		wrong = fmt.Sprintf("field %s of object %s takes %d characters and needs 64", key, o.Name, f.Length)
	case !f.Createable:
		wrong = fmt.Sprintf("the user may not write field %s of object %s", key, o.Name)
	default:
		return nil
	}
	return &crmclient.Error{Class: crmclient.ClassConfiguration, Message: wrong, Remedy: keyRemedy(o.Name, key)}
}
