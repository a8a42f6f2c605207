package router_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth/router"
	"berth.dev/berth/router/route"
)

const goodKey = "0123456789abcdefghijklmnopqrstuv"

// replica is a model server: a true HTTP server on a port of its own.
func replica(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	closes(t, s)
	return s
}

// closes ends a server at the end of the test, with whatever still hangs on it.
func closes(t *testing.T, s *httptest.Server) {
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
}

func address(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }

// says answers with a word, and the path.
func says(word string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, word+" "+r.URL.RequestURI())
	}
}

// blocked is a replica that says on the first channel when a request has come and answers when the second lets it.
func blocked(t *testing.T) (s *httptest.Server, came, may chan struct{}) {
	t.Helper()
	came, may = make(chan struct{}, 100), make(chan struct{}, 100)
	s = replica(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		came <- struct{}{}
		select {
		case <-may:
		case <-r.Context().Done():
		}
	})
	return s, came, may
}

func versionAt(servers ...*httptest.Server) route.Version {
	v := route.Version{Name: "v1", Traffic: 100}
	for _, s := range servers {
		v.Backend.Addresses = append(v.Backend.Addresses, address(s))
	}
	return v
}

func serviceOf(name string, versions ...route.Version) route.Route {
	return route.Route{Name: route.Name{Kind: route.Service, Name: name}, Auth: route.ByKey,
		Keys: []route.KeyHash{route.HashKey("another"), route.HashKey(goodKey)}, Versions: versions}
}

func endpointOf(name string, versions ...route.Version) route.Route {
	r := serviceOf(name, versions...)
	r.Kind = route.Endpoint
	return r
}

func tableOf(routes ...route.Route) *route.Table { return &route.Table{Routes: routes} }

// front is a router with its public address.
type front struct {
	*router.Router
	*httptest.Server
	clock *clockwork.FakeClock
}

// start serves routes. With a clock, time passes only when the test says so.
func start(t *testing.T, table *route.Table, clock *clockwork.FakeClock) *front {
	t.Helper()
	o := router.Options{Self: "self:1"}
	if clock != nil {
		o.Clock = clock
	}
	r := router.New(o)
	apply(t, r, table)
	s := httptest.NewServer(r)
	closes(t, s)
	return &front{r, s, clock}
}

func apply(t *testing.T, r *router.Router, table *route.Table) {
	t.Helper()
	text, err := table.JSON()
	if err != nil {
		t.Fatal(err)
	}
	read, err := route.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Apply(read); err != nil {
		t.Fatal(err)
	}
}

// answer is what came back.
type answer struct {
	code   int
	body   string
	header http.Header
}

// ask sends a request with the good key, unless a header says otherwise ("Name: value").
func (f *front) ask(t testing.TB, method, path, body string, headers ...string) answer {
	t.Helper()
	a, err := send(t.Context(), f.Client(), method, f.URL+path, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func send(ctx context.Context, c *http.Client, method, url, body string, headers ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+goodKey)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if req.Header.Set(name, value); value == "" {
			req.Header.Del(name)
		}
	}
	res, err := c.Do(req)
	if err != nil {
		return answer{}, err
	}
	text, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	return answer{res.StatusCode, string(text), res.Header}, err
}

// later sends a request and delivers the answer.
func (f *front) later(t *testing.T, path, body string, headers ...string) chan answer {
	out := make(chan answer, 1)
	go func() {
		a, err := send(context.Background(), f.Client(), http.MethodPost, f.URL+path, body, headers...)
		if err != nil {
			a.body = err.Error()
		}
		out <- a
	}()
	return out
}

// patience is how long a test waits for what comes soon on a machine that does nothing else.
const patience = 5 * time.Minute

// want waits for something that comes soon.
func want[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatal("it does not come")
	}
	return v
}

// eventually asks again until there is no error.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

func startEmpty(t *testing.T) *front {
	r := router.New(router.Options{})
	s := httptest.NewServer(r)
	closes(t, s)
	return &front{r, s, nil}
}

// endpointsOf are the endpoints of a Service whose pods are these servers.
func endpointsOf(s *httptest.Server, port string) []router.Endpoint {
	host, number, _ := net.SplitHostPort(address(s))
	n, _ := strconv.Atoi(number)
	return []router.Endpoint{{Host: host, Ports: map[string]int{port: n}}}
}

// scrape is what Prometheus reads.
func (f *front) scrape(t *testing.T) string {
	t.Helper()
	w := httptest.NewRecorder()
	f.Internal(f.Known).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}
