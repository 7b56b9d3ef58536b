package freshsales

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// Check reads what LogEmail needs. It writes nothing.
func (c *Client) Check(ctx context.Context) (string, error) {
	all, err := c.readUsers(ctx)
	if err != nil {
		return "", err
	}
	if _, err := c.activityType(ctx); err != nil {
		return "", err
	}
	if _, err := c.lookup(ctx, "nobody@address.invalid"); err != nil {
		return "", fmt.Errorf("look contacts up: %w", err)
	}
	if c.cfg.DefaultContact != 0 {
		_, there, err := c.read(ctx, strconv.FormatInt(c.cfg.DefaultContact, 10))
		if err != nil {
			return "", err
		}
		if !there {
			return "", misconfigured("open the contact in Freshsales and take the number at the end of its address", "default_contact: there is no contact with this id")
		}
	}
	if c.cfg.FindActivities == ofAccount {
		q := url.Values{"page": {"1"}, "per_page": {"1"}}
		if _, err := c.call(ctx, request{method: http.MethodGet, path: "/sales_activities", query: q}, nil); err != nil {
			return "", fmt.Errorf("list activities, which find_activities: off makes needless: %w", err)
		}
	}
	return fmt.Sprintf("Freshsales, %d users", len(all)), nil
}
