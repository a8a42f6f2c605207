package router_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth/router"
	"berth.dev/berth/router/route"
)

// sleepers waits until so many timers run.
func sleepers(t *testing.T, clock *clockwork.FakeClock, n int) {
	t.Helper()
	if err := clock.BlockUntilContext(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

// A request beyond the limit waits; when it has waited too long, it is refused with the original's words.
func TestQueueWait(t *testing.T) {
	clock := clockwork.NewFakeClock()
	s, came, may := blocked(t)
	v := versionAt(s)
	v.Concurrency, v.MaxQueueWaitMS = 1, 700
	f := start(t, tableOf(serviceOf("x", v)), clock)
	first := f.later(t, scoreX, "{}")
	want(t, came)
	second := f.later(t, scoreX, "{}")
	sleepers(t, clock, 2) // the first one's timeout, the second one's wait
	clock.Advance(699 * time.Millisecond)
	third := f.later(t, scoreX, "{}")
	sleepers(t, clock, 3)
	clock.Advance(time.Millisecond)
	a := want(t, second)
	if a.code != 503 || a.body != "Too many requests for service x (overloaded)" || a.header.Get("Retry-After") != "1" ||
		!strings.Contains(a.header.Get("X-Berth-Reason"), "1 ready, 1 request(s) each") {
		t.Errorf("%+v", a)
	}
	may <- struct{}{}
	if a := want(t, first); a.code != 200 {
		t.Errorf("%+v", a)
	}
	want(t, came) // the third one had time left
	may <- struct{}{}
	if a := want(t, third); a.code != 200 {
		t.Errorf("%+v", a)
	}
}

// Who waits longest is served first, and a client that goes away leaves its place.
func TestQueueOrder(t *testing.T) {
	var order []string
	var mu sync.Mutex
	may := make(chan struct{})
	s := replica(t, func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		mu.Lock()
		order = append(order, string(text))
		mu.Unlock()
		<-may
	})
	clock := clockwork.NewFakeClock()
	v := versionAt(s)
	v.Concurrency = 1
	f := start(t, tableOf(serviceOf("x", v)), clock)
	var answers []chan answer
	for i := range 6 {
		answers = append(answers, f.later(t, scoreX, fmt.Sprint(i)))
		sleepers(t, clock, i+1)
	}
	for i := range answers {
		may <- struct{}{}
		if a := want(t, answers[i]); a.code != 200 {
			t.Errorf("%d: %+v", i, a)
		}
	}
	if !slices.Equal(order, []string{"0", "1", "2", "3", "4", "5"}) {
		t.Errorf("served in the order %v", order)
	}
}

// The least busy replica gets the request, and none gets more than its limit.
func TestLeastBusy(t *testing.T) {
	const limit, replicas = 3, 4
	const requests = 60
	var most atomic.Int64
	v := route.Version{Name: "v1", Traffic: 100, Concurrency: limit, MaxQueueWaitMS: 60000}
	begun, may := make(chan int, requests), make(chan struct{})
	for i := range replicas {
		var now atomic.Int64
		s := replica(t, func(http.ResponseWriter, *http.Request) {
			n := now.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			begun <- i
			<-may
			now.Add(-1)
		})
		v.Backend.Addresses = append(v.Backend.Addresses, address(s))
	}
	f := start(t, tableOf(serviceOf("x", v)), nil)
	var answers []chan answer
	count := make([]int, replicas)
	for i := range requests {
		answers = append(answers, f.later(t, scoreX, "{}"))
		if i < 2*replicas {
			count[want(t, begun)]++
		}
	}
	for range (limit - 2) * replicas {
		want(t, begun)
	}
	if !slices.Equal(count, []int{2, 2, 2, 2}) {
		t.Errorf("the first requests went to the replicas so: %v", count)
	}
	close(may)
	for _, a := range answers {
		if a := want(t, a); a.code != 200 {
			t.Errorf("%+v", a)
		}
	}
	if most.Load() != limit {
		t.Errorf("a replica had %d requests at a time", most.Load())
	}
}

// A scoring timeout is answered with 504 and frees the replica.
func TestTimeout(t *testing.T) {
	clock := clockwork.NewFakeClock()
	came, may := make(chan struct{}), make(chan struct{})
	gone := make(chan struct{}, 2)
	v := versionAt(replica(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		came <- struct{}{}
		select {
		case <-may:
		case <-r.Context().Done():
			gone <- struct{}{}
		}
	}))
	v.Concurrency, v.TimeoutMS = 1, 5000
	f := start(t, tableOf(serviceOf("x", v)), clock)
	first := f.later(t, scoreX, "{}")
	want(t, came)
	sleepers(t, clock, 1)
	clock.Advance(5 * time.Second)
	a := want(t, first)
	if a.code != 504 || a.body != "Request timed out" || !strings.Contains(a.header.Get("X-Berth-Reason"), "within 5s") {
		t.Errorf("%+v", a)
	}
	want(t, gone) // the replica can stop working too
	second := f.later(t, scoreX, "{}")
	want(t, came)
	may <- struct{}{}
	if a := want(t, second); a.code != 200 {
		t.Errorf("%+v", a)
	}
}

// An answer that comes in parts may take longer than the timeout, as long as each part comes in time.
func TestSlowStream(t *testing.T) {
	clock := clockwork.NewFakeClock()
	more := make(chan struct{})
	v := versionAt(replica(t, func(w http.ResponseWriter, _ *http.Request) {
		for range more {
			_, _ = io.WriteString(w, "part\n")
			_ = http.NewResponseController(w).Flush()
		}
	}))
	v.TimeoutMS = 5000
	f := start(t, tableOf(serviceOf("x", v)), clock)
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL+scoreX, nil)
	req.Header.Set("Authorization", "Bearer "+goodKey)
	go func() { more <- struct{}{} }()
	res, err := f.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	part := make([]byte, 5)
	for i := range 4 {
		if i > 0 {
			more <- struct{}{}
		}
		if _, err := io.ReadFull(res.Body, part); err != nil || string(part) != "part\n" {
			t.Fatalf("part %d: %q, %v", i, part, err)
		}
		sleepers(t, clock, 1)
		clock.Advance(4 * time.Second)
	}
	clock.Advance(5 * time.Second)
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("an answer that stopped in the middle looks whole")
	}
	close(more)
}

// A version with no replica: the request waits for one.
func TestReplicaArrives(t *testing.T) {
	clock := clockwork.NewFakeClock()
	v := route.Version{Name: "v1", Traffic: 100, Backend: route.Backend{Namespace: "n", Service: "s", Port: "http"}}
	f := start(t, tableOf(serviceOf("x", v)), clock)
	first := f.later(t, scoreX, "{}")
	sleepers(t, clock, 1)
	f.Router.SetEndpoints(router.Service{Namespace: "n", Name: "s"}, endpointsOf(replica(t, says("new")), "http"))
	if a := want(t, first); a.code != 200 || a.body != "new /score" {
		t.Errorf("%+v", a)
	}
	f.Router.SetEndpoints(router.Service{Namespace: "n", Name: "s"}, nil)
	second := f.later(t, scoreX, "{}")
	sleepers(t, clock, 1)
	clock.Advance(route.DefaultQueueWait)
	if a := want(t, second); a.code != 503 || a.body != "No ready replicas for service x" {
		t.Errorf("%+v", a)
	}
}
