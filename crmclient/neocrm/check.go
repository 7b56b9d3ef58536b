package neocrm

import (
	"context"
	"fmt"

	"heliograph/crmclient"
)

// Check logs in, describes the objects, compares the mapping with them and asks for a key that no mail has. It writes nothing.
func (c *Client) Check(ctx context.Context) (string, error) {
	object := c.cfg.Activities.Object
	s, err := c.describe(ctx, object)
	if err != nil {
		return "", fmt.Errorf("check: %w", err)
	}
	line := ""
	if len(s.fields) == 0 {
		line = "; the description of " + object + " could not be read, so that its fields were not compared"
	} else {
		if !s.has(c.cfg.Activities.Key) {
			return "", fmt.Errorf("check: %w", configuration("在 系统设置 > 对象管理 > 活动记录 添加文本字段, 并把它的 API key 写入 activities: key (add a text field and name it)",
				"object %s has no field %s for the key of a mail", object, c.cfg.Activities.Key))
		}
		filled := []string{c.cfg.Activities.Key, "entityType", "activityRecordFrom", "activityRecordFrom_data", "activityRecordFrom_compound"}
		if c.cfg.Activities.Department != "" {
			filled = append(filled, "dimDepart")
		}
		if c.cfg.Activities.Owner != "" || len(c.cfg.Members) > 0 {
			filled = append(filled, "ownerId")
		}
		if err := c.maps.activity.Validate(object, s.fields, filled...); err != nil {
			return "", fmt.Errorf("check: %w", err)
		}
	}
	if _, err := c.findKey(ctx, "heliograph-check"); err != nil {
		return "", fmt.Errorf("check: %w", err)
	}
	for _, k := range c.kinds() {
		if err := c.checkPeople(ctx, k); err != nil {
			return "", fmt.Errorf("check: %w", err)
		}
	}
	return fmt.Sprintf("销售易 %s: user %s, mails in %s%s", c.base, c.cfg.Username, object, line), nil
}

func (c *Client) checkPeople(ctx context.Context, k kind) error {
	s, err := c.describe(ctx, k.people.Object)
	if err != nil {
		return err
	}
	if len(s.fields) > 0 {
		for _, name := range append([]string{k.people.Name}, k.people.Address...) {
			if !s.has(name) {
				return configuration("在 系统设置 > 对象管理 核对字段的 API key (compare the API keys of the fields)", "object %s has no field %s", k.people.Object, name)
			}
		}
		var known []crmclient.Field
		for _, f := range s.fields {
			f.Required = false // what a new one must have is told only where new ones are made
			known = append(known, f)
		}
		if err := k.fields.Validate(k.people.Object, known); err != nil {
			return err
		}
	}
	_, err = c.query(ctx, k.people.Object, k.names(), "id = 0", "id", 0, 1)
	return err
}
