package administration_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"heliograph/config"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api/administration"
	"heliograph/internal/console/api/apitest"
)

const ours = `# Our configuration. 我们的配置
data_dir: data          # beside this file
upstreams:
  - {name: main, smtp: {address: "127.0.0.1:25", tls: none}}
listeners:
  - protocol: smtp
    address: "127.0.0.1:2525"
    tls: none
    mode: relay
    networks: [127.0.0.1]
    user: relay
    password: hunter2   # of the relay
mirror:
  workers: 4            # at once
`

// settingsRig is a configuration file and the API in front of it.
type settingsRig struct {
	*apitest.Client
	t        *testing.T
	dir      string
	reloaded []*config.Config
}

func newSettings(t *testing.T, fixed ...string) *settingsRig {
	t.Helper()
	o := &settingsRig{t: t, dir: t.TempDir()}
	o.write("config.yaml", ours)
	part := administration.New(administration.Options{Settings: &administration.SettingsFile{
		Path:  filepath.Join(o.dir, "config.yaml"),
		Fixed: func(*config.Config) []string { return fixed },
		Reload: func(_ context.Context, next *config.Config) error {
			if next.Log.Level == "error" {
				return errors.New("no")
			}
			o.reloaded = append(o.reloaded, next)
			return nil
		},
	}})
	o.Client = apitest.New(t, part.API()).As(access.NewCaller(access.Person{ID: "a", Role: access.Admin}, access.ScopeAll, nil, nil))
	return o
}

func (o *settingsRig) write(name, text string) {
	o.t.Helper()
	if err := os.WriteFile(filepath.Join(o.dir, name), []byte(text), 0o640); err != nil {
		o.t.Fatal(err)
	}
}

func (o *settingsRig) read(name string) string {
	o.t.Helper()
	text, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil {
		o.t.Fatal(err)
	}
	return string(text)
}

