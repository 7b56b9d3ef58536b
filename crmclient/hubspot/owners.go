package hubspot

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"heliograph/crmclient"
)

const (
	// ownersFresh is how long the list of owners is believed: people join a company more rarely.
	ownersFresh = 15 * time.Minute
	maxOwners   = 50 // pages of a hundred
)

// owners are HubSpot's users who can own records.
type owners struct {
	mu      sync.Mutex // guards all below, and lets one at a time read them
	read    time.Time
	byEmail map[string]string // lower case
	byID    map[string]string
}

func (c *Client) loadOwners(ctx context.Context) error {
	o := &c.owners
	if o.byEmail != nil && c.d.Clock().Sub(o.read) < ownersFresh {
		return nil
	}
	byEmail, byID := map[string]string{}, map[string]string{}
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
			return fmt.Errorf("read owners: %w", err)
		}
		for _, one := range out.Results {
			if email := strings.ToLower(one.Email); email != "" && !one.Archived {
				byEmail[email], byID[one.ID] = one.ID, email
			}
		}
		if out.Paging.Next.After == "" {
			break
		}
		q.Set("after", out.Paging.Next.After)
	}
	o.byEmail, o.byID, o.read = byEmail, byID, c.d.Clock()
	return nil
}

// ownerID returns the id of the owner with the address, or nothing.
func (c *Client) ownerID(ctx context.Context, email string) (string, error) {
	c.owners.mu.Lock()
	defer c.owners.mu.Unlock()
	err := c.loadOwners(ctx)
	return c.owners.byEmail[strings.ToLower(email)], err
}

// ownerEmail returns the address of the owner with the id, or nothing.
func (c *Client) ownerEmail(ctx context.Context, id string) (string, error) {
	if id == "" {
		return "", nil
	}
	c.owners.mu.Lock()
	defer c.owners.mu.Unlock()
	err := c.loadOwners(ctx)
	return c.owners.byID[id], err
}

// assignee is ownerID for a person who must be there.
func (c *Client) assignee(ctx context.Context, email string) (string, error) {
	id, err := c.ownerID(ctx, email)
	if err == nil && id == "" {
		err = &crmclient.Error{
			Class: crmclient.ClassPermanent, Message: "the employee is no user of HubSpot",
			Remedy: "invite the employee with this mail address: Settings, Users and Teams",
		}
	}
	return id, err
}
