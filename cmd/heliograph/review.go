package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"heliograph/config"
	"heliograph/hooks/mirror"
	"heliograph/internal/store"
)

// reviewCmd are the commands for people whom the CRM does not know and on whom somebody has to decide.
type reviewCmd struct {
	configFlag
	List   reviewListCmd   `cmd:"" default:"withargs" help:"List unknown people whose mail waits. 待审核的往来人"`
	Show   reviewShowCmd   `cmd:"" help:"Show one of them: who it may be, and which messages wait. 详情"`
	Decide reviewDecideCmd `cmd:"" help:"Decide what becomes of them. 审核决定"`
}

func (c *reviewCmd) with(ctx context.Context, do func(*config.Config, *store.DB) error) (err error) {
	cfg, db, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return do(cfg, db)
}

// subjectOf returns the address, or @ and the domain, in the form of reviews.
func subjectOf(cfg *config.Config, text string) (string, error) {
	policy := mirror.AddressPolicy(cfg.Matching)
	if domain, ok := strings.CutPrefix(text, "@"); ok {
		if subject := policy.Canonical("a@" + domain); subject != "" {
			return strings.TrimPrefix(subject, "a"), nil
		}
	} else if subject := policy.Canonical(text); subject != "" {
		return subject, nil
	}
	return "", fmt.Errorf("%q is neither an address nor @domain", oneLine(text))
}

type reviewListCmd struct {
	All bool `help:"Also those that were decided on. 包括已决定的"`
	listFlags
}

// reviewLine is a review as JSON.
type reviewLine struct {
	Subject     string                `json:"subject"`
	Name        string                `json:"name,omitempty"`
	State       mirror.ReviewState    `json:"state"`
	Decision    mirror.ReviewDecision `json:"decision,omitempty"`
	Link        string                `json:"link,omitempty"`
	Target      string                `json:"target,omitempty"`
	FirstSeen   string                `json:"first_seen"`
	LastSeen    string                `json:"last_seen"`
	DecidedAt   string                `json:"decided_at,omitempty"`
	Waiting     int                   `json:"waiting"`
	Suggestions []mirror.Suggestion   `json:"suggestions,omitempty"`
}

func reviewLineOf(r mirror.Review) reviewLine {
	return reviewLine{
		r.Subject, r.Name, r.State, r.Decision, r.Link, r.Target, stamp(r.FirstSeen), stamp(r.LastSeen), stamp(r.DecidedAt), r.Waiting, r.Suggestions,
	}
}

// Run lists reviews, those first that were seen last.
func (c *reviewListCmd) Run(ctx context.Context, parent *reviewCmd) error {
	return parent.with(ctx, func(_ *config.Config, db *store.DB) error {
		f := mirror.ReviewFilter{State: mirror.ReviewOpen, Limit: c.Limit}
		if c.All {
			f.State = ""
		}
		found, more, err := mirror.Reviews(ctx, db.Reader(), f)
		if err != nil {
			return err
		}
		if c.JSON {
			lines := make([]reviewLine, len(found))
			for i, r := range found {
				lines[i] = reviewLineOf(r)
			}
			return printJSON(lines...)
		}
		t := &table{head: []string{"WHO", "NAME", "WAITING", "FIRST SEEN", "LAST SEEN", "STATE", "MAY BE"}, right: []int{2}}
		return printList(found, more, false, "people to decide on", t, func(r mirror.Review) []string {
			maybe := ""
			if len(r.Suggestions) > 0 {
				maybe = suggestionText(r.Suggestions[0])
			}
			return []string{r.Subject, r.Name, fmt.Sprint(r.Waiting), clock(r.FirstSeen), clock(r.LastSeen), reviewState(r), maybe}
		})
	})
}

func reviewState(r mirror.Review) string {
	switch {
	case r.State == mirror.ReviewOpen:
		return "open"
	case r.Decision == "":
		return "no longer asked"
	case r.Decision == mirror.DecideLink:
		return "link=" + r.Link
	}
	return string(r.Decision)
}

func suggestionText(s mirror.Suggestion) string {
	text := s.Kind + " " + s.ID + " at " + s.Target + ": " + s.Name
	if s.Address != "" {
		text += " <" + s.Address + ">"
	}
	if s.Company != "" {
		text += ", " + s.Company
	}
	return fmt.Sprintf("%s (%d %%)", text, s.Percent)
}

type reviewShowCmd struct {
	Address string `arg:"" help:"An address, or @domain. 邮箱地址"`
	listFlags
}

