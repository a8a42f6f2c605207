package router_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"berth.dev/berth/router"
	"berth.dev/berth/router/route"
)

const peerKey = "a key of the routers"

// fe is one of several routers.
type fe struct {
	*front
	internal *httptest.Server
	stop     context.CancelFunc
}

// several starts routers that share a table.
func several(t *testing.T, n int, table *route.Table, scale router.Scaler) (all []*fe) {
	t.Helper()
	table.PeerKey = peerKey
	var addresses []string
	for range n {
		internal := httptest.NewUnstartedServer(nil)
		self := internal.Listener.Addr().String()
		r := router.New(router.Options{Self: self, Scale: scale})
		internal.Config.Handler = r.Internal(r.Known)
		internal.Start()
		closes(t, internal)
		public := httptest.NewServer(r)
		closes(t, public)
		apply(t, r, table)
		ctx, stop := context.WithCancel(t.Context())
		t.Cleanup(stop)
		all = append(all, &fe{&front{r, public, nil}, internal, stop})
		addresses = append(addresses, self)
		go r.Run(ctx)
	}
	for _, f := range all {
		f.SetMembers(addresses)
	}
	return all
}

// counting is a replica that notes how many requests it has at a time.
func counting(t *testing.T, takes time.Duration) (s *httptest.Server, most *atomic.Int64) {
	t.Helper()
	most = &atomic.Int64{}
	var now atomic.Int64
	return replica(t, func(_ http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		select {
		case <-time.After(takes):
		case <-r.Context().Done():
		}
	}), most
}

// Several routers share a version: whichever is asked, every request is served, and no replica gets more than it takes.
func TestSeveralRouters(t *testing.T) {
	v := route.Version{Name: "v1", Traffic: 100, Concurrency: 1, MaxQueueWaitMS: 60000}
	var mosts []*atomic.Int64
	for range 2 { // fewer than routers: one of them has no slot of its own
		s, most := counting(t, time.Millisecond)
		v.Backend.Addresses = append(v.Backend.Addresses, address(s))
		mosts = append(mosts, most)
	}
	all := several(t, 3, tableOf(serviceOf("x", v)), nil)
	var done sync.WaitGroup
	for i := range 30 {
		done.Go(func() {
			for range 20 {
				a, err := send(t.Context(), all[i%3].Client(), "POST", all[i%3].URL+scoreX, "{}", "x-request-id: mine")
				if err != nil || a.code != 200 || a.header.Get("X-Request-Id") != "mine" {
					t.Errorf("%+v, %v", a, err)
				}
			}
		})
	}
	done.Wait()
	for _, most := range mosts {
		if n := most.Load(); n != 1 {
			t.Errorf("a replica had %d requests at a time", n)
		}
	}
}

// A router that is gone: the others take over its slots, without a failed request.
func TestRouterDies(t *testing.T) {
	v := route.Version{Name: "v1", Traffic: 100, Concurrency: 1, MaxQueueWaitMS: 60000}
	s, _ := counting(t, 0)
	v.Backend.Addresses = []string{address(s)}
	all := several(t, 2, tableOf(serviceOf("x", v)), nil)
	for i, f := range all { // one of the two has the only slot
		if a := f.ask(t, "POST", scoreX, "{}"); a.code != 200 {
			t.Fatalf("%d: %+v", i, a)
		}
	}
	for i, f := range all[:1] {
		other := all[1-i]
		other.stop()
		_ = other.internal.Listener.Close()
		other.internal.CloseClientConnections()
		for n := range 20 {
			a := f.ask(t, "POST", scoreX, "{}")
			if a.code == 502 && n == 0 { // it was on its way to the router that died
				continue
			}
			if a.code != 200 {
				t.Fatalf("%d: %+v", i, a)
			}
		}
	}
}

