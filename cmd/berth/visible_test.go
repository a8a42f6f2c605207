package main

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"berth.dev/berth"
)

const hostile = "a\x1b]0;owned\x07\x1b[2J\u009b1A\u202eb\u2066\x7f\r"

// TestHostileText: what others have put into names, tags, errors and logs does nothing to the terminal, whatever the format.
func TestHostileText(t *testing.T) {
	for _, format := range []string{"json", "jsonc", "table", "tsv", "yaml"} {
		w := newWorld(t)
		text, err := toJSON(map[string]any{"id": "/subscriptions/s/resourceGroups/g", "name": "g", "location": hostile,
			"tags": map[string]string{"k": hostile}, "properties": map[string]any{"provisioningState": "Succeeded"}})
		if err != nil {
			t.Fatal(err)
		}
		w.on("GET /subscriptions/"+testSubscription+"/resourceGroups/g", text)
		t.Setenv("NO_COLOR", "1")
		r := atTerminal(t.Context(), "", "group", "show", "-n", "g", "-o", format)
		if r.code != 0 {
			t.Fatalf("%s: %d %s", format, r.code, r.err)
		}
		out := r.out
		if strings.ContainsFunc(out, berth.Invisible) || !strings.Contains(out, `\u202e`) || !strings.Contains(out, "owned") {
			t.Errorf("%s: %q", format, out)
		}
		if format == "yaml" {
			var back map[string]any
			if err := yaml.Unmarshal([]byte(out), &back); err != nil || back["name"] != "g" {
				t.Errorf("it is no YAML any more: %v\n%s", err, out)
			}
		}
	}
	w := newWorld(t)
	refusal, err := toJSON(map[string]any{"error": map[string]any{"code": "BadRequest", "message": hostile}})
	if err != nil {
		t.Fatal(err)
	}
	w.on("GET /subscriptions/"+testSubscription+"/resourceGroups/g", "400 "+refusal)
	r := atTerminal(t.Context(), "", "group", "show", "-n", "g")
	said := strings.ReplaceAll(r.err, "\x1b[31mERROR:\x1b[0m", "")
	if strings.ContainsFunc(said, berth.Invisible) || !strings.Contains(said, "owned") {
		t.Errorf("an error: %d %q", r.code, r.err)
	}
	for in, want := range map[string]string{"": "", "한국어 é\tx\n": "한국어 é\tx\n", "\x1b[31m": `\u001b[31m`, "\u202e\x00": `\u202e\u0000`} {
		if got := visible(in); got != want {
			t.Errorf("visible(%q) is %q, want %q", in, got, want)
		}
	}
}
