package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"heliograph/internal/gateway"
	"heliograph/proxy/upstream"
)

type checkCmd struct {
	configFlag
	Network bool `short:"n" help:"Also try DNS, TLS, upstreams, Redis, database and targets. 同时检查网络连接"`
	JSON    bool `help:"Print findings as JSON, one a line."`
}

// Run validates the file and, with --network, everything it names. The exit code is 1
// when something is wrong.
func (c *checkCmd) Run(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if !c.JSON {
		fmt.Printf("%s: the configuration is valid\n", c.Config)
		for _, w := range cfg.Warnings() {
			fmt.Printf("  warning: %s\n", w)
		}
	}
	if !c.Network {
		return nil
	}
	report := printFinding
	if c.JSON {
		enc := json.NewEncoder(os.Stdout)
		report = func(f gateway.Finding) { _ = enc.Encode(f) } // a closed pipe ends the program anyway
	}
	return gateway.Check(ctx, cfg, report)
}

var marks = map[upstream.Outcome]string{
	upstream.OutcomeOK: "ok", upstream.OutcomeWarning: "WARNING", upstream.OutcomeFailed: "FAILED",
}

func printFinding(f gateway.Finding) {
	fmt.Printf("%-8s %-26s %-14s %s\n", marks[f.Outcome], f.Part, f.Check, strings.ReplaceAll(f.Detail, "\n", " "))
	if f.Remedy != "" {
		fmt.Printf("%-8s %-26s %-14s → %s\n", "", "", "", f.Remedy)
	}
}
