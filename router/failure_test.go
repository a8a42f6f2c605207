package router_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"berth.dev/berth/router"
	"berth.dev/berth/router/route"
)

// closedPort is an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A replica that does not accept connections was sent nothing: another one gets the request, with the whole body.
func TestRefusedConnection(t *testing.T) {
	good := replica(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	v := versionAt(good)
	v.Backend.Addresses = append(v.Backend.Addresses, closedPort(t), closedPort(t))
	f := start(t, tableOf(serviceOf("x", v)), nil)
	for _, body := range []string{"", "small", strings.Repeat("large", 100000)} {
		for range 6 {
			if a := f.ask(t, "POST", scoreX, body); a.code != 200 || a.body != body {
				t.Fatalf("%d bytes: %d, %d bytes, %s", len(body), a.code, len(a.body), a.header.Get("X-Berth-Reason"))
			}
		}
	}
	alone := versionAt()
	alone.Backend.Addresses = []string{closedPort(t)}
	apply(t, f.Router, tableOf(serviceOf("x", alone)))
	a := f.ask(t, "POST", scoreX, "{}")
	if a.code != 503 || a.body != "No ready replicas for service x" || !strings.Contains(a.header.Get("X-Berth-Reason"), "do not accept") {
		t.Errorf("%+v", a)
	}
}

// A replica that ends the connection may have worked on the request: it is not sent again, and the client is told so.
func TestClosedConnection(t *testing.T) {
	var asked atomic.Int64
	dies := func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}
	f := start(t, tableOf(serviceOf("x", versionAt(replica(t, dies), replica(t, dies)))), nil)
	for _, body := range []string{"small", strings.Repeat("large", 100000)} {
		a := f.ask(t, "POST", scoreX, body)
		if a.code != 502 || a.body != "Replica closed connection before replying" ||
			!strings.Contains(a.header.Get("X-Berth-Reason"), "crashed") {
			t.Errorf("%+v", a)
		}
	}
	if asked.Load() != 2 {
		t.Errorf("2 requests were sent %d times", asked.Load())
	}
}

// A replica that dies in the middle of its answer: the client sees that the answer is not whole.
func TestHalfAnAnswer(t *testing.T) {
	f := start(t, tableOf(serviceOf("x", versionAt(replica(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})))), nil)
	a, err := send(t.Context(), f.Client(), "POST", f.URL+scoreX, "{}")
	if err == nil {
		t.Errorf("%+v", a)
	}
}

// What is no HTTP at all, or has too large a head.
func TestNonsenseAnswer(t *testing.T) {
	for _, text := range []string{"nonsense\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 100<<10) + "\r\n\r\n", "HTTP/1.1 999999 x\r\n\r\n"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				_, _ = c.Read(make([]byte, 1000))
				_, _ = io.WriteString(c, text)
				_ = c.Close()
			}
		}()
		v := versionAt()
		v.Backend.Addresses = []string{l.Addr().String()}
		f := start(t, tableOf(serviceOf("x", v)), nil)
		if a := f.ask(t, "POST", scoreX, "{}"); a.code != 502 || a.header.Get("X-Berth-Reason") == "" {
			t.Errorf("%.20q: %+v", text, a)
		}
	}
}

// The container's own error passes, with a word on where it comes from.
func TestContainerFails(t *testing.T) {
	f := start(t, tableOf(serviceOf("x", versionAt(replica(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Run") != "" {
			w.Header().Set("x-ms-run-function-failed", "True")
		}
		http.Error(w, "division by zero", http.StatusInternalServerError)
	})))), nil)
	a := f.ask(t, "POST", scoreX, "{}")
	if a.code != 500 || a.body != "division by zero\n" || !strings.Contains(a.header.Get("X-Berth-Reason"), "itself answered 500") {
		t.Errorf("%+v", a)
	}
	if a := f.ask(t, "POST", scoreX, "{}", "X-Run: 1"); !strings.Contains(a.header.Get("X-Berth-Reason"), "run() of the scoring script") {
		t.Errorf("%+v", a)
	}
}

