package deploy_test

import (
	"bufio"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"heliograph/internal/mailtest"
)

// instructions are those of the Containerfile's last two stages, continued lines joined.
func instructions(t *testing.T) (build, final []string) {
	t.Helper()
	text := strings.ReplaceAll(read(t, "container/Containerfile"), "\\\n", " ")
	var stages [][]string
	for line := range strings.Lines(text) {
		line = strings.Join(strings.Fields(line), " ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "FROM "):
			stages = append(stages, []string{line})
		default:
			stages[len(stages)-1] = append(stages[len(stages)-1], line)
		}
	}
	if len(stages) != 3 { // the first makes the console's pages
		t.Fatalf("%d stages, want 3", len(stages))
	}
	return stages[1], stages[2]
}

// value returns the argument of the only instruction of its kind.
func value(t *testing.T, stage []string, kind string) string {
	t.Helper()
	var found []string
	for _, line := range stage {
		if v, is := strings.CutPrefix(line, kind+" "); is {
			found = append(found, v)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d instructions %s, want 1", len(found), kind)
	}
	return found[0]
}

// words reads an instruction in the exec form.
func words(t *testing.T, text string) (w []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return w
}

// TestContext wants everything that the program is built from in the context of the build.
func TestContext(t *testing.T) {
	t.Parallel()
	lines := strings.Fields(regexp.MustCompile(`(?m)^#.*`).ReplaceAllString(read(t, "container/Containerfile.dockerignore"), ""))
	if lines[0] != "*" {
		t.Fatal("the context is not closed first")
	}
	cmd := goCommand(t, "list", "-deps", "-f", `{{if .Module}}{{if .Module.Main}}{{$p := .ImportPath}}{{range .GoFiles}}{{$p}}/{{.}} {{end}}{{range .EmbedFiles}}{{$p}}/{{.}} {{end}}{{end}}{{end}}`, "./cmd/heliograph")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := append(strings.Fields(string(out)), "heliograph/go.mod", "heliograph/go.sum")
	if len(files) < 50 {
		t.Fatalf("go list names %d files only", len(files))
	}
	for _, file := range files {
		file = strings.TrimPrefix(file, "heliograph/")
		if !slices.ContainsFunc(lines, func(line string) bool {
			return line == "!"+file || line[0] == '!' && strings.HasPrefix(file, line[1:]+"/")
		}) {
			t.Errorf("%s is kept from the build by Containerfile.dockerignore", file)
		}
		if strings.HasSuffix(file, "_test.go") || slices.Contains(strings.Split(file, "/"), "testdata") {
			t.Errorf("%s is needed but kept from the build", file)
		}
	}
	for _, line := range lines {
		if name, is := strings.CutPrefix(line, "!"); is {
			if _, err := os.Stat(filepath.Join("..", name)); err != nil {
				t.Errorf("Containerfile.dockerignore: %v", err)
			}
		}
	}
}

// TestImageIsWhole wants each copied path to be made before, and the program to be built as make build does.
func TestImageIsWhole(t *testing.T) {
	t.Parallel()
	build, final := instructions(t)
	all := strings.Join(build, "\n")
	for _, line := range final {
		args, is := strings.CutPrefix(line, "COPY ")
		if !is {
			continue
		}
		fields := slices.DeleteFunc(strings.Fields(args), func(s string) bool { return strings.HasPrefix(s, "--") })
		from := strings.TrimSuffix(fields[0], "/")
		// What Debian's packages bring is named by them.
		switch from {
		case "/etc/ssl/certs/ca-certificates.crt":
			from = "ca-certificates"
		case "/usr/share/zoneinfo":
			from = "tzdata"
		}
		if !strings.Contains(all, from) {
			t.Errorf("%s: nothing makes %s", line, from)
		}
	}
	makefile := read(t, "../Makefile")
	for _, part := range []string{"CGO_ENABLED=0", "go build -trimpath", "-X main.version=", "./cmd/heliograph"} {
		if !strings.Contains(makefile, part) || !strings.Contains(all, part) {
			t.Errorf("the Makefile and the Containerfile do not both have %s", part)
		}
	}
	wanted := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))[1]
	if !strings.Contains(build[0], "golang:"+wanted+"-") {
		t.Errorf("go.mod wants Go %s, the image is built by %s", wanted, build[0])
	}
}

// TestProgramIsStatic wants no loader and no libraries, since a scratch image has none.
func TestProgramIsStatic(t *testing.T) {
	t.Parallel()
	f, err := elf.Open(program(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it needs a loader")
		}
	}
	if libs, _ := f.ImportedLibraries(); len(libs) > 0 { // the error says that there is no dynamic section
		t.Errorf("it needs %v", libs)
	}
}

// TestScratch runs the program as the image does: in a root with nothing else, as nobody,
// with the configuration of the compose file, until it is told to stop.
func TestScratch(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Fatal("chroot needs root; run make test, which sees to it")
	}
	_, final := instructions(t)
	if user := value(t, final, "USER"); user != "65534:65534" {
		t.Errorf("USER %s, want nobody's numbers", user)
	}
	data := value(t, final, "WORKDIR")
	if volumes := words(t, value(t, final, "VOLUME")); !slices.Equal(volumes, []string{data}) {
		t.Errorf("VOLUME %v, want %s", volumes, data)
	}
	command := append(words(t, value(t, final, "ENTRYPOINT")), words(t, value(t, final, "CMD"))...)

	root := t.TempDir()
	program(t, root)
	err := errors.Join(
		os.Chmod(root, 0o755),
		os.MkdirAll(root+data, 0o755), os.Chown(root+data, 65534, 65534), os.Chmod(root+data, 0o700),
		os.Mkdir(root+"/tmp", 0o777),
	)
	if err != nil {
		t.Fatal(err)
	}
	certs := mailtest.TLS(t)
	write(t, root+"/etc/heliograph/tls/cert.pem", read(t, certs.CertFile))
	write(t, root+"/etc/heliograph/tls/key.pem", read(t, certs.KeyFile))
	write(t, root+"/etc/heliograph/config.yaml", composeConfig(t, map[string]string{
		`":587"`: `"127.0.0.1:0"`, `":465"`: `"127.0.0.1:0"`, `":143"`: `"127.0.0.1:0"`, `":993"`: `"127.0.0.1:0"`, `":8025"`: `"127.0.0.1:0"`, "redis:6379": "127.0.0.1:1",
		"mx.example.com:587": "127.0.0.1:1", "mx.example.com:993": "127.0.0.1:1",
	}))
	runImage(t, root, data, command)
}

func runImage(t *testing.T, root, dir string, command []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = []string{"TZ=Asia/Shanghai"}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot: root, Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, Pdeathsig: syscall.SIGKILL,
	}
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	var said strings.Builder
	var ready bool
	lines := bufio.NewScanner(io.TeeReader(log, &said))
	for lines.Scan() {
		var line struct{ Msg, Console string }
		if json.Unmarshal(lines.Bytes(), &line) != nil || line.Msg != "heliograph is ready" {
			continue
		}
		ready = true
		for _, p := range []string{"livez", "readyz", "metrics"} {
			if err := get("http://" + path.Join(line.Console, p)); err != nil {
				t.Error(err)
			}
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}
	if err := cmd.Wait(); err != nil || !ready {
		t.Errorf("ready %v, then: %v\n%s", ready, err, said.String())
	}
}

func get(url string) error {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get(url)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		b, err := io.ReadAll(r.Body)
		return errors.Join(err, fmt.Errorf("%s: %s %s", url, r.Status, b))
	}
	return nil
}
