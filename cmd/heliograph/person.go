package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"heliograph/config"
	signin "heliograph/internal/console/access" // package main has a type access
)

// personCmd are the commands for who may sign in at the console. They work on the store, beside a running gateway or without one.
type personCmd struct {
	configFlag
	List        personListCmd        `cmd:"" default:"withargs" help:"List who may sign in. 人员列表"`
	Add         personAddCmd         `cmd:"" help:"Enter a person, and print a link to set a password with. 添加人员"`
	Role        personRoleCmd        `cmd:"" help:"Give a person another role or scope. 更改角色"`
	Disable     personDisableCmd     `cmd:"" help:"Shut a person out; sessions end at once. 停用"`
	Enable      personEnableCmd      `cmd:"" help:"Let a person in again. 启用"`
	Reset       personResetCmd       `cmd:"" help:"For who is locked out: remove second factors, end sessions, and print a link to set a password with. 重置登录"`
	EndSessions personEndSessionsCmd `cmd:"" help:"Sign a person out everywhere. 强制退出"`
	SetupLink   personSetupLinkCmd   `cmd:"" help:"Print a link that makes the first admin. 首位管理员链接"`
}

// with opens the book. What is to be changed is put on record first.
func (c *personCmd) with(ctx context.Context, do func(*config.Config, *signin.Book) error, changes ...deed) (err error) {
	cfg, db, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, d := range changes {
		if err := record(ctx, cfg, db, d); err != nil {
			return err
		}
	}
	return do(cfg, signin.NewBook(db))
}

// change does something to the person of an address.
func (c *personCmd) change(ctx context.Context, email string, d deed, do func(*config.Config, *signin.Book, *signin.User) error) error {
	d.kind, d.object = "people", strings.ToLower(email)
	return c.with(ctx, func(cfg *config.Config, b *signin.Book) error {
		u, err := b.ByEmail(ctx, email)
		if errors.Is(err, signin.ErrNotFound) {
			return fmt.Errorf("nobody has the address %s", oneLine(email))
		}
		if err != nil {
			return err
		}
		return do(cfg, b, u)
	}, d)
}

type personListCmd struct {
	Search string `help:"Only whose name or address has this. 搜索"`
	listFlags
}

// personLine is a person in JSON.
type personLine struct {
	ID       string       `json:"id"`
	Email    string       `json:"email"`
	Name     string       `json:"name"`
	Role     signin.Role  `json:"role"`
	Scope    signin.Scope `json:"scope"`
	Accounts []string     `json:"accounts"`
	Disabled bool         `json:"disabled"`
	Password bool         `json:"has_password"`
	Factors  int          `json:"second_factors"`
	Created  time.Time    `json:"created_at"`
	SignedIn time.Time    `json:"last_sign_in_at,omitzero"`
}

// Run lists people by their addresses.
func (c *personListCmd) Run(ctx context.Context, parent *personCmd) error {
	return parent.with(ctx, func(_ *config.Config, b *signin.Book) error {
		list, more, err := b.People(ctx, signin.PeopleFilter{Search: c.Search, Limit: c.Limit})
		if err != nil {
			return err
		}
		lines := make([]personLine, 0, len(list))
		for _, u := range list {
			lines = append(lines, personLine{
				ID: u.ID, Email: u.Email, Name: u.Name, Role: u.Role, Scope: u.Scope, Accounts: u.Accounts, Disabled: u.Disabled, Password: u.HasPassword, Factors: u.Factors,
				Created: u.Created, SignedIn: u.SignedIn,
			})
		}
		t := &table{head: []string{"ADDRESS", "NAME", "ROLE", "SCOPE", "STATE", "PASSWORD", "FACTORS", "LAST SIGN-IN"}, right: []int{6}}
		return printList(lines, more, c.JSON, "people", t, func(l personLine) []string {
			state, password := "active", "no"
			if l.Disabled {
				state = "disabled"
			}
			if l.Password {
				password = "yes"
			}
			return []string{l.Email, l.Name, string(l.Role), string(l.Scope), state, password, fmt.Sprint(l.Factors), clock(l.SignedIn)}
		})
	})
}

type personAddCmd struct {
	Address string       `arg:"" help:"Mail address. 邮箱"`
	Name    string       `help:"Name. 姓名"`
	Role    signin.Role  `required:"" enum:"admin,manager,agent,auditor" help:"admin, manager, agent or auditor. 角色"`
	Scope   signin.Scope `enum:",own,team,all" default:"" help:"Whose mail: own, team or all; without it what is usual for the role. 数据范围"`
}