// A client that goes away ends the work of its replica, in the queue too.
func TestClientGoesAway(t *testing.T) {
	came := make(chan struct{}, 2)
	v := versionAt(replica(t, func(_ http.ResponseWriter, r *http.Request) {
		if text, _ := io.ReadAll(r.Body); string(text) == "waits" {
			came <- struct{}{}
			<-r.Context().Done()
		}
	}))
	v.Concurrency, v.MaxQueueWaitMS = 1, 60000
	f := start(t, tableOf(serviceOf("x", v)), nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := send(ctx, f.Client(), "POST", f.URL+scoreX, "waits")
			ended <- err
		}()
	}
	want(t, came) // one is at the replica, the other one in the queue or on its way there
	third := f.later(t, scoreX, "{}")
	cancel()
	for range 2 {
		if err := want(t, ended); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if a := want(t, third); a.code != 200 {
		t.Errorf("%+v", a)
	}
}

func TestLargeBody(t *testing.T) {
	s := replica(t, func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err == nil {
			_, _ = w.Write(text)
		}
	})
	r := router.New(router.Options{MaxBody: 1 << 20})
	apply(t, r, tableOf(serviceOf("x", versionAt(s))))
	server := httptest.NewServer(r)
	defer server.Close()
	for _, c := range []struct {
		size   int
		length bool // is said before
		code   int
	}{{1 << 20, true, 200}, {1<<20 + 1, true, 413}, {1 << 20, false, 200}, {1<<20 + 1, false, 413}, {5 << 20, false, 413}} {
		var body io.Reader = bytes.NewReader(bytes.Repeat([]byte("x"), c.size))
		if !c.length {
			body = io.MultiReader(body)
		}
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+scoreX, body)
		req.Header.Set("Authorization", "Bearer "+goodKey)
		res, err := server.Client().Do(req)
		if err != nil { // the router answers and closes while the client still sends
			if c.code != 413 {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		n, _ := io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode != c.code || c.code == 200 && n != int64(c.size) {
			t.Errorf("%+v: %d, %d bytes", c, res.StatusCode, n)
		}
	}
}

// A client that sends a small body slowly keeps no replica busy.
func TestSlowClient(t *testing.T) {
	v := versionAt(replica(t, says("x")))
	v.Concurrency, v.MaxQueueWaitMS = 1, 1
	f := start(t, tableOf(serviceOf("x", v)), nil)
	c, err := net.Dial("tcp", strings.TrimPrefix(f.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "POST "+scoreX+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+goodKey+"\r\nContent-Length: 10\r\n\r\n12345")
	if a := f.ask(t, "POST", scoreX, "{}"); a.code != 200 {
		t.Errorf("%+v", a)
	}
	_, _ = io.WriteString(c, "67890")
	answer := make([]byte, 15)
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "HTTP/1.1 200 OK" {
		t.Errorf("%q, %v", answer, err)
	}
}

// Copies go to the mirror, their answers nowhere; a mirror that is busy or broken is not noticed.
func TestMirror(t *testing.T) {
	copies := make(chan *http.Request, 10)
	bodies := make(chan string, 10)
	may := make(chan struct{})
	v, m := versionAt(replica(t, says("first"))), versionAt(replica(t, func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		copies <- r
		bodies <- string(text)
		<-may
		panic(http.ErrAbortHandler)
	}))
	m.Name, m.Traffic = "shadow", 0
	m.Mirror, m.Concurrency = 100, 1
	f := start(t, tableOf(endpointOf("x", v, m)), nil)
	if a := f.ask(t, "POST", "/api/v1/endpoint/x/score?q", "body", "x-request-id: one"); a.code != 200 || a.body != "first /score?q" {
		t.Errorf("%+v", a)
	}
	r := want(t, copies)
	if b := want(t, bodies); b != "body" || r.URL.RequestURI() != "/score?q" ||
		r.Header.Get("X-Request-Id") != "one" || r.Header.Get("Authorization") != "" {
		t.Errorf("%q %s %v", b, r.URL, r.Header)
	}
	for range 5 { // the mirror is busy
		if a := f.ask(t, "POST", "/api/v1/endpoint/x/score", strings.Repeat("x", 100)); a.code != 200 {
			t.Errorf("%+v", a)
		}
	}
	close(may)
	eventually(t, func() error {
		text := f.scrape(t)
		if !strings.Contains(text, `berth_fe_mirrored_total{kind="endpoint",name="x",result="dropped",version="shadow"} 5`) ||
			!strings.Contains(text, `berth_fe_mirrored_total{kind="endpoint",name="x",result="failed",version="shadow"} 1`) {
			return errors.New(text)
		}
		return nil
	})
}

