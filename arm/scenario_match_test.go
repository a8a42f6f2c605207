package arm_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// variables are the names that a scenario can use: those of the server, and those captured from earlier answers.
type variables map[string]string

var placeholder = regexp.MustCompile(`\{\{([a-zA-Z0-9]+)(?:=([a-z]+))?\}\}`)

const guid = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`

// kinds are the values that vary from run to run. {{guid}} matches any GUID; {{name=guid}} also captures it, and {{name}} then
// matches the same. {{any}} matches every value.
var kinds = map[string]string{
	"any":    `(?s:.*)`,
	"guid":   guid,
	"hex":    `[0-9a-f]+`,
	"etag":   `"[0-9a-f]+"`,
	"number": `\d+`,
	"time":   `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)`,
	// poll is where an operation is followed: complete, and not below the resource that it may outlive.
	"poll": `https://127\.0\.0\.1:\d+/subscriptions/` + subscriptionID + `/providers/[A-Za-z.]+/locations/[a-z0-9]+` +
		`/operation(?:sStatuses|Results)/(?:settled-[0-9a-z]+|` + guid + `)\?api-version=[0-9a-z-]+`,
}

// fill writes the variables into a text.
func (v variables) fill(text string) (string, error) {
	var err error
	out := placeholder.ReplaceAllStringFunc(text, func(p string) string {
		value, known := v[p[2:len(p)-2]]
		if !known {
			err = fmt.Errorf("%s is not known here", p)
		}
		return value
	})
	return out, err
}

// match collects the differences between an answer and the expected one.
type match struct {
	vars  variables
	diffs []string
}

func (m *match) differ(at string, want, got any) {
	m.diffs = append(m.diffs, fmt.Sprintf("%s: got %s, want %s", at, brief(got), brief(want)))
}

func brief(v any) string {
	text, err := json.Marshal(v)
	if err != nil || len(text) < 300 {
		return string(text)
	}
	return string(text[:300]) + "…"
}

// more, as a key or as the last element of a list, matches the rest.
const more = "..."

func (m *match) value(at string, want, got any) {
	switch w := want.(type) {
	case object:
		if g, same := got.(object); same {
			m.object(at, w, g)
			return
		}
	case []any:
		if g, same := got.([]any); same {
			m.list(at, w, g)
			return
		}
	case string:
		if m.text(at, w, got) {
			return
		}
	default:
		if want == got {
			return
		}
	}
	m.differ(at, want, got)
}

func (m *match) object(at string, want, got object) {
	for _, k := range slices.Sorted(maps.Keys(want)) {
		switch v, there := got[k]; {
		case k == more:
		case !there:
			m.differ(at+"."+k, want[k], "nothing there")
		default:
			m.value(at+"."+k, want[k], v)
		}
	}
	if _, rest := want[more]; rest {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(got)) {
		if _, there := want[k]; !there {
			m.differ(at+"."+k, "nothing there", got[k])
		}
	}
}

func (m *match) list(at string, want, got []any) {
	if n := len(want); n > 0 && want[n-1] == more && len(got) >= n-1 {
		want, got = want[:n-1], got[:n-1]
	}
	if len(want) != len(got) {
		m.differ(fmt.Sprintf("%s has %d elements", at, len(got)), want, got)
		return
	}
	for i := range want {
		m.value(fmt.Sprintf("%s[%d]", at, i), want[i], got[i])
	}
}

// text matches a string with placeholders in it. A placeholder alone may match a value of another type too.
func (m *match) text(at, want string, got any) bool {
	have, isText := got.(string)
	if !isText {
		if p := placeholder.FindStringSubmatch(want); p == nil || p[0] != want || p[1] != "any" && p[1] != "number" && p[2] != "any" &&
			p[2] != "number" {
			return false
		}
		have = brief(got)
	}
	var pattern strings.Builder
	pattern.WriteString("^")
	end, names := 0, []string{}
	for _, p := range placeholder.FindAllStringSubmatchIndex(want, -1) {
		pattern.WriteString(regexp.QuoteMeta(want[end:p[0]]))
		end = p[1]
		name, kind := want[p[2]:p[3]], ""
		if p[4] >= 0 {
			kind = want[p[4]:p[5]]
			names = append(names, name)
		}
		pattern.WriteString(m.part(at, name, kind))
	}
	pattern.WriteString(regexp.QuoteMeta(want[end:]) + "$")
	found := regexp.MustCompile(pattern.String()).FindStringSubmatch(have)
	if found == nil {
		return false
	}
	for i, name := range names {
		m.vars[name] = found[i+1]
	}
	return true
}

// part is the pattern for one placeholder: a kind, a capture, or a variable.
func (m *match) part(at, name, kind string) string {
	if kind != "" {
		if kinds[kind] == "" {
			m.differ(at, "a kind of placeholder", kind)
		}
		return "(" + kinds[kind] + ")"
	}
	if value, known := m.vars[name]; known {
		return regexp.QuoteMeta(value)
	}
	if kinds[name] == "" {
		m.differ(at, "a variable or a kind of placeholder", name)
	}
	return "(?:" + kinds[name] + ")"
}

