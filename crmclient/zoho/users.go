package zoho

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"heliograph/crmclient"
)

const maxUsers = 20 // pages

type user struct {
	ID     string `json:"id"`
	Email  string `json:"email"`
	Status string `json:"status"`
}

type userPage struct {
	Users []user `json:"users"`
	Info  info   `json:"info"`
}

// readUsers reads the company's active users of Zoho CRM.
func (c *Client) readUsers(ctx context.Context) ([]crmclient.User, error) {
	var all []crmclient.User
	for page := 1; page <= maxUsers; page++ {
		var out userPage
		_, err := c.call(ctx, request{method: http.MethodGet, path: "/users", query: url.Values{
			"type": {"ActiveUsers"}, "page": {fmt.Sprint(page)}, "per_page": {fmt.Sprint(perPage)},
		}}, &out)
		if err != nil {
			return nil, fmt.Errorf("read users: %w", err)
		}
		for _, one := range out.Users {
			all = append(all, crmclient.User{ID: one.ID, Email: one.Email, Active: true})
		}
		if !out.Info.More {
			break
		}
	}
	return all, nil
}

// me returns the id of the user whom the gateway acts for.
func (c *Client) me(ctx context.Context) (string, error) {
	return c.self.Read("", func() (string, error) {
		var out userPage
		if _, err := c.call(ctx, request{method: http.MethodGet, path: "/users", query: url.Values{"type": {"CurrentUser"}}}, &out); err != nil {
			return "", fmt.Errorf("read own user: %w", err)
		}
		if len(out.Users) != 1 {
			return "", unclear()
		}
		return out.Users[0].ID, nil
	})
}
