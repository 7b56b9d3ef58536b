package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"heliograph/config"
	"heliograph/hooks/mirror"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/journal"
	"heliograph/internal/store"
)

type scopePreviewCmd struct {
	Which   string `arg:"" help:"A mail file, a Message-ID, or an entry. 邮件文件、Message-ID 或条目编号"`
	Account string `help:"Of a file: whose copy it is. 文件所属员工"`
	Folder  string `default:"INBOX" help:"Of a file: where it lies. 文件所在文件夹"`
	Show    bool   `help:"Show subject and text as they are and as they would be masked. 显示脱敏前后内容"`
	JSON    bool   `help:"Print JSON, one object a copy."`
}

// Run tells what would become of each copy. It writes nothing and asks no target.
func (c *scopePreviewCmd) Run(ctx context.Context, parent *scopeCmd) (err error) {
	cfg, db, err := parent.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	o, err := previewOptions(cfg, db)
	if err != nil {
		return err
	}
	entries, err := c.entries(ctx, db.Reader())
	if err != nil {
		return err
	}
	for _, e := range entries {
		p, err := c.one(ctx, cfg, o, e)
		if err != nil {
			return err
		}
		if c.JSON {
			err = printJSON(p)
		} else {
			c.print(&p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func previewOptions(cfg *config.Config, db *store.DB) (o mirror.PreviewOptions, err error) {
	o = mirror.PreviewOptions{Targets: cfg.Targets, Store: db.Reader()}
	own := cfg.InternalDomains()
	o.Internal = func(address string) bool {
		return slices.ContainsFunc(own, func(d string) bool { return strings.EqualFold(d, address[strings.LastIndexByte(address, '@')+1:]) })
	}
	if o.Scope, err = scope.New(scope.Options{Privacy: cfg.Privacy, Internal: cfg.Mirror.Internal, Choices: scope.NewChoices(db, nil)}); err != nil {
		return o, err
	}
	o.Masking, err = scope.NewMasking(cfg.Privacy.Masking)
	return o, err
}

// maxPreviews bounds how many copies of a message are shown.
const maxPreviews = 20

// entries finds what is meant; a file is an entry that is nowhere.
func (c *scopePreviewCmd) entries(ctx context.Context, q store.Querier) (out []journal.Entry, err error) {
	if info, err := os.Stat(c.Which); err == nil && info.Mode().IsRegular() {
		return []journal.Entry{{Envelope: journal.Envelope{
			Kind: journal.KindFetch, Account: strings.ToLower(c.Account), Mailbox: c.Folder, Received: info.ModTime(), Size: info.Size(),
		}}}, nil
	}
	f := journal.LedgerFilter{MessageID: strings.Trim(c.Which, "<> "), Limit: 1000}
	if id, err := journal.ParseID(c.Which); err == nil {
		f = journal.LedgerFilter{Entry: id, Limit: 1000}
	}
	rows, err := journal.ReadLedger(ctx, q, f)
	if err != nil {
		return nil, err
	}
	seen := map[journal.ID]bool{}
	for _, r := range rows {
		if seen[r.Entry] || len(out) >= maxPreviews {
			continue
		}
		seen[r.Entry] = true
		e, err := journal.ReadEntry(ctx, q, r.Entry)
		if errors.Is(err, journal.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%q is no file, and the journal has no such message", c.Which)
	}
	return out, nil
}

func (c *scopePreviewCmd) one(ctx context.Context, cfg *config.Config, o mirror.PreviewOptions, e journal.Entry) (p mirror.Preview, err error) {
	var body io.ReadCloser
	if e.ID == (journal.ID{}) {
		body, err = os.Open(c.Which)
	} else {
		body, err = journal.ReadBody(filepath.Join(cfg.DataDir, "journal"), cfg.Journal.KeyFile, e)
	}
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	if p, err = mirror.Foresee(ctx, o, e, body); err == nil && e.ID != (journal.ID{}) {
		p.Entry = e.ID.String()
	}
	return p, err
}

func (c *scopePreviewCmd) print(p *mirror.Preview) {
	what := "stays here"
	if p.Decision.Include {
		what = "may be mirrored"
	}
	fmt.Printf("%s: %s\n", what, oneLine(p.Reason))
	if p.Decision.Message {
		fmt.Println("  this is about the message: no copy of it may leave")
	}
	field("entry", p.Entry)
	field("message-id", p.MessageID)
	field("account", p.Account)
	field("mailbox", p.Mailbox)
	field("direction", string(p.Direction))
	fmt.Println("rules, as they were looked at:")
	for _, s := range p.Rules {
		matched := "no "
		if s.Matched {
			matched = "YES"
		}
		fmt.Printf("  %s %-20s %s: %s\n", matched, oneLine(s.Rule), s.Action, oneLine(s.Why))
	}
	fmt.Println("targets:")
	for _, t := range p.Targets {
		if !t.Include {
			fmt.Printf("  %s: nothing (%s)\n", t.Name, oneLine(t.Reason))
			continue
		}
		var masked []string
		for _, kind := range slices.Sorted(maps.Keys(t.Masked)) {
			masked = append(masked, fmt.Sprintf("%d %s", t.Masked[kind], kind))
		}
		if len(masked) == 0 {
			masked = []string{"nothing"}
		}
		fmt.Printf("  %s: gets it; masked: %s\n", t.Name, strings.Join(masked, ", "))
		if c.Show {
			showMasked(t)
		}
	}
}

// showMasked prints the lines that masking changes.
func showMasked(t mirror.PreviewTarget) {
	before, after := strings.Split(t.Before.Subject+"\n"+t.Before.Text, "\n"), strings.Split(t.After.Subject+"\n"+t.After.Text, "\n")
	for i := range before {
		if i < len(after) && before[i] != after[i] {
			fmt.Printf("    - %s\n    + %s\n", cut(oneLine(before[i]), 200), cut(oneLine(after[i]), 200))
		}
	}
}
