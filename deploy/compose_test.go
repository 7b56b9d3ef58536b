package deploy_test

import (
	"net"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"heliograph/config"
	"heliograph/crmclient/catalog"
	"heliograph/internal/mailtest"

	"github.com/goccy/go-yaml"
)

type service struct {
	Image string `yaml:"image"`
	Build struct {
		Context    string `yaml:"context"`
		Dockerfile string `yaml:"dockerfile"`
	} `yaml:"build"`
	Ports       []string          `yaml:"ports"`
	Volumes     []string          `yaml:"volumes"`
	Profiles    []string          `yaml:"profiles"`
	DependsOn   []string          `yaml:"depends_on"`
	GracePeriod string            `yaml:"stop_grace_period"`
	CapDrop     []string          `yaml:"cap_drop"`
	Sysctls     map[string]string `yaml:"sysctls"`
}

func compose(t *testing.T) (services map[string]service, volumes map[string]any) {
	t.Helper()
	var f struct {
		Services map[string]service `yaml:"services"`
		Volumes  map[string]any     `yaml:"volumes"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "compose/compose.yaml")), &f); err != nil {
		t.Fatal(err)
	}
	return f.Services, f.Volumes
}

// composeConfig is the configuration of the compose file with some words replaced, each of which must be there.
func composeConfig(t *testing.T, replace map[string]string) string {
	t.Helper()
	text := read(t, "compose/config.yaml")
	for from, to := range replace {
		if !strings.Contains(text, from) {
			t.Fatalf("compose/config.yaml has no %s", from)
		}
		text = strings.ReplaceAll(text, from, to)
	}
	return text
}

// loadCompose loads the configuration as it is, with certificates beside it.
func loadCompose(t *testing.T) *config.Config {
	t.Helper()
	dir, certs := t.TempDir(), mailtest.TLS(t)
	write(t, filepath.Join(dir, "tls/cert.pem"), read(t, certs.CertFile))
	write(t, filepath.Join(dir, "tls/key.pem"), read(t, certs.KeyFile))
	if err := os.Chmod(filepath.Join(dir, "tls/key.pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "config.yaml"), composeConfig(t, nil))
	cfg, err := config.Load(filepath.Join(dir, "config.yaml"), catalog.Validate)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestComposeFitsConfig wants the addresses of the configuration to be those of the containers.
func TestComposeFitsConfig(t *testing.T) {
	t.Parallel()
	cfg := loadCompose(t)
	services, _ := compose(t)
	gateway := services["heliograph"]
	_, image := instructions(t)
	exposed := strings.Fields(value(t, image, "EXPOSE"))

	addresses := []string{cfg.Console.Address}
	for _, l := range cfg.Listeners {
		addresses = append(addresses, l.Address)
	}
	for _, address := range addresses {
		host, port, err := net.SplitHostPort(address)
		if err != nil || host != "" {
			t.Errorf("%s: nothing outside the container reaches it", address)
		}
		if !slices.ContainsFunc(gateway.Ports, func(p string) bool { return strings.HasSuffix(p, ":"+port) }) {
			t.Errorf("port %s is not published: %v", port, gateway.Ports)
		}
		if !slices.Contains(exposed, port) {
			t.Errorf("port %s is not exposed: %v", port, exposed)
		}
	}
	if len(gateway.Ports) != len(addresses) || len(exposed) != len(addresses) {
		t.Errorf("published %v and exposed %v, want %d each", gateway.Ports, exposed, len(addresses))
	}
	if !slices.ContainsFunc(gateway.Volumes, func(v string) bool { return strings.HasSuffix(v, ":"+cfg.DataDir) }) {
		t.Errorf("data_dir %s is no volume: %v", cfg.DataDir, gateway.Volumes)
	}
	if host, _, _ := net.SplitHostPort(cfg.Redis.Address); services[host].Image == "" {
		t.Errorf("redis.address: there is no service %s", host)
	}
	_, console, _ := net.SplitHostPort(cfg.Console.Address)
	if !strings.Contains(read(t, "prometheus/prometheus.yml"), `"heliograph:`+console+`"`) {
		t.Errorf("prometheus.yml does not scrape port %s of heliograph", console)
	}
}

var version = regexp.MustCompile(`:v?\d`)

// TestComposePaths wants what is mounted to be there, and nothing but mail open to the world.
func TestComposePaths(t *testing.T) {
	t.Parallel()
	services, volumes := compose(t)
	for name, s := range services {
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if !strings.HasPrefix(from, ".") {
				if _, is := volumes[from]; !is {
					t.Errorf("%s: volume %s is not declared", name, from)
				}
				continue
			}
			if from == "./tls" { // README.md says how to make it
				continue
			}
			if _, err := os.Stat(filepath.Join("compose", from)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") && !slices.Contains([]string{"587:587", "465:465", "143:143", "993:993"}, p) {
				t.Errorf("%s: port %s is open to the world", name, p)
			}
		}
		for _, d := range s.DependsOn {
			if _, is := services[d]; !is {
				t.Errorf("%s depends on %s, which is not there", name, d)
			}
		}
		if s.Build.Context == "" && !version.MatchString(s.Image) {
			t.Errorf("%s: image %s names no version", name, s.Image)
		}
		if !slices.Equal(s.CapDrop, []string{"ALL"}) {
			t.Errorf("%s keeps capabilities", name)
		}
	}
	build := services["heliograph"].Build
	if _, err := os.Stat(filepath.Join("compose", build.Context, build.Dockerfile)); err != nil {
		t.Error(err)
	}
	if !slices.Equal(services["grafana"].Profiles, []string{"grafana"}) {
		t.Error("grafana is not optional")
	}
}

// TestProvisioning wants Grafana to find its dashboard and its data.
func TestProvisioning(t *testing.T) {
	t.Parallel()
	var provider struct {
		Providers []struct {
			Options struct {
				Path string `yaml:"path"`
			} `yaml:"options"`
		} `yaml:"providers"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "grafana/provisioning/dashboards/heliograph.yaml")), &provider); err != nil {
		t.Fatal(err)
	}
	services, _ := compose(t)
	file := path.Join(provider.Providers[0].Options.Path, "heliograph.json")
	if !slices.Contains(services["grafana"].Volumes, "../grafana/heliograph.json:"+file+":ro") {
		t.Errorf("the dashboard is not mounted at %s", file)
	}
	var data struct {
		Sources []struct {
			Type, URL string
		} `yaml:"datasources"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "grafana/provisioning/datasources/prometheus.yaml")), &data); err != nil {
		t.Fatal(err)
	}
	if len(data.Sources) != 1 || data.Sources[0].Type != "prometheus" || data.Sources[0].URL != "http://prometheus:9090" || services["prometheus"].Image == "" {
		t.Errorf("data sources %+v", data.Sources)
	}
}
