package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"heliograph/config"
	"heliograph/hooks/rules"
	signin "heliograph/internal/console/access" // package main has a type access
	"heliograph/internal/console/audit"
	"heliograph/internal/gateway"
	"heliograph/internal/store"
)

// auditCmd are the commands for the record of who saw or changed what.
type auditCmd struct {
	configFlag
	List   auditListCmd   `cmd:"" default:"withargs" help:"List what was done, the newest first. 操作记录"`
	Verify auditVerifyCmd `cmd:"" help:"Check that nobody changed the record. 校验完整性"`
	Export auditExportCmd `cmd:"" help:"Write the record as JSON lines or CSV. 导出"`
}

func (c *auditCmd) with(ctx context.Context, do func(*audit.Log) error) (err error) {
	cfg, db, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	l, err := gateway.OpenAudit(cfg, db)
	if err != nil {
		return err
	}
	return do(l)
}

// auditFilter chooses rows.
type auditFilter struct {
	Person  string        `help:"Only of this person. 人员邮箱"`
	Action  string        `help:"Only this action, such as signIn, or all that begin so: sign*. 操作"`
	Kind    string        `help:"Only for this kind of object, such as rules. 对象类型"`
	Object  string        `help:"Only for this object. 对象编号"`
	Outcome audit.Outcome `enum:",allowed,done,refused,failed" default:"" help:"Only allowed, done, refused or failed. 结果"`
	Since   moment        `help:"Only from then on: 2026-01-31, or how long ago, such as 7d. 起始时间"`
	Until   moment        `help:"Only before then. 截止时间"`
}

func (f *auditFilter) filter() audit.Filter {
	return audit.Filter{Person: f.Person, Action: f.Action, Kind: f.Kind, Object: f.Object, Outcome: f.Outcome, From: f.Since.Time, To: f.Until.Time}
}

type auditListCmd struct {
	auditFilter
	listFlags
}

// Run lists rows, the newest first; views that are still counted come before them.
func (c *auditListCmd) Run(ctx context.Context, parent *auditCmd) error {
	return parent.with(ctx, func(l *audit.Log) error {
		f := c.filter()
		f.Limit = c.Limit + 1
		open, err := l.Open(ctx, f)
		if err != nil {
			return err
		}
		list, err := l.List(ctx, f)
		if err != nil {
			return err
		}
		list = slices.Concat(open, list)
		more := len(list) > c.Limit
		list = list[:min(len(list), c.Limit)]
		if c.JSON {
			return printJSON(list...)
		}
		t := &table{head: []string{"SEQ", "AT", "WHO", "VIA", "ACTION", "OBJECT", "OUTCOME", "TIMES", "DETAILS"}, right: []int{0, 7}}
		return printList(list, more, false, "rows", t, func(r audit.Row) []string {
			who := r.Person
			if who == "" {
				who = r.Credential
			}
			return []string{number(r.Seq), clock(r.At), who, string(r.Via), r.Action, r.Object, string(r.Outcome), fmt.Sprint(r.Count), r.Details}
		})
	})
}

type auditVerifyCmd struct{}

// Run follows the chain. A broken one is an error.
func (c *auditVerifyCmd) Run(ctx context.Context, parent *auditCmd) error {
	return parent.with(ctx, func(l *audit.Log) error {
		v, err := l.Verify(ctx)
		if err != nil {
			return err
		}
		if v.Broken != nil {
			return fmt.Errorf("the audit record is broken at row %d: %s; %d rows before it are as they were recorded", v.Broken.Seq, v.Broken.Reason, v.Rows)
		}
		fmt.Printf("%d rows, all as they were recorded\n", v.Rows)
		return nil
	})
}

type auditExportCmd struct {
	auditFilter
	Format string `enum:"jsonl,csv" default:"jsonl" help:"jsonl or csv."`
}

// Run writes rows to standard output, the oldest first.
func (c *auditExportCmd) Run(ctx context.Context, parent *auditCmd) error {
	return parent.with(ctx, func(l *audit.Log) error {
		if c.Format == "csv" {
			return l.ExportCSV(ctx, os.Stdout, c.filter())
		}
		return l.ExportJSON(ctx, os.Stdout, c.filter())
	})
}

// deed is a change that a command is about to make.
type deed struct {
	action  string // operationId of the API where it has the same
	kind    string // collection of the API that the object is in
	object  string
	details map[string]any
}

// record puts a change on record. It is called before the change: what cannot be recorded is not done.
func record(ctx context.Context, cfg *config.Config, db *store.DB, d deed) error {
	l, err := gateway.OpenAudit(cfg, db)
	if err != nil {
		return fmt.Errorf("this is not done, because it cannot be put on record: %w", err)
	}
	if d.details["name"] == nil {
		name, err := nameNow(ctx, db, d)
		if err != nil {
			return err
		}
		d.name(name)
	}
	return l.Record(ctx, audit.Event{
		Via: audit.ViaCommand, Credential: operator(), Action: d.action, Kind: d.kind, Object: d.object, Details: d.details, Outcome: audit.Allowed,
	})
}

// name adds how the object is called, which the console shows instead of its id. Mail has none.
func (d *deed) name(name string) {
	if name == "" {
		return
	}
	details := maps.Clone(d.details)
	if details == nil {
		details = map[string]any{}
	}
	details["name"] = name
	d.details = details
}

// nameNow finds how an object is called before it is changed; empty if there is none, which is for the command to say.
func nameNow(ctx context.Context, db *store.DB, d deed) (string, error) {
	switch d.kind {
	case "people":
		u, err := signin.NewBook(db).ByEmail(ctx, d.object)
		if errors.Is(err, signin.ErrNotFound) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		return u.Name, nil
	case "approvals":
		a, err := rules.NewApprovals(db, nil, nil).Get(ctx, d.object)
		if errors.Is(err, rules.ErrNoApproval) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		return ruleName(ctx, db, a.Rule)
	case "rules":
		return ruleName(ctx, db, d.object)
	}
	return "", nil
}

func ruleName(ctx context.Context, db *store.DB, id string) (string, error) {
	s, err := rules.NewBook(db, nil).Get(ctx, id)
	if errors.Is(err, rules.ErrNoRule) {
		return "", nil
	}
	return s.Rule.Name, err
}
