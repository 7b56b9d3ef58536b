package main

import (
	"fmt"
	"os"
	"strings"

	"heliograph/hooks/rules"
	"heliograph/hooks/rules/condition"
)

type ruleSchemaCmd struct{}

// Run prints the schema.
func (ruleSchemaCmd) Run() error {
	text, err := rules.SchemaJSON()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

type ruleFieldsCmd struct {
	Contains string `arg:"" optional:"" help:"Only those with this in path or label. 包含"`
	JSON     bool   `help:"Print JSON, one object a line."`
}

// Run lists facts.
func (c *ruleFieldsCmd) Run() error {
	var list []condition.Fact
	for _, f := range condition.Standard().Facts() {
		if strings.Contains(strings.ToLower(f.Path+" "+f.ZH+" "+f.EN), strings.ToLower(c.Contains)) {
			list = append(list, f)
		}
	}
	t := &table{head: []string{"FIELD", "TYPE", "NAME", "名称", "VALUES", "TRIGGERS"}}
	return printList(list, false, c.JSON, "fields", t, func(f condition.Fact) []string {
		kind := string(f.Type)
		if f.Of != "" {
			kind = fmt.Sprintf("%s of %s", f.Type, f.Of)
		}
		return []string{f.Path, kind, f.EN, f.ZH, strings.Join(f.Enum, " "), strings.Join(f.Triggers, " ")}
	})
}
