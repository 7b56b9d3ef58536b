// Package builtin is the CRM that comes with the gateway: companies, contacts, deals, tickets and
// the mail exchanged with them, in the gateway's own store. It lets a small team work from the first day, and
// serves as the example of a connector.
//
// The main idea: a message is one row with a unique activity key, so that writing it again merges what is
// new (further accounts and sightings) and makes no second record. Who took part is kept by address, so that a
// contact that is made later finds its older mail. Mail of company domains makes a company by the registrable
// domain; free-mail domains do not. Every record has a version: a change must name the version it was made
// on, and is refused if somebody was faster.
//
// Contacts are imported and exported as CSV and XLSX, row by row, for files of any length.
//
// It has no users and no rights, sends nothing, and keeps no attachment content: that stays in the journal, in the
// entry that each attachment names.
package builtin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

// CRM is the built-in CRM. Its methods may run concurrently, also in several processes on one database.
type CRM struct {
	db      *store.DB
	cfg     Config
	domains crmclient.CompanyDomains
	now     func() time.Time
}

var (
	_ crmclient.Client         = (*CRM)(nil)
	_ crmclient.ContactCreator = (*CRM)(nil)
	_ crmclient.Checker        = (*CRM)(nil)
)

// The errors that callers act on; see also *InvalidError.
var (
	ErrNotFound = errors.New("no such record")
	// ErrConflict says that the record was changed since it was read. Read it again.
	ErrConflict = errors.New("the record was changed by somebody else meanwhile")
	// ErrAddressTaken says that another contact has one of the addresses.
	ErrAddressTaken = errors.New("another contact has this address")
)

// New returns the CRM in db, whose schema Open has brought up to date. It is not to be closed; db is its opener's.
func New(db *store.DB, cfg Config) (*CRM, error) {
	if db == nil {
		return nil, errors.New("the built-in CRM needs the store")
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &CRM{db: db, cfg: cfg.withDefaults(), domains: crmclient.NewCompanyDomains(cfg.FreeMailDomains), now: time.Now}
	return c, nil
}

// Check counts the records, which needs the tables.
func (c *CRM) Check(ctx context.Context) (string, error) {
	var contacts, activities int64
	err := c.db.Reader().QueryRowContext(ctx,
		`SELECT (SELECT COUNT(*) FROM crm_contacts), (SELECT COUNT(*) FROM crm_activities)`).Scan(&contacts, &activities)
	if err != nil {
		return "", fmt.Errorf("check the built-in CRM: %w", err)
	}
	return fmt.Sprintf("built-in CRM in %s, %d contacts, %d activities", c.db.Dialect(), contacts, activities), nil
}

// FindContacts returns the contacts that have one of the addresses.
func (c *CRM) FindContacts(ctx context.Context, addresses []string) ([]crmclient.Contact, error) {
	return findContacts(ctx, c.db.Reader(), addresses)
}

// maxPlaceholders bounds the length of an IN list; both engines take far more.
const maxPlaceholders = 400

func findContacts(ctx context.Context, q store.Querier, addresses []string) ([]crmclient.Contact, error) {
	var found []crmclient.Contact
	for len(addresses) > 0 {
		n := min(len(addresses), maxPlaceholders)
		part, err := findContactsPart(ctx, q, addresses[:n])
		if err != nil {
			return nil, fmt.Errorf("find contacts: %w", err)
		}
		found = append(found, part...)
		addresses = addresses[n:]
	}
	return found, nil
}

func findContactsPart(ctx context.Context, q store.Querier, addresses []string) ([]crmclient.Contact, error) {
	var w where
	list := w.list(normalAddresses(addresses))
	rows, err := q.QueryContext(ctx, `
		SELECT a.address, p.id, p.kind, p.name, p.owner, COALESCE(o.name, '')
		FROM crm_contact_addresses a
		JOIN crm_contacts p ON p.id = a.contact_id
		LEFT JOIN crm_companies o ON o.id = p.company_id
		WHERE a.address IN (`+list+`) ORDER BY a.address`, w.args...)
	if err != nil {
		return nil, err
	}
	return collect(rows, func(row scanner) (crmclient.Contact, error) {
		var k crmclient.Contact
		var id int64
		err := row.Scan(&k.Address, &id, &k.Kind, &k.Name, &k.Owner, &k.Company)
		k.ID = strconv.FormatInt(id, 10)
		return k, err
	})
}

// CreateContact adds a contact with p's address unless there is one, and returns it.
func (c *CRM) CreateContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.createPerson(ctx, p, owner, crmclient.KindContact)
}

func (c *CRM) createPerson(ctx context.Context, p crmclient.Person, owner, kind string) (crmclient.Contact, error) {
	address := normalAddress(p.Address)
	if !isAddress(address) {
		return crmclient.Contact{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the person has no usable mail address"}
	}
	// Twice: the loser of a race between two messages finds the winner's contact.
	for range 2 {
		found, err := findContacts(ctx, c.db.Reader(), []string{address})
		if err != nil {
			return crmclient.Contact{}, err
		}
		if len(found) > 0 {
			return found[0], nil
		}
		name := truncate(strings.TrimSpace(clean(p.Name)), maxName)
		if name == "" {
			name = address
		}
		_, err = c.AddContact(ctx, Contact{Kind: kind, Name: name, Addresses: []string{address}, Owner: normalAddress(owner), Source: SourceMail})
		if err != nil && !errors.Is(err, ErrAddressTaken) {
			return crmclient.Contact{}, fmt.Errorf("create contact: %w", err)
		}
	}
	found, err := findContacts(ctx, c.db.Reader(), []string{address})
	if err == nil && len(found) == 0 {
		err = errors.New("create contact: it vanished at once")
	}
	if err != nil {
		return crmclient.Contact{}, err
	}
	return found[0], nil
}
