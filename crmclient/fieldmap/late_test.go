package fieldmap_test

import (
	"slices"
	"testing"

	"heliograph/crmclient/fieldmap"
)

func TestLate(t *testing.T) {
	t.Parallel()
	fields := fieldmap.Fields{
		"Thread": fieldmap.From("thread"), "Subject": fieldmap.From("subject"), "Copies": {From: "cc", Or: []string{"bcc"}}, "Fixed": {Value: "bcc"},
	}
	if got, want := fields.Late(), []string{"Copies", "Thread"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q: those whose source may change after the mail was logged", got, want)
	}
	if got := fieldmap.Fields(nil).Late(); got != nil {
		t.Errorf("of no fields: got %q", got)
	}
}
