package config

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
)

// Outbox is the delivery of queued mail, and of what rules send.
type Outbox struct {
	Workers    int      `yaml:"workers"`
	ExpireIn   Duration `yaml:"expire_in"`  // a message not delivered by then bounces
	WarnIn     Duration `yaml:"warn_in"`    // the sender is told of the delay then; zero means never
	Postmaster string   `yaml:"postmaster"` // From of bounces; empty means MAILER-DAEMON at the listener's hostname
	// AutomatedShare is how much of an account's sending limit rules may use, in percent; the rest is its owner's.
	AutomatedShare int      `yaml:"automated_share"`
	Senders        []Sender `yaml:"senders"`
}

// Sender is an account as which rules send mail, with a login of its own. Enrolled accounts need none.
type Sender struct {
	Address     string `yaml:"address"`
	DisplayName string `yaml:"display_name"`
	Upstream    string `yaml:"upstream"` // empty: the default one
	User        string `yaml:"user"`     // empty: the address; without a password there is no login
	Password    Secret `yaml:"password"`
	SentFolder  string `yaml:"sent_folder"` // empty: the one that the server marks as \Sent
	// BounceTag puts a tag into the envelope's sender (name+hb-…@domain), by which bounces are known that quote nothing.
	BounceTag bool `yaml:"bounce_tag"`
	// How many mails the provider takes from the account, one for each recipient. Zero means what is known of the provider.
	PerMinute int `yaml:"per_minute"`
	PerHour   int `yaml:"per_hour"`
	PerDay    int `yaml:"per_day"`
}

// Login returns the user name and the password; an empty user means that the upstream asks for none.
func (s *Sender) Login() (user string, password Secret) {
	switch {
	case s.User != "":
		return s.User, s.Password
	case s.Password.Reveal() != "":
		return s.Address, s.Password
	}
	return "", Secret{}
}

func (v *validator) outbox() {
	o := v.cfg.Outbox
	v.atLeast("outbox.workers", o.Workers, 1)
	if o.ExpireIn <= 0 {
		v.bad("outbox.expire_in", "must be above zero", "Write 5d, for example.")
	}
	if o.WarnIn >= o.ExpireIn && o.ExpireIn > 0 {
		v.bad("outbox.warn_in", "is not before expire_in", "Write a shorter time, or 0 for no warning.")
	}
	if o.Postmaster != "" {
		if _, err := mail.ParseAddress(o.Postmaster); err != nil {
			v.bad("outbox.postmaster", quote(o.Postmaster)+" is not a mail address", "Write one, such as postmaster@example.com.")
		}
	}
	if o.AutomatedShare < 1 || o.AutomatedShare > 100 {
		v.bad("outbox.automated_share", fmt.Sprintf("%d is not between 1 and 100", o.AutomatedShare), "Write the percentage of an account's sending limit that rules may use.")
	}
	v.senders(o.Senders)
}

func (v *validator) senders(list []Sender) {
	taken := map[string]string{}
	for i := range list {
		s := &list[i]
		path := fmt.Sprintf("outbox.senders[%d]", i)
		if v.required(path+".address", s.Address, "Write the mail address as which rules send.") {
			a, err := mail.ParseAddress(s.Address)
			if err != nil || a.Address != s.Address {
				v.bad(path+".address", quote(s.Address)+" is not a mail address", "Write it alone, such as service@example.com; a name goes to display_name.")
			}
			s.Address = strings.ToLower(s.Address)
			if other, twice := taken[s.Address]; twice {
				v.bad(path+".address", quote(s.Address)+" is the address of "+other+" already", "Take one of the two out.")
			}
			taken[s.Address] = path
		}
		if s.Upstream == "" && len(v.cfg.Upstreams) == 1 {
			s.Upstream = v.cfg.Upstreams[0].Name
		}
		if s.Upstream != "" && !slices.ContainsFunc(v.cfg.Upstreams, func(u Upstream) bool { return u.Name == s.Upstream }) {
			v.bad(path+".upstream", "there is no upstream "+quote(s.Upstream), suggest(s.Upstream, v.upstreamNames()))
		}
		if s.User != "" && s.Password.Reveal() == "" {
			v.bad(path+".password", "is missing", "Write password or password_file for the user "+quote(s.User)+".")
		}
		for _, c := range []struct {
			key string
			n   int
		}{{"per_minute", s.PerMinute}, {"per_hour", s.PerHour}, {"per_day", s.PerDay}} {
			if c.n < 0 {
				v.bad(path+"."+c.key, fmt.Sprintf("%d is too small", c.n), "Write 0 for what is known of the provider.")
			}
		}
		if strings.ContainsAny(s.DisplayName, "\r\n\x00") {
			v.bad(path+".display_name", "has a line break", "Write one line.")
		}
	}
}
