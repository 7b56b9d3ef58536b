package rest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"heliograph/crmclient"
)

// Check gets a token where the kind of authentication has one, runs the operation check, and compares the fields under needs with what
// describe tells. Without the operation check it looks for an address that nobody has. It writes nothing.
func (c *Client) Check(ctx context.Context) (string, error) {
	line, err := c.checkLine(ctx)
	if err != nil {
		return "", err
	}
	for _, object := range slices.Sorted(maps.Keys(c.cfg.Needs)) {
		fields, err := describer{c}.DescribeObject(ctx, object)
		if err != nil {
			return "", err
		}
		var missing []string
		for _, need := range c.cfg.Needs[object] {
			if !slices.ContainsFunc(fields, func(f crmclient.Field) bool { return f.Name == need }) {
				missing = append(missing, need)
			}
		}
		if len(missing) > 0 {
			return "", &crmclient.Error{
				Class:   crmclient.ClassConfiguration,
				Message: fmt.Sprintf("the object %s has no field %s", object, strings.Join(missing, ", ")),
				Remedy:  "make the field in the CRM, or write its technical name, not its label, in the section",
			}
		}
	}
	return line, nil
}

// nobody is an address that cannot exist (RFC 2606, 2).
const nobody = "heliograph-check@nobody.invalid"

func (c *Client) checkLine(ctx context.Context) (string, error) {
	op := c.ops.check
	if op == nil {
		if _, err := c.FindContacts(ctx, []string{nobody}); err != nil {
			return "", err
		}
		return "searching for contacts works at " + c.base.Host, nil
	}
	s := c.common()
	r, err := c.call(ctx, op, s, op.paging.start())
	if err != nil {
		return "", err
	}
	line, err := op.result.line.text(r.place(r.root, s))
	if err != nil {
		return "", r.broken("result.line", err)
	}
	if line == "" {
		return "connected to " + c.base.Host, nil
	}
	return r.redact.Excerpt([]byte(line)), nil
}
