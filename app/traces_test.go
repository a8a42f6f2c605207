package app_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"berth.dev/berth/app/apptest"
)

// TestTraces: the spans of a request, of the change that it is accepted as, and of the phases of its operation reach the collector, all
// in the trace of the client.
func TestTraces(t *testing.T) {
	var mu sync.Mutex
	var got []byte
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what is missing is missed below
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/v1/traces" {
			got = append(got, body...)
		}
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	s := apptest.New(t)
	s.MakeWorkspace(jobGroup, jobWorkspace)
	trace := []byte{0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36}
	s.Succeed(s.Send(apptest.Request{Method: http.MethodPut, Path: s.Group(jobGroup) + "/providers/Microsoft.Resources/deployments/traced",
		Header: map[string]string{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
		Body: apptest.Object{"properties": apptest.Object{"mode": "Incremental", "template": apptest.Object{
			"$schema":        "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
			"contentVersion": "1.0.0.0", "resources": []any{}}}}}))
	s.Stop() // sends what was not sent yet
	mu.Lock()
	defer mu.Unlock()
	for _, name := range []string{"PUT Microsoft.Resources/deployments", "accept", "templateDeployed", "surplusRemoved", "finish",
		"create Microsoft.Resources/deployments"} {
		if !bytes.Contains(got, []byte(name)) {
			t.Errorf("no span is called %q", name)
		}
	}
	if n := bytes.Count(got, trace); n < 6 {
		t.Errorf("%d spans are in the trace of the client, want 6 or more", n)
	}
}
