package reconcile

import (
	"context"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// The work itself can end the server: a template or a cluster's answer that takes all memory. The work would still be due at the
// next start and end that server too. So the store counts the claims that never came back, and a resource with such a count is a
// suspect. All resources that were worked on at the crash are suspects; to find out which of them it was, suspects are worked on
// one at a time, and one whose first step ends is cleared.

const (
	// maxCrashes is how many servers in a row may die in the first step of work on a resource, before Berth gives it up. It is many,
	// because servers are killed from outside, too: what is innocent ends its first step sooner or later.
	maxCrashes = 10
	// suspectPause is when to ask again for the suspects' slot.
	suspectPause = time.Second
)

// admit reports whether a claim may be worked on now. A suspect that must wait for another is postponed.
func (e *Engine) admit(ctx context.Context, c *store.Claim) bool {
	if c.Crashes == 0 {
		return true
	}
	select {
	case e.suspect <- struct{}{}:
		return true
	default:
	}
	if err := e.Store.Postpone(ctx, c, e.Clock.Now().Add(suspectPause)); err != nil {
		e.Log.Warn("a resource could not be postponed; its lease ends by itself", "resource", c.Resource.ID, "error", err)
	}
	return false
}

// step works on the claim once, unless too many servers have died of it.
func (w *worker) step(ctx context.Context) (verdict, error) {
	if w.claim.Crashes >= maxCrashes {
		return ended(w.engine.givenUp(w.claim)), nil
	}
	v, err := w.engine.step(ctx, w.claim, &w.way)
	if w.suspect {
		w.cleared()
		if err := w.engine.Store.Survived(ctx, w.claim); err != nil {
			w.engine.Log.Warn("a suspect could not be cleared", "resource", w.claim.Resource.ID, "error", err)
		}
	}
	return v, err
}

// cleared frees the slot of a suspect.
func (w *worker) cleared() {
	if w.suspect {
		w.suspect = false
		<-w.engine.suspect
	}
}

// givenUp is the outcome of a claim that servers have died of. The resource is not checked again either; a new request for it
// starts again.
func (e *Engine) givenUp(c *store.Claim) store.Outcome {
	e.Log.Error("the server died several times while it worked on this resource; the work is given up",
		"resource", c.Resource.ID, "times", c.Crashes)
	o := e.failure(c, berth.Errorf(berth.CodeServerCrashed, "The server ended %d times while it worked on '%s', so Berth gave that up. "+
		"Change the request, or delete the resource.", c.Crashes, c.Resource.ID.Name()))
	if c.Operation == nil {
		o.CheckAt = time.Time{}
	}
	return o
}
