package reconcile

import (
	"context"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/router/route"
	"berth.dev/berth/store"
)

// Patient makes an engine wait for an answer of a cluster as long as d.
func Patient(d time.Duration) func(*Options) {
	return func(o *Options) { o.Clusters.Timeout = d }
}

// Busy reports whether a worker is in the middle of a step, and so does not wait for time to pass.
func (e *Engine) Busy() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for w := range e.workers {
		if w.awaits == "" {
			return true
		}
	}
	return false
}

// Sentences are what an operation tells of the progress of a service.
var Sentences = sentences

// Table is the table of routes of a cluster, as it is written while nothing else changes.
func Table(ctx context.Context, o Options, cluster berth.ID) (*route.Table, error) {
	s := &scope{Engine: New(o), claim: &store.Claim{Resource: &berth.Resource{}}}
	return s.table(ctx, cluster)
}

// Keep writes what a router has handed over.
func (g *Gatherer) Keep(ctx context.Context, workspace berth.ID, c berth.Collected) error {
	return g.keep(ctx, workspace, c)
}
