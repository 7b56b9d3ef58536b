package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"heliograph/internal/gateway"
	"heliograph/proxy/backfill"

	"golang.org/x/term"
)

// fromEnv is the environment variable with the password of a side session.
const fromEnv = "HELIOGRAPH_PASSWORD"

// sideFlags are what all commands have that work on a side session.
type sideFlags struct {
	configFlag
	Account      string   `required:"" placeholder:"ADDRESS" help:"Whose mail: the login name at the mail server. 员工邮箱帐号"`
	Mailbox      []string `sep:"none" placeholder:"NAME" help:"Mailbox, as its name reads; may be repeated. Without it: INBOX. 邮箱文件夹，可重复"`
	All          bool     `help:"All mailboxes that the configuration captures. 全部文件夹"`
	Since        moment   `placeholder:"DAY" help:"Only what the mail server received since this day: 2026-01-31, or so long ago: 90d. 起始日期"`
	Before       moment   `placeholder:"DAY" help:"Only what it received before this day. 截止日期（不含当天）"`
	Rate         rate     `placeholder:"RATE" help:"Not faster than this: 5/s, 100/min, 2MB/s. 限速"`
	PasswordFile string   `type:"path" placeholder:"FILE" help:"Read the password from a file; - is standard input. Else it is taken from HELIOGRAPH_PASSWORD, else asked for. 密码文件"`
	Token        bool     `help:"The password is an OAuth2 access token (XOAUTH2). 使用 OAuth2 令牌"`
	JSON         bool     `help:"Print JSON, one object a line."`
}

// rate is backfill.Rate on the command line.
type rate struct{ backfill.Rate }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *rate) UnmarshalText(b []byte) (err error) {
	r.Rate, err = backfill.ParseRate(string(b))
	return err
}

type backfillCmd struct {
	sideFlags
	Limit  int  `placeholder:"N" help:"Fetch at most so many messages now, the oldest first. 本次最多封数"`
	DryRun bool `short:"n" help:"Only count what would be fetched. 预览，不写入"`
}

// Help is shown below the flags.
func (*backfillCmd) Help() string {
	return `The running gateway logs in at the mail server with the password given here, keeps it in memory only, and fetches
what it has not captured yet, without changing the mailbox. The next run does what is left, however this one ended.
Rules never fire on this mail.
网关使用此处提供的密码登录邮件服务器（密码只保存在内存中），补录尚未采集的邮件，不改变邮箱内容。可随时中断，再次运行即从中断处继续。补录的邮件不触发规则。

Examples 示例:
  heliograph backfill --account li@example.com --all --dry-run
  heliograph backfill --account li@example.com --mailbox INBOX --mailbox 客户/华东 --since 2026-01-01
  heliograph backfill --account li@example.com --all --since 365d --rate 2MB/s --password-file li.pw
  HELIOGRAPH_PASSWORD=… heliograph backfill --account li@example.com --limit 100`
}

// Run fetches what was not captured. The exit code is 1 when messages failed.
func (c *backfillCmd) Run(ctx context.Context) error {
	req, err := c.request(ctx)
	if err != nil {
		return err
	}
	req.Limit, req.DryRun = c.Limit, c.DryRun
	result, err := c.ask(ctx, gateway.ControlBackfill, req)
	if perr := c.print(result, c.table()); perr != nil {
		return perr
	}
	switch {
	case err != nil:
		return err
	case result.Counts.Failed > 0:
		return fmt.Errorf("%d messages could not be had; heliograph reconcile --fix tries them again", result.Counts.Failed)
	}
	return nil
}

func (c *backfillCmd) table() sideTable {
	if c.DryRun {
		return sideTable{
			head: []string{"MAILBOX", "MESSAGES", "TO FETCH", "SIZE"},
			row: func(r backfill.Row) []string {
				return []string{r.Mailbox, thousands(r.Messages), thousands(r.Missing), size(r.MissingBytes)}
			},
		}
	}
	return sideTable{
		head: []string{"MAILBOX", "MESSAGES", "CAPTURED", "EXCLUDED", "GONE", "FAILED", "LEFT", "SIZE"},
		row: func(r backfill.Row) []string {
			return []string{
				r.Mailbox, thousands(r.Messages), thousands(r.Captured), thousands(r.Excluded), thousands(r.Gone), thousands(r.Failed),
				thousands(r.Missing), size(r.Bytes),
			}
		},
	}
}

