package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"heliograph/crmclient/builtin"
)

type crmExportCmd struct {
	File    string `arg:"" help:"File to write; - writes to standard output. 文件"`
	Format  string `enum:"csv,xlsx,auto" default:"auto" help:"csv or xlsx; auto goes by the file's name. 格式"`
	Chinese bool   `help:"Name the columns in Chinese. 中文列名"`
	Query   string `help:"Only contacts with these words."`
	Owner   string `help:"Only of this employee, by mail address."`
}

// Run exports contacts. The file is complete or not there.
func (c *crmExportCmd) Run(ctx context.Context, parent *crmCmd) error {
	o := builtin.ExportOptions{
		Format: builtin.Format(c.Format), Chinese: c.Chinese, Filter: builtin.ContactFilter{Query: c.Query, Owner: c.Owner},
	}
	if c.Format == "auto" {
		o.Format = builtin.CSV
		if strings.EqualFold(filepath.Ext(c.File), ".xlsx") {
			o.Format = builtin.XLSX
		}
	}
	return parent.with(ctx, func(crm *builtin.CRM) error {
		var rows int
		write := func(w io.Writer) (err error) {
			rows, err = crm.ExportContacts(ctx, w, o)
			return err
		}
		if c.File == "-" {
			return write(os.Stdout)
		}
		if err := replaceFile(c.File, write); err != nil {
			return fmt.Errorf("export to %s: %w", c.File, err)
		}
		fmt.Printf("%d contacts written to %s\n", rows, c.File)
		return nil
	})
}

// replaceFile writes beside path and then takes its place. Only the owner may read the
// file: it is about people.
func replaceFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".export-*") // mode 0600
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
