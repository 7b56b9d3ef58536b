package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/contacts"
	"heliograph/internal/queue"
)

// contactsCmd are the commands for the copy of the contacts of all targets. Those of the built-in CRM's own
// table are heliograph crm contacts.
type contactsCmd struct {
	configFlag
	Search     contactsSearchCmd     `cmd:"" help:"Find contacts of any CRM in the copy that is kept here, also while the CRM is away. 搜索（CRM 离线可用）"`
	Status     contactsStatusCmd     `cmd:"" default:"1" help:"Tell how far the contacts of each CRM are followed. 同步状态"`
	Import     contactsImportCmd     `cmd:"" help:"Let a CSV or XLSX file say what it knows of contacts that a CRM has. 导入联系人资料"`
	Sync       contactsSyncCmd       `cmd:"" help:"Have a running gateway ask for changes now. 立即同步"`
	Duplicates contactsDuplicatesCmd `cmd:"" help:"List contacts that may be one person. 疑似重复"`
	Merge      contactsMergeCmd      `cmd:"" help:"Make two contacts one. 合并"`
	Merges     contactsMergesCmd     `cmd:"" help:"List merges, with the numbers to undo them by. 合并记录"`
	Undo       contactsUndoCmd       `cmd:"" help:"Undo a merge. 撤销合并"`
	Conflicts  contactsConflictsCmd  `cmd:"" help:"List fields of which the CRM and another source say different things. 字段冲突"`
	Resolve    contactsResolveCmd    `cmd:"" help:"Decide a conflict. 解决冲突"`
}

// openBook is what the commands work on.
type openBook struct {
	*contacts.Book
	cfg *config.Config
}

func (c *contactsCmd) with(ctx context.Context, do func(openBook) error) (err error) {
	cfg, db, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	q := queue.Open(db, queue.Options{})
	defer q.Close()
	book := contacts.New(contacts.Options{
		Store: db, Queue: q, Config: cfg.Contacts, Domains: crmclient.NewCompanyDomains(cfg.Matching.FreeMailDomains),
	})
	return do(openBook{book, cfg})
}

// target returns the name of a target that the configuration knows; empty stays empty.
func (b openBook) target(name string) (string, error) {
	var names []string
	for _, t := range b.cfg.Targets {
		if names = append(names, t.Name); t.Name == name {
			return name, nil
		}
	}
	if name == "" {
		return "", nil
	}
	return "", fmt.Errorf("there is no target %q: there are %s", name, strings.Join(names, ", "))
}

// one returns the target that is meant where just one can be.
func (b openBook) one(name string) (string, error) {
	if name == "" && len(b.cfg.Targets) == 1 {
		return b.cfg.Targets[0].Name, nil
	}
	if name == "" {
		return "", errors.New("there are several targets: say which one with --target")
	}
	return b.target(name)
}

// targetFlag narrows a list.
type targetFlag struct {
	Target string `help:"Only of this target (CRM connection). 目标名称"`
}

type contactsSearchCmd struct {
	Text string `arg:"" help:"Words that must be in name, company, title, address, number or owner. 关键词"`
	targetFlag
	listFlags
}

// Run searches the copy.
func (c *contactsSearchCmd) Run(ctx context.Context, parent *contactsCmd) error {
	return parent.with(ctx, func(b openBook) error {
		target, err := b.target(c.Target)
		if err != nil {
			return err
		}
		found, err := b.Search(ctx, target, c.Text, c.Limit+1)
		if err != nil {
			return err
		}
		more := len(found) > c.Limit
		head := &table{head: []string{"TARGET", "ID", "NAME", "ADDRESS", "COMPANY", "PHONE", "OWNER"}}
		return printList(found[:min(len(found), c.Limit)], more, c.JSON, "contacts", head, func(f contacts.Found) []string {
			return []string{f.Target, f.ID, f.Name, strings.Join(f.Addresses, " "), f.Company, strings.Join(f.Phones, " "), f.Owner}
		})
	})
}

type contactsStatusCmd struct {
	JSON bool `help:"Print JSON, one object a line."`
}

