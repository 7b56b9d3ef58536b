package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"heliograph/internal/mailtest"
)

// installed is the place of the program in the unit.
const installed = "/usr/local/bin/heliograph"

// exposureLimit is in tenths of what systemd-analyze prints, from 0 (sealed off) to 100 (an
// unprotected service has 96). What is left is what a mail gateway needs: the network, low ports, its own files.
const exposureLimit = "17"

func TestUnit(t *testing.T) {
	t.Parallel()
	unit := filepath.Join(t.TempDir(), "heliograph.service")
	write(t, unit, strings.ReplaceAll(read(t, "systemd/heliograph.service"), installed, "/bin/true"))
	for said := range strings.Lines(tool(t, "systemd-analyze", "verify", "--man=no", unit)) {
		if strings.Contains(said, "heliograph") { // it has a word on each unit of the machine
			t.Errorf("systemd-analyze verify: %s", said)
		}
	}
	tool(t, "systemd-analyze", "security", "--no-pager", "--offline=yes", "--threshold="+exposureLimit, unit)
}

func TestUser(t *testing.T) {
	t.Parallel()
	unit := settings(t)
	user := unit["User"][0]
	line := regexp.MustCompile(`(?m)^u ` + user + ` - ".+" (\S+)$`).FindStringSubmatch(read(t, "systemd/heliograph.sysusers.conf"))
	if line == nil || line[1] != "/var/lib/"+unit["StateDirectory"][0] {
		t.Errorf("heliograph.sysusers.conf makes no user %s with the home of StateDirectory", user)
	}
}

// settings are the assignments of the unit, in order.
func settings(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for line := range strings.Lines(read(t, "systemd/heliograph.service")) {
		if key, value, found := strings.Cut(strings.TrimSpace(line), "="); found && !strings.HasPrefix(key, "#") {
			all[key] = append(all[key], value)
		}
	}
	return all
}

func TestTimeToDrain(t *testing.T) {
	t.Parallel()
	unit := settings(t)
	found := regexp.MustCompile(`--drain (\S+)$`).FindStringSubmatch(unit["ExecStart"][0])
	if found == nil {
		t.Fatal("ExecStart says no --drain")
	}
	drain, err := time.ParseDuration(found[1])
	if err != nil {
		t.Fatal(err)
	}
	stop, err := time.ParseDuration(unit["TimeoutStopSec"][0])
	if err != nil {
		t.Fatal(err)
	}
	if stop < drain+5*time.Second {
		t.Errorf("TimeoutStopSec is %v: systemd kills the gateway while it drains for %v", stop, drain)
	}
	if n, err := strconv.Atoi(unit["LimitNOFILE"][0]); err != nil || n < 2*20000 {
		t.Errorf("LimitNOFILE is %s: too few for the default of limits.connections", unit["LimitNOFILE"][0])
	}
}

// TestUnitCommands runs what systemd would run before the start and for a reload.
func TestUnitCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := program(t, dir)
	certs := mailtest.TLS(t)
	file := filepath.Join(dir, "config.yaml")
	write(t, file, composeConfig(t, map[string]string{
		"tls/cert.pem": certs.CertFile, "tls/key.pem": certs.KeyFile, "/var/lib/heliograph": filepath.Join(dir, "data"),
	}))
	unit := settings(t)
	var checked int
	for _, line := range slices.Concat(unit["ExecStartPre"], unit["ExecReload"]) {
		args := strings.Fields(line)
		if args[0] != installed {
			continue
		}
		checked++
		cmd := exec.CommandContext(t.Context(), path, args[1:]...)
		cmd.Env = append(os.Environ(), "HELIOGRAPH_CONFIG="+file)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	if checked != 2 {
		t.Errorf("%d commands of the unit tried, want 2", checked)
	}
	if !slices.Contains(unit["ExecReload"], "kill -HUP $MAINPID") {
		t.Error("a reload sends no SIGHUP")
	}
}
