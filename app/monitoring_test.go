package app_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"berth.dev/berth/app/apptest"
)

var (
	metricName  = regexp.MustCompile(`\b(?:berth|go|process)_[a-z0-9_]+`)
	metricParts = regexp.MustCompile(`_(?:bucket|count|sum)$`)
	described   = regexp.MustCompile(`"(berth_[a-z_]+)"`)
)

// TestMonitoringFiles: every metric in the dashboard and in the alerts is one that the server, or a router, has.
func TestMonitoringFiles(t *testing.T) {
	s := apptest.New(t)
	s.MakeWorkspace(jobGroup, jobWorkspace)
	metrics := s.Want(http.StatusOK, s.Send(apptest.Request{Method: http.MethodGet, Path: "/metrics", Raw: true})).Text
	known := map[string]bool{}
	for _, line := range strings.Split(metrics, "\n") {
		if name, is := strings.CutPrefix(line, "# TYPE "); is {
			known[strings.Fields(name)[0]] = true
		}
	}
	for _, folder := range []string{".", "../router"} { // metrics that have no series yet are not on the page
		sources, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(sources) == 0 {
			t.Fatal(sources, err)
		}
		for _, file := range sources {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, m := range described.FindAllStringSubmatch(readFile(t, file), -1) {
				known[m[1]] = true
			}
		}
	}
	for file, expressions := range map[string][]string{"berth-dashboard.json": panels(t), "berth-alerts.yaml": alerts(t)} {
		if len(expressions) < 10 {
			t.Errorf("%s has %d expressions", file, len(expressions))
		}
		for _, e := range expressions {
			names := metricName.FindAllString(e, -1)
			if len(names) == 0 && !strings.HasPrefix(e, "up{") {
				t.Errorf("%s: no metric in %q", file, e)
			}
			for _, name := range names {
				if !known[name] && !known[metricParts.ReplaceAllString(name, "")] {
					t.Errorf("%s: nobody has the metric %s of %q", file, name, e)
				}
			}
			if strings.Count(e, "(") != strings.Count(e, ")") || strings.Count(e, "{") != strings.Count(e, "}") {
				t.Errorf("%s: the brackets of %q", file, e)
			}
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// panels are the expressions of the dashboard. Each panel has an id and a place of its own.
func panels(t *testing.T) (out []string) {
	t.Helper()
	var board struct {
		Panels []struct {
			ID      int
			GridPos struct{ X, Y, W int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(readFile(t, "../docs/monitoring/berth-dashboard.json")), &board); err != nil {
		t.Fatal(err)
	}
	var ids []int
	for _, p := range board.Panels {
		if slices.Contains(ids, p.ID) || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("the panel %d is there twice or too wide", p.ID)
		}
		ids = append(ids, p.ID)
		for _, target := range p.Targets {
			out = append(out, target.Expr)
		}
	}
	return out
}

// alerts are the expressions of the alerts.
func alerts(t *testing.T) (out []string) {
	t.Helper()
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(readFile(t, "../docs/monitoring/berth-alerts.yaml")), &rules); err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || r.Annotations["summary"] == "" {
				t.Errorf("the alert %q with %q says nothing", r.Alert, r.Expr)
			}
			out = append(out, r.Expr)
		}
	}
	return out
}
