package main

import (
	"context"
	"fmt"
	"os"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/builtin"
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
		known, unknown, whole := 0, 0, true
		report, err := builtin.ReadContacts(ctx, f, func(p builtin.Contact) error {
			address, complete, err := knownAddress(ctx, b, target, p.Addresses)
			if err != nil {
				return err
			}
			whole = whole && complete
			if address == "" {
				unknown++
				return nil
			}
			if known++; c.DryRun {
				return nil
			}
			// The file is as old as its last change.
			return b.Learn(ctx, target, address, contacts.Fields{
				crmclient.FieldName: p.Name, crmclient.FieldTitle: p.Title, crmclient.FieldPhone: p.Phone, crmclient.FieldMobile: p.Mobile, crmclient.FieldCompany: p.Company,
			}, config.OriginImport, info.ModTime())
		})
		fmt.Printf("%d rows: %d of contacts that %s has, %d of others\n", report.Rows, known, target, unknown)
		if unknown > 0 && !whole {
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
		if !c.DryRun && known > 0 {
			fmt.Println("Where the CRM says something else: heliograph contacts conflicts")
		}
		return nil
	})
}

// knownAddress returns the first address that just one contact has. complete says that the copy is whole and fresh.
func knownAddress(ctx context.Context, b openBook, target string, addresses []string) (address string, complete bool, err error) {
	found, complete, err := b.Lookup(ctx, target, addresses)
	if err != nil {
		return "", false, err
	}
	for _, a := range addresses {
		if len(found[a]) == 1 {
			return a, complete, nil
		}
	}
	return "", complete, nil
}