// A router that waits for a slot hears that another one has some.
func TestWaitingForAnother(t *testing.T) {
	s, came, may := blocked(t)
	v := versionAt(s)
	v.Concurrency, v.MaxQueueWaitMS = 2, 60000 // one slot for each of the two
	all := several(t, 2, tableOf(serviceOf("x", v)), nil)
	var answers []chan answer
	for range 4 {
		answers = append(answers, all[0].later(t, scoreX, "{}"))
	}
	for range 4 {
		want(t, came)
		may <- struct{}{}
	}
	for _, a := range answers {
		if a := want(t, a); a.code != 200 {
			t.Errorf("%+v", a)
		}
	}
}

// park runs replicas as the autoscaler wants: it is the cluster, reduced to its numbers.
type park struct {
	t      *testing.T
	mu     sync.Mutex
	all    []*httptest.Server
	asked  []int
	tell   func([]router.Endpoint)
	handle http.HandlerFunc
}

func (p *park) Replicas(string, string) (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.all), true
}

func (p *park) Scale(_ context.Context, namespace, deployment string, n int) error {
	if namespace != "n" || deployment != "d" {
		return errors.New("another deployment")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, n)
	for len(p.all) < n {
		p.all = append(p.all, replica(p.t, p.handle))
	}
	p.all = p.all[:n]
	var e []router.Endpoint
	for _, s := range p.all {
		e = append(e, endpointsOf(s, "http")...)
	}
	p.tell(e)
	return nil
}

// From no replica to one by the first request, and on by the load; every request is served, at whichever router it arrives.
func TestAutoscale(t *testing.T) {
	v := route.Version{Name: "v1", Traffic: 100, Concurrency: 1, MaxQueueWaitMS: 10000,
		Backend:   route.Backend{Namespace: "n", Service: "s", Port: "http"},
		Autoscale: &route.Autoscale{Deployment: "d", Min: 0, Max: 4}}
	p := &park{t: t, handle: func(http.ResponseWriter, *http.Request) { time.Sleep(20 * time.Millisecond) }}
	ready := make(chan struct{})
	var all []*fe
	p.tell = func(e []router.Endpoint) {
		<-ready
		for _, f := range all {
			f.SetEndpoints(router.Service{Namespace: "n", Name: "s"}, e)
		}
	}
	all = several(t, 2, tableOf(serviceOf("x", v)), p)
	close(ready)
	if a := all[0].ask(t, "POST", scoreX, "{}"); a.code != 200 {
		t.Fatalf("the first request: %+v", a)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var done sync.WaitGroup
	for i := range 8 {
		done.Go(func() {
			for ctx.Err() == nil {
				if a, err := send(t.Context(), all[i%2].Client(), "POST", all[i%2].URL+scoreX, "{}"); err != nil || a.code != 200 {
					t.Errorf("%+v, %v", a, err)
					return
				}
			}
		})
	}
	eventually(t, func() error {
		if n, _ := p.Replicas("n", "d"); n < v.Autoscale.Max {
			return fmt.Errorf("%d replicas", n)
		}
		return nil
	})
	cancel()
	done.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all) != 4 || p.asked[0] != 1 {
		t.Errorf("asked for %v replicas", p.asked)
	}
	const up = `berth_fe_scalings_total{direction="up",kind="service",name="x",version="v1"}`
	if text := all[0].scrape(t) + all[1].scrape(t); !strings.Contains(text, up) {
		t.Error(text)
	}
}

