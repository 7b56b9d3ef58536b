package jiandaoyun_test

import (
	"testing"

	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/fieldmap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fields reads a mapping as it stands in a section.
func fields(yaml string) fieldmap.Fields {
	var s struct {
		Fields fieldmap.Fields `yaml:"fields"`
	}
	if err := config.NewSection("fields:\n  " + yaml).Decode(&s); err != nil {
		panic(err)
	}
	return s.Fields
}

func TestConformance(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, subject(txOverwrites, nil))
}
