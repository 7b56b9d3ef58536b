package hubspot

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"heliograph/crmclient"
)

const maxOwners = 50 // pages of a hundred

// readOwners reads HubSpot's users who can own records.
func (c *Client) readOwners(ctx context.Context) ([]crmclient.User, error) {
	var all []crmclient.User
	q := url.Values{"limit": {"100"}}
	for range maxOwners {
		var out struct {
			Results []struct {
				ID       string `json:"id"`
				Email    string `json:"email"`
				Archived bool   `json:"archived"`
			} `json:"results"`
			Paging struct {
				Next struct {
					After string `json:"after"`
				} `json:"next"`
			} `json:"paging"`
		}
		if _, err := c.call(ctx, request{method: http.MethodGet, path: "/crm/v3/owners", query: q}, &out); err != nil {
			return nil, fmt.Errorf("read owners: %w", err)
		}
		for _, one := range out.Results {
			if one.Email != "" && !one.Archived {
				all = append(all, crmclient.User{ID: one.ID, Email: one.Email, Active: true})
			}
		}
		if out.Paging.Next.After == "" {
			break
		}
		q.Set("after", out.Paging.Next.After)
	}
	return all, nil
}

// assignee returns the id of an owner who must be there.
func (c *Client) assignee(ctx context.Context, email string) (string, error) {
	id, err := c.owners.ID(ctx, email)
	if err == nil && id == "" {
		err = &crmclient.Error{
			Class: crmclient.ClassPermanent, Message: "the employee is no user of HubSpot",
			Remedy: "invite the employee with this mail address: Settings, Users and Teams",
		}
	}
	return id, err
}
