package identity

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// rereadPatience is how long an answer waits for what is kept in memory to be read again.
const rereadPatience = 5 * time.Second

// kept guards what is kept in memory of the store, and has it read again when another server has changed it.
type kept struct {
	mu    sync.RWMutex
	stale atomic.Bool
}

// Forget makes everything be read again before the next answer, because another server has changed something.
func (k *kept) Forget() { k.stale.Store(true) }

// fresh reads again if that is needed, and when read fails, once more before the next answer. read has the lock.
func (k *kept) fresh(read func(context.Context) error) {
	if !k.stale.Load() {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.stale.Swap(false) { // before the read: what changes meanwhile makes it stale again
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), rereadPatience)
	defer cancel()
	if read(ctx) != nil {
		k.stale.Store(true)
	}
}
