package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"heliograph/config"
	"heliograph/hooks/rules"
	"heliograph/internal/report"
	"heliograph/internal/store"
	"heliograph/proxy/upstream"
)

// automation tries what rules need: calendars, the font of reports, and the accounts that they send as.
func (c *checker) automation(ctx context.Context) {
	around, err := Surroundings(c.cfg)
	c.say("rules", "calendars", err, "", "check rules.calendar and rules.calendar_files")
	if err == nil {
		cal, err := around.Calendars.Find(around.Calendar)
		if err == nil {
			if year := cal.Missing(time.Now()); year != 0 {
				c.warn("rules", "calendar", withoutHolidays(around.Calendar, year), holidaysRemedy)
			}
		}
	}
	if _, err := report.FindFont(report.Font{Regular: c.cfg.Rules.Reports.Font, Bold: c.cfg.Rules.Reports.BoldFont}); err != nil {
		c.warn("rules", "font", err.Error(), "needed for reports as PDF only")
	}
	c.senders(ctx)
}

// holidaysRemedy is what to do about a calendar without the holidays of a year.
const holidaysRemedy = "update heliograph, or add a calendar of your own with them (rules.calendar_files)"

// withoutHolidays says what a calendar does that does not have the holidays of a year.
func withoutHolidays(name string, year int) string {
	return fmt.Sprintf("the holidays of %d are not in calendar %s: business hours and workdays go by weekends only", year, name)
}

// senders logs in as each account that rules send as, and sends nothing.
func (c *checker) senders(ctx context.Context) {
	if len(c.cfg.Outbox.Senders) == 0 {
		return
	}
	r, err := upstream.New(c.cfg.Upstreams, upstream.Options{Hostname: hostname(), Services: services(c.cfg)})
	if err != nil {
		return // said already
	}
	defer r.Close()
	for _, s := range c.cfg.Outbox.Senders {
		detail, err := trySender(ctx, r, s)
		c.say("sender "+s.Address, "login", err, detail, "check user and password of the account in outbox.senders; many providers want an authorization code in place of the password")
	}
}

func trySender(ctx context.Context, r *upstream.Router, s config.Sender) (string, error) {
	up, err := r.Route(s.Upstream, "", s.Address)
	if err != nil {
		return "", err
	}
	user, password := s.Login()
	if user == "" {
		conn, err := up.DialSMTP(ctx, upstream.Client{Helo: hostname()})
		if err != nil {
			return "", err
		}
		up.Release(conn)
		return "sends without a login at " + up.Name(), nil
	}
	conn, _, err := up.DialAuthenticated(ctx, upstream.Client{Helo: hostname()}, user, password)
	if err != nil {
		return "", err
	}
	up.Release(conn)
	return "logged in at " + up.Name(), nil
}

// rulesInForce checks the rules in the database against this configuration: a target may have been renamed since they were published.
func (c *checker) rulesInForce(ctx context.Context, db *store.DB) {
	around, err := Surroundings(c.cfg)
	if err != nil || db == nil {
		return
	}
	list, err := rules.NewBook(db, nil).List(ctx)
	if err != nil {
		c.say("rules", "read", err, "", "the database is of another version, or damaged")
		return
	}
	live := 0
	for _, s := range list {
		if s.State != rules.StateLive && s.State != rules.StateShadow {
			continue
		}
		live++
		var errs []error
		for _, p := range rules.Check(s.Rule, around) {
			if !p.Warning {
				errs = append(errs, errors.New(p.String()))
			}
		}
		if len(errs) > 0 {
			c.say("rule "+s.ID, "check", errors.Join(errs...), "", "heliograph rule check shows where; mend it and publish it again, or turn it off")
		}
	}
	if live > 0 {
		c.say("rules", "in force", nil, fmt.Sprintf("%d rules", live), "")
	}
}