// Run prints the status of each target.
func (c *contactsStatusCmd) Run(ctx context.Context, parent *contactsCmd) error {
	return parent.with(ctx, func(b openBook) error {
		all, err := b.Status(ctx)
		if err != nil {
			return err
		}
		known := map[string]contacts.Status{}
		for _, s := range all {
			known[s.Target] = s
		}
		var list []contacts.Status
		for _, t := range b.cfg.Targets {
			s := known[t.Name]
			s.Target = t.Name
			list = append(list, s)
		}
		head := &table{head: []string{"TARGET", "STATE", "SYNCED", "LAST RUN", "NEXT RUN", "CONTACTS", "MERGED", "DUPLICATES", "CONFLICTS", "WRITES", "TROUBLE"}, right: []int{5, 6, 7, 8, 9}}
		return printList(list, false, c.JSON, "targets", head, func(s contacts.Status) []string {
			return []string{
				s.Target, stateOf(s), clock(s.SyncedAt), clock(s.RanAt), next(s), fmt.Sprint(s.Records), number(int64(s.Merged)), number(int64(s.Duplicates)),
				number(int64(s.Conflicts)), number(int64(s.Writes)), s.Reason,
			}
		})
	})
}

func stateOf(s contacts.Status) string {
	switch {
	case s.Phase == "":
		return "not followed"
	case s.Phase == "list":
		return "listing"
	case s.Complete:
		return "complete"
	}
	return "stale"
}

// next tells when the target is asked next.
func next(s contacts.Status) string {
	switch {
	case s.Phase == "" && s.RanAt.IsZero():
		return ""
	case s.NextAt.Before(time.Now()):
		return "now"
	}
	return clock(s.NextAt)
}

type contactsSyncCmd struct{ targetFlag }

// Run asks a running gateway to ask the targets.
func (c *contactsSyncCmd) Run(ctx context.Context, parent *contactsCmd) error {
	return parent.with(ctx, func(b openBook) error {
		only, err := b.target(c.Target)
		if err != nil {
			return err
		}
		known, err := b.Status(ctx)
		if err != nil {
			return err
		}
		asked := 0
		for _, s := range known { // what was never followed cannot be
			if only != "" && s.Target != only {
				continue
			}
			if _, err := b.target(s.Target); err != nil {
				continue // of an older configuration
			}
			if err := b.Poke(ctx, s.Target); err != nil {
				return err
			}
			asked++
		}
		if asked == 0 {
			return errors.New("no such target is followed: it does not list its contacts, or the gateway has not run yet")
		}
		fmt.Printf("%d targets are asked as soon as a gateway runs: see heliograph contacts status\n", asked)
		return nil
	})
}

type contactsDuplicatesCmd struct {
	targetFlag
	listFlags
}

// Run lists pairs.
func (c *contactsDuplicatesCmd) Run(ctx context.Context, parent *contactsCmd) error {
	return parent.with(ctx, func(b openBook) error {
		target, err := b.target(c.Target)
		if err != nil {
			return err
		}
		found, err := b.Duplicates(ctx, target, c.Limit+1)
		if err != nil {
			return err
		}
		more := len(found) > c.Limit
		head := &table{head: []string{"TARGET", "A", "NAME", "B", "NAME", "SCORE", "WHY"}, right: []int{5}}
		return printList(found[:min(len(found), c.Limit)], more, c.JSON, "duplicates", head, func(d contacts.Duplicate) []string {
			return []string{d.Target, d.A.ID, d.A.Name, d.B.ID, d.B.Name, fmt.Sprint(d.Score), d.Reason}
		})
	})
}

type contactsMergeCmd struct {
	Survivor string `arg:"" name:"a" help:"Id of the contact that stays. 保留的联系人"`
	Other    string `arg:"" name:"b" help:"Id of the contact that becomes part of it. 被合并的联系人"`
	targetFlag
}