// Run shows one review. Messages are named, never shown.
func (c *reviewShowCmd) Run(ctx context.Context, parent *reviewCmd) error {
	return parent.with(ctx, func(cfg *config.Config, db *store.DB) error {
		subject, err := subjectOf(cfg, c.Address)
		if err != nil {
			return err
		}
		found, _, err := mirror.Reviews(ctx, db.Reader(), mirror.ReviewFilter{Subject: subject, Limit: 1})
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("nothing is known of %s here: either the CRM knows the address, or no mail came from it", subject)
		}
		r := found[0]
		if c.JSON {
			return printJSON(reviewLineOf(r))
		}
		messages, err := mirror.ReviewMessages(ctx, db.Reader(), subject, c.Limit+1)
		if err != nil {
			return err
		}
		field("who", r.Subject)
		field("name", r.Name)
		field("state", reviewState(r))
		field("first seen", clock(r.FirstSeen))
		field("last seen", clock(r.LastSeen))
		field("waiting", fmt.Sprint(r.Waiting))
		for _, s := range r.Suggestions {
			field("may be", suggestionText(s))
		}
		fmt.Println()
		t := &table{head: []string{"MESSAGE-ID", "DIRECTION", "CAPTURED", "TARGET", "STATE"}}
		more := len(messages) > c.Limit
		return printList(messages[:min(len(messages), c.Limit)], more, false, "messages", t, func(m mirror.ReviewMessage) []string {
			state := "without the contact"
			if m.Waits {
				state = "waits"
			}
			return []string{m.MessageID, string(m.Direction), clock(m.At), m.Target, state}
		})
	})
}

type reviewDecideCmd struct {
	Addresses []string `arg:"" name:"address" help:"Addresses as review list shows them. 邮箱地址"`
	As        string   `required:"" help:"contact or lead: add it. link=ID: it is that contact. skip: mirror what waits without a contact, and ask again. ignore, ignore-domain: mirror no mail that is exchanged with these alone, for ever. ask, ask-domain: forget the decision, and ask when the next mail comes. 决定"`
	Target    string   `help:"With link=ID: the target that has the contact. 目标"`
}

// Run writes the decisions down. A running gateway applies them within a second.
func (c *reviewDecideCmd) Run(ctx context.Context, parent *reviewCmd) error {
	return parent.with(ctx, func(cfg *config.Config, db *store.DB) error {
		link, err := c.check(cfg)
		if err != nil {
			return err
		}
		var decisions []mirror.Decision
		for _, text := range c.Addresses {
			subject, err := subjectOf(cfg, text)
			if err != nil {
				return err
			}
			d := mirror.Decision{Subject: subject, As: mirror.ReviewDecision(c.As), Target: c.Target}
			switch {
			case link != "":
				d.As, d.Link = mirror.DecideLink, link
			case c.As == "ignore-domain":
				d.As, d.Subject = mirror.DecideIgnore, subject[strings.LastIndexByte(subject, '@'):]
			case c.As == "ask-domain":
				d.As, d.Subject = mirror.DecideAsk, subject[strings.LastIndexByte(subject, '@'):]
			}
			decisions = append(decisions, d)
		}
		messages, err := mirror.Decide(ctx, db, decisions...)
		if err != nil {
			return err
		}
		fmt.Printf("%d decided, which applies to %d messages\n", len(decisions), messages)
		return nil
	})
}

// check returns the id of link=ID. A contact belongs to one target, which must be named where there are more.
func (c *reviewDecideCmd) check(cfg *config.Config) (link string, err error) {
	link, isLink := strings.CutPrefix(c.As, "link=")
	var names []string
	for _, t := range cfg.Targets {
		names = append(names, t.Name)
	}
	switch {
	case !isLink && !slices.Contains([]string{"contact", "lead", "skip", "ignore", "ignore-domain", "ask", "ask-domain"}, c.As):
		return "", fmt.Errorf("--as %q is no decision: write contact, lead, skip, ignore, ignore-domain, ask, ask-domain or link=ID", oneLine(c.As))
	case isLink && strings.TrimSpace(link) == "":
		return "", errors.New("--as link= needs the id of a contact")
	case !isLink && c.Target != "":
		return "", errors.New("--target goes with --as link=ID")
	case c.Target != "" && !slices.Contains(names, c.Target):
		return "", fmt.Errorf("there is no target %q: the configuration has %s", oneLine(c.Target), strings.Join(names, ", "))
	case isLink && c.Target == "" && len(names) == 1:
		c.Target = names[0]
	case isLink && c.Target == "":
		return "", fmt.Errorf("say with --target which of %s has the contact", strings.Join(names, ", "))
	}
	if !isLink {
		return "", nil
	}
	return link, nil
}
