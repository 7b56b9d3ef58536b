package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/config"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// canary is the secret in all fixtures; no output may hold it.
const canary = "hunter2"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := os.Setenv("HELIOGRAPH_TEST_SECRET", canary); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// sample is what a connector does with its section.
type sample struct {
	URL     string                   `yaml:"url"`
	Token   config.Secret            `yaml:"token"`
	Size    config.Bytes             `yaml:"size"`
	CAFile  string                   `yaml:"ca_file"`
	Headers map[string]config.Secret `yaml:"headers"`
}

func checkSample(t config.Target) error {
	switch t.Type {
	case "builtin":
		return t.Decode(&struct{}{})
	case "sample":
		return t.Decode(&sample{})
	}
	return t.Mistake("type", "is not a known type", "Write builtin or sample.")
}

// makePair returns a self-signed certificate and its key as PEM.
func makePair(notAfter time.Time) (cert, key []byte) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx.example.com"},
		NotBefore: notAfter.Add(-24 * time.Hour), NotAfter: notAfter, DNSNames: []string{"mx.example.com"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		panic(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// files are what the fixtures name, by path.
var files = sync.OnceValue(func() map[string][]byte {
	cert, key := makePair(time.Now().Add(time.Hour))
	expired, expiredKey := makePair(time.Now().Add(-time.Hour))
	_, other := makePair(time.Now().Add(time.Hour))
	return map[string][]byte{
		"cert.pem": cert, "key.pem": key, "other-key.pem": other, "ca.pem": cert,
		"expired.pem": expired, "expired-key.pem": expiredKey,
		"secret.txt": []byte(canary + "\n"), "empty.txt": []byte("\n"), "open-secret.txt": []byte(canary),
		"tls/cert.pem": cert, "tls/key.pem": key,
	}
})

// beside returns a folder that holds a fixture and the files that it names.
func beside(t *testing.T, fixture string) (path string) {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{"folder", "tls"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(fixture)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, filepath.Base(fixture))
	write(t, path, text, 0o600)
	for name, content := range files() {
		write(t, filepath.Join(dir, name), content, 0o600)
	}
	if err := os.Chmod(filepath.Join(dir, "open-secret.txt"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func write(t *testing.T, path string, content []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
}

// golden compares got with a golden file, or rewrites it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		write(t, path, []byte(got), 0o644)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run the test with -update)", err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func fixtures(t *testing.T, pattern string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(list) == 0 {
		t.Fatalf("no fixtures %s: %v", pattern, err)
	}
	return list
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, fixture := range fixtures(t, "fail_*.yaml") {
		t.Run(filepath.Base(fixture), func(t *testing.T) {
			t.Parallel()
			path := beside(t, fixture)
			_, err := config.Load(path, checkSample)
			if err == nil {
				t.Fatal("got no error")
			}
			var list config.Errors
			var pointer *config.Errors
			if !errors.As(err, &list) || !errors.As(err, &pointer) || len(list) == 0 || len(*pointer) != len(list) {
				t.Fatalf("got %T, want *config.Errors with mistakes", err)
			}
			got := strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", "") + "\n"
			if strings.Contains(got, canary) {
				t.Errorf("a secret is in the error:\n%s", got)
			}
			golden(t, strings.TrimSuffix(fixture, ".yaml")+".txt", got)
		})
	}
}

func TestGood(t *testing.T) {
	t.Parallel()
	for _, fixture := range fixtures(t, "good_*.yaml") {
		t.Run(filepath.Base(fixture), func(t *testing.T) {
			t.Parallel()
			path := beside(t, fixture)
			cfg, err := config.Load(path, checkSample)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			dump(t, &b, cfg)
			for _, warning := range cfg.Warnings() {
				fmt.Fprintln(&b, "warning:", warning)
			}
			got := strings.ReplaceAll(b.String(), filepath.Dir(path)+"/", "")
			if strings.Contains(got, canary) {
				t.Errorf("a secret is in the output:\n%s", got)
			}
			golden(t, strings.TrimSuffix(fixture, ".yaml")+".txt", got)
		})
	}
}

func TestLoadMissingFile(t *testing.T) {
	t.Parallel()
	_, err := config.Load(filepath.Join(t.TempDir(), "nowhere.yaml"))
	var list config.Errors
	if !errors.As(err, &list) || len(list) != 1 || !strings.Contains(list[0].Message, "does not exist") {
		t.Errorf("got %v, want one mistake that says that the file does not exist", err)
	}
}

func TestLoadPipe(t *testing.T) {
	t.Parallel()
	_, err := config.Load(os.DevNull)
	if err == nil || !strings.Contains(err.Error(), "not a file") {
		t.Errorf("got %v, want a mistake about the kind of file", err)
	}
}

func TestParseTooLarge(t *testing.T) {
	t.Parallel()
	_, err := config.Parse("x.yaml", []byte(strings.Repeat("#\n", 1<<20)))
	if err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("got %v, want a mistake about the size", err)
	}
}

func TestWarnOpenConfigFile(t *testing.T) {
	t.Parallel()
	path := beside(t, "testdata/good_secrets.yaml")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(cfg.Warnings(), "\n"); !strings.Contains(got, "the secrets in it") {
		t.Errorf("got warnings %q, want one about the file itself", got)
	}
}

func TestWarnExpiredCertificate(t *testing.T) {
	t.Parallel()
	path := beside(t, "testdata/good_issue-form.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, []byte(strings.NewReplacer("cert.pem", "expired.pem", "key.pem", "expired-key.pem").Replace(string(text))), 0o600)
	cfg, err := config.Load(path, checkSample)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(cfg.Warnings(), "\n"); !strings.Contains(got, "has expired") {
		t.Errorf("got warnings %q, want one about the certificate", got)
	}
}

func TestRelativePathsStartAtTheFile(t *testing.T) {
	t.Parallel()
	path := beside(t, "testdata/good_issue-form.yaml")
	cfg, err := config.Load(path, checkSample)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	if want := filepath.Join(dir, "data"); cfg.DataDir != want {
		t.Errorf("got data_dir %s, want %s", cfg.DataDir, want)
	}
	if want := filepath.Join(dir, "data", "master.key"); cfg.Journal.KeyFile != want {
		t.Errorf("got key_file %s, want %s", cfg.Journal.KeyFile, want)
	}
	if want := filepath.Join(dir, "cert.pem"); cfg.TLS.CertFile != want {
		t.Errorf("got cert_file %s, want %s", cfg.TLS.CertFile, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"fail_*.yaml", "good_*.yaml"} {
		list, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil {
			f.Fatal(err)
		}
		for _, fixture := range list {
			text, err := os.ReadFile(fixture)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	dir := f.TempDir() // no fixture's files are here, so none is read
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, err := config.Parse(filepath.Join(dir, "x.yaml"), text, checkSample)
		if (cfg == nil) == (err == nil) {
			t.Errorf("got configuration %v and error %v, want exactly one", cfg != nil, err)
		}
		if err != nil && err.Error() == "" {
			t.Error("got an error without a text")
		}
	})
}
