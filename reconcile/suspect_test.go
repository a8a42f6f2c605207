package reconcile_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/clusters"
	"berth.dev/berth/reconcile"
	"berth.dev/berth/rules"
	"berth.dev/berth/seal"
	"berth.dev/berth/store"
)

const deadlyFolder = "BERTH_TEST_DEADLY"

// TestDeadlyChange: a change that ends the server's process is given up after ten servers, and everything else goes on. The
// servers are real processes that die in the middle of a phase.
func TestDeadlyChange(t *testing.T) {
	if dir := os.Getenv(deadlyFolder); dir != "" {
		deadlyServer(t, dir)
		return
	}
	t.Parallel()
	dir := t.TempDir()
	s := openIn(t, dir)
	bad, good := clusterID("bad"), clusterID("good")
	for _, r := range []*berth.Resource{
		{ID: group, Location: "westeurope", Body: &berth.Group{}}, {ID: bad, Location: "westeurope", Body: cluster(1)},
		{ID: good, Location: "westeurope", Body: cluster(1)},
	} {
		if _, _, err := s.Accept(t.Context(), store.Change{Verb: berth.VerbCreate, Settled: r.ID.IsGroup(), Resource: r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	deaths := 0
	for serve(t, dir) != 0 {
		if deaths++; deaths > 15 {
			t.Fatal("it kills every server")
		}
	}
	s = openIn(t, dir)
	defer func() { _ = s.Close() }()
	r, err := s.Get(t.Context(), bad)
	if err != nil || deaths != 10 || r.State != berth.StateFailed || r.Fault.Code != berth.CodeServerCrashed ||
		!strings.Contains(r.Fault.Message, "10 times") {
		t.Errorf("after %d deaths: %+v, %v", deaths, r, err)
	}
	if r, err := s.Get(t.Context(), good); err != nil || r.State != berth.StateSucceeded {
		t.Errorf("the other one: %+v, %v", r, err)
	}
}

// serve runs a server of its own process, and returns how it ended.
func serve(t *testing.T, dir string) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDeadlyChange$")
	cmd.Env = append(os.Environ(), deadlyFolder+"="+dir)
	out, err := cmd.CombinedOutput()
	if died := (*exec.ExitError)(nil); err != nil && !errors.As(err, &died) {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 && code != 137 {
		t.Fatalf("the server ended by itself: %s", out)
	}
	return cmd.ProcessState.ExitCode()
}

func openIn(t *testing.T, dir string) *store.Store {
	t.Helper()
	box, err := seal.LoadOrMake(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), filepath.Join(dir, "berth.db"), store.Options{Clock: clockwork.NewRealClock(), Sealer: box,
		Explain: rules.Explain})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// deadlyServer works until nothing is under way, and dies of the cluster "bad".
func deadlyServer(t *testing.T, dir string) {
	s := openIn(t, dir)
	if err := s.FreeLeases(t.Context()); err != nil {
		t.Fatal(err)
	}
	clock := clockwork.NewRealClock()
	p := &scripted{ensure: func(_ context.Context, id berth.ID, _ int) (berth.ClusterFacts, error) {
		if id.Name() == "bad" {
			os.Exit(137)
		}
		return ready(1), nil
	}}
	script(p)
	e := reconcile.New(reconcile.Options{
		Store: s, Provider: p, Clock: clock, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), ServerID: "deadly",
		Clusters: clusters.New(clusters.Options{Store: s, Provider: p, Clock: clock, ServerID: "deadly"}),
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ended := make(chan struct{}, 1)
	onEvent := func(store.Event) {
		select {
		case ended <- struct{}{}:
		default:
		}
	}
	defer s.Subscribe(onEvent)()
	go func() { _ = e.Run(ctx) }()
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		under, err := s.Operations(ctx, berth.ID{}, true, 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(under) == 0 {
			return
		}
		select {
		case <-ended:
		case <-tick.C:
		}
	}
}