// request makes the request, and gets the password first of all: who is asked must still be there.
func (c *sideFlags) request(ctx context.Context) (*backfill.Request, error) {
	switch {
	case c.All && len(c.Mailbox) > 0:
		return nil, errors.New("give --mailbox or --all, not both")
	case !c.Since.IsZero() && !c.Before.IsZero() && !c.Since.Before(c.Before.Time):
		return nil, errors.New("--before must be after --since")
	}
	secret, err := c.secret(ctx)
	if err != nil {
		return nil, err
	}
	return &backfill.Request{
		Account: c.Account, Secret: secret, Token: c.Token, Mailboxes: c.Mailbox, All: c.All,
		Since: day(c.Since), Before: day(c.Before), Rate: c.Rate.Rate,
	}, nil
}

// day is the date of a moment here, as mail servers compare it: without time and zone.
func day(m moment) time.Time {
	if m.IsZero() {
		return time.Time{}
	}
	y, month, d := m.Date()
	return time.Date(y, month, d, 0, 0, 0, 0, time.UTC)
}

// maxSecret is more than any token has.
const maxSecret = 64 << 10

// secret reads the password from the first place that has it.
func (c *sideFlags) secret(ctx context.Context) ([]byte, error) {
	what := "password"
	if c.Token {
		what = "token"
	}
	var b []byte
	var err error
	env := os.Getenv(fromEnv)
	switch in := int(os.Stdin.Fd()); {
	case c.PasswordFile == "-":
		b, err = io.ReadAll(io.LimitReader(os.Stdin, maxSecret))
	case c.PasswordFile != "":
		b, err = readSecret(c.PasswordFile)
	case env != "":
		b = []byte(env)
	case term.IsTerminal(in):
		fmt.Fprintf(os.Stderr, "%s of %s: ", what, oneLine(c.Account))
		b, err = readPassword(ctx, in)
		fmt.Fprintln(os.Stderr)
	default:
		return nil, fmt.Errorf("there is no terminal to ask for the %s at: give --password-file, or set %s", what, fromEnv)
	}
	if err != nil {
		return nil, fmt.Errorf("read the %s: %w", what, err)
	}
	if b = bytes.TrimRight(b, "\r\n"); len(b) == 0 {
		return nil, fmt.Errorf("the %s is empty", what)
	}
	return b, nil
}

// readPassword reads a line without echo. Ctrl-C, which ends ctx, ends the waiting too.
func readPassword(ctx context.Context, fd int) ([]byte, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() { // it stays in the read when ctx ends, and the program ends then
		text, err := term.ReadPassword(fd)
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		return l.text, l.err
	case <-ctx.Done():
		return nil, errors.Join(errors.New("interrupted"), term.Restore(fd, before))
	}
}

func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSecret))
}

// ask lets the gateway work and shows how it gets on.
func (c *sideFlags) ask(ctx context.Context, path string, req *backfill.Request) (backfill.Result, error) {
	cfg, err := c.load()
	if err != nil {
		clear(req.Secret)
		return backfill.Result{}, err
	}
	meter := newMeter(os.Stderr, time.Now)
	if c.JSON {
		meter = nil
	}
	done := 0
	result, err := gateway.Control(ctx, cfg.DataDir, path, req, func(e backfill.Event) {
		done = e.Counts.Done()
		if c.JSON {
			_ = printJSON(e) // the last print tells
			return
		}
		meter.event(e)
	})
	meter.end()
	if errors.Is(err, context.Canceled) {
		err = fmt.Errorf("stopped after %s messages; the same command goes on where this one ended", thousands(done))
	}
	return result, err
}

// sideTable is how rows are shown.
type sideTable struct {
	head []string
	row  func(backfill.Row) []string
}

// print shows what a run came to.
func (c *sideFlags) print(result backfill.Result, how sideTable) error {
	switch {
	case c.JSON:
		return printJSON(result)
	case len(result.Rows) == 0:
		return nil // it ended before it looked into a mailbox, and the error says why
	}
	t := &table{head: how.head}
	for i := range how.head[1:] {
		t.right = append(t.right, i+1)
	}
	for _, r := range result.Rows {
		if r.Skipped == "" {
			t.add(how.row(r)...)
		}
	}
	if len(t.rows) > 0 {
		if err := t.print(os.Stdout); err != nil {
			return err
		}
	}
	for _, r := range result.Rows {
		if r.Skipped != "" {
			fmt.Printf("%s: %s\n", oneLine(r.Mailbox), oneLine(r.Skipped))
		}
		for _, f := range r.Failures {
			fmt.Printf("%s: message %d failed: %s\n", oneLine(r.Mailbox), f.UID, oneLine(f.Reason))
		}
	}
	return nil
}
