package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// maxFile bounds the files that keys name: secrets, certificates, authorities.
// The largest bundle of public authorities has a quarter of it.
const maxFile = 1 << 20

// resolve makes a path relative to the folder of the configuration file.
func (s *source) resolve(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(s.dir, path)
}

var (
	errIsFolder = errors.New("is a folder, not a file")
	errNotFile  = errors.New("is a device or pipe, not a file")
	errTooLarge = errors.New("is too large")
)

// fileError says why a file cannot be used.
type fileError struct {
	path string
	err  error
}

func (e *fileError) Error() string {
	switch {
	case errors.Is(e.err, fs.ErrNotExist):
		return fmt.Sprintf("the file %s does not exist", e.path)
	case errors.Is(e.err, fs.ErrPermission):
		return fmt.Sprintf("the file %s may not be read", e.path)
	case errors.Is(e.err, errIsFolder), errors.Is(e.err, errNotFile), errors.Is(e.err, errTooLarge):
		return e.path + " " + e.err.Error()
	}
	var inner *fs.PathError
	if errors.As(e.err, &inner) {
		return fmt.Sprintf("the file %s cannot be read: %v", e.path, inner.Err)
	}
	return fmt.Sprintf("the file %s cannot be read", e.path)
}

func (e *fileError) Unwrap() error { return e.err }

// fileRemedy says what to do about an error of readFile.
func fileRemedy(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "Create it or correct the path. Relative paths start at the folder of the configuration file."
	case errors.Is(err, fs.ErrPermission):
		return "Let the user that the gateway runs as read it."
	}
	return "Name a readable file."
}

// readFile reads a file that a key names.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, &fileError{path, err}
	}
	if info.IsDir() {
		return nil, &fileError{path, errIsFolder}
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return nil, &fileError{path, errNotFile}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &fileError{path, err}
	}
	defer func() { _ = f.Close() }() // it was only read
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, &fileError{path, err}
	}
	if len(content) > maxFile {
		return nil, &fileError{path, errTooLarge}
	}
	return content, nil
}

// warnIfOpen warns of a file with a secret that every user of the machine may read.
func (s *source) warnIfOpen(path, what string) {
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm()&0o004 != 0 {
		s.warn(fmt.Sprintf("%s: every user of this machine may read %s; run chmod o-rwx on it", path, what))
	}
}

// secretFile reads a secret from the file that node names.
func (d *decoder) secretFile(node ast.Node, path string) (Secret, bool) {
	name, ok := textOf(node)
	if !ok || name == "" {
		d.fail(path, startOf(node), "the name of a file is needed here", "")
		return Secret{}, false
	}
	full := d.src.resolve(name)
	content, err := readFile(full)
	if err != nil {
		d.fail(path, startOf(node), err.Error(), fileRemedy(err))
		return Secret{}, false
	}
	value := strings.TrimRight(string(content), "\r\n")
	if value == "" {
		d.fail(path, startOf(node), fmt.Sprintf("the file %s is empty", full), "Write the secret into it, in one line.")
		return Secret{}, false
	}
	d.src.warnIfOpen(full, "the secret in it")
	return NewSecret(value), true
}

// secret reads a secret that stands in the file or in the environment.
func (d *decoder) secret(node ast.Node, path string) (Secret, bool) {
	text, _ := textOf(node)
	value, problem := expand(text)
	if problem != "" {
		d.fail(path, startOf(node), problem, "Set the variable, or write $${ for the signs ${ themselves.")
		return Secret{}, false
	}
	if value == text && text != "" {
		d.inline = true
	}
	return NewSecret(value), true
}

var variable = regexp.MustCompile(`\$?\$\{([^}]*)\}?`)

// expand replaces ${NAME} by environment variables; $${ stands for ${ itself.
// The problem, if any, names the variable, which is no secret.
func expand(text string) (value, problem string) {
	value = variable.ReplaceAllStringFunc(text, func(found string) string {
		if strings.HasPrefix(found, "$$") {
			return found[1:]
		}
		name := strings.TrimSuffix(strings.TrimPrefix(found, "${"), "}")
		if !isVariableName(name) || !strings.HasSuffix(found, "}") {
			problem = "${ begins no variable of the form ${NAME}"
			return ""
		}
		content := os.Getenv(name)
		if content == "" && problem == "" {
			problem = fmt.Sprintf("the environment variable %s is not set or empty", name)
		}
		return content
	})
	return value, problem
}

// isVariableName reports whether a name is one that shells can set.
func isVariableName(name string) bool {
	for i, r := range name {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}
