package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"heliograph/internal/journal/segment"
)

var update = flag.Bool("update", false, "rewrite what the scripts compare with")

// asProgram makes the test binary the program itself.
const asProgram = "HELIOGRAPH_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestScripts runs testdata/*.txt. A script has a command a line, then its files, each below a
// line "-- name --". The commands:
//
//	heliograph ARG…        runs the program; the exit code must be 0
//	! heliograph ARG…      … must be 1
//	stdout|stderr REGEXP   the last output must match; with ! it must not
//	cmp stdout|FILE FILE   must be equal
//	store, seed, key       makes a database; one with mail and jobs in it, held open as by a
//	                       running gateway; a key file
//	contacts               adds contacts of a CRM that were followed
//	approvals              adds what people are asked to decide
//	capture FILE ACCOUNT   puts a mail that lies in the account's INBOX into the journal; $ENTRY is its entry
//	mirrored FILE ACCOUNT  the same, and the mirror has looked at it
//	sealed                 from here on the kernel kills programs that make a socket (on Linux); with ! no longer
//	keep FILE              keeps the last output, for cmp
//	serve                  runs a gateway in front of a Dovecot with mail for li@example.com
//	robot ANSWER           runs a group robot that answers so, and puts its address into the file robot;
//	                       what it was sent is in the file posted
//
// Arguments with spaces stand in single quotes. The programs run in
// the folder of the script's files, which outputs name as $WORK.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			s := readScript(t, file)
			s.run()
		})
	}
}

type script struct {
	t              *testing.T
	path, dir      string
	commands       []string
	names          []string // of the files, in their order
	files          map[string]string
	stdout, stderr string
	entry          string // that was captured last
	sealed         bool   // programs make no socket
}

var fileMark = regexp.MustCompile(`(?m)^-- (\S+) --\n`)

func readScript(t *testing.T, path string) *script {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, path: path, dir: t.TempDir(), files: map[string]string{}}
	text := string(b)
	marks := fileMark.FindAllStringSubmatchIndex(text, -1)
	end := len(text)
	for i := len(marks) - 1; i >= 0; i-- {
		name := text[marks[i][2]:marks[i][3]]
		s.names = append([]string{name}, s.names...)
		s.files[name] = text[marks[i][1]:end]
		end = marks[i][0]
	}
	s.commands = strings.Split(strings.TrimRight(text[:end], "\n"), "\n")
	for name, content := range s.files {
		if err := os.WriteFile(s.file(name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, own := s.files["config.yaml"]; !own {
		if err := os.WriteFile(s.file("config.yaml"), []byte(plainConfig), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// plainConfig is the configuration of scripts without their own.
const plainConfig = `data_dir: data
upstreams:
  - name: main
    domains: [example.com]
    smtp: {address: "mx.example.com:587"}
listeners:
  - {protocol: smtp, address: "127.0.0.1:2525", tls: none, allow_plaintext_auth: true}
`

func (s *script) file(name string) string { return filepath.Join(s.dir, name) }

func (s *script) run() {
	s.t.Helper()
	for i, line := range s.commands {
		words := split(strings.ReplaceAll(line, "$ENTRY", s.entry))
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		want := true
		if words[0] == "!" {
			want, words = false, words[1:]
		}
		if err := s.command(want, words[0], words[1:]); err != nil {
			s.t.Fatalf("%s:%d: %s: %v\nstdout:\n%sstderr:\n%s", s.path, i+1, line, err, s.stdout, s.stderr)
		}
	}
	if *update {
		s.rewrite()
	}
}

func (s *script) command(want bool, name string, args []string) error {
	switch name {
	case "heliograph":
		return s.program(want, args)
	case "robot":
		return s.robot(args[0])
	case "stdout", "stderr":
		out := map[string]string{"stdout": s.stdout, "stderr": s.stderr}[name]
		r, err := regexp.Compile("(?m)" + args[0])
		if err != nil {
			return err
		}
		if r.MatchString(out) != want {
			return errors.New("unexpected output")
		}
		return nil
	case "cmp":
		return s.compare(args[0], args[1])
	case "store":
		newStore(s.t, s.file("data"))
		return nil
	case "key":
		newStore(s.t, s.file("data"))
		_, _, err := segment.LoadKeyring(s.file("data/master.key"))
		return err
	case "capture":
		return s.capture(args[0], args[1])
	case "mirrored":
		return s.mirrored(args[0], args[1])
	case "sealed":
		s.sealed = want
		return nil
	case "keep":
		s.files[args[0]] = s.stdout
		return nil
	case "serve":
		return s.serveMailbox()
	case "seed":
		seed(s.t, newStore(s.t, s.file("data")))
		return nil
	case "approvals":
		seedApproval(s.t, newStore(s.t, s.file("data")))
		return nil
	case "contacts":
		seedContacts(s.t, newStore(s.t, s.file("data")))
		return nil
	}
	return errors.New("unknown command")
}

func (s *script) program(want bool, args []string) error {
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(s.t.Context(), os.Args[0], args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &out, &errOut
	cmd.Env = s.environment()
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return err
	}
	s.stdout, s.stderr = strings.ReplaceAll(out.String(), s.dir, "$WORK"), strings.ReplaceAll(errOut.String(), s.dir, "$WORK")
	if code := cmd.ProcessState.ExitCode(); want != (code == 0) || code > 1 {
		return fmt.Errorf("exit code %d", code)
	}
	return nil
}

// environment is that of the programs.
func (s *script) environment() []string {
	out := []string{
		asProgram + "=1", "HELIOGRAPH_CONFIG=" + s.file("config.yaml"), "TZ=UTC",
		"GORACE=atexit_sleep_ms=0", // the race detector would wait a second at each end
	}
	if s.sealed {
		out = append(out, sealedProgram+"=1")
	}
	return out
}

func (s *script) compare(a, b string) error {
	got, want := s.stdout, s.files[b]
	switch a {
	case "stdout":
	case "stderr":
		got = s.stderr
	default:
		text, err := os.ReadFile(s.file(a))
		if err != nil {
			return err
		}
		got = string(text)
	}
	if got == want {
		return nil
	}
	if *update {
		s.files[b] = got
		return nil
	}
	return fmt.Errorf("got:\n%s\nwant:\n%s", got, want)
}

// rewrite puts the files as they were compared with into the script.
func (s *script) rewrite() {
	s.t.Helper()
	var b strings.Builder
	b.WriteString(strings.Join(s.commands, "\n") + "\n")
	for _, name := range s.names {
		fmt.Fprintf(&b, "-- %s --\n%s", name, s.files[name])
	}
	if err := os.WriteFile(s.path, []byte(b.String()), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

var word = regexp.MustCompile(`'([^']*)'|(\S+)`)

func split(line string) (words []string) {
	for _, m := range word.FindAllStringSubmatch(line, -1) {
		words = append(words, m[1]+m[2])
	}
	return words
}
