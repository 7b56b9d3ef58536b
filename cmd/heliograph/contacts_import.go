package main

import (
	"context"
	"fmt"
	"os"

	"heliograph/hooks/contacts"
)

type contactsImportCmd struct {
	File   string `arg:"" help:"CSV or XLSX file with names of columns in English or Chinese. 文件"`
	Target string `help:"The target (CRM connection) whose contacts are meant. 目标名称"`
	DryRun bool   `short:"n" help:"Only tell what would happen. 预览"`
}

// Run lets the file say what it says of contacts in the copy. Where the CRM says something else, the policy of contacts.conflicts
// decides, and both values stay. Nobody is added: that is what heliograph crm import does for the built-in CRM.
func (c *contactsImportCmd) Run(ctx context.Context, parent *contactsCmd) error {
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return parent.with(ctx, func(b openBook) error {
		target, err := b.one(c.Target)
		if err != nil {
			return err
		}
		// The file is as old as its last change.
		report, err := b.Import(ctx, target, f, contacts.ImportOptions{At: info.ModTime(), DryRun: c.DryRun})
		fmt.Printf("%d rows: %d of contacts that %s has, %d of others\n", report.Rows, report.Known, target, report.Unknown)
		if report.Unknown > 0 && !report.Whole {
			fmt.Println("The copy of the contacts is not complete or not fresh (heliograph contacts status): try again after a sync.")
		}
		for _, e := range report.Errors {
			fmt.Printf("  line %d: %s\n", e.Line, e.Message)
		}
		if err != nil {
			return fmt.Errorf("import %s: %w", c.File, err)
		}
		if report.Failed > 0 {
			return fmt.Errorf("%d of %d rows cannot be read: correct them and import the file again", report.Failed, report.Rows)
		}
		if !c.DryRun && report.Known > 0 {
			fmt.Println("Where the CRM says something else: heliograph contacts conflicts")
		}
		return nil
	})
}
