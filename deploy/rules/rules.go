// Package rules holds the rules that come as examples, a file each: what business people want to happen, in their words, with tests inside.
// README.md lists them and says how to adapt one. They are data; what runs them is package hooks/rules.
package rules

import "embed"

// Files are the rules, NN-name.yaml.
//
//go:embed *.yaml
var Files embed.FS
