package rules

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"slices"

	"heliograph/hooks/rules/classify"
	"heliograph/hooks/rules/condition"
	"heliograph/internal/report"
)

// world_files.go is what a written-down world says of tables, files and labels. Tests say it under the roots "tables" (by name, a list of records),
// "files" (a list of name, type and content in base64) and "labels" (by dimension, a label, or a list of labels for tags).

var (
	_ Tables    = testWorld{}
	_ Files     = testWorld{}
	_ Suggester = testWorld{}
)

// Table implements Tables.
func (w testWorld) Table(_ context.Context, name string) (*report.Table, error) {
	all, _ := w["tables"].(map[string]any)
	list, ok := all[name].([]any)
	if !ok {
		return nil, Permanent(fmt.Errorf("there is no table %s%s", name, meant(name, names(all))))
	}
	var records []map[string]any
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			records = append(records, m)
		}
	}
	return report.FromRecords(records, nil, report.Limits{})
}

// Files implements Files.
func (w testWorld) Files(context.Context, string) (out []MailFile, err error) {
	list, _ := w["files"].([]any)
	for _, e := range list {
		text := func(name string) string {
			m, _ := e.(map[string]any)
			s, _ := m[name].(string)
			return s
		}
		data, err := base64.StdEncoding.DecodeString(text("content"))
		if err != nil {
			return nil, Permanent(fmt.Errorf("file %s: %w", text("name"), err))
		}
		out = append(out, MailFile{Name: text("name"), Type: text("type"), Size: int64(len(data)), Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(data)), nil
		}})
	}
	return out, nil
}

// Suggest implements Suggester: what the test says is certain.
func (w testWorld) Suggest(context.Context, classify.Mail) (out []classify.Suggestion, err error) {
	labels, ok := w["labels"].(map[string]any)
	if !ok {
		return nil, &condition.Unknown{Path: "labels", Reason: "the test does not say"}
	}
	for _, d := range names(labels) {
		list, ok := labels[d].([]any)
		if !ok {
			list = []any{labels[d]}
		}
		for _, l := range list {
			if label, ok := l.(string); ok {
				out = append(out, classify.Suggestion{
					Dimension: d, Label: label, Probability: 1, Origin: classify.Corrections, Model: "test",
					Evidence: []classify.Evidence{{Text: "the test says so", Origin: classify.Corrections}},
				})
			}
		}
	}
	return slices.Clip(out), nil
}