// Run enters a person.
func (c *personAddCmd) Run(ctx context.Context, parent *personCmd) error {
	d := deed{"createPerson", "people", strings.ToLower(c.Address), map[string]any{"role": string(c.Role), "scope": string(c.Scope)}}
	d.name(c.Name)
	return parent.with(ctx, func(cfg *config.Config, b *signin.Book) error {
		u, err := b.Add(ctx, signin.Draft{Email: c.Address, Name: c.Name, Role: c.Role, Scope: c.Scope})
		if err != nil {
			return fmt.Errorf("%s: %w", oneLine(c.Address), err)
		}
		return printInvitation(ctx, cfg, b, u)
	}, d)
}

// printInvitation makes a link and prints it, for who typed the command to hand over.
func printInvitation(ctx context.Context, cfg *config.Config, b *signin.Book, u *signin.User) error {
	token, until, err := b.Invite(ctx, u.ID)
	if err != nil {
		return err
	}
	fmt.Printf("%s sets a password with this link, once, until %s:\n%s\n", u.Email, clock(until), signin.LinkURL(cfg.Console, token))
	return nil
}

type personRoleCmd struct {
	Address string       `arg:"" help:"Mail address. 邮箱"`
	Role    signin.Role  `arg:"" enum:"admin,manager,agent,auditor" help:"admin, manager, agent or auditor. 角色"`
	Scope   signin.Scope `enum:",own,team,all" default:"" help:"Whose mail: own, team or all. 数据范围"`
}

// Run changes a role. It holds from the person's next request on.
func (c *personRoleCmd) Run(ctx context.Context, parent *personCmd) error {
	d := deed{action: "changePerson", details: map[string]any{"role": string(c.Role), "scope": string(c.Scope)}}
	return parent.change(ctx, c.Address, d, func(_ *config.Config, b *signin.Book, u *signin.User) error {
		u, err := b.Change(ctx, u.ID, signin.Change{Role: c.Role, Scope: c.Scope})
		if err != nil {
			return err
		}
		fmt.Printf("%s is %s now and sees the mail of scope %s\n", u.Email, u.Role, u.Scope)
		return nil
	})
}

type personDisableCmd struct {
	Address string `arg:"" help:"Mail address. 邮箱"`
}

// Run shuts a person out.
func (c *personDisableCmd) Run(ctx context.Context, parent *personCmd) error {
	return parent.setDisabled(ctx, c.Address, "disablePerson", true)
}

type personEnableCmd struct {
	Address string `arg:"" help:"Mail address. 邮箱"`
}

// Run lets a person in again.
func (c *personEnableCmd) Run(ctx context.Context, parent *personCmd) error {
	return parent.setDisabled(ctx, c.Address, "enablePerson", false)
}

func (c *personCmd) setDisabled(ctx context.Context, email, action string, disabled bool) error {
	return c.change(ctx, email, deed{action: action}, func(_ *config.Config, b *signin.Book, u *signin.User) error {
		if _, err := b.Change(ctx, u.ID, signin.Change{Disabled: &disabled}); err != nil {
			return err
		}
		if disabled {
			fmt.Printf("%s is disabled\n", u.Email)
		} else {
			fmt.Printf("%s may sign in\n", u.Email)
		}
		return nil
	})
}

type personResetCmd struct {
	Address string `arg:"" help:"Mail address. 邮箱"`
}

// Run lets somebody in who lost password or phone.
func (c *personResetCmd) Run(ctx context.Context, parent *personCmd) error {
	return parent.change(ctx, c.Address, deed{action: "resetFactors"}, func(cfg *config.Config, b *signin.Book, u *signin.User) error {
		if err := b.ResetFactors(ctx, u.ID); err != nil {
			return err
		}
		return printInvitation(ctx, cfg, b, u)
	})
}

type personEndSessionsCmd struct {
	Address string `arg:"" help:"Mail address. 邮箱"`
}

// Run signs a person out everywhere.
func (c *personEndSessionsCmd) Run(ctx context.Context, parent *personCmd) error {
	return parent.change(ctx, c.Address, deed{action: "endPersonSessions"}, func(_ *config.Config, b *signin.Book, u *signin.User) error {
		if err := b.EndSessions(ctx, u.ID); err != nil {
			return err
		}
		fmt.Printf("%s is signed out everywhere\n", u.Email)
		return nil
	})
}

type personSetupLinkCmd struct{}

// Run prints a link that makes the first admin.
func (c *personSetupLinkCmd) Run(ctx context.Context, parent *personCmd) error {
	return parent.with(ctx, func(cfg *config.Config, b *signin.Book) error {
		token, until, err := b.FirstAdminLink(ctx)
		if errors.Is(err, signin.ErrHasAdmin) {
			return fmt.Errorf("%w: heliograph person list shows who; heliograph person reset lets somebody in again who is locked out", err)
		}
		if err != nil {
			return err
		}
		fmt.Printf("whoever opens this link first becomes the admin, until %s:\n%s\n", clock(until), signin.LinkURL(cfg.Console, token))
		return nil
	}, deed{"setupLink", "people", "", nil})
}
