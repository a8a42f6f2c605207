package baseimage

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSources: apt's two formats, and which of the sources are the release's own.
func TestSources(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sources.list"), "# deb http://old.example.com/d release main\n"+
		"deb [signed-by=/k.gpg arch="+architecture()+"] http://one.example.com/d/ release main extra # why\n"+
		"deb [arch=none] http://other.example.com/d release main\n"+
		"deb\tcdrom:[x]/ release main\ndeb-src http://one.example.com/d release main\ndeb http://one.example.com/d release extra\n"+
		"deb http://vendor.example.com/d release-vendor main\n")
	write(t, filepath.Join(dir, "sources.list.d/a.sources"), "Types: deb deb-src\nURIs: https://two.example.com/d\n"+
		"Suites: release-updates release-security other\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n"+
		"\nTypes: deb\nEnabled: no\nURIs: https://off.example.com/d\nSuites: release\nComponents: main\n")
	write(t, filepath.Join(dir, "sources.list.d/a.save"), "deb http://saved.example.com/d release main\n")
	var got []string
	for _, m := range readApt(dir).own("release") {
		got = append(got, m.uri+" "+m.suite+" "+strings.Join(m.keys, ","))
		if m.suite != "release" && unfold(m.inline) != "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc" {
			t.Errorf("%s has the keys %q", m.suite, unfold(m.inline))
		}
	}
	want := []string{"http://one.example.com/d release /k.gpg", "https://two.example.com/d release-updates ", "https://two.example.com/d " +
		"release-security "}
	if !slices.Equal(got, want) {
		t.Errorf("%q; want %q", got, want)
	}
	if _, err := readApt(t.TempDir()).choose(Options{}); err == nil || !strings.Contains(err.Error(), "--mirror URL --suite NAME") {
		t.Errorf("a machine without apt: %v", err)
	}
}

// TestProxies: apt's own settings come before the environment, for one host before those for all.
func TestProxies(t *testing.T) {
	a := apt{settings: map[string]string{"acquire::http::proxy": "http://all.example.com:3128",
		"acquire::http::proxy::near.example.com": "DIRECT",
		"acquire::https::proxy":                  "http://secure.example.com:3128"}}
	for address, want := range map[string]string{"http://a.example.com/": "http://all.example.com:3128", "http://near.example.com/": "",
		"https://a.example.com/": "http://secure.example.com:3128"} {
		req, err := http.NewRequest(http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if u, err := a.proxy(req); err != nil {
			t.Error(err)
		} else if u != nil {
			got = u.String()
		}
		if got != want {
			t.Errorf("%s: %q; want %q", address, got, want)
		}
	}
}

// TestPip: pip's files in their order, then the environment.
func TestPip(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	env := map[string]string{"XDG_CONFIG_HOME": filepath.Join(home, "config"), "PIP_CONFIG_FILE": filepath.Join(home, "given")}
	read := func() pip { return readPip(func(name string) string { return env[name] }) }
	for _, step := range []struct{ file, text, index, proxy string }{
		{".pip/pip.conf", "[global]\nindex-url = https://one.example.com/simple\nproxy=http://p.example.com\n", "https://one.example.com/simple",
			"http://p.example.com"},
		{"config/pip/pip.conf", "[install]\nindex_url=https://two.example.com/simple?a=b\n[other]\nproxy = x\n",
			"https://two.example.com/simple?a=b",
			"http://p.example.com"},
		{"given", "index-url = none\n[global]\nindex-url=https://three.example.com\n", "https://three.example.com", "http://p.example.com"},
	} {
		write(t, filepath.Join(home, step.file), step.text)
		if p := read(); p != (pip{step.index, step.proxy}) {
			t.Errorf("with %s: %+v", step.file, p)
		}
	}
	env["PIP_INDEX_URL"] = "https://four.example.com"
	if p := read(); p.where() != "https://four.example.com" {
		t.Errorf("with the environment: %+v", p)
	}
}

// FuzzDeb: packages are strangers' until their digest is verified, and a mirror may sign what it likes.
func FuzzDeb(f *testing.F) {
	f.Add([]byte("!<arch>\ndata.tar        0           0     0     100644  2         `\nab"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if d, err := readDeb("p", text); err == nil && d.control == "" {
			t.Error("a package without a description is accepted")
		}
		for range paragraphs(string(text)) {
		}
		_ = newIndex().add(string(text)) // must end
	})
}
