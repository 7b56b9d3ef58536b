package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/catalog"
	"heliograph/internal/accounts"
	"heliograph/internal/gateway"
	"heliograph/internal/oauth"
	"heliograph/internal/store"
	"heliograph/proxy/upstream"
)

// accountCmd are the commands for access that a person gives: to CRMs that want one's consent, and to mail accounts.
type accountCmd struct {
	configFlag
	List    accountListCmd    `cmd:"" default:"withargs" help:"List what was connected and enrolled, and what is wrong with it. 授权列表"`
	Show    accountShowCmd    `cmd:"" help:"Show one connection or account. 详情"`
	Connect accountConnectCmd `cmd:"" help:"Give the gateway access to a CRM by signing in to it with a browser. 授权连接 CRM"`
	Enroll  accountEnrollCmd  `cmd:"" help:"Let the gateway sign in for a mail account, and get a gateway password for mail programs. 登记邮箱账号"`
	Test    accountTestCmd    `cmd:"" help:"Try a connection or account: get a token and sign in. 测试授权"`
	Revoke  accountRevokeCmd  `cmd:"" help:"Delete the access to a CRM or mail account. 撤销授权"`
}

// access is what the commands work on.
type access struct {
	cfg   *config.Config
	db    *store.DB
	keeps *oauth.Keeper
	book  *accounts.Book
}

func (c *accountCmd) with(ctx context.Context, do func(access) error) (err error) {
	cfg, db, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	log := gateway.NewLogger(config.Log{Level: "warn", Format: "text"}, os.Stderr)
	keeps, err := gateway.OpenTokens(cfg, db, log, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, keeps.Close()) }()
	book, err := accounts.Open(accounts.Options{Store: db, Keeper: keeps, Upstreams: cfg.Upstreams, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, book.Close()) }()
	return do(access{cfg, db, keeps, book})
}

// target opens the client of a target.
func (a access) target(name string) (crmclient.Client, error) {
	i := slices.IndexFunc(a.cfg.Targets, func(t config.Target) bool { return t.Name == name })
	if i < 0 {
		var names []string
		for _, t := range a.cfg.Targets {
			names = append(names, t.Name)
		}
		return nil, fmt.Errorf("there is no target %q: there are %s", name, strings.Join(names, ", "))
	}
	return catalog.New(a.cfg.Targets[i], catalog.Deps{Store: a.db, UserAgent: "Heliograph/" + buildVersion(), Tokens: a.keeps})
}

// grantName is the name under which what the user means is stored.
func grantName(name string) string {
	if strings.Contains(name, "@") {
		return "account:" + accounts.Address(name)
	}
	return "target:" + name
}

// accessRow is one line of the list.
type accessRow struct {
	Name     string    `json:"name"`
	What     string    `json:"what"` // crm or mail
	Kind     string    `json:"kind,omitempty"`
	Upstream string    `json:"upstream,omitempty"`
	Login    string    `json:"login,omitempty"`
	Password bool      `json:"gateway_password,omitempty"`
	Granted  time.Time `json:"granted,omitzero"`
	Expires  time.Time `json:"token_expires,omitzero"`
	Trouble  string    `json:"trouble,omitempty"`
	Failed   time.Time `json:"failed,omitzero"`
}

func (a access) rows(ctx context.Context) ([]accessRow, error) {
	grants, err := a.keeps.List(ctx)
	if err != nil {
		return nil, err
	}
	enrolled, err := a.book.List(ctx)
	if err != nil {
		return nil, err
	}
	byName := map[string]oauth.Info{}
	var rows []accessRow
	for _, g := range grants {
		byName[g.Name] = g
		of, name, _ := strings.Cut(g.Name, ":")
		if of != "account" {
			rows = append(rows, accessRow{Name: name, What: map[string]string{"target": "crm", "upstream": "mail server"}[of], Kind: g.Kind, Granted: g.Granted, Expires: g.Expires, Trouble: g.Trouble, Failed: g.Failed})
		}
	}
	for _, e := range enrolled {
		g := byName[grantName(e.Address)]
		r := accessRow{
			Name: e.Address, What: "mail", Kind: g.Kind, Upstream: e.Upstream, Login: e.Login, Password: e.Password,
			Granted: e.Changed, Expires: g.Expires, Trouble: g.Trouble, Failed: g.Failed,
		}
		if r.Kind == "" {
			r.Kind = "application"
		}
		rows = append(rows, r)
	}
	return rows, nil
}

type accountListCmd struct {
	JSON bool `help:"Print JSON, one object a line."`
}

// Run prints all access.
func (c *accountListCmd) Run(ctx context.Context, parent *accountCmd) error {
	return parent.with(ctx, func(a access) error {
		rows, err := a.rows(ctx)
		if err != nil {
			return err
		}
		head := &table{head: []string{"NAME", "WHAT", "KIND", "UPSTREAM", "SINCE", "TROUBLE"}}
		return printList(rows, false, c.JSON, "connections", head, func(r accessRow) []string {
			return []string{r.Name, r.What, r.Kind, r.Upstream, clock(r.Granted), r.Trouble}
		})
	})
}

