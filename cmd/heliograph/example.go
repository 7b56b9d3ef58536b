package main

import (
	"fmt"
	"os"
	"strings"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/catalog"
)

type exampleCmd struct {
	Connector string `arg:"" optional:"" help:"Print the section of a target of this type instead, such as salesforce. 打印某类 CRM 的配置段"`
}

// Help lists the connectors.
func (exampleCmd) Help() string { return "Connectors: " + strings.Join(catalog.Types(), ", ") + "." }

// Run prints config/example.yaml, which is the reference of all keys, or the reference of a connector.
func (e exampleCmd) Run() error {
	text := config.Example
	if e.Connector != "" {
		var err error
		if text, err = crmclient.Samples.ReadFile(e.Connector + "/sample.yaml"); err != nil {
			return fmt.Errorf("there is no connector %q; there are %s", e.Connector, strings.Join(catalog.Types(), ", "))
		}
	}
	_, err := os.Stdout.Write(text)
	return err
}
