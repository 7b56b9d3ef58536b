package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"heliograph/config"
	"heliograph/internal/accounts"
	"heliograph/internal/oauth"
	"heliograph/proxy/upstream"
)

type accountEnrollCmd struct {
	Address  string       `arg:"" help:"The mail account. 邮箱地址"`
	Upstream string       `help:"Where it is; empty: by its domain. 上游名称"`
	Login    string       `help:"User name at the provider, if it is another than the address, as of a shared mailbox. 登录名"`
	By       accounts.Way `enum:"code,device,password," default:"" help:"How: device (a code that is typed on any device), code (the browser of this machine), password (an app password or authorization code). Empty: the best that the provider has. 登记方式"`
	// Programs is negatable: a watched mailbox needs no gateway password.
	Programs bool `default:"true" negatable:"" help:"Make a gateway password for mail programs. 生成网关密码"`
	callbackFlags
	PasswordFile string `help:"Read the app password or authorization code from this file, or from standard input (-). 授权码文件"`
}

// Run enrols an account.
func (c *accountEnrollCmd) Run(ctx context.Context, parent *accountCmd) error {
	return parent.with(ctx, func(a access) error {
		name, err := c.upstreamName(a.cfg)
		if err != nil {
			return err
		}
		ways, err := a.book.Ways(name)
		if err != nil {
			return err
		}
		way := ways[0]
		if c.PasswordFile != "" {
			way = accounts.WayPassword
		}
		if c.By != "" {
			way = c.By
		}
		if !slices.Contains(ways, way) {
			return fmt.Errorf("upstream %s does not offer %s: there is %s", name, way, joinWays(ways))
		}
		e := accounts.Enrolment{Address: accounts.Address(c.Address), Upstream: name, Login: c.Login}
		if e.Login == "" {
			e.Login = e.Address
		}
		given, err := c.ask(ctx, a, e, way)
		if err != nil {
			return err
		}
		password, err := a.book.Enroll(ctx, e, given, c.Programs)
		if err != nil {
			return err
		}
		c.tell(e, password)
		return nil
	})
}

func joinWays(ways []accounts.Way) string {
	var words []string
	for _, w := range ways {
		words = append(words, string(w))
	}
	return strings.Join(words, ", ")
}

// upstreamName finds where the account is.
func (c *accountEnrollCmd) upstreamName(cfg *config.Config) (string, error) {
	if !strings.Contains(c.Address, "@") {
		return "", fmt.Errorf("%q is no mail address", c.Address)
	}
	router, err := upstream.New(cfg.Upstreams, upstream.Options{})
	if err != nil {
		return "", err
	}
	defer router.Close()
	u, err := router.Route(c.Upstream, "", c.Address)
	if err != nil {
		return "", err
	}
	if u.Config().SignIn != config.SignInEnrolled {
		return "", fmt.Errorf("the gateway does not sign in at upstream %s: set sign_in: enrolled there. 请在该上游配置 sign_in: enrolled", u.Name())
	}
	return u.Name(), nil
}

// ask gets what the provider wants from the employee.
func (c *accountEnrollCmd) ask(ctx context.Context, a access, e accounts.Enrolment, way accounts.Way) (accounts.Given, error) {
	switch way {
	case accounts.WayNone:
		return accounts.Given{}, nil
	case accounts.WayPassword:
		password, err := c.password(ctx, a.cfg, e)
		return accounts.Given{Password: password}, err
	case accounts.WayDevice:
		d, err := a.book.BeginDevice(ctx, e.Upstream)
		if err != nil {
			return accounts.Given{}, err
		}
		fmt.Printf("Open %s on any device and type the code %s\n", d.URL, d.Code)
		fmt.Printf("Sign in there as %s. The code is good until %s.\n", e.Login, clock(d.Expires))
		fmt.Println("请在任意设备打开上述网址并输入代码，用该邮箱账号登录。")
		consent, err := a.book.FinishDevice(ctx, e.Upstream, d)
		return accounts.Given{Consent: &consent}, err
	default:
		back, err := c.open()
		if err != nil {
			return accounts.Given{}, err
		}
		defer back.close()
		flow, err := a.book.BeginCode(e.Upstream, e.Login, back.redirect)
		if err != nil {
			return accounts.Given{}, err
		}
		consent, err := back.wait(ctx, flow, func(ctx context.Context, callback string) (oauth.Consent, error) {
			return a.book.FinishCode(ctx, e.Upstream, flow, callback)
		})
		return accounts.Given{Consent: &consent}, err
	}
}

// password reads an app password or authorization code.
func (c *accountEnrollCmd) password(ctx context.Context, cfg *config.Config, e accounts.Enrolment) (string, error) {
	var b []byte
	var err error
	in := int(os.Stdin.Fd())
	switch {
	case c.PasswordFile == "-":
		b, err = io.ReadAll(io.LimitReader(os.Stdin, maxSecret))
	case c.PasswordFile != "":
		b, err = readSecret(c.PasswordFile)
	case term.IsTerminal(in):
		if hint := hintOf(cfg, e.Upstream); hint != "" {
			fmt.Fprintln(os.Stderr, hint)
		}
		fmt.Fprintf(os.Stderr, "app password or authorization code (授权码) of %s: ", oneLine(e.Login))
		b, err = readPassword(ctx, in)
		fmt.Fprintln(os.Stderr)
	default:
		return "", errors.New("there is no terminal to ask for the authorization code at: give --password-file")
	}
	if err != nil {
		return "", fmt.Errorf("read the authorization code: %w", err)
	}
	if b = bytes.TrimSpace(b); len(b) == 0 {
		return "", errors.New("the authorization code is empty")
	}
	return string(b), nil
}

func hintOf(cfg *config.Config, name string) string {
	for i := range cfg.Upstreams {
		if u := &cfg.Upstreams[i]; u.Name == name {
			p, _ := u.Preset()
			return p.Hint
		}
	}
	return ""
}

// tell says what the employee has to do now.
func (c *accountEnrollCmd) tell(e accounts.Enrolment, password string) {
	fmt.Printf("%s is enrolled at upstream %s. 登记完成\n", e.Address, e.Upstream)
	if password == "" {
		fmt.Println("There is no gateway password: only the gateway itself uses this account. 未生成网关密码")
	} else {
		fmt.Printf("\n    gateway password: %s\n\n", password)
		fmt.Println("Type it into the mail program in place of the password of the account. It is good at this gateway only, and it is not shown again.")
		fmt.Println("请在邮件客户端中用此网关密码代替邮箱密码；它只显示这一次。")
	}
	fmt.Printf("Try it with: heliograph account test %s\n", e.Address)
}
