package router_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// Trailers pass, and events without end come one by one.
func TestTrailersAndEvents(t *testing.T) {
	next := make(chan string)
	f := start(t, tableOf(serviceOf("x", versionAt(replica(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/events" {
			w.Header().Set("Content-Type", "text/event-stream")
			for event := range next {
				_ = http.NewResponseController(w).Flush()
				_, _ = io.WriteString(w, event)
			}
			return
		}
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", "4")
	})))), nil)
	get := func(path string) *http.Response {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, f.URL+path, nil)
		req.Header.Set("Authorization", "Bearer "+goodKey)
		res, err := f.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	res := get(scoreX)
	text, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || string(text) != "body" || res.Trailer.Get("X-Sum") != "4" {
		t.Errorf("%q, %v, %v", text, res.Trailer, err)
	}
	go func() { next <- "" }()
	res = get("/api/v1/service/x/events") // the head comes before any event
	defer res.Body.Close()
	go func() {
		next <- "one"
		next <- "" // sends what was written
		close(next)
	}()
	if text, err := io.ReadAll(res.Body); err != nil || string(text) != "one" {
		t.Errorf("%q, %v", text, err)
	}
}

// A replica that switches protocols, which nobody asked for, is no tunnel.
func TestUnaskedUpgrade(t *testing.T) {
	f := start(t, tableOf(serviceOf("x", versionAt(replica(t, func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello")
			_ = c.Close()
		}
	})))), nil)
	if a := f.ask(t, "POST", scoreX, "{}"); a.code != 502 {
		t.Errorf("%+v", a)
	}
}

// The connection to a replica serves one request after the other.
func TestKeptConnections(t *testing.T) {
	var made atomic.Int64
	s := httptest.NewUnstartedServer(says("x"))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			made.Add(1)
		}
	}
	s.Start()
	closes(t, s)
	f := start(t, tableOf(serviceOf("x", versionAt(s))), nil)
	const requests = 300
	for range requests {
		if a := f.ask(t, "POST", scoreX, "{}"); a.code != 200 {
			t.Fatalf("%+v", a)
		}
	}
	if n := made.Load(); n > requests/10 {
		t.Errorf("%d connections for %d requests", n, requests)
	}
}