// keep is the answer that -update expects from now on: the old text where it still matches, else the new one with placeholders for
// values that vary.
func keep(want, got any, vars variables) any {
	m := &match{vars: maps.Clone(vars)}
	if m.value("", want, got); len(m.diffs) == 0 {
		return want
	}
	switch g := got.(type) {
	case object:
		w, _ := want.(object)
		out := object{}
		_, rest := w[more]
		for k, v := range g {
			if old, there := w[k]; there || !rest {
				out[k] = keep(old, v, vars)
			}
		}
		if rest {
			out[more] = w[more]
		}
		return out
	case []any:
		w, _ := want.([]any)
		out := []any{}
		for i, v := range g {
			var old any
			if i < len(w) {
				old = w[i]
			}
			out = append(out, keep(old, v, vars))
		}
		return out
	case string:
		return general(g, vars)
	}
	return got
}

type instead struct {
	pattern     *regexp.Regexp
	placeholder string
}

// Texts, and parts of texts, that differ in the next run, and the placeholders that -update writes instead.
var (
	varyingTexts = []instead{{regexp.MustCompile("^" + kinds["poll"] + "$"), "{{poll}}"},
		{regexp.MustCompile("^" + kinds["etag"] + "$"), "{{etag}}"}}
	varyingParts = []instead{
		{regexp.MustCompile(guid), "{{guid}}"}, {regexp.MustCompile(kinds["time"]), "{{time}}"},
		{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:{{number}}"}, {regexp.MustCompile(`-[0-9a-f]{8}\.berth\.internal`),
			"-{{hex}}.berth.internal"},
	}
)

// general replaces texts that differ in the next run by placeholders.
func general(text string, vars variables) string {
	names := slices.Sorted(maps.Keys(vars))
	slices.SortStableFunc(names, func(a, b string) int { return len(vars[b]) - len(vars[a]) })
	for _, v := range varyingTexts {
		text = v.pattern.ReplaceAllLiteralString(text, v.placeholder)
	}
	for _, name := range names {
		if len(vars[name]) > 5 { // a short value may match by chance
			text = strings.ReplaceAll(text, vars[name], "{{"+name+"}}")
		}
	}
	for _, v := range varyingParts {
		text = v.pattern.ReplaceAllLiteralString(text, v.placeholder)
	}
	return text
}

// TestMatch: a scenario finds every difference from the expected answer.
func TestMatch(t *testing.T) {
	const id = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
	for _, c := range []struct{ want, got, difference string }{
		{`{"a":1,"b":[true,null,"x"]}`, `{"b":[true,null,"x"],"a":1}`, ""},
		{`{"a":1}`, `{"a":2}`, "body.a: got 2, want 1"},
		{`{"a":1}`, `{"a":"1"}`, `body.a: got "1", want 1`},
		{`{"a":"{{number}}"}`, `{"a":12}`, ""},
		{`{"a":"{{guid}}"}`, `{"a":12}`, "body.a: got 12"},
		{`{"a":null}`, `{}`, "body.a"},
		{`{}`, `{"a":null}`, "body.a"},
		{`{"a":1,"...":"more"}`, `{"a":1,"b":2}`, ""},
		{`{"a":1,"...":"more"}`, `{"b":2}`, "body.a"},
		{`[1]`, `[1,2]`, "has 2 elements"},
		{`[1,"..."]`, `[1,2]`, ""},
		{`[1,2,"..."]`, `[1]`, "has 1 elements"},
		{`[1,2]`, `[2,1]`, "body[0]"},
		{`{"a":"x/{{guid}}/y"}`, `{"a":"x/` + id + `/y"}`, ""},
		{`{"a":"x/{{guid}}"}`, `{"a":"x/` + id + `/y"}`, "body.a"},
		{`{"a":"{{any}}"}`, `{"a":{"b":[]}}`, ""},
		{`{"a":"{{any}}"}`, `{}`, "body.a"},
		{`{"a":"{{time}}"}`, `{"a":"yesterday"}`, "body.a"},
		{`{"a":"{{known}}"}`, `{"a":"k.n"}`, ""},
		{`{"a":"{{known}}"}`, `{"a":"kan"}`, "body.a"},
		{`{"a":"{{nobody}}"}`, `{"a":"x"}`, "a variable or a kind"},
		{`{"a":"{{new=guid}}","b":"{{new}}"}`, `{"a":"` + id + `","b":"` + id + `"}`, ""},
		{`{"a":"{{new=guid}}","b":"{{new}}"}`, `{"a":"` + id + `","b":"x"}`, "body.b"},
		{`null`, `{"a":1}`, "body"},
	} {
		var want, got any
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(c.got), &got); err != nil {
			t.Fatal(err)
		}
		m := &match{vars: variables{"known": "k.n"}}
		m.value("body", want, got)
		if all := strings.Join(m.diffs, "; "); !strings.Contains(all, c.difference) || (c.difference == "") != (all == "") {
			t.Errorf("%s against %s: reported %q, want %q", c.got, c.want, all, c.difference)
		}
	}
}
