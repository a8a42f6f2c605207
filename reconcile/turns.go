package reconcile

import (
	"context"
	"sync"
)

// turns lets one goroutine at a time work on a key. A key without workers takes no memory. The zero value is
// ready.
type turns struct {
	mu sync.Mutex
	of map[string]*turn
}

type turn struct {
	users int           // goroutines that work or wait; guarded by turns.mu
	free  chan struct{} // holds one value while no goroutine works
}

// take waits for the turn at a key. Call done afterwards. The error is ctx's.
func (t *turns) take(ctx context.Context, key string) (done func(), err error) {
	t.mu.Lock()
	if t.of == nil {
		t.of = map[string]*turn{}
	}
	own := t.of[key]
	if own == nil {
		own = &turn{free: make(chan struct{}, 1)}
		own.free <- struct{}{}
		t.of[key] = own
	}
	own.users++
	t.mu.Unlock()
	select {
	case <-own.free:
		return func() { own.free <- struct{}{}; t.leave(key, own) }, nil
	case <-ctx.Done():
		t.leave(key, own)
		return nil, ctx.Err()
	}
}

func (t *turns) leave(key string, own *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if own.users--; own.users == 0 {
		delete(t.of, key)
	}
}
