package fake_test

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/provider/fake"
	"berth.dev/berth/provider/providertest"
)

func newProvider(t testing.TB, clock clockwork.Clock) *fake.Provider {
	p := fake.New(clock)
	t.Cleanup(p.Close)
	if f, err := p.Ensure(t.Context(), providertest.ID, providertest.Spec(3)); err != nil || !f.Ready {
		t.Fatalf("%+v, %v", f, err)
	}
	return p
}

func connected(t testing.TB, p *fake.Provider, id berth.ID) *kube.Conn {
	config, err := p.Kubeconfig(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	c, err := kube.Connect(config, kube.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestReadyAfter(t *testing.T) {
	clock := clockwork.NewFakeClock()
	p := newProvider(t, clock)
	p.ReadyAfter = time.Minute
	f, err := p.Ensure(t.Context(), providertest.ID, providertest.Spec(4))
	if err != nil || f.Ready || f.Nodes != 4 || f.ReadyNodes != 3 || f.Message != "3 of 4 nodes ready" {
		t.Errorf("%+v, %v", f, err)
	}
	clock.Advance(time.Minute)
	if f, err := p.Observe(t.Context(), providertest.ID); err != nil || !f.Ready {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestUnreachable(t *testing.T) {
	p := newProvider(t, clockwork.NewFakeClock())
	p.Unreachable(providertest.ID, true)
	f, err := p.Ensure(t.Context(), providertest.ID, providertest.Spec(4))
	if err != nil || !f.Exists || f.Reachable || f.Ready || f.Message == "" {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := connected(t, p, providertest.ID).Nodes(t.Context()); !kube.Unreachable(err) {
		t.Errorf("%v", err)
	}
	p.Unreachable(providertest.ID, false)
	if f, err := p.Observe(t.Context(), providertest.ID); err != nil || !f.Reachable || f.Ready || f.Nodes != 3 {
		t.Errorf("%+v, %v; want three of four", f, err)
	}
	if f, err := p.Ensure(t.Context(), providertest.ID, providertest.Spec(4)); err != nil || !f.Ready {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestSetVersion(t *testing.T) {
	p := newProvider(t, clockwork.NewFakeClock())
	p.SetVersion(providertest.ID, "1.29.0")
	v, err := connected(t, p, providertest.ID).Version(t.Context())
	if f, _ := p.Observe(t.Context(), providertest.ID); err != nil || v != "1.29.0" || f.Version != "1.29.0" {
		t.Errorf("%s, %+v, %v", v, f, err)
	}
}

func TestFailEnsure(t *testing.T) {
	p := newProvider(t, clockwork.NewFakeClock())
	broken := errors.New("no more machines")
	p.FailEnsure(providertest.ID, broken)
	if _, err := p.Ensure(t.Context(), providertest.ID, providertest.Spec(5)); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if f, err := p.Observe(t.Context(), providertest.ID); err != nil || f.Nodes != 3 {
		t.Errorf("%+v, %v", f, err)
	}
	p.FailEnsure(providertest.ID, nil)
	if f, err := p.Ensure(t.Context(), providertest.ID, providertest.Spec(5)); err != nil || f.Nodes != 5 {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestDelay(t *testing.T) {
	clock := clockwork.NewFakeClock()
	p := newProvider(t, clock)
	p.Delay(providertest.ID, time.Hour)
	c, done := connected(t, p, providertest.ID), make(chan error)
	go func() { done <- c.Healthy(t.Context()) }()
	if err := clock.BlockUntilContext(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Hour)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestUnknownSize(t *testing.T) {
	p := fake.New(clockwork.NewFakeClock())
	defer p.Close()
	spec := providertest.Spec(1)
	spec.Pools[0].VMSize = "Standard_Nonsense"
	if _, err := p.Ensure(t.Context(), providertest.ID, spec); berth.ErrorCode(err) != berth.CodeBadRequest {
		t.Errorf("%v", err)
	}
	if f, err := p.Observe(t.Context(), providertest.ID); f.Exists || err != nil {
		t.Errorf("something was created: %+v, %v", f, err)
	}
}

func TestAnotherSizeIsAnotherNode(t *testing.T) {
	p := newProvider(t, clockwork.NewFakeClock())
	spec := providertest.Spec(2)
	spec.Pools[0].VMSize = "standard_nc6s_v3"
	if f, err := p.Ensure(t.Context(), providertest.ID, spec); err != nil || !f.Ready || f.Nodes != 2 {
		t.Fatalf("%+v, %v", f, err)
	}
	nodes, err := connected(t, p, providertest.ID).Nodes(t.Context())
	if err != nil || nodes[0].InstanceType != "Standard_NC6s_v3" || nodes[0].GPUs != 1 {
		t.Errorf("%+v, %v", nodes, err)
	}
}

func TestForeignTokensAreRefused(t *testing.T) {
	p := newProvider(t, clockwork.NewFakeClock())
	other := berth.NewID("s", "g", berth.TypeCluster, "other")
	if _, err := p.Ensure(t.Context(), other, providertest.Spec(1)); err != nil {
		t.Fatal(err)
	}
	mine, err := p.Kubeconfig(t.Context(), providertest.ID)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := p.Kubeconfig(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	token := func(config []byte) string {
		_, after, _ := strings.Cut(string(config), "token: ")
		token, _, _ := strings.Cut(after, "\n")
		return token
	}
	for _, t2 := range []string{token(theirs), "e30.e30", "x", "x.", strings.ToLower(token(mine))} {
		c, err := kube.Connect([]byte(strings.Replace(string(mine), token(mine), t2, 1)), kube.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Nodes(t.Context()); err == nil || !strings.Contains(err.Error(), "Unauthorized") || kube.Unreachable(err) {
			t.Errorf("%s: %v", t2, err)
		}
		c.Close()
	}
}

// A thousand clusters, each asked for its identity, by sixteen callers at a time.
func BenchmarkThousandClusters(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	p := fake.New(clockwork.NewRealClock())
	b.Cleanup(p.Close)
	ids := make([]berth.ID, 1000)
	start := time.Now()
	for i := range ids {
		ids[i] = berth.NewID("s", "g", berth.TypeCluster, "c"+time.Duration(i).String())
		if _, err := p.Ensure(b.Context(), ids[i], providertest.Spec(3)); err != nil {
			b.Fatal(err)
		}
	}
	making := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
		work := make(chan berth.ID)
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for id := range work {
					if f, err := connected(b, p, id).Facts(b.Context()); err != nil || len(f.Nodes) != 3 {
						b.Errorf("%+v, %v", f, err)
					}
				}
			})
		}
		for _, id := range ids {
			work <- id
		}
		close(work)
		wg.Wait()
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(ids)), "heap-B/cluster")
	b.ReportMetric(making.Seconds()*1e6/float64(len(ids)), "µs/ensure")
}
