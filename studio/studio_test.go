package studio

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/language"

	"berth.dev/berth/client"
)

// TestTexts: every language has every text, with the same placeholders, and every text that a page uses exists.
func TestTexts(t *testing.T) {
	all, err := loadTexts()
	if err != nil {
		t.Fatal(err)
	}
	english := all.keys[language.English]
	verb := regexp.MustCompile(`%(\[\d+\])?[sdv]|\{n\}`)
	for _, l := range languages {
		for key, text := range all.keys[l] {
			if _, ok := english[key]; !ok {
				t.Errorf("%s: %s is not in English", l, key)
			}
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s: %s is empty", l, key)
			}
			if rest := strings.ReplaceAll(verb.ReplaceAllString(text, ""), "%%", ""); strings.Contains(rest, "%") {
				t.Errorf("%s: %s has a %% that is no verb; write two", l, key)
			}
			if a, b := verb.FindAllString(text, -1), verb.FindAllString(english[key], -1); !slices.Equal(a, b) {
				t.Errorf("%s: %s has %v to fill in, and in English %v", l, key, a, b)
			}
		}
		for key := range english {
			if !all.has(l, key) {
				t.Errorf("%s: %s is missing", l, key)
			}
		}
	}
	for key, where := range used(t) {
		if _, ok := english[key]; !ok {
			t.Errorf("%s uses the text %s, which does not exist", where, key)
		}
	}
}

// used are the keys that templates and code use, with the file that uses each.
func used(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	find := regexp.MustCompile(`\.T\(? ?"([a-z][A-Za-z0-9.-]*)"`)
	pages, err := files.ReadDir("templates")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range pages {
		text, err := files.ReadFile("templates/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range find.FindAllStringSubmatch(string(text), -1) {
			out[m[1]] = f.Name()
		}
		if name := strings.TrimSuffix(f.Name(), ".html"); name != "frame" {
			out["title."+name] = "the frame"
		}
	}
	if len(out) < 100 {
		t.Fatalf("only %d texts are used, so this test misses some: %v", len(out), slices.Sorted(maps.Keys(out)))
	}
	return out
}

func TestLocal(t *testing.T) {
	for next, want := range map[string]string{
		"/studio/w/a/b": "/studio/w/a/b", "": "/studio/", "/other": "/studio/",
		"https://evil.example/": "/studio/", "//evil.example": "/studio/", `/studio/\evil`: "/studio/",
	} {
		if got := local(next); got != want {
			t.Errorf("local(%q) is %q, want %q", next, got, want)
		}
	}
}

func TestCodeQuotes(t *testing.T) {
	for in, want := range map[string]string{"plain-1.x": "plain-1.x", "a b": "'a b'", "it's": `'it'\''s'`, "$(rm)": "'$(rm)'", "": "''"} {
		if got := sh(in); got != want {
			t.Errorf("sh(%q) is %s, want %s", in, got, want)
		}
	}
	if got := py("a\"b\n"); got != `"a\"b\n"` {
		t.Errorf("py: %s", got)
	}
}

func TestFieldOf(t *testing.T) {
	for target, want := range map[string]string{
		"properties.properties.agentCount": "nodes", "name": "name",
		"properties.properties.sslConfiguration.cert": "cert", "properties.properties.sslConfiguration": "ssl",
		"properties.properties.aksNetworkingConfiguration.dnsServiceIP": "dns", "properties.resourceId": "cluster", "properties.unheard": "",
	} {
		if got := fieldOf(target); got != want {
			t.Errorf("the field of %s is %q, want %q", target, got, want)
		}
	}
}

// TestRuns: a page says whether the nodes of a cluster are real, and why they are less than that.
func TestRuns(t *testing.T) {
	all, err := loadTexts()
	if err != nil {
		t.Fatal(err)
	}
	cluster := func(nodes string, warnings ...any) clusterView {
		return clusterOf(client.Object{"properties": client.Object{"nodes": nodes, "warnings": warnings}})
	}
	warning := func(code string) client.Object { return client.Object{"code": code, "message": "why"} }
	for _, c := range []struct {
		cluster   clusterView
		lang      language.Tag
		word, why string
	}{
		{cluster("real"), language.English, "real", ""},
		{cluster("real", warning("UnlimitedPods")), language.English, "real", "why"},
		{cluster("simulated", warning("PropertyNotSupported"), warning("SimulatedNodes")), language.English, "simulated", "why"},
		{cluster("simulated", warning("PropertyNotSupported")), language.English, "simulated",
			"Pods on simulated nodes are shown as Running, but no container runs."},
		{cluster("simulated", warning("SimulatedNodes")), language.Korean, "시뮬레이션", "why"},
		{cluster("real"), language.Korean, "실제", ""},
		{clusterOf(client.Object{}), language.English, "", ""}, // connected, or it does not run yet
	} {
		v := &visit{Studio: &Studio{text: all}, lang: c.lang}
		if got := v.Runs(c.cluster.Runs, c.cluster.Warnings); got != (runsView{c.word, c.why, c.why == "why"}) {
			t.Errorf("%s, %v: %+v", c.cluster.Runs, c.lang, got)
		}
	}
}
