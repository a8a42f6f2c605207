package arm_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/access"
	"berth.dev/berth/app/apptest"
	"berth.dev/berth/arm"
	"berth.dev/berth/clusters"
	"berth.dev/berth/identity"
	"berth.dev/berth/models"
	"berth.dev/berth/provider/fake"
	"berth.dev/berth/reconcile"
	"berth.dev/berth/rules"
	"berth.dev/berth/seal"
	"berth.dev/berth/store"
)

const (
	tenantID       = "7d1c0a52-6f0e-4d57-8a3b-5f6d2c9e1b40"
	subscriptionID = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
	clientID       = "c2a5e7d8-3b64-4f19-9d0a-8e7b6c5a4f31"
)

// stage is a server for scenarios: real HTTPS, HTTP layer, store and engine, but simulated clusters, and a clock and an engine that
// do not run until a scenario settles. So an operation stays in progress while a scenario reads it.
type stage struct {
	t        testing.TB
	url      string
	token    string
	links    string // address from which templates may be fetched
	http     *http.Client
	store    *store.Store
	clock    *clockwork.FakeClock
	arm      *arm.Server
	provider berth.Provider
	clusters *clusters.Clusters
	begun    []string // addresses of the operations that answers announced
}

func newStage(t testing.TB) *stage {
	t.Helper()
	return newStageAt(t, filepath.Join(t.TempDir(), "berth.db"))
}

func newStageAt(t testing.TB, database string) *stage {
	t.Helper()
	s := &stage{t: t, clock: clockwork.NewFakeClockAt(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))}
	box, err := seal.Ephemeral()
	s.must(err)
	s.store, err = store.Open(t.Context(), database, store.Options{Clock: s.clock, Sealer: box, Explain: rules.Explain})
	s.must(err)
	t.Cleanup(func() { _ = s.store.Close() })
	clusters := fake.New(s.clock)
	clusters.ReadyAfter = 200 * time.Millisecond
	t.Cleanup(clusters.Close)
	s.provider = clusters
	s.serve()
	s.must(s.send("PUT", s.group(), nil, `{"location":"westeurope"}`).is(http.StatusCreated))
	s.must(s.send("PUT", s.workspace(), nil, `{"location":"westeurope"}`).is(http.StatusOK))
	return s
}

func (s *stage) group() string {
	return "/subscriptions/" + subscriptionID + "/resourceGroups/" + group
}

