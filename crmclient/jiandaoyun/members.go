package jiandaoyun

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"
)

const (
	memberAge  = 10 * time.Minute
	maxMembers = 20_000 // that are remembered; above the employees of any customer, below 10 MB
)

// members finds usernames by mail addresses and remembers them.
type members struct {
	client *Client
	fixed  map[string]string // of the configuration

	mu       sync.Mutex               // guards those below
	known    map[string]member        // by address
	backward map[string]string        // addresses by username
	building map[string]chan struct{} // addresses that are being looked up
}

type member struct {
	username string // empty: there is no such member
	until    time.Time
}

func newMembers(c *Client) *members {
	m := &members{client: c, fixed: map[string]string{}, known: map[string]member{}, backward: map[string]string{}, building: map[string]chan struct{}{}}
	for address, name := range c.cfg.Members.Map {
		address = strings.ToLower(address)
		m.fixed[address], m.backward[name] = name, address
	}
	return m
}

// address returns the mail address of a username, where one is known.
func (m *members) address(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.backward[name]
}

// username returns the username of an address, or nothing where nobody is known by it.
func (m *members) username(ctx context.Context, address string) (string, error) {
	address = strings.ToLower(address)
	if name, ok := m.fixed[address]; ok {
		return name, nil
	}
	if m.client.cfg.Members.Guess == nil && !m.client.cfg.Members.Form.set() {
		return "", nil
	}
	for {
		m.mu.Lock()
		if got, ok := m.known[address]; ok && m.client.now().Before(got.until) {
			m.mu.Unlock()
			return got.username, nil
		}
		other, busy := m.building[address]
		if !busy {
			m.building[address] = make(chan struct{})
		}
		m.mu.Unlock()
		if !busy {
			return m.ask(ctx, address)
		}
		select {
		case <-other:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// ask looks an address up and remembers what it found, also that there is nobody.
func (m *members) ask(ctx context.Context, address string) (string, error) {
	name, err := m.lookup(ctx, address)
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.building[address])
	delete(m.building, address)
	if err != nil {
		return "", err
	}
	if len(m.known) >= maxMembers {
		clear(m.known)
		clear(m.backward)
		for a, n := range m.fixed {
			m.backward[n] = a
		}
	}
	m.known[address] = member{name, m.client.now().Add(memberAge)}
	if name != "" {
		m.backward[name] = address
	}
	return name, nil
}

func (m *members) lookup(ctx context.Context, address string) (string, error) {
	if m.client.cfg.Members.Form.set() {
		name, err := m.inForm(ctx, address)
		if err != nil || name != "" {
			return name, err
		}
	}
	local, _, _ := strings.Cut(address, "@")
	for _, guess := range m.client.cfg.Members.Guess {
		name := address
		if guess == GuessLocalPart {
			name = local
		}
		there, err := m.client.memberExists(ctx, name)
		if err != nil {
			return "", err
		}
		if there {
			return name, nil
		}
	}
	return "", nil
}

func (m *members) inForm(ctx context.Context, address string) (string, error) {
	cfg := m.client.cfg.Members.Form
	name := ""
	err := m.client.with(ctx, objMembers, func(s *schema) error {
		by, err := s.needType(cfg.Address, typeText)
		if err != nil {
			return err
		}
		who, err := s.needType(cfg.Member, typeUser)
		if err != nil {
			return err
		}
		rows, err := m.client.findByText(ctx, s, by, address, who.Name)
		if err != nil || len(rows) == 0 {
			return err
		}
		name, _ = part(rows[0][who.Name], "username").(string)
		return nil
	})
	return name, err
}

// memberExists asks the address book, because a form takes the name of nobody without an error and stores nothing.
func (c *Client) memberExists(ctx context.Context, name string) (bool, error) {
	if !username(name) {
		return false, nil
	}
	var answer struct {
		User struct {
			Username string `json:"username"`
		} `json:"user"`
	}
	err := c.post(ctx, callMember, map[string]string{"username": name}, &answer)
	if hasCode(err, codeNoMember) {
		return false, nil
	}
	return answer.User.Username == name, err
}

// oneMember makes the value of a member widget: a username as it is, a mail address by looking it up. Nobody is nothing.
func (c *Client) oneMember(ctx context.Context, w *widget, v any) (any, error) {
	switch x := part(first(v), "username").(type) {
	case nil:
		return nil, nil
	case string:
		if strings.Contains(x, "@") {
			name, err := c.members.username(ctx, x)
			if err != nil || name == "" {
				return nil, err
			}
			return name, nil
		}
		if x == "" {
			return nil, nil
		}
		if !username(x) {
			return nil, w.valueError("a username (成员编号) or a mail address")
		}
		return x, nil
	case json.Number:
		return x.String(), nil
	}
	return nil, w.misfit("this kind of value")
}

func (c *Client) severalMembers(ctx context.Context, w *widget, v any) (any, error) {
	out := []any{}
	for _, e := range list(v) {
		one, err := c.oneMember(ctx, w, e)
		if err != nil {
			return nil, err
		}
		if one != nil {
			out = append(out, one)
		}
	}
	return out, nil
}

// mailOf returns the mail address behind the value of an owner: of a member where it is known, of a text where it is one.
func (c *Client) mailOf(v any) string {
	s, _ := part(first(v), "username").(string)
	if a := c.members.address(s); a != "" {
		return a
	}
	if strings.Contains(s, "@") {
		return strings.ToLower(s)
	}
	return ""
}
