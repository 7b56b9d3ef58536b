package config

import (
	"errors"
	"os"
	"reflect"

	"github.com/goccy/go-yaml/ast"
)

// Check looks at one target on behalf of its connector, without the network:
// whether the type is known and the section can be decoded. An *Errors keeps
// its positions.
type Check func(Target) error

// Load reads the configuration file at path. The error is *Errors and lists
// all mistakes, those that the checks find in targets included.
func Load(path string, checks ...Check) (*Config, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, &Errors{{File: path, Message: err.Error(), Remedy: loadRemedy(err)}}
	}
	cfg, d, err := read(path, text, checks)
	if err != nil {
		return nil, err
	}
	if d.inline {
		d.src.warnIfOpen(path, "the secrets in it")
	}
	return cfg, nil
}

// loadRemedy says what to do about a configuration file that cannot be read.
func loadRemedy(err error) string {
	if errors.Is(err, os.ErrNotExist) {
		return "Correct the path, or start from config/example.yaml."
	}
	return fileRemedy(err)
}

// Parse reads a configuration from src. Relative file names in it start at the
// folder of name, which need not exist itself. The error is as that of Load.
func Parse(name string, src []byte, checks ...Check) (*Config, error) {
	cfg, _, err := read(name, src, checks)
	return cfg, err
}

// read is Parse; it also returns the decoder, which knows more about the text.
func read(name string, text []byte, checks []Check) (*Config, *decoder, error) {
	src, node, err := readSource(name, text)
	if err != nil {
		return nil, nil, err
	}
	cfg := defaults()
	cfg.warnings = src.allWarnings
	d := newDecoder(src)
	d.document(node, cfg)
	cfg.complete()
	v := &validator{decoder: d, cfg: cfg}
	v.all()
	v.targets(checks)
	if err := d.result(); err != nil {
		return nil, nil, err
	}
	return cfg, d, nil
}

// document reads the top of the file.
func (d *decoder) document(node ast.Node, cfg *Config) {
	if node == nil {
		return
	}
	if _, empty := node.(*ast.NullNode); empty {
		return
	}
	d.structure(node, reflect.ValueOf(cfg).Elem(), "", false)
}

// Warnings lists what works but should be looked at, such as files with secrets
// that everybody may read. No secrets are in the texts.
func (c *Config) Warnings() []string {
	if c.warnings == nil {
		return nil
	}
	return c.warnings()
}
