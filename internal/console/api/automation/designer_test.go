package automation_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"heliograph/internal/console/api/automation"
	"heliograph/internal/store/storetest"
)

var update = flag.Bool("update", false, "write the vocabulary for the tests of the designer")

// designerVocabulary is what the tests of the designer's forms make forms of.
const designerVocabulary = "../../ui/src/test/vocabulary.json"

// TestDesignerVocabulary keeps the vocabulary of the designer's own tests that of the API. The facts are left out: the forms pick among
// them and hold none of them.
func TestDesignerVocabulary(t *testing.T) {
	t.Parallel()
	var v automation.Vocabulary
	newRig(t, storetest.SQLite(t)).admin.Get("/api/v1/rules/vocabulary").JSON(200, &v)
	v.Facts = []automation.FactInfo{}
	want, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(designerVocabulary, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(designerVocabulary)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the API gives: go test ./internal/console/api/automation -run TestDesignerVocabulary -update", designerVocabulary)
	}
}
