// Command asjson writes an OpenAPI document in YAML, which people edit, as JSON, which the program embeds: to read YAML takes forty
// times as long, and would be done at each start.
package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/goccy/go-yaml"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "asjson:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: asjson openapi.yaml openapi.gen.json")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	out, err := convert(text)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return os.WriteFile(args[1], out, 0o644)
}

// convert keeps the order of the keys.
func convert(document []byte) ([]byte, error) {
	out, err := yaml.YAMLToJSON(document)
	return append(bytes.TrimSpace(out), '\n'), err
}
