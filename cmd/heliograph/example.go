package main

import (
	"os"

	"heliograph/config"
)

type exampleCmd struct{}

// Run prints config/example.yaml, which is the reference of all keys.
func (exampleCmd) Run() error {
	_, err := os.Stdout.Write(config.Example)
	return err
}
