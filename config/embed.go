package config

import _ "embed"

// Example is config/example.yaml: every key with its default and a comment.
//
//go:embed example.yaml
var Example []byte
