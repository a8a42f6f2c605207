package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth.dev/berth/router/route"
)

// The program without Kubernetes: the routes of a file, served until a signal, and the spans sent to a collector.
func TestRoutesOfAFile(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	defer s.Close()
	text, err := (&route.Table{Routes: []route.Route{{Name: route.Name{Kind: route.Service, Name: "x"}, Auth: route.Anonymous,
		Versions: []route.Version{{Name: "v1", Backend: route.Backend{Addresses: []string{strings.TrimPrefix(s.URL, "http://")}}}}}}}).JSON()
	if err != nil {
		t.Fatal(err)
	}
	spans := make(chan string, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/v1/traces" && r.Header.Get("X-Key") == "k" {
			spans <- string(body)
		}
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=k")
	path := filepath.Join(t.TempDir(), "routes.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	o := parse([]string{"--http", address, "--internal", "127.0.0.1:0", "--routes", path, "--unready", "0s",
		"--spool", filepath.Join(t.TempDir(), "spool")})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, o, slog.New(slog.DiscardHandler)) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		res, err := http.Get("http://" + address + "/api/v1/service/x/score")
		if err == nil {
			got, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if res.StatusCode != 200 || string(got) != "hello" {
				t.Errorf("%d %s", res.StatusCode, got)
			}
			break
		}
		select {
		case err := <-ended:
			t.Fatal(err)
		case <-tick.C:
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	select {
	case got := <-spans:
		for _, word := range []string{"azureml-fe", "GET service/x"} {
			if !strings.Contains(got, word) {
				t.Errorf("the spans have no %q: %q", word, got)
			}
		}
	default:
		t.Error("the collector got no spans")
	}
}

func TestRefusedOptions(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(bad, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"nowhere to serve": {"--http", ""},
		"no internal port": {"--http", "127.0.0.1:0", "--internal", ""},
		"no file":          {"--http", "127.0.0.1:0", "--internal", "127.0.0.1:0", "--routes", "none"},
		"no routes":        {"--http", "127.0.0.1:0", "--internal", "127.0.0.1:0", "--routes", bad},
		"no port":          {"--http", "127.0.0.1:x", "--internal", "127.0.0.1:0"},
		"no kubeconfig":    {"--http", "127.0.0.1:0", "--internal", "127.0.0.1:0", "--kubeconfig", "none"},
	} {
		if err := run(t.Context(), parse(args), slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: it runs", name)
		}
	}
}
