package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"heliograph/crmclient"
)

// column is a field as describe tells it.
type column struct {
	Name       string `json:"name"`
	Label      string `json:"label"`
	Type       string `json:"type"`
	Length     int    `json:"length"`
	Nillable   bool   `json:"nillable"`
	Createable bool   `json:"createable"`
	Updateable bool   `json:"updateable"`
	Defaulted  bool   `json:"defaultedOnCreate"`
	Unique     bool   `json:"unique"`
	ExternalID bool   `json:"externalId"`
}

// object is what describe tells.
type object struct {
	Name       string   `json:"name"`
	Createable bool     `json:"createable"`
	Queryable  bool     `json:"queryable"`
	Fields     []column `json:"fields"`
}

func (o *object) column(name string) (column, bool) {
	if o != nil {
		for _, f := range o.Fields {
			if f.Name == name {
				return f, true
			}
		}
	}
	return column{}, false
}

const describeLife = time.Hour

var errHugeDescription = errors.New("the description is too long")

// describe returns what an object has, from memory where it can.
func (c *Client) describe(ctx context.Context, name string) (*object, error) {
	if !nameForm.MatchString(name) {
		return nil, noObject(name, nil)
	}
	if o, ok := c.types.Get(name); ok {
		return o, nil
	}
	answer, err := c.do(ctx, request{method: http.MethodGet, path: "/sobjects/" + name + "/describe"})
	switch {
	case err != nil && gone(err):
		return nil, noObject(name, err)
	case err != nil:
		return nil, fmt.Errorf("describe %s: %w", name, err)
	case answer.Truncated:
		return nil, &crmclient.Error{
			Class: crmclient.ClassConfiguration, Status: answer.Status, Err: errHugeDescription,
			Message: fmt.Sprintf("the description of %s is longer than %d bytes", name, crmclient.MaxAnswer),
			Remedy:  "give the gateway's user a profile that sees fewer fields and values of the object",
		}
	}
	o := &object{}
	if err := answer.Exact(o); err != nil {
		return nil, fmt.Errorf("describe %s: %w", name, err)
	}
	c.types.Put(name, o)
	return o, nil
}

// typesOf is describe for those who can do without: of an object whose description is too long it returns nil.
func (c *Client) typesOf(ctx context.Context, name string) (*object, error) {
	o, err := c.describe(ctx, name)
	if errors.Is(err, errHugeDescription) {
		return nil, nil
	}
	return o, err
}

func noObject(name string, err error) error {
	e := &crmclient.Error{
		Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("Salesforce has no object %.100q, or the user may not see it", name),
		Remedy: "check the API name in Setup, Object Manager, and give the user access to the object",
	}
	if name == objectEmail {
		e.Remedy = "switch on Enhanced Email in Setup and give the user access to Email Messages, or set log_as: task"
	}
	var was *crmclient.Error
	if errors.As(err, &was) {
		e.Status, e.RequestID = was.Status, was.RequestID
	}
	return e
}

// DescribeObject returns the fields of an object.
func (c *Client) DescribeObject(ctx context.Context, name string) ([]crmclient.Field, error) {
	o, err := c.describe(ctx, name)
	if err != nil {
		return nil, err
	}
	return o.fields(), nil
}

func (o *object) fields() []crmclient.Field {
	out := make([]crmclient.Field, len(o.Fields))
	for i, f := range o.Fields {
		out[i] = crmclient.Field{
			Name: f.Name, Label: f.Label, Type: f.Type, Length: f.Length, Unique: f.Unique,
			Required: f.Createable && !f.Nillable && !f.Defaulted && f.Type != "boolean",
			ReadOnly: !f.Createable && !f.Updateable,
		}
	}
	return out
}
