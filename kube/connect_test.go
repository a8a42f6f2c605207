package kube_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"berth.dev/berth/kube"
)

func TestUnreachable(t *testing.T) {
	p, _, admin := simulated(t, 1)
	c, ctx := connect(t, admin), t.Context()
	p.Unreachable(clusterID, true)
	if _, err := c.Facts(ctx); !kube.Unreachable(err) {
		t.Errorf("no answer: %v", err)
	}
	p.Unreachable(clusterID, false)
	if err := c.Healthy(ctx); err != nil {
		t.Errorf("answers again: %v", err)
	}
	if _, err := p.Remove(ctx, clusterID); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Facts(ctx); !kube.Unreachable(err) {
		t.Errorf("gone: %v", err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := connect(t, kubeconfigOf("https://"+l.Addr().String(), nil)).Healthy(ctx); !kube.Unreachable(err) {
		t.Errorf("refused: %v", err)
	}
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	if err := connect(t, kubeconfigOf(s.URL, nil)).Healthy(ctx); !kube.Unreachable(err) {
		t.Errorf("not trusted: %v", err)
	}
	for err, want := range map[error]bool{nil: false, errors.New("x"): false, context.Canceled: false, context.DeadlineExceeded: true,
		fmt.Errorf("a: %w", context.DeadlineExceeded): true} {
		if kube.Unreachable(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
}

func TestAnswers(t *testing.T) {
	for code, want := range map[int]bool{400: false, 401: false, 403: false, 404: false, 409: false, 429: false, 500: false, 502: true,
		503: true, 504: true} {
		asked := atomic.Int32{}
		c := served(t, func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(code)
		}, unhurried)
		_, err := c.Nodes(t.Context())
		if err == nil || kube.Unreachable(err) != want || asked.Load() != 1 {
			t.Errorf("%d, asked %d times: %v", code, asked.Load(), err)
		}
	}
}

func TestTimeout(t *testing.T) {
	done := make(chan struct{})
	c := served(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-done // the headers came, the rest does not
	}, kube.Options{Timeout: 50 * time.Millisecond})
	defer close(done)
	if _, err := c.Nodes(t.Context()); !kube.Unreachable(err) {
		t.Errorf("%v", err)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var followed atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Store(true) }))
	defer elsewhere.Close()
	c := served(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, unhurried)
	_, err := c.Nodes(t.Context())
	if err == nil || followed.Load() || kube.Unreachable(err) || !strings.Contains(err.Error(), "redirect") {
		t.Errorf("%v, followed %v", err, followed.Load())
	}
}

func TestAnswersAreBounded(t *testing.T) {
	c := served(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(bytes.Repeat([]byte(" "), 3<<20))
	}, unhurried)
	if _, err := c.Nodes(t.Context()); !kube.Nonsense(err) || !strings.Contains(err.Error(), "more than 2 MiB in one value") ||
		kube.Unreachable(err) {
		t.Errorf("%v", err)
	}
}

// Connections to the same cluster, one after the other, share one TLS handshake.
func TestHandshakesAreFew(t *testing.T) {
	var handshakes atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.EnableHTTP2 = true
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			handshakes.Add(1)
		}
	}
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	s.StartTLS()
	defer s.Close()
	config := kubeconfigOf(s.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	for range 5 {
		c, err := kube.Connect(config, unhurried)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Healthy(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	if n := handshakes.Load(); n != 1 {
		t.Errorf("%d handshakes", n)
	}
}

func BenchmarkConnect(b *testing.B) {
	config := kubeconfigOf("https://127.0.0.1:1", nil)
	b.ReportAllocs()
	for b.Loop() {
		c, err := kube.Connect(config, kube.Options{})
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}
