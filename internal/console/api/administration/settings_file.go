package administration

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"

	"heliograph/config"
	"heliograph/internal/console/api"
)

// SettingsFile is the configuration file of the gateway.
type SettingsFile struct {
	Path string
	// Checks look at targets on behalf of their connectors, as in config.Load.
	Checks []config.Check
	// Fixed names the sections that a configuration has otherwise than the running gateway, and that only a restart puts in force.
	Fixed func(next *config.Config) []string
	// Reload puts a configuration in force that has no such section.
	Reload func(ctx context.Context, next *config.Config) error

	mu sync.Mutex // one change at a time
}

func etagOf(text []byte) string { return api.ETag(string(text)) }

// read reads the file. One that somebody broke by hand is a problem with its mistakes.
func (f *SettingsFile) read() ([]byte, *config.Config, error) {
	text, err := os.ReadFile(f.Path)
	if err != nil {
		return nil, nil, api.Unavailable("settings_unreadable", "the configuration file cannot be read", "Let the user that the gateway runs as read it.").Because(err)
	}
	cfg, err := config.Parse(f.Path, text, f.Checks...)
	if err != nil {
		return nil, nil, invalidSettings(err)
	}
	return text, cfg, nil
}

// writable says whether the folder of the file lets us replace it.
func (f *SettingsFile) writable() bool {
	const mayWrite = 2
	return syscall.Access(filepath.Dir(f.Path), mayWrite) == nil
}

// change makes changes in the file, and puts them in force.
func (f *SettingsFile) change(ctx context.Context, ifMatch string, changes []config.Change, dry bool) (out SettingsChanged, etag string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path, err := filepath.EvalSymlinks(f.Path)
	if err != nil {
		return out, "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return out, "", err
	}
	if err := api.Match(ifMatch, etagOf(text)); err != nil {
		return out, "", err
	}
	w := &rewriting{dir: filepath.Dir(path), writable: f.writable()}
	keep := false
	defer func() {
		if !keep {
			w.drop()
		}
	}()
	next, err := w.edit(text, changes)
	if err != nil {
		return out, "", err
	}
	out = SettingsChanged{Applied: []string{}, Restart: []string{}, Yaml: difference(text, next)}
	if !w.writable {
		return out, "", f.cannotWrite(w, next, out.Yaml)
	}
	cfg, err := w.put(path, next, f.Checks, dry)
	if err != nil {
		return out, "", err
	}
	if f.Fixed != nil {
		out.Restart = append([]string{}, f.Fixed(cfg)...)
	}
	keep = !dry
	out.Written, etag = !dry, etagOf(next)
	if dry {
		etag = etagOf(text)
	}
	if len(out.Restart) > 0 {
		return out, etag, nil
	}
	if !dry && f.Reload != nil {
		if err := f.Reload(ctx, cfg); err != nil {
			out.ReloadError = err.Error()
			return out, etag, nil
		}
	}
	for _, c := range changes {
		top, _, _ := strings.Cut(strings.ReplaceAll(c.Path, "[", "."), ".")
		if !slices.Contains(out.Applied, top) {
			out.Applied = append(out.Applied, top)
		}
	}
	return out, etag, nil
}

// cannotWrite tells what to do by hand, once it is known to be good.
func (f *SettingsFile) cannotWrite(w *rewriting, next []byte, yaml string) error {
	if len(w.secrets) == 0 {
		if _, err := config.Parse(f.Path, next, f.Checks...); err != nil {
			return invalidSettings(err)
		}
	}
	return api.Conflict("settings_not_writable", "the gateway may not write "+f.Path+"; these lines change:\n\n"+yaml,
		"Change the file by hand, write secrets into the files that it names (chmod 600), and reload the gateway; or let its user write the folder, also in the sandbox of systemd (ReadWritePaths=).")
}

// rewriting is a change on its way.
type rewriting struct {
	dir      string
	writable bool
	secrets  []string // files that were made for it
}

// drop removes the secrets of a change that came to nothing.
func (w *rewriting) drop() {
	for _, name := range w.secrets {
		_ = os.Remove(filepath.Join(w.dir, name)) // it holds what nothing refers to
	}
}

// secretWords end the names of keys of connectors that hold secrets.
var (
	secretWords = regexp.MustCompile(`(?:secret|token|password|passphrase|credential|api_key|private_key|_key)$`)
	positions   = regexp.MustCompile(`\[\d+\]`)
	notInNames  = regexp.MustCompile(`[^a-z0-9]+`)
)

// isSecret says whether the value of a key is a secret.
func isSecret(path string) bool {
	key := positions.ReplaceAllString(path, "[]")
	i := slices.IndexFunc(config.Keys(), func(k config.Key) bool { return k.Path == key })
	if i >= 0 {
		return config.Keys()[i].Kind == config.KindSecret
	}
	return strings.HasPrefix(path, "targets[") && secretWords.MatchString(path)
}