func (s *stage) workspace() string {
	return s.group() + "/providers/Microsoft.MachineLearningServices/workspaces/" + workspace
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// serve starts the HTTP server and gets a token for it.
func (s *stage) serve() {
	s.t.Helper()
	var handler *arm.Server
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	s.t.Cleanup(web.Close)
	s.url, s.http = web.URL, web.Client()
	s.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	keys, err := identity.LoadOrMakeKeys(s.t.TempDir(), s.clock)
	s.must(err)
	client := berth.Application{ID: clientID, Name: "scenario", ObjectID: clientID}
	authority, err := identity.New(identity.Options{Issuer: s.url, TenantID: tenantID, Keys: keys, Clock: s.clock,
		Applications: func(id string) (berth.Application, bool) { return client, strings.EqualFold(id, clientID) }})
	s.must(err)
	s.token, err = authority.Issue(client, s.url)
	s.must(err)
	links := httptest.NewTLSServer(http.FileServer(http.Dir(filepath.Join("testdata", "links"))))
	s.t.Cleanup(links.Close)
	s.links = links.URL
	s.clusters = clusters.New(clusters.Options{Store: s.store, Provider: s.provider, Clock: s.clock, ServerID: tenantID})
	guard := access.NewGuard(s.store, subscriptionID, func() map[string][]string { return nil })
	s.must(guard.Own(context.Background(), client.ObjectID, clientID, s.clock.Now()))
	handler = arm.New(arm.Options{
		Access: guard, Store: s.store, Clusters: s.clusters, Authority: authority, Log: slog.New(slog.DiscardHandler), Clock: s.clock,
		Subscription: subscriptionID, Endpoint: s.url, Ready: s.store.Ping,
		ControlPlane: map[string][]netip.Prefix{
			"westeurope": {netip.MustParsePrefix("198.51.100.0/28")}, "northeurope": {netip.MustParsePrefix("203.0.113.0/28")},
		},
		Models: models.New(models.Options{
			Store: s.store, Clock: s.clock, Subscription: subscriptionID, HasPython: func() bool { return true },
			Judge:        func(berth.ServiceEnvironment) *berth.Error { return nil },
			TokenRefresh: time.Hour, TokenLife: 2 * time.Hour,
			Token: func(audience, caller string) (string, time.Time, error) {
				return audience + " for " + caller, s.clock.Now(), nil
			},
			Logs: func(_ context.Context, of *berth.Resource, q models.LogQuery) (string, error) {
				return fmt.Sprintf("%s %t %d", of.ID.Name(), q.Init, q.Lines), nil
			},
		}),
		TemplateHosts: []string{strings.TrimPrefix(links.URL, "https://")}, Links: links.Client(),
	})
	s.arm = handler
}

// through passes the calls of template deployments to the server, as app does.
type through struct{ arm *arm.Server }

func (t through) Do(ctx context.Context, q reconcile.ResourceRequest) (reconcile.ResourceAnswer, error) {
	a, err := t.arm.Do(ctx, arm.Call{Caller: q.Caller, Method: q.Method, Path: q.ID, Version: q.Version, Body: q.Body})
	return reconcile.ResourceAnswer{Operation: a.Operation, Body: a.Body}, err
}

// work runs an engine until stop is called. No engine runs between two settlings: an answer must not depend on the progress of another
// goroutine.
func (s *stage) work() (stop func()) {
	engine := reconcile.New(reconcile.Options{
		Store: s.store, Provider: s.provider, Clusters: s.clusters, Clock: s.clock, Log: slog.New(slog.DiscardHandler),
		ServerID: tenantID, Resources: through{s.arm},
	})
	run, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(run) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	}
}

// send sends one request. The version is added unless the path names one, as a client would.
func (s *stage) send(method, path string, header map[string]string, body string) *answer {
	s.t.Helper()
	path = strings.TrimPrefix(path, s.url)
	if !strings.Contains(path, "api-version=") {
		path += map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + "api-version=" + apptest.Version
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	s.must(err)
	req.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range header {
		req.Header.Set(k, v)
		if v == "" {
			req.Header.Del(k)
		}
	}
	resp, err := s.http.Do(req)
	s.must(err)
	text, err := io.ReadAll(resp.Body)
	s.must(err)
	s.must(resp.Body.Close())
	if at := resp.Header.Get("Azure-AsyncOperation"); at != "" && !strings.Contains(at, "/settled-") {
		s.begun = append(s.begun, at)
	}
	return &answer{status: resp.StatusCode, header: resp.Header, text: string(text)}
}

// settle runs the engine and advances the clock until every operation that an answer has named has ended.
func (s *stage) settle() {
	s.t.Helper()
	s.workUntil(s.settled)
}

// workUntil runs the engine and advances the clock until done. It never advances past work that is due and not begun: on a busy
// machine the clock would run ahead of the engine.
func (s *stage) workUntil(done func() bool) {
	s.t.Helper()
	defer s.work()()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	idle := 0
	for end := time.Now().Add(apptest.Patience); !done(); <-tick.C {
		if time.Now().After(end) {
			s.t.Fatalf("waited in vain; under way are %v", s.begun)
		}
		idle++ // on a full disk the engine cannot even claim what is due, and waits for the clock
		if due, err := s.store.NextDue(s.t.Context()); err == nil && (due.IsZero() || due.After(s.clock.Now())) || idle%50 == 0 {
			s.clock.Advance(50 * time.Millisecond)
		}
	}
}

func (s *stage) settled() bool {
	for len(s.begun) > 0 {
		id := s.begun[0][strings.LastIndex(s.begun[0], "/")+1:]
		op, err := s.store.Operation(s.t.Context(), id[:strings.Index(id, "?")])
		s.must(err)
		if !berth.State(op.State).Terminal() {
			return false
		}
		s.begun = s.begun[1:]
	}
	return true
}
