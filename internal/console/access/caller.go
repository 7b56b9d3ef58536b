package access

import (
	"context"
	"slices"
	"strings"
)

// Role says what a person may do.
type Role string

// The roles.
const (
	Admin   Role = "admin"   // everything
	Manager Role = "manager" // the mail, customers and rules of a team
	Agent   Role = "agent"   // own mail and customers
	Auditor Role = "auditor" // who did what and where mail went; no mail, no changes
)

// Roles lists all roles.
func Roles() []Role { return []Role{Admin, Manager, Agent, Auditor} }

// Permission is one thing that an operation of the API asks for.
type Permission string

// The permissions. Public and SignedIn are asked for by operations that need no role.
const (
	Public   Permission = "public"    // no login
	SignedIn Permission = "signed_in" // any login

	OverviewRead    Permission = "overview.read"
	MailRead        Permission = "mail.read"
	MailRaw         Permission = "mail.raw"
	MailWithdraw    Permission = "mail.withdraw"
	LedgerRead      Permission = "ledger.read"
	ContactsRead    Permission = "contacts.read"
	ContactsWrite   Permission = "contacts.write"
	RulesRead       Permission = "rules.read"
	RulesWrite      Permission = "rules.write"
	RulesPublish    Permission = "rules.publish"
	RulesHold       Permission = "rules.hold"
	ApprovalsDecide Permission = "approvals.decide"
	OutboxRead      Permission = "outbox.read"
	OutboxWrite     Permission = "outbox.write"
	QueueRead       Permission = "queue.read"
	QueueWrite      Permission = "queue.write"
	TargetsRead     Permission = "targets.read"
	TargetsWrite    Permission = "targets.write"
	AccountsRead    Permission = "accounts.read"
	AccountsWrite   Permission = "accounts.write"
	AuditRead       Permission = "audit.read"
	SettingsRead    Permission = "settings.read"
	SettingsWrite   Permission = "settings.write"
	PeopleRead      Permission = "people.read"
	PeopleWrite     Permission = "people.write"
	TokensOwn       Permission = "tokens.own"
	DataImport      Permission = "data.import"
	DataExport      Permission = "data.export"
	Own             Permission = "own" // an employee's own page
)

// table says what each role is granted.
var table = map[Role][]Permission{
	Admin: {
		OverviewRead, MailRead, MailRaw, MailWithdraw, LedgerRead, ContactsRead, ContactsWrite, RulesRead, RulesWrite, RulesPublish, RulesHold,
		ApprovalsDecide, OutboxRead, OutboxWrite, QueueRead, QueueWrite, TargetsRead, TargetsWrite, AccountsRead, AccountsWrite, AuditRead,
		SettingsRead, SettingsWrite, PeopleRead, PeopleWrite, TokensOwn, DataImport, DataExport, Own,
	},
	Manager: {
		OverviewRead, MailRead, MailRaw, MailWithdraw, LedgerRead, ContactsRead, ContactsWrite, RulesRead, RulesWrite, RulesPublish, RulesHold,
		ApprovalsDecide, OutboxRead, OutboxWrite, QueueRead, TargetsRead, AccountsRead, TokensOwn, DataImport, DataExport, Own,
	},
	Agent: {
		MailRead, MailWithdraw, LedgerRead, ContactsRead, ContactsWrite, RulesRead, ApprovalsDecide, TokensOwn, Own,
	},
	Auditor: {
		OverviewRead, LedgerRead, RulesRead, OutboxRead, QueueRead, TargetsRead, AccountsRead, AuditRead, SettingsRead, PeopleRead, TokensOwn,
	},
}

// Granted lists the permissions of a role.
func Granted(r Role) []Permission { return slices.Clone(table[r]) }

// Permissions lists all permissions that a role can have, as admins have them.
func Permissions() []Permission { return Granted(Admin) }

// Scope says whose mail a person sees.
type Scope string

// The scopes.
const (
	ScopeOwn  Scope = "own"  // of the person's own addresses
	ScopeTeam Scope = "team" // and of the members of the teams that the person manages
	ScopeAll  Scope = "all"
)

// Person is somebody who signs in.
type Person struct {
	ID    string
	Email string // lower case
	Name  string
	Role  Role
	Lang  string // "zh" or "en"; empty: as the browser says
}

// Caller is who asks for an operation.
type Caller struct {
	Person Person
	// Token is the id of the API token; empty in a browser's session.
	Token string
	// Session is the id of the browser's session; empty with a token.
	Session string
	Scope   Scope
	// Accounts are the addresses, in lower case, whose mail the caller sees. It says nothing with ScopeAll.
	Accounts []string

	granted map[Permission]bool
	masks   map[string]bool
}

// NewCaller gives a person the permissions of the role; those of a token are at most limited to scopes (nil: not limited).
// masks are the kinds of fields that are hidden from the person.
func NewCaller(p Person, scope Scope, accounts []string, limited []Permission, masks ...string) *Caller {
	c := &Caller{Person: p, Scope: scope, granted: map[Permission]bool{}, masks: map[string]bool{}}
	for _, a := range accounts {
		c.Accounts = append(c.Accounts, strings.ToLower(a))
	}
	for _, g := range table[p.Role] {
		if limited == nil || slices.Contains(limited, g) {
			c.granted[g] = true
		}
	}
	for _, m := range masks {
		c.masks[m] = true
	}
	return c
}

// May tells whether the caller has a permission.
func (c *Caller) May(p Permission) bool {
	switch p {
	case Public:
		return true
	case SignedIn:
		return c != nil
	}
	return c != nil && c.granted[p]
}

// Sees tells whether the caller sees the mail of an account.
func (c *Caller) Sees(account string) bool {
	return c.Scope == ScopeAll || slices.Contains(c.Accounts, strings.ToLower(account))
}

// Masked tells whether fields of a kind, such as "phone", are hidden from the caller.
func (c *Caller) Masked(kind string) bool { return c.masks[kind] }

type callerKey struct{}

// With puts a caller into a context.
func With(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// From finds the caller of an operation; nil in public ones that nobody is signed in for.
func From(ctx context.Context) *Caller {
	c, _ := ctx.Value(callerKey{}).(*Caller)
	return c
}
