package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What the program embeds must be what people edit.
func TestDocumentsAreGenerated(t *testing.T) {
	t.Parallel()
	parts, err := filepath.Glob("../*/openapi.yaml")
	if err != nil || len(parts) < 5 {
		t.Fatalf("%d documents, %v", len(parts), err)
	}
	for _, file := range parts {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := convert(text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(filepath.Dir(file), "openapi.gen.json"))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("openapi.gen.json is not what openapi.yaml says, %v; run go generate", err)
			}
		})
	}
}