// What the metrics say, and that they forget what is gone.
func TestMetrics(t *testing.T) {
	f := start(t, tableOf(serviceOf("x", versionAt(replica(t, says("x")))), endpointOf("gone", versionAt(replica(t, says("x"))))), nil)
	f.ask(t, "POST", scoreX, "{}")
	f.ask(t, "POST", "/api/v1/endpoint/gone/score", "{}")
	f.ask(t, "POST", "/api/v1/service/unknown/score", "{}")
	eventually(t, func() error { // a request is counted a moment after its answer
		text := f.scrape(t)
		for _, line := range []string{`berth_fe_requests_total{code="200",kind="service",name="x",version="v1"} 1`,
			`berth_fe_request_seconds_count{kind="service",name="x",version="v1"} 1`, `berth_fe_unrouted_total{code="404"} 1`,
			`berth_fe_busy{kind="service",name="x",version="v1"} 0`, `berth_fe_replicas_ready{kind="service",name="x",version="v1"} 1`,
			`berth_fe_queue{kind="service",name="x",version="v1"} 0`, `name="gone"`} {
			if !strings.Contains(text, line) {
				return errors.New(line + " is not in\n" + text)
			}
		}
		return nil
	})
	apply(t, f.Router, tableOf(serviceOf("x", versionAt(replica(t, says("x"))))))
	if text := f.scrape(t); strings.Contains(text, "gone") || strings.Contains(text, "unknown") {
		t.Error(text)
	}
}

// Routes that change while requests are on their way and wait.
func TestRoutesChange(t *testing.T) {
	s, came, may := blocked(t)
	v := versionAt(s)
	v.Concurrency, v.MaxQueueWaitMS = 1, 60000
	f := start(t, tableOf(serviceOf("x", v)), nil)
	first := f.later(t, scoreX, "{}")
	want(t, came)
	second := f.later(t, scoreX, "{}")
	changed := versionAt(s, replica(t, says("second")))
	changed.Concurrency = 1
	eventually(t, func() error {
		if !strings.Contains(f.scrape(t), `berth_fe_queue{kind="service",name="x",version="v1"} 1`) {
			return errors.New("the second request is not in the queue")
		}
		return nil
	})
	apply(t, f.Router, tableOf(serviceOf("x", changed), serviceOf("y", v)))
	if a := want(t, second); a.body != "second /score" {
		t.Errorf("%+v", a)
	}
	apply(t, f.Router, tableOf(route.Route{Name: route.Name{Kind: route.Service, Name: "z"}, Auth: route.Anonymous}))
	may <- struct{}{}
	if a := want(t, first); a.code != 200 {
		t.Errorf("%+v", a)
	}
	if a := f.ask(t, "POST", scoreX, "{}"); a.code != 404 {
		t.Errorf("%+v", a)
	}
}

// A replica is not asked again for a second after it refused a connection, as long as there are others.
func TestDownReplica(t *testing.T) {
	var tried atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	v := versionAt(replica(t, says("up")))
	v.Backend.Addresses = append(v.Backend.Addresses, l.Addr().String())
	f := start(t, tableOf(serviceOf("x", v)), nil)
	for range 4 {
		if a := f.ask(t, "POST", scoreX, "{}"); a.code != 200 {
			t.Fatalf("%+v", a)
		}
	}
	if l, err = net.Listen("tcp", l.Addr().String()); err != nil {
		t.Skip("the port is taken by now")
	}
	count := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { tried.Add(1) })
	back := &httptest.Server{Listener: l, Config: &http.Server{Handler: count, ReadHeaderTimeout: time.Minute}}
	back.Start()
	defer back.Close()
	eventually(t, func() error {
		if f.ask(t, "POST", scoreX, "{}"); tried.Load() == 0 {
			return errors.New("the replica is left alone")
		}
		return nil
	})
}
