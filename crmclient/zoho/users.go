package zoho

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// usersFresh is how long the list of users is believed: people join a company more rarely.
	usersFresh = 15 * time.Minute
	maxUsers   = 20 // pages
)

// users are the company's users of Zoho CRM.
type users struct {
	turn    sync.Mutex // guards all below, and lets one at a time read them
	read    time.Time
	byEmail map[string]string // lower case
	byID    map[string]string
	self    string // id of the user whom we act for; empty until it was asked for
}

type user struct {
	ID     string `json:"id"`
	Email  string `json:"email"`
	Status string `json:"status"`
}

type userPage struct {
	Users []user `json:"users"`
	Info  info   `json:"info"`
}

// userID returns the id of the active user with the address, or nothing.
func (c *Client) userID(ctx context.Context, email string) (string, error) {
	u := &c.users
	u.turn.Lock()
	defer u.turn.Unlock()
	if err := c.loadUsers(ctx); err != nil {
		return "", err
	}
	return u.byEmail[strings.ToLower(email)], nil
}

// userEmail returns the address of the user with the id, or nothing.
func (c *Client) userEmail(ctx context.Context, id string) (string, error) {
	u := &c.users
	u.turn.Lock()
	defer u.turn.Unlock()
	if err := c.loadUsers(ctx); err != nil {
		return "", err
	}
	return u.byID[id], nil
}

func (c *Client) loadUsers(ctx context.Context) error {
	u := &c.users
	if u.byEmail != nil && c.d.Clock().Sub(u.read) < usersFresh {
		return nil
	}
	byEmail, byID := map[string]string{}, map[string]string{}
	for page := 1; page <= maxUsers; page++ {
		var out userPage
		_, err := c.call(ctx, request{method: http.MethodGet, path: "/users", query: url.Values{
			"type": {"ActiveUsers"}, "page": {fmt.Sprint(page)}, "per_page": {fmt.Sprint(perPage)},
		}}, &out)
		if err != nil {
			return fmt.Errorf("read users: %w", err)
		}
		for _, one := range out.Users {
			byEmail[strings.ToLower(one.Email)], byID[one.ID] = one.ID, strings.ToLower(one.Email)
		}
		if !out.Info.More {
			break
		}
	}
	u.byEmail, u.byID, u.read = byEmail, byID, c.d.Clock()
	return nil
}

// me returns the id of the user whom the gateway acts for.
func (c *Client) me(ctx context.Context) (string, error) {
	u := &c.users
	u.turn.Lock()
	defer u.turn.Unlock()
	if u.self != "" {
		return u.self, nil
	}
	var out userPage
	if _, err := c.call(ctx, request{method: http.MethodGet, path: "/users", query: url.Values{"type": {"CurrentUser"}}}, &out); err != nil {
		return "", fmt.Errorf("read own user: %w", err)
	}
	if len(out.Users) != 1 {
		return "", unclear()
	}
	u.self = out.Users[0].ID
	return u.self, nil
}
