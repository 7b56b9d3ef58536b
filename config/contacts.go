package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Contacts says how the contacts of the targets are followed and kept in order.
type Contacts struct {
	Interval   Duration `yaml:"interval"`    // between two questions for changes
	StaleAfter Duration `yaml:"stale_after"` // without an answer for so long, what is known is not taken for all there is
	Region     string   `yaml:"region"`      // of phone numbers without a country code, ISO 3166
	// Conflicts says what happens when the CRM and another source differ in a field.
	Conflicts ConflictPolicy `yaml:"conflicts"`
	Priority  []ValueOrigin  `yaml:"priority"`   // the most trusted first; for ConflictsPriority
	AutoMerge bool           `yaml:"auto_merge"` // contacts with the same address, which are the same person
	// MergeInCRM makes the CRM merge what is merged here; that cannot be undone.
	MergeInCRM          bool `yaml:"merge_in_crm"`
	LearnFromSignatures bool `yaml:"learn_from_signatures"`
}

// ConflictPolicy says whose value of a field holds.
type ConflictPolicy string

// The policies.
const (
	ConflictsLatest   ConflictPolicy = "latest"   // the one that is newer
	ConflictsPriority ConflictPolicy = "priority" // the one from the more trusted source
	ConflictsAsk      ConflictPolicy = "ask"      // that of the CRM, until a person has decided
)

// Allowed lists the values.
func (ConflictPolicy) Allowed() []string {
	return []string{string(ConflictsLatest), string(ConflictsPriority), string(ConflictsAsk)}
}

// ValueOrigin is where the value of a field comes from.
type ValueOrigin string

// The origins.
const (
	OriginCRM       ValueOrigin = "crm"
	OriginImport    ValueOrigin = "import"
	OriginSignature ValueOrigin = "signature" // of a mail
)

// Allowed lists the values.
func (ValueOrigin) Allowed() []string {
	return []string{string(OriginCRM), string(OriginImport), string(OriginSignature)}
}

// Bounds of contacts.interval: more often is a load on the CRM that brings nothing, more seldom is not following it.
const (
	minContactInterval = 10 * time.Second
	maxContactInterval = 24 * time.Hour
)

func (v *validator) contacts() {
	c := v.cfg.Contacts
	if c.Interval.D() < minContactInterval || c.Interval.D() > maxContactInterval {
		v.bad("contacts.interval", c.Interval.String()+" is out of range", "Write a time from 10s to 24h; 5m suits most.")
	}
	if c.StaleAfter.D() < c.Interval.D() {
		v.bad("contacts.stale_after", "is shorter than the interval", "Write at least twice the interval, or what is known would never count.")
	}
	if len(c.Region) != 2 || strings.Trim(c.Region, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		v.bad("contacts.region", quote(c.Region)+" is not a country", "Write two capital letters (ISO 3166), such as CN.")
	}
	for i, origin := range c.Priority {
		if slices.Contains(c.Priority[:i], origin) {
			v.bad(fmt.Sprintf("contacts.priority[%d]", i), quote(string(origin))+" is there twice", "Name each source once.")
		}
	}
	if c.Conflicts == ConflictsPriority && !slices.Contains(c.Priority, OriginCRM) {
		v.bad("contacts.priority", "does not name crm", "Name crm, import and signature in the order in which you trust them.")
	}
}
