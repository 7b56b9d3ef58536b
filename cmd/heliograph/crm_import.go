package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"heliograph/crmclient/builtin"

	"golang.org/x/term"
)

type crmImportCmd struct {
	File   string `arg:"" help:"CSV or XLSX file; - reads standard input. 文件"`
	DryRun bool   `short:"n" help:"Only tell what would happen. 预览，不写入"`
	Update bool   `help:"Let the file change contacts that are there already, instead of skipping them. 更新已有联系人"`
	Owner  string `help:"Owner of new contacts whose row names none, by mail address. 默认负责人"`
}

// Run imports contacts. The exit code is 1 when a row failed.
func (c *crmImportCmd) Run(ctx context.Context, parent *crmCmd) error {
	var in io.Reader = os.Stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	o := builtin.ImportOptions{Duplicates: builtin.SkipDuplicates, Owner: c.Owner, DryRun: c.DryRun}
	if c.Update {
		o.Duplicates = builtin.UpdateDuplicates
	}
	clearLine := func() {}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		o.Progress = func(r builtin.ImportReport) { fmt.Fprintf(os.Stderr, "\r%d rows", r.Rows) }
		clearLine = func() { fmt.Fprint(os.Stderr, "\r\033[K") }
	}
	return parent.with(ctx, func(crm *builtin.CRM) error {
		report, err := crm.ImportContacts(ctx, in, o)
		clearLine()
		if perr := c.print(report); perr != nil {
			return perr
		}
		if err != nil {
			return fmt.Errorf("import %s: %w", c.File, err)
		}
		if report.Failed > 0 {
			return fmt.Errorf("%d of %d rows cannot be imported: correct them and import the file again; what is there already is skipped", report.Failed, report.Rows)
		}
		return nil
	})
}

func (c *crmImportCmd) print(r builtin.ImportReport) error {
	if len(r.Columns) > 0 {
		fmt.Printf("%s (%s)\n", c.File, r.Encoding)
		t := &table{head: []string{"COLUMN", "IMPORTED AS"}}
		for _, col := range r.Columns {
			as := col.Field
			if as == "" {
				as = "(not imported)"
			}
			t.add(col.Header, as)
		}
		if err := t.print(os.Stdout); err != nil {
			return err
		}
		fmt.Println()
	}
	if c.DryRun && len(r.Preview) > 0 {
		t := &table{head: []string{"NAME", "ADDRESS", "COMPANY", "PHONE", "OWNER"}}
		for _, p := range r.Preview {
			t.add(contactRow(p)[1:6]...)
		}
		if err := t.print(os.Stdout); err != nil {
			return err
		}
		fmt.Println()
	}
	for _, e := range r.Errors {
		at := fmt.Sprintf("line %d", e.Line)
		if e.Column != "" {
			at += ", " + oneLine(e.Column)
		}
		fmt.Printf("%s: %s\n", at, oneLine(e.Message))
	}
	if hidden := r.Failed - len(r.Errors); hidden > 0 {
		fmt.Printf("and %d more rows\n", hidden)
	}
	if len(r.Columns) > 0 {
		would := ""
		if c.DryRun {
			would = "would be "
		}
		fmt.Printf("%d rows: %[2]screated %[3]d, %[2]supdated %[4]d, %[2]sskipped %[5]d, failed %[6]d\n",
			r.Rows, would, r.Created, r.Updated, r.Skipped, r.Failed)
	}
	return nil
}
