package app_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"berth.dev/berth/app"
)

func load(t *testing.T, env map[string]string, args ...string) (app.Config, error) {
	t.Helper()
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	app.AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return app.LoadConfig(fs, func(k string) string { return env[k] })
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "berth.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestConfigOrder: the flag wins over the environment, that over the file, and that over the default.
func TestConfigOrder(t *testing.T) {
	path := file(t, "dataDir: /file\nlisten: 127.0.0.1:1\nlogFormat: json\nhosts: [a, b]\n")
	got, err := load(t, map[string]string{
		"BERTH_CONFIG": path, "BERTH_LISTEN": "127.0.0.1:2", "BERTH_DATA_DIR": "/env", "BERTH_HOST": "c,d",
	}, "--data-dir", "/flag", "--public-url", "https://berth.example/")
	if err != nil {
		t.Fatal(err)
	}
	want := app.DefaultConfig()
	want.DataDir, want.LogFormat = "/flag", "json"
	want.Listen, want.PublicURL = "127.0.0.1:2", "https://berth.example"
	want.Hosts = []string{"c", "d"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got, err := load(t, nil, "--host", "x", "--host", "y", "--config", path); err != nil ||
		!reflect.DeepEqual(got.Hosts, []string{"x", "y"}) || got.DataDir != "/file" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := load(t, nil); err != nil || !reflect.DeepEqual(got, app.DefaultConfig()) {
		t.Errorf("without anything it is %+v, %v", got, err)
	}
}

func TestConfigRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		word string
	}{
		"no port":                  {[]string{"--listen", "localhost"}, "--listen"},
		"plain http":               {[]string{"--public-url", "http://berth.example"}, "https"},
		"a path behind the name":   {[]string{"--public-url", "https://berth.example/x"}, "--public-url"},
		"debug for all":            {[]string{"--debug-listen", "0.0.0.0:1"}, "loopback"},
		"debug nowhere":            {[]string{"--debug-listen", "nowhere"}, "loopback"},
		"a foreign cloud":          {[]string{"--cloud-name", "AzureChinaCloud"}, "--cloud-name must be Berth or AzureCloud"},
		"an unknown format":        {[]string{"--log-format", "xml"}, "--log-format"},
		"an unknown Python":        {[]string{"--python", "any"}, "--python must be nearest or exact"},
		"an unknown level":         {[]string{"--log-level", "loud"}, "--log-level"},
		"no collector":             {[]string{"--otlp-endpoint", "collector:4318"}, "--otlp-endpoint"},
		"a collector's password":   {[]string{"--otlp-endpoint", "http://a:secret@collector:4318"}, "OTEL_EXPORTER_OTLP_HEADERS"},
		"no such database":         {[]string{"--database", "mysql://db.example.com/berth"}, "--database must be a URL"},
		"a database's password":    {[]string{"--database", "postgres://berth:secret@db.example.com/berth"}, "PGPASSWORD"},
		"a password in its query":  {[]string{"--database", "postgres:///berth?password=secret"}, "PGPASSWORD"},
		"no size":                  {[]string{"--files-max", "much"}, "--files-max"},
		"more than the disk":       {[]string{"--files-max", "101%"}, "more than the disk"},
		"no folder":                {[]string{"--data-dir", ""}, "--data-dir"},
		"no such file":             {[]string{"--config", "/no/such/file"}, "/no/such/file"},
		"a file with a wrong word": {[]string{"--config", file(t, "dataDirectory: /x\n")}, "dataDirectory"},
		"a file with a wrong type": {[]string{"--config", file(t, "hosts: 5\n")}, "berth.yaml"},
		"a file that is no YAML":   {[]string{"--config", file(t, "a: [")}, "berth.yaml"},
	} {
		if _, err := load(t, nil, c.args...); err == nil || !strings.Contains(err.Error(), c.word) ||
			strings.Contains(err.Error(), "goroutine") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v; want %q", name, err, c.word)
		}
	}
}

// The environment and the file may have a password: other users do not see them.
func TestConfigDatabase(t *testing.T) {
	const address = "postgres://berth:secret@db.example.com/berth"
	for name, load := range map[string]func() (app.Config, error){
		"environment": func() (app.Config, error) { return load(t, map[string]string{"BERTH_DATABASE": address}) },
		"file":        func() (app.Config, error) { return load(t, nil, "--config", file(t, "database: "+address+"\n")) },
	} {
		if c, err := load(); err != nil || c.Database != address {
			t.Errorf("%s: %q, %v", name, c.Database, err)
		}
	}
}
