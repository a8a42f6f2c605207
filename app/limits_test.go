package app

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"berth.dev/berth/kube"
)

// TestUnread: a client that does not read its answer is cut off, and one that only waits for it is not.
func TestUnread(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 32<<20)
	for name, two := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const unread = 2 * time.Second // a busy machine takes its time for one byte
			cut, slow := make(chan error, 1), make(chan struct{})
			web := httptest.NewUnstartedServer(bounded(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/slow" {
					_, _ = io.WriteString(w, "a")
					_ = http.NewResponseController(w).Flush()
					<-slow
					_, _ = io.WriteString(w, "b")
					return
				}
				_, err := w.Write(large)
				cut <- err
			}), unread))
			web.EnableHTTP2 = two
			web.StartTLS()
			defer web.Close()
			get := func(path string) *http.Response {
				t.Helper()
				resp, err := web.Client().Get(web.URL + path)
				if err != nil {
					t.Fatal(err)
				}
				return resp
			}
			waits := get("/slow")
			held := get("/large") // and nobody reads it
			if err := <-cut; err == nil {
				t.Error("an answer of 32 MB that nobody reads was written")
			}
			_ = held.Body.Close()
			close(slow) // later than unread after "a"
			if text, err := io.ReadAll(waits.Body); err != nil || string(text) != "ab" {
				t.Errorf("an answer that took its time: %q, %v", text, err)
			}
			_ = waits.Body.Close()
		})
	}
}

// TestUnderWay: more requests than there may be under way are refused, and let in again when the others have ended.
func TestUnderWay(t *testing.T) {
	begun, end := make(chan struct{}, maxUnderWay), make(chan struct{})
	h := bounded(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { begun <- struct{}{}; <-end }), time.Minute)
	ended := make(chan struct{}, maxUnderWay)
	for range maxUnderWay {
		go func() {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
			ended <- struct{}{}
		}()
	}
	for range maxUnderWay {
		<-begun
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "Try again") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	close(end)
	for range maxUnderWay {
		<-ended
	}
	w = httptest.NewRecorder()
	if h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil)); w.Code != http.StatusOK {
		t.Errorf("after the others: %d", w.Code)
	}
}

// TestDialModels: the public address of the server leads to the server itself, and no other address gets past the guard by it.
func TestDialModels(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	s := &server{config: Config{PublicURL: "https://berth.example:8443"}, listener: l}
	dial := s.dialModels(&kube.Guard{})
	conn, err := dial(t.Context(), "tcp", "berth.example:8443")
	if err != nil || conn.RemoteAddr().String() != l.Addr().String() {
		t.Fatalf("%v, %v", conn, err)
	}
	_ = conn.Close()
	s.config.PublicURL = ""
	for name, at := range map[string]string{"this machine": l.Addr().String(), "another port": "127.0.0.1:1"} {
		for _, dial := range []func(context.Context, string, string) (net.Conn, error){dial, s.dialModels(&kube.Guard{})} {
			if conn, err := dial(t.Context(), "tcp", at); err == nil {
				_ = conn.Close()
				t.Errorf("%s gets past the guard", name)
			} else if _, is := kube.RefusedAddress(err); !is {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

type connFrom struct {
	net.Conn
	from string
}

func (c connFrom) RemoteAddr() net.Addr { return address(c.from) }
func (connFrom) Close() error           { return nil }

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

// TestCrowd: one address has its share of the connections and leaves the rest to others.
func TestCrowd(t *testing.T) {
	var c crowd
	fill := func(from string) (in []net.Conn) {
		for range maxConnections {
			if conn := c.enter(connFrom{from: from}); conn != nil {
				in = append(in, conn)
			}
		}
		return in
	}
	first := fill("192.0.2.1:1")
	if len(first) != maxFromOne || c.enter(connFrom{from: "192.0.2.1:9"}) != nil {
		t.Errorf("one address has %d connections", len(first))
	}
	six := fill("[2001:db8::1]:1")
	if len(six) != maxFromOne || c.enter(connFrom{from: "[2001:db8::2]:1"}) != nil {
		t.Errorf("one network has %d connections", len(six))
	}
	others := append(fill("192.0.2.2:1"), fill("192.0.2.3:1")...)
	if c.enter(connFrom{from: "192.0.2.4:1"}) != nil {
		t.Error("more connections than there may be")
	}
	for _, conn := range append(append(first, six...), others...) {
		_ = conn.Close()
		_ = conn.Close() // a second time counts for nothing
	}
	if c.all != 0 || len(c.from) != 0 {
		t.Errorf("%d connections are left, of %d addresses", c.all, len(c.from))
	}
}
