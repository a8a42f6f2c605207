package app

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestPullConfig: a file that cannot be used is refused at the start, without its contents; later one leaves the former one in use, and the
// log says so once.
func TestPullConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func() (Config, error) {
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		AddFlags(flags)
		if err := flags.Parse([]string{"--image-pull-config", file}); err != nil {
			t.Fatal(err)
		}
		return LoadConfig(flags, func(string) string { return "" })
	}
	if _, err := load(); err == nil || !strings.Contains(err.Error(), "--image-pull-config") {
		t.Errorf("of a file that is not there: %v", err)
	}
	write(`{"auths": {"a.example": {"auth": "s3cr3t"}}, "credsStore": "desktop"}`)
	if _, err := load(); err == nil || !strings.Contains(err.Error(), "credsStore") || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("of a file that nodes cannot use: %v", err)
	}
	write(`{"auths": {"a.example": {"auth": "first"}}}`)
	config, err := load()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := &server{config: config, log: slog.New(slog.NewTextHandler(&log, nil))}
	pull := s.pullConfig()
	for _, step := range []struct{ text, want string }{
		{"", "first"}, {`{"auths": {"a.example": {"auth": "second"}}}`, "second"}, {`{"auths": {"a.example": {"auth": "s3cr3t"`, "second"},
		{"", "second"}, {`{"auths": {"a.example": {"auth": "third"}}}`, "third"},
	} {
		if step.text != "" {
			write(step.text)
		}
		if got := string(pull()); got != `{"auths":{"a.example":{"auth":"`+step.want+`"}}}` {
			t.Errorf("nodes sign in with %s, not with the %s", got, step.want)
		}
	}
	if said := log.String(); strings.Count(said, "former ones") != 1 || strings.Contains(said, "s3cr3t") {
		t.Errorf("the log says %s", said)
	}
	if (&server{}).pullConfig() != nil {
		t.Error("without a file there is something to sign in with")
	}
}
