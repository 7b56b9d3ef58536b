package pipedrive

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"heliograph/crmclient"
)

// Check asks who we are, whether the type of activity is there, and whether people and activities may be read. It writes nothing.
func (c *Client) Check(ctx context.Context) (string, error) {
	var me struct {
		Data struct {
			Email   string `json:"email"`
			Company string `json:"company_name"`
		} `json:"data"`
	}
	if _, err := c.call(ctx, request{method: http.MethodGet, version: v1, path: "/users/me"}, &me); err != nil {
		return "", fmt.Errorf("read own user: %w", err)
	}
	type kind struct {
		Key    string `json:"key_string"`
		Active bool   `json:"active_flag"`
	}
	var types struct {
		Data []kind `json:"data"`
	}
	if _, err := c.call(ctx, request{method: http.MethodGet, version: v1, path: "/activityTypes"}, &types); err != nil {
		return "", fmt.Errorf("read types of activities: %w", err)
	}
	if !slices.ContainsFunc(types.Data, func(k kind) bool { return k.Active && k.Key == c.cfg.activityType() }) {
		return "", misconfigured("make the type in Settings, Company settings, Activities, or set activity_type to the key of one that is there",
			"Pipedrive has no active type of activity with the key %s", c.cfg.activityType())
	}
	if _, err := c.search(ctx, "nobody@address.invalid"); err != nil {
		return "", fmt.Errorf("search people: %w", err)
	}
	if _, err := c.userID(ctx, "nobody@address.invalid"); err != nil {
		return "", err
	}
	if c.cfg.DefaultPerson != 0 {
		_, there, err := c.ContactByID(ctx, strconv.FormatInt(c.cfg.DefaultPerson, 10))
		if err != nil {
			return "", err
		}
		if !there {
			return "", misconfigured("open the person in Pipedrive and take the number at the end of its address", "default_person: there is no person with this id")
		}
	}
	if _, err := c.look(ctx, place{person: max(c.cfg.DefaultPerson, 1)}, "check", crmclient.Intent{Began: c.d.Clock()}); err != nil {
		return "", err
	}
	return fmt.Sprintf("Pipedrive of %s, as %s", me.Data.Company, me.Data.Email), nil
}

var _ crmclient.Checker = (*Client)(nil)
