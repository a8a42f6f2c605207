package app_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
)

// TestDebug requests the debug pages: they answer on loopback only, and only under a loopback name.
func TestDebug(t *testing.T) {
	s := apptest.New(t, func(c *app.Config) { c.DebugListen = "127.0.0.1:0" })
	s.MakeWorkspace(jobGroup, jobWorkspace)
	ask := func(path, host string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Info.DebugAddress+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	for path, want := range map[string]string{"/metrics": "berth_http_request_seconds", "/debug/": "goroutine", "/healthz": "ok"} {
		if status, text := ask(path, ""); status != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%s answers %d without %q", path, status, want)
		}
	}
	if status, _ := ask("/metrics", "attacker.example"); status != http.StatusForbidden {
		t.Errorf("a request under a stranger's name got %d", status)
	}
}

// TestMetricsNeedAToken: where everybody comes by, the metrics are for callers who may read all computes.
func TestMetricsNeedAToken(t *testing.T) {
	s := apptest.New(t)
	if r := s.Send(apptest.Request{Method: http.MethodGet, Path: "/metrics", Raw: true, Header: map[string]string{"Authorization": ""}}); r.
		Status != http.StatusUnauthorized || strings.Contains(r.Text, "berth_") {
		t.Errorf("without a token: %d %.100s", r.Status, r.Text)
	}
	one := s.NewCaller("prometheus")
	if r := one.Do(http.MethodGet, "/metrics", nil); r.Status != http.StatusForbidden || strings.Contains(r.Text, "berth_") {
		t.Errorf("without a role: %d %.100s", r.Status, r.Text)
	}
	s.Assign(one.ObjectID, "acdd72a7-3385-48ef-bd42-f606fba81ae7", "/subscriptions/"+s.SubscriptionID)
	if r := one.Do(http.MethodGet, "/metrics", nil); r.Status != http.StatusOK || !strings.Contains(r.Text, "berth_resources") {
		t.Errorf("as a Reader: %d %.100s", r.Status, r.Text)
	}
}