// edit makes the changes; a secret goes into a file of its own.
func (w *rewriting) edit(text []byte, changes []config.Change) ([]byte, error) {
	for i, c := range changes {
		all := []config.Change{c}
		if isSecret(c.Path) && c.Op == config.OpSet {
			var err error
			if all, err = w.secret(c); err != nil {
				return nil, err
			}
		}
		next, err := config.Edit(text, all)
		if err != nil {
			remedy := "Read the settings again; paths are those that they have."
			if errors.Is(err, config.ErrEdit) {
				remedy = "Change this key in the file by hand."
			}
			return nil, api.Invalid("settings_invalid", "this cannot be changed; nothing was", api.Field{
				Pointer: fmt.Sprintf("/changes/%d/path", i), Code: "path", Detail: err.Error(), Remedy: remedy,
			})
		}
		text = next
	}
	return text, nil
}

// secret writes a secret into a new file that only we can read; the key names the file.
func (w *rewriting) secret(c config.Change) ([]config.Change, error) {
	value, isText := c.Value.(string)
	if c.Value == nil {
		return []config.Change{{Path: c.Path}, {Path: c.Path + "_file"}}, nil
	}
	if !isText || value == "" || strings.ContainsAny(value, "\x00") {
		return nil, api.Invalid("settings_invalid", "a secret is a text", api.Field{Pointer: c.Path, Detail: "not a text", Remedy: "Send the secret as a text, or null to take it away."})
	}
	name := filepath.Join("secrets", strings.Trim(notInNames.ReplaceAllString(strings.ToLower(c.Path), "-"), "-")+"-"+strings.ToLower(rand.Text()[:8]))
	w.secrets = append(w.secrets, name)
	if w.writable {
		full := filepath.Join(w.dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			return nil, fmt.Errorf("make the folder of secrets: %w", err)
		}
		if err := writeSynced(full, []byte(value), 0o600); err != nil {
			return nil, fmt.Errorf("write a secret: %w", err)
		}
	}
	return []config.Change{{Path: c.Path}, {Path: c.Path + "_file", Value: name}}, nil
}

// put checks a new text in a file beside the other, and replaces that unless it is only a try.
func (w *rewriting) put(path string, text []byte, checks []config.Check, dry bool) (cfg *config.Config, err error) {
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	beside := filepath.Join(w.dir, ".settings-"+rand.Text()[:8]+".yaml")
	if err := writeSynced(beside, text, mode); err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	defer func() {
		if err != nil || dry {
			_ = os.Remove(beside) // it is not the configuration
		}
	}()
	if cfg, err = config.Load(beside, checks...); err != nil {
		return nil, invalidSettings(err)
	}
	if dry {
		return cfg, nil
	}
	if err := os.Rename(beside, path); err != nil {
		return nil, fmt.Errorf("replace the configuration: %w", err)
	}
	dir, err := os.Open(w.dir)
	if err != nil {
		return nil, err
	}
	return cfg, errors.Join(dir.Sync(), dir.Close())
}

// writeSynced writes a new file durably.
func writeSynced(path string, text []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// mistake is a mistake of a configuration as a field. What it says holds no secrets.
func mistake(m config.Mistake) api.Field {
	detail := m.Message
	if m.Line > 0 {
		detail = fmt.Sprintf("line %d: %s", m.Line, m.Message)
	}
	return api.Field{Pointer: m.Path, Code: "mistake", Detail: detail, Remedy: m.Remedy}
}

// inlineSecret is a key whose value is not shown in a difference.
var inlineSecret = regexp.MustCompile(`("?(?:[a-z_]*(?:secret|token|password|passphrase|credential|key|url|proxy))"?:\s*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s,}#][^,}#]*)`)

// maxCompared bounds what comparing two texts takes: some two thousand lines each.
const maxCompared = 4 << 20

// difference shows the lines that differ, without secrets.
func difference(before, after []byte) string {
	a, b := bytes.Split(before, []byte("\n")), bytes.Split(after, []byte("\n"))
	if len(a)*len(b) > maxCompared {
		return ""
	}
	length := make([][]int, len(a)+1) // of the longest common part behind each pair of lines
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			length[i][j] = max(length[i+1][j], length[i][j+1])
			if bytes.Equal(a[i], b[j]) {
				length[i][j] = length[i+1][j+1] + 1
			}
		}
	}
	var out strings.Builder
	show := func(sign string, line []byte) {
		fmt.Fprintf(&out, "%s%s\n", sign, inlineSecret.ReplaceAllString(string(line), "$1<secret>"))
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && bytes.Equal(a[i], b[j]):
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && length[i+1][j] >= length[i][j+1]:
			show("-", a[i])
			i++
		default:
			show("+", b[j])
			j++
		}
	}
	return out.String()
}
