package reconcile_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
)

// scripted is a provider whose answers the test sets, and that records its calls.
type scripted struct {
	ensure  func(ctx context.Context, id berth.ID, call int) (berth.ClusterFacts, error)
	observe func() berth.ClusterFacts
	lost    atomic.Bool // the administrator's credential

	mu      sync.Mutex
	calls   map[string]int
	working map[string]int // Ensures under way
	twice   bool           // there were two at once for one cluster
	removed []string
}

func script(s *scripted) func(clockwork.Clock) berth.Provider {
	s.calls, s.working = map[string]int{}, map[string]int{}
	return func(clockwork.Clock) berth.Provider { return s }
}

func ready(n int) berth.ClusterFacts {
	return berth.ClusterFacts{Exists: true, Reachable: true, Ready: true, Nodes: n, ReadyNodes: n, Version: "1.36.0",
		FQDN: "x.berth.internal", Endpoint: "https://127.0.0.1:1"}
}

func (s *scripted) Observe(context.Context, berth.ID) (berth.ClusterFacts, error) {
	if s.observe != nil {
		return s.observe(), nil
	}
	return ready(1), nil
}

func (s *scripted) Ensure(ctx context.Context, id berth.ID, _ berth.ClusterSpec) (berth.ClusterFacts, error) {
	s.mu.Lock()
	s.calls[id.Name()]++
	call := s.calls[id.Name()]
	s.working[id.Name()]++
	s.twice = s.twice || s.working[id.Name()] > 1
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.working[id.Name()]--
		s.mu.Unlock()
	}()
	return s.ensure(ctx, id, call)
}

func (s *scripted) Remove(_ context.Context, id berth.ID) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed = append(s.removed, id.Name())
	return true, nil
}

func (s *scripted) Kubeconfig(context.Context, berth.ID) ([]byte, error) {
	if s.lost.Load() {
		return nil, errors.New("the credential is lost")
	}
	return []byte(`{"apiVersion":"v1","kind":"Config","current-context":"a","contexts":[{"name":"a","context":{"cluster":"a","user":"a"}}],
		"clusters":[{"name":"a","cluster":{"server":"https://127.0.0.1:1"}}],"users":[{"name":"a","user":{"token":"x"}}]}`), nil
}

func (s *scripted) AdminKubeconfig(ctx context.Context, id berth.ID) ([]byte, error) {
	return s.Kubeconfig(ctx, id)
}

func (s *scripted) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[name]
}
