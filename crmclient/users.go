package crmclient

import (
	"context"
	"strings"
	"sync"
	"time"
)

// usersFresh is how long a list of users is believed: people join a company more rarely.
const usersFresh = 15 * time.Minute

// User is one user of a CRM.
type User struct {
	ID     string // the CRM's own id
	Email  string
	Active bool // records may be given to the user
}

// Users know the users of a CRM that lists all of them, by address and by id. They may be used concurrently.
type Users struct {
	Read func(ctx context.Context) ([]User, error) // all users; one at a time asks
	Now  func() time.Time

	mu      sync.Mutex // guards all below
	read    time.Time
	byEmail map[string]string // active ones only, by address in lower case
	byID    map[string]string
}

func (u *Users) load(ctx context.Context) error {
	if u.byEmail != nil && u.Now().Sub(u.read) < usersFresh {
		return nil
	}
	all, err := u.Read(ctx)
	if err != nil {
		return err
	}
	u.byEmail, u.byID, u.read = map[string]string{}, map[string]string{}, u.Now()
	for _, one := range all {
		email := strings.ToLower(one.Email)
		if one.Active && email != "" {
			u.byEmail[email] = one.ID
		}
		u.byID[one.ID] = email
	}
	return nil
}

// Reload reads the users as they are now, and returns how many are active.
func (u *Users) Reload(ctx context.Context) (active int, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.byEmail = nil
	err = u.load(ctx)
	return len(u.byEmail), err
}

// ID returns the id of the active user with the address, or nothing.
func (u *Users) ID(ctx context.Context, email string) (string, error) {
	if email == "" {
		return "", nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	err := u.load(ctx)
	return u.byEmail[strings.ToLower(email)], err
}

// Email returns the address of the user with the id, active or not, or nothing.
func (u *Users) Email(ctx context.Context, id string) (string, error) {
	if id == "" {
		return "", nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	err := u.load(ctx)
	return u.byID[id], err
}