// Replicas are replaced one after the other under load: not ready first, gone then. No request fails.
func TestRollingReplacement(t *testing.T) {
	v := route.Version{Name: "v1", Traffic: 100, Concurrency: 4, MaxQueueWaitMS: 5000,
		Backend: route.Backend{Namespace: "n", Service: "s", Port: "http"}}
	all := several(t, 2, tableOf(serviceOf("x", v)), nil)
	tell := func(servers ...*httptest.Server) {
		var e []router.Endpoint
		for _, s := range servers {
			e = append(e, endpointsOf(s, "http")...)
		}
		for _, f := range all {
			f.SetEndpoints(router.Service{Namespace: "n", Name: "s"}, e)
		}
	}
	old := httptest.NewServer(says("old"))
	tell(old)
	var sent [8]atomic.Int64
	var failed atomic.Int64
	// passed waits until every client has had so many answers more.
	passed := func(n int64) {
		var from [len(sent)]int64
		for i := range sent {
			from[i] = sent[i].Load()
		}
		eventually(t, func() error {
			for i := range sent {
				if got := sent[i].Load() - from[i]; got < n {
					return fmt.Errorf("client %d has had %d answers", i, got)
				}
			}
			return nil
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	for i := range sent {
		done.Go(func() {
			body := strings.Repeat("x", 1000*i*i*i) // small ones and large ones
			for ctx.Err() == nil {
				a, err := send(t.Context(), all[i%2].Client(), "POST", all[i%2].URL+scoreX, body)
				sent[i].Add(1)
				if err != nil || a.code != 200 {
					failed.Add(1)
					t.Errorf("%v, %d %s %s", err, a.code, a.body, a.header.Get("X-Berth-Reason"))
				}
			}
		})
	}
	for round := range 20 {
		passed(5)
		next := httptest.NewServer(says(fmt.Sprint(round)))
		tell(old, next)
		tell(next)
		passed(1)                            // a pod waits for that in its preStop hook: what was on its way to it has arrived
		_ = old.Config.Shutdown(t.Context()) // as a pod does: it ends what it has begun
		old = next
	}
	cancel()
	done.Wait()
	old.Close()
	if failed.Load() > 0 {
		t.Errorf("%d requests failed", failed.Load())
	}
}

// One of two routers is killed under load: what a client's one retry does not mend is nothing.
func TestKilledRouter(t *testing.T) {
	v := route.Version{Name: "v1", Traffic: 100, Concurrency: 2, MaxQueueWaitMS: 60000}
	for range 3 {
		s, _ := counting(t, time.Millisecond)
		v.Backend.Addresses = append(v.Backend.Addresses, address(s))
	}
	all := several(t, 2, tableOf(serviceOf("x", v)), nil)
	var sent, retried atomic.Int64
	var done sync.WaitGroup
	for i := range 8 {
		done.Go(func() {
			for n := range 200 {
				target := all[(i+n)%2]
				for attempt := 0; ; attempt++ {
					a, err := send(t.Context(), target.Client(), "POST", target.URL+scoreX, "{}")
					if err == nil && a.code == 200 {
						break
					}
					if attempt == 1 {
						t.Errorf("after a retry: %+v, %v", a, err)
						break
					}
					retried.Add(1)
					target = all[0] // as a load balancer does: to one that is ready
				}
				if sent.Add(1) == 800 {
					all[1].stop()
					for _, s := range []*httptest.Server{all[1].Server, all[1].internal} {
						_ = s.Listener.Close()
						s.CloseClientConnections()
					}
				}
			}
		})
	}
	done.Wait()
	if retried.Load() == 0 {
		t.Error("nobody noticed")
	}
}

func TestMembersThatAreNone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // accepts nothing: a router that hangs
	s, _ := counting(t, 0)
	v := versionAt(s)
	v.Concurrency, v.MaxQueueWaitMS = 1, 5000
	all := several(t, 1, tableOf(serviceOf("x", v)), nil)
	all[0].SetMembers([]string{l.Addr().String(), closedPort(t)})
	eventually(t, func() error { // by then each of the two was found out
		if a := all[0].ask(t, "POST", scoreX, "{}"); a.code != 200 {
			return fmt.Errorf("%+v", a)
		}
		return nil
	})
	for range 20 {
		if a := all[0].ask(t, "POST", scoreX, "{}"); a.code != 200 {
			t.Errorf("%+v", a)
		}
	}
}
