package config_test

import (
	"testing"

	"heliograph/config"
)

func TestUnmatchedByRule(t *testing.T) {
	t.Parallel()
	m := config.Matching{Rules: []config.MatchingRule{
		{Accounts: []string{"*@sales.example.com"}, Domains: []string{"partner.example"}, Unmatched: config.UnmatchedReview},
		{Accounts: []string{"board@example.com"}, Unmatched: config.UnmatchedSkip},
		{Domains: []string{"partner.example"}, Unmatched: config.UnmatchedLead},
	}}
	for _, tt := range []struct {
		name     string
		accounts []string
		domain   string
		want     config.UnmatchedMode
	}{
		{"none", []string{"li@example.com"}, "customer.example", config.UnmatchedCreate},
		{"no account", nil, "customer.example", config.UnmatchedCreate},
		{"account", []string{"li@example.com", "board@example.com"}, "customer.example", config.UnmatchedSkip},
		{"domain", []string{"li@example.com"}, "partner.example", config.UnmatchedLead},
		{"below the domain", nil, "cn.partner.example", config.UnmatchedLead},
		{"ends like the domain", nil, "mypartner.example", config.UnmatchedCreate},
		{"both", []string{"li@sales.example.com"}, "partner.example", config.UnmatchedReview},
		{"the first holds", []string{"board@example.com"}, "partner.example", config.UnmatchedSkip},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := m.For(tt.accounts, tt.domain, config.UnmatchedCreate); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	if !m.Reviews(config.UnmatchedSkip) || (config.Matching{}).Reviews(config.UnmatchedSkip) || !(config.Matching{}).Reviews(config.UnmatchedReview) {
		t.Error("Reviews is wrong")
	}
}