// files lists what is in the folder.
func (o *settingsRig) files() (names []string) {
	o.t.Helper()
	for _, pattern := range []string{"*", ".*", "secrets/*"} {
		found, err := filepath.Glob(filepath.Join(o.dir, pattern))
		if err != nil {
			o.t.Fatal(err)
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (o *settingsRig) patch(path string, value any, more ...string) *apitest.Answer {
	o.t.Helper()
	etag := o.Get("/api/v1/settings").Is(http.StatusOK).Header.Get("ETag")
	query := ""
	if len(more) > 0 {
		query = more[0]
	}
	return o.Patch("/api/v1/settings"+query, map[string]any{"changes": []any{map[string]any{"path": path, "value": value}}}, "If-Match", etag)
}

func TestSettingsChange(t *testing.T) {
	t.Parallel()
	o := newSettings(t)
	var done administration.SettingsChanged
	answer := o.patch("mirror.workers", 8)
	answer.JSON(http.StatusOK, &done)
	if !done.Written || !slices.Equal(done.Applied, []string{"mirror"}) || !strings.Contains(done.Yaml, "+  workers: 8            # at once") {
		t.Errorf("got %+v", done)
	}
	if got, want := o.read("config.yaml"), strings.Replace(ours, "workers: 4", "workers: 8", 1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if len(o.reloaded) != 1 || o.reloaded[0].Mirror.Workers != 8 {
		t.Errorf("reloaded %d times", len(o.reloaded))
	}
	if now := o.Get("/api/v1/settings").Header.Get("ETag"); now != answer.Header.Get("ETag") {
		t.Errorf("the answer has the ETag %s, the settings have %s", answer.Header.Get("ETag"), now)
	}
	if info, err := os.Stat(filepath.Join(o.dir, "config.yaml")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	o.patch("log.level", "error").JSON(http.StatusOK, &done)
	if done.ReloadError == "" {
		t.Errorf("got %+v", done)
	}
}

// What the file and the requests hold of secrets never comes out again.
func TestSettingsSecrets(t *testing.T) {
	t.Parallel()
	o := newSettings(t)
	before := o.Get("/api/v1/settings").Is(http.StatusOK)
	answer := o.patch("listeners[0].password", "correct horse")
	answer.Is(http.StatusOK)
	after := o.Get("/api/v1/settings").Is(http.StatusOK)
	for _, a := range []*apitest.Answer{before, answer, after} {
		for _, secret := range []string{"hunter2", "correct horse"} {
			if strings.Contains(string(a.Body), secret) {
				t.Errorf("%s is in %s", secret, a.Body)
			}
		}
	}
	text := o.read("config.yaml")
	if strings.Contains(text, "hunter2") || strings.Contains(text, "correct") || !strings.Contains(text, "# of the relay") {
		t.Errorf("got\n%s", text)
	}
	if got := o.reloaded[0].Listeners[0].Password.Reveal(); got != "correct horse" {
		t.Errorf("got %q", got)
	}
	found, err := filepath.Glob(filepath.Join(o.dir, "secrets", "*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("got %v, %v", found, err)
	}
	if info, err := os.Stat(found[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	o.patch("listeners[0].password", nil).Problem(http.StatusUnprocessableEntity, "settings_invalid") // a user needs one
}

func TestSettingsAreCheckedBefore(t *testing.T) {
	t.Parallel()
	o := newSettings(t)
	for path, value := range map[string]any{
		"console.audit_keep": "30d", "mirror.workers": "many", "mirror.wrkers": 3, "targets[9].name": "x", "listeners[0].address": "nowhere",
	} {
		p := o.patch(path, value).Problem(http.StatusUnprocessableEntity, "settings_invalid")
		if len(p.Fields) == 0 || p.Fields[0].Remedy == "" {
			t.Errorf("%s: got %+v", path, p)
		}
	}
	p := o.patch("mirror.workers", "many").Problem(http.StatusUnprocessableEntity, "settings_invalid")
	if f := p.Fields[0]; f.Pointer != "mirror.workers" || !strings.HasPrefix(f.Detail, "line 14: ") {
		t.Errorf("got %+v", f)
	}
	files := o.files()
	o.patch("listeners[0].password", "new", "?dry_run=true").Is(http.StatusOK)
	if o.read("config.yaml") != ours || !slices.Equal(files, slices.DeleteFunc(o.files(), func(n string) bool { return strings.HasSuffix(n, "/secrets") })) {
		t.Errorf("something was left behind: %v", o.files())
	}
	if len(o.reloaded) != 0 {
		t.Error("what was not written is in force")
	}
}

func TestSettingsChangedMeanwhile(t *testing.T) {
	t.Parallel()
	o := newSettings(t)
	etag := o.Get("/api/v1/settings").Header.Get("ETag")
	o.write("config.yaml", ours+"# by hand\n")
	body := map[string]any{"changes": []any{map[string]any{"path": "mirror.workers", "value": 8}}}
	o.Patch("/api/v1/settings", body, "If-Match", etag).Problem(http.StatusPreconditionFailed, "changed_meanwhile")
	if o.read("config.yaml") != ours+"# by hand\n" {
		t.Error("the change by hand is lost")
	}
}

func TestSettingsNeedRestart(t *testing.T) {
	t.Parallel()
	o := newSettings(t, "listeners")
	var done administration.SettingsChanged
	o.patch("listeners[0].hostname", "gw.example.com").JSON(http.StatusOK, &done)
	if !slices.Equal(done.Restart, []string{"listeners"}) || len(done.Applied) != 0 || len(o.reloaded) != 0 {
		t.Errorf("got %+v", done)
	}
}

func TestSettingsSchema(t *testing.T) {
	t.Parallel()
	o := newSettings(t)
	answer := o.Get("/api/v1/settings/schema").Is(http.StatusOK)
	for _, want := range []string{`"audit_keep"`, `"x-secret":true`, `"x-description-zh"`} {
		if !strings.Contains(string(answer.Body), want) {
			t.Errorf("%s is not in the schema", want)
		}
	}
}
