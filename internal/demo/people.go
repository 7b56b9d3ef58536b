package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"

	"heliograph/internal/console/access"
)

// ConsolePassword is that of the people who sign in at the console with a password of its own.
const ConsolePassword = "sunrise-demo"

// Login is how somebody signs in at the console.
type Login struct {
	Address  string `json:"address"`
	Password string `json:"password"`
	With     string `json:"with"` // password, or mailbox: the address and password of the mail
}

// Ready is what the demo says of itself once all of it is there.
type Ready struct {
	URL        string           `json:"url"` // of the console
	People     map[string]Login `json:"people"`
	Submission string           `json:"submission"` // SMTP with STARTTLS
	IMAP       string           `json:"imap"`       // with STARTTLS
	IMAPS      string           `json:"imaps"`
	Accounts   []string         `json:"accounts"`
	Password   string           `json:"password"` // of all accounts
	Provider   string           `json:"provider"` // IMAP of the provider itself, with TLS
	CAFile     string           `json:"ca_file"`  // that signed the gateway's certificate
	ProviderCA string           `json:"provider_ca_file"`
	Config     string           `json:"config"` // the gateway's configuration file
}

// admit lets four people into the console, one of each role: the admin by the link of a first start, the auditor by an
// invitation, and two employees by their mailboxes.
func (d *demo) admit(ctx context.Context) error {
	d.url = "http://" + d.gateway.ConsoleAddr().String()
	book := access.NewBook(d.gateway.Store())
	token, _, err := book.FirstAdminLink(ctx)
	if err != nil {
		return err
	}
	boss, watcher := "sun.ming@"+Domain, "audit@"+Domain
	if err := d.setUp(ctx, map[string]string{"token": token, "email": boss, "name": "孙明", "password": ConsolePassword}); err != nil {
		return err
	}
	auditor, err := book.Add(ctx, access.Draft{Email: watcher, Name: "周正", Role: access.Auditor})
	if err != nil {
		return err
	}
	if token, _, err = book.Invite(ctx, auditor.ID); err != nil {
		return err
	}
	if err := d.setUp(ctx, map[string]string{"token": token, "password": ConsolePassword}); err != nil {
		return err
	}
	seller, err := book.Add(ctx, access.Draft{Email: liwei.Address, Name: liwei.Name, Role: access.Agent})
	if err != nil {
		return err
	}
	manager, err := book.Add(ctx, access.Draft{Email: fang.Address, Name: fang.Name, Role: access.Manager, Accounts: []string{fang.Address, support}})
	if err != nil {
		return err
	}
	_, err = book.AddTeam(ctx, access.TeamDraft{Name: "销售部", Members: []string{seller.ID}, Managers: []string{manager.ID}})
	d.people = map[string]Login{
		"admin":   {boss, ConsolePassword, "password"},
		"manager": {fang.Address, Password, "mailbox"},
		"agent":   {liwei.Address, Password, "mailbox"},
		"auditor": {watcher, ConsolePassword, "password"},
	}
	return err
}

// setUp uses a link as its page in a browser does.
func (d *demo) setUp(ctx context.Context, body map[string]string) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+"/api/v1/session/setup", bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
		return fmt.Errorf("set up the console: %s: %s", answer.Status, said)
	}
	return nil
}

// showPeople says who signs in at the console, and how.
func (d *demo) showPeople() {
	fmt.Fprintf(d.out, "\nThe console 管理控制台: %s\n", d.url)
	for _, role := range access.Roles() {
		l := d.people[string(role)]
		fmt.Fprintf(d.out, "  %s %s password 密码: %s\n", pad(string(role), 9), pad(l.Address, 28), l.Password)
	}
}

// ready is what the demo is by now.
func (d *demo) ready() Ready {
	return Ready{
		URL: d.url, People: d.people, Submission: d.gateway.Addr(submission).String(), IMAP: d.gateway.Addr(imapSTARTTLS).String(),
		IMAPS: d.gateway.Addr(imapTLS).String(), Accounts: strings.Split(addresses(), ", "), Password: Password, Provider: d.provider.IMAPSAddr,
		CAFile: filepath.Join(d.dir, "cert.pem"), ProviderCA: filepath.Join(d.dir, "provider-ca.pem"), Config: filepath.Join(d.dir, "config.yaml"),
	}
}