// Run merges.
func (c *contactsMergeCmd) Run(ctx context.Context, parent *contactsCmd) error {
	return parent.with(ctx, func(b openBook) error {
		target, err := b.one(c.Target)
		if err != nil {
			return err
		}
		id, err := b.Merge(ctx, target, c.Survivor, c.Other)
		if err != nil {
			return err
		}
		if b.cfg.Contacts.MergeInCRM {
			fmt.Printf("merged; the gateway asks the CRM to do the same. Until it has: heliograph contacts undo %d\n", id)
			return nil
		}
		fmt.Printf("merged; to undo it: heliograph contacts undo %d\n", id)
		return nil
	})
}

type contactsMergesCmd struct {
	targetFlag
	listFlags
}

// Run lists merges.
func (c *contactsMergesCmd) Run(ctx context.Context, parent *contactsCmd) error {
	return parent.with(ctx, func(b openBook) error {
		target, err := b.target(c.Target)
		if err != nil {
			return err
		}
		found, err := b.Merges(ctx, target, c.Limit+1)
		if err != nil {
			return err
		}
		more := len(found) > c.Limit
		head := &table{head: []string{"ID", "TARGET", "SURVIVOR", "OTHER", "BY", "CRM", "MERGED", "UNDONE"}, right: []int{0}}
		return printList(found[:min(len(found), c.Limit)], more, c.JSON, "merges", head, func(m contacts.Merge) []string {
			by, crm := "person", ""
			if m.Automatic {
				by = "address"
			}
			if m.InCRM {
				crm = "too"
			}
			return []string{number(m.ID), m.Target, m.Survivor, m.Other, by, crm, clock(m.At), clock(m.UndoneAt)}
		})
	})
}

type contactsUndoCmd struct {
	ID int64 `arg:"" help:"Number of the merge. 合并编号"`
}

// Run undoes a merge. Where that cannot be, the contacts as they were are printed.
func (c *contactsUndoCmd) Run(ctx context.Context, parent *contactsCmd) error {
	return parent.with(ctx, func(b openBook) error {
		m, err := b.Undo(ctx, c.ID)
		if errors.Is(err, contacts.ErrMergedInCRM) {
			fmt.Fprintln(os.Stderr, "the contacts as they were:")
			err = errors.Join(err, printJSON(m.Before...))
		}
		if err != nil {
			return err
		}
		fmt.Printf("contacts %s and %s are two again\n", m.Survivor, m.Other)
		return nil
	})
}

type contactsConflictsCmd struct {
	All bool `help:"Also those that were decided. 包括已解决的"`
	targetFlag
	listFlags
}

// Run lists conflicts.
func (c *contactsConflictsCmd) Run(ctx context.Context, parent *contactsCmd) error {
	return parent.with(ctx, func(b openBook) error {
		target, err := b.target(c.Target)
		if err != nil {
			return err
		}
		found, err := b.Conflicts(ctx, target, c.All, c.Limit+1)
		if err != nil {
			return err
		}
		more := len(found) > c.Limit
		head := &table{head: []string{"ID", "TARGET", "CONTACT", "NAME", "FIELD", "CRM", "SINCE", "OTHER", "FROM", "SINCE", "STATE"}, right: []int{0}}
		return printList(found[:min(len(found), c.Limit)], more, c.JSON, "conflicts", head, func(k contacts.Conflict) []string {
			return []string{
				number(k.ID), k.Target, k.Contact, k.Name, k.Field, k.CRMValue, clock(k.CRMAt), k.Value, k.Origin, clock(k.At), k.State,
			}
		})
	})
}

type contactsResolveCmd struct {
	ID   int64  `arg:"" help:"Number of the conflict. 冲突编号"`
	Take string `required:"" enum:"crm,other" help:"Whose value holds: crm, or other, which is then written to the CRM. 采用哪一方"`
}

// Run decides a conflict.
func (c *contactsResolveCmd) Run(ctx context.Context, parent *contactsCmd) error {
	return parent.with(ctx, func(b openBook) error {
		if err := b.ResolveConflict(ctx, c.ID, c.Take == "crm"); err != nil {
			return err
		}
		if c.Take == "crm" {
			fmt.Println("the CRM's value stays")
			return nil
		}
		fmt.Println("the gateway writes the other value to the CRM")
		return nil
	})
}
