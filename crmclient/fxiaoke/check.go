package fxiaoke

import (
	"context"
	"errors"
	"fmt"

	"heliograph/crmclient"
)

// Check gets a token, describes the objects and compares the mapping with them. It writes nothing.
func (c *Client) Check(ctx context.Context) (string, error) {
	s, err := c.describe(ctx, c.cfg.Activities.Object)
	if err != nil {
		return "", fmt.Errorf("check: %w", err)
	}
	if _, err := c.findKey(ctx, s, "heliograph-check"); err != nil {
		return "", fmt.Errorf("check: %w", err)
	}
	filled := []string{c.cfg.Activities.Key, "owner", "related_object_data"}
	if err := c.maps.activity.Validate(s.object, s.list(), filled...); err != nil {
		return "", fmt.Errorf("check: %w", err)
	}
	for _, k := range c.kinds() {
		p, err := c.describe(ctx, k.people.Object)
		if err != nil {
			return "", fmt.Errorf("check: %w", err)
		}
		for _, name := range append([]string{k.people.Name}, k.people.Address...) {
			if _, ok := p.fields[name]; !ok {
				return "", fmt.Errorf("check: %w", configuration("在 对象管理 核对字段的 API 名称 (compare the API names of the fields)", "object %s has no field %s", p.object, name))
			}
		}
		if err := k.fields.Validate(p.object, p.list(), append([]string{k.people.Name, k.people.Company, "owner"}, k.people.Address...)...); err != nil {
			return "", fmt.Errorf("check: %w", err)
		}
	}
	t, err := c.tokens.Token(ctx)
	if err != nil {
		var e *crmclient.Error
		if errors.As(err, &e) {
			return "", fmt.Errorf("check: %w", err)
		}
		return "", fmt.Errorf("check: %w", &crmclient.Error{Class: crmclient.ClassRetry, Message: "no token", Err: err})
	}
	return fmt.Sprintf("纷享销客 %s: company %s, acting employee %s, mails in %s", c.base, t.Extra[extraCorp], t.Extra[extraUser], s.object), nil
}
