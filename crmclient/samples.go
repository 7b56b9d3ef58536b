package crmclient

import "embed"

// Samples holds sample.yaml of each connector, in a folder of its name: a section of the configuration with every key, explained.
//
//go:embed */sample.yaml
var Samples embed.FS
