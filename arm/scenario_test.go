package arm_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what scenarios expect anew")

// TestScenarios runs the folders of testdata/scenarios: requests in the order of their numbers, each after the ones before it, with the
// expected answers. CONTRIBUTING.md describes how to write them.
func TestScenarios(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join("testdata", "scenarios", "*"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("there are no scenarios: %v", err)
	}
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Parallel()
			play(t, folder)
		})
	}
}

func play(t *testing.T, folder string) {
	t.Helper()
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(t)
	vars := variables{"endpoint": s.url, "subscription": subscriptionID, "tenant": tenantID, "client": clientID, "group": s.group(),
		"workspace": s.workspace(), "links": s.links}
	for i, file := range files {
		if !strings.HasPrefix(file.Name(), fmt.Sprintf("%02d-", i+1)) || filepath.Ext(file.Name()) != ".http" {
			t.Fatalf("step %d is called %s; it must be %02d-what.http", i+1, file.Name(), i+1)
		}
		path := filepath.Join(folder, file.Name())
		st, err := readStep(path)
		if err == nil {
			err = s.step(st, vars)
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
}

// step runs one step. A scenario ends at the first step that fails, because the later ones depend on it.
func (s *stage) step(st *step, vars variables) error {
	if st.method == "SETTLE" {
		s.settle()
		return nil
	}
	path, err := vars.fill(st.path)
	if err != nil {
		return err
	}
	body, err := vars.fill(st.body)
	if err != nil {
		return err
	}
	header := map[string]string{}
	for k, v := range st.header {
		if header[k], err = vars.fill(v); err != nil {
			return err
		}
	}
	got := s.send(st.method, path, header, body)
	if *update {
		if err := st.rewrite(got, vars); err != nil {
			return err
		}
	}
	if diffs := st.compare(got, vars); len(diffs) > 0 {
		return fmt.Errorf("%s %s\n  %s\nit answered %d %v\n%s", st.method, path, strings.Join(diffs, "\n  "), got.status, got.telling(),
			short(indented(got.text)))
	}
	return got.translates()
}

// answer is a response of the server.
type answer struct {
	status int
	header http.Header
	text   string
}

func (a *answer) is(status int) error {
	if a.status != status {
		return fmt.Errorf("answered %d, want %d: %s", a.status, status, a.text)
	}
	return nil
}

// body is the answer's JSON; nil when it is empty.
func (a *answer) body() any {
	if strings.TrimSpace(a.text) == "" {
		return nil
	}
	var v any
	if err := json.Unmarshal([]byte(a.text), &v); err != nil {
		return "not JSON: " + a.text
	}
	return v
}

// listed are the headers that an answer must not have unless its step names them; a step may name others too.
var listed = []string{"Allow", "Azure-AsyncOperation", "ETag", "Location", "Retry-After", "Warning"}

func (a *answer) telling() []string {
	var out []string
	for _, k := range listed {
		if v := a.header.Get(k); v != "" {
			out = append(out, k+": "+v)
		}
	}
	return out
}

// compare reports how an answer differs from what the step expects, and stores what the step captures. It compares twice: what one
// part captures may be expected in an earlier part.
func (st *step) compare(got *answer, vars variables) []string {
	st.differences(got, vars)
	return st.differences(got, vars)
}

func (st *step) differences(got *answer, vars variables) []string {
	m := &match{vars: vars}
	if got.status != st.status {
		m.differ("status", st.status, got.status)
	}
	names := slices.Clone(listed)
	for k := range st.want {
		if !slices.Contains(names, k) {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	for _, k := range names {
		want, named := st.want[k]
		switch have := got.header.Get(k); {
		case named:
			m.value(k, want, have)
		case have != "":
			m.differ(k, "no such header", have)
		}
	}
	m.value("body", st.wantBody, got.body())
	return m.diffs
}

// rewrite changes the step to expect the answer, but keeps its placeholders where they match.
func (st *step) rewrite(got *answer, vars variables) error {
	caught := maps.Clone(vars)
	st.compare(got, caught) // what the step itself captures is known to the rest of it
	want := map[string]string{}
	for _, k := range listed {
		if have := got.header.Get(k); have != "" {
			want[k] = keep(st.want[k], have, caught).(string)
		}
	}
	for k, v := range st.want {
		if _, done := want[k]; !done && got.header.Get(k) != "" {
			want[k] = keep(v, got.header.Get(k), caught).(string)
		}
	}
	st.status, st.want = got.status, want
	st.wantBody = keep(st.wantBody, got.body(), caught)
	return st.write()
}