type accountShowCmd struct {
	Name string `arg:"" help:"Target, or address of the account. 目标名称或邮箱地址"`
	JSON bool   `help:"Print JSON."`
}

// Run prints one.
func (c *accountShowCmd) Run(ctx context.Context, parent *accountCmd) error {
	return parent.with(ctx, func(a access) error {
		rows, err := a.rows(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(rows, func(r accessRow) bool { return r.Name == strings.ToLower(c.Name) || r.Name == c.Name })
		if i < 0 {
			return unknownAccess(c.Name)
		}
		r := rows[i]
		if c.JSON {
			return printJSON(r)
		}
		for _, line := range [][2]string{
			{"name", r.Name},
			{"what", r.What},
			{"kind", r.Kind},
			{"upstream", r.Upstream},
			{"login at the provider", r.Login},
			{"gateway password", map[bool]string{true: "yes", false: ""}[r.Password]},
			{"since", clock(r.Granted)},
			{"access token until", clock(r.Expires)},
			{"last failure", clock(r.Failed)},
			{"trouble", r.Trouble},
		} {
			if line[1] != "" {
				fmt.Printf("%-22s %s\n", line[0], oneLine(line[1]))
			}
		}
		return nil
	})
}

func unknownAccess(name string) error {
	if strings.Contains(name, "@") {
		return fmt.Errorf("%s is not enrolled: run heliograph account enroll %s", name, name)
	}
	return fmt.Errorf("%q has no stored access: see heliograph account list, or run heliograph account connect %s", name, name)
}

type accountTestCmd struct {
	Name string `arg:"" help:"Target, or address of the account. 目标名称或邮箱地址"`
}

// Run signs in once everywhere.
func (c *accountTestCmd) Run(ctx context.Context, parent *accountCmd) error {
	return parent.with(ctx, func(a access) error {
		if strings.Contains(c.Name, "@") {
			return a.tryAccount(ctx, c.Name)
		}
		client, err := a.target(c.Name)
		if err != nil {
			return err
		}
		defer closeClient(client)
		checker, ok := crmclient.As[crmclient.Checker](client)
		if !ok {
			return fmt.Errorf("target %q cannot be tried without writing to it", c.Name)
		}
		line, err := checker.Check(ctx)
		if err != nil {
			return withRemedy(err)
		}
		fmt.Println(line)
		return nil
	})
}

// withRemedy adds what a person can do.
func withRemedy(err error) error {
	if e := new(crmclient.Error); errors.As(err, &e) && e.Remedy != "" {
		return fmt.Errorf("%w: %s", err, e.Remedy)
	}
	return err
}

func closeClient(c crmclient.Client) {
	if c, ok := c.(interface{ Close() error }); ok {
		_ = c.Close() // of idle connections
	}
}

// tryAccount signs in at the provider, by each protocol that it has.
func (a access) tryAccount(ctx context.Context, address string) error {
	account, found, err := a.book.Account(ctx, address)
	if err != nil {
		return err
	}
	if !found {
		return unknownAccess(address)
	}
	router, err := upstream.New(a.cfg.Upstreams, upstream.Options{Accounts: a.book})
	if err != nil {
		return err
	}
	defer router.Close()
	u, err := router.Route(account.Upstream, "", account.Address)
	if err != nil {
		return err
	}
	failed := 0
	for _, p := range []struct {
		name string
		has  bool
		try  func(context.Context, *accounts.Account) error
	}{{"SMTP", u.HasSMTP(), u.TrySMTP}, {"IMAP", u.HasIMAP(), u.TryIMAP}} {
		if !p.has {
			continue
		}
		if err := p.try(ctx, account); err != nil {
			failed++
			fmt.Printf("%s  %v\n", p.name, err)
			continue
		}
		fmt.Printf("%s  signed in as %s\n", p.name, account.Login)
	}
	if failed > 0 {
		return errors.New("the account cannot sign in")
	}
	return nil
}

type accountRevokeCmd struct {
	Name string `arg:"" help:"Target, or address of the account. 目标名称或邮箱地址"`
}

// Run deletes an access.
func (c *accountRevokeCmd) Run(ctx context.Context, parent *accountCmd) error {
	return parent.with(ctx, func(a access) error {
		if !strings.Contains(c.Name, "@") {
			rows, err := a.rows(ctx)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(rows, func(r accessRow) bool { return r.Name == c.Name }) {
				return unknownAccess(c.Name)
			}
			if _, err := a.keeps.Forget(ctx, grantName(c.Name)); err != nil {
				return err
			}
			fmt.Printf("the access to %s is deleted here; delete it in the vendor's settings too. 已删除本地授权\n", c.Name)
			return nil
		}
		found, told, err := a.book.Remove(ctx, c.Name)
		switch {
		case !found && err == nil:
			return unknownAccess(c.Name)
		case !found:
			return err
		case told:
			fmt.Printf("%s is not enrolled any more, and the provider has ended the grant. 已撤销授权\n", accounts.Address(c.Name))
		default:
			fmt.Printf("%s is not enrolled any more; take the application out in the account's settings at the provider too. 已删除本地授权\n", accounts.Address(c.Name))
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "the provider could not be told: %v\n", err)
		}
		return nil
	})
}
