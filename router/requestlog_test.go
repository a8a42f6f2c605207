package router_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"berth.dev/berth/router/route"
)

// TestRequestLog: where it is asked for there is a line about each request, with neither key nor body; only the last ones stay.
func TestRequestLog(t *testing.T) {
	t.Parallel()
	s := replica(t, says("hello"))
	quiet, talks := versionAt(s), versionAt(s)
	quiet.Log, talks.Log = false, true
	quiet.Traffic, talks.Name = 0, "v2"
	gone := versionAt()
	gone.Backend = route.Backend{Namespace: "n", Service: "none"}
	gone.Log, gone.MaxQueueWaitMS = true, 1
	c := startCollecting(t, 1<<20, endpointOf("ep", quiet, talks), serviceOf("gone", gone))
	lines := func(query string) (out []map[string]any) {
		w := httptest.NewRecorder()
		in := httptest.NewRequest(http.MethodGet, route.RequestsPath+query, nil)
		in.Header.Set(route.HeaderPeer, peerKey)
		c.Internal(c.Known).ServeHTTP(w, in)
		for line := range bytes.Lines(w.Body.Bytes()) {
			l := map[string]any{}
			if err := json.Unmarshal(line, &l); err != nil {
				t.Fatal(err)
			}
			out = append(out, l)
		}
		if strings.Contains(w.Body.String(), goodKey) || strings.Contains(w.Body.String(), "secret body") {
			t.Errorf("a line has what it must not: %s", w.Body)
		}
		return out
	}
	c.ask(t, http.MethodPost, "/api/v1/endpoint/ep/score?token=secret", "a secret body", "x-request-id: one", "x-ms-client-request-id: mine")
	c.ask(t, http.MethodPost, "/api/v1/endpoint/ep/score", "", "azureml-model-deployment: v1")
	done := c.later(t, "/api/v1/service/gone/score", "{}")
	eventually(t, func() error { // until the wait in the queue has ended
		c.clock.Advance(1e7)
		select {
		case a := <-done:
			if a.code != http.StatusServiceUnavailable {
				t.Errorf("%d %s", a.code, a.body)
			}
			return nil
		default:
			return fmt.Errorf("it waits")
		}
	})
	got := lines("?kind=endpoint&name=ep&version=v2")
	want := map[string]any{"time": "2026-03-01T12:30:00.000Z", "id": "one", "clientId": "mine", "route": "endpoint/ep", "deployment": "v2",
		"method": "POST", "path": "/score", "status": 200.0, "ms": 0.0, "queuedMs": 0.0, "bytesIn": 13.0, "bytesOut": 25.0}
	if have, wanted := fmt.Sprint(got), fmt.Sprint([]map[string]any{want}); have != wanted {
		t.Errorf("%s\nwant %s", have, wanted)
	}
	if got := lines("?kind=endpoint&name=ep&version=v1"); len(got) != 0 {
		t.Errorf("a version that asked for no lines has %v", got)
	}
	if got := lines("?kind=service&name=gone&version=v1"); len(got) != 1 || got[0]["status"] != 503.0 || got[0]["deployment"] != nil ||
		!strings.Contains(got[0]["reason"].(string), "no replica") {
		t.Errorf("%v", got)
	}
	for i := range 1010 {
		c.ask(t, http.MethodPost, "/api/v1/endpoint/ep/score", "", fmt.Sprint("x-request-id: r", i))
	}
	all, last := lines("?kind=endpoint&name=ep&version=v2"), lines("?kind=endpoint&name=ep&version=v2&tail=1")
	if len(all) != 1000 || all[0]["id"] != "r10" || len(last) != 1 || last[0]["id"] != "r1009" {
		t.Errorf("%d, %v, %v", len(all), all[0], last)
	}
}
