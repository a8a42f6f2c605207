package reconcile

import (
	"context"
	"errors"
	"fmt"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// caller is the caller of changes that Berth makes itself as a part of a larger operation.
const caller = "berth"

// containerLifecycle is that of what holds other resources: groups and workspaces. Creating one is settled at once.
func containerLifecycle() lifecycle {
	return lifecycle{remove: []phase{servicesRemoved, computesRemoved, childrenRemoved, containerGone}}
}

// servicesRemoved comes first: services and endpoints are removed from their clusters while their computes exist.
func servicesRemoved(ctx context.Context, s *scope) (verdict, error) {
	return s.removeAll(ctx, s.inside(), func(id berth.ID) bool { return id.Is(berth.TypeService) || id.Is(berth.TypeEndpoint) })
}

// computesRemoved comes next: a compute that created its cluster deletes it, and an attached one is detached while its cluster
// still exists.
func computesRemoved(ctx context.Context, s *scope) (verdict, error) {
	return s.removeAll(ctx, s.inside(), func(id berth.ID) bool { return id.Is(berth.TypeCompute) })
}

func childrenRemoved(ctx context.Context, s *scope) (verdict, error) {
	return s.removeAll(ctx, s.inside(), func(berth.ID) bool { return true })
}

func containerGone(context.Context, *scope) (verdict, error) {
	return ended(store.Outcome{State: berth.StateSucceeded, Gone: true}), nil
}

// inside selects what a resource contains: everything in a group, the children of any other resource.
func (s *scope) inside() store.Query {
	if s.id().IsGroup() {
		return store.Query{Group: s.id()}
	}
	return store.Query{Parent: s.id()}
}

// removeAll requests the removal of what a query finds, and waits for it.
func (s *scope) removeAll(ctx context.Context, q store.Query, which func(berth.ID) bool) (verdict, error) {
	inside, err := s.Store.All(ctx, q)
	if err != nil {
		return verdict{}, err
	}
	var waitFor []berth.ID
	for _, r := range inside {
		if !which(r.ID) {
			continue
		}
		if r.State == berth.StateFailed && r.ModifiedAt.After(s.claim.Resource.ModifiedAt) && r.Fault != nil {
			return verdict{}, berth.Errorf(berth.CodeConflict, "'%s' could not be deleted, so '%s' was kept: %s", r.ID.Name(), s.id().Name(),
				r.Fault.Message)
		}
		if err := s.requestRemoval(ctx, r); err != nil {
			return verdict{}, err
		}
		waitFor = append(waitFor, r.ID)
	}
	if len(waitFor) == 0 {
		return verdict{}, nil
	}
	return awaiting(waitFor[0]), s.progress(ctx, "deleting %d resource(s) inside, now %s", len(waitFor), waitFor[0].Name())
}

// requestRemoval accepts the removal of r unless that is under way.
func (e *Engine) requestRemoval(ctx context.Context, r *berth.Resource) error {
	if r.State == berth.StateDeleting {
		return nil
	}
	verb := berth.VerbDelete
	if c, ok := r.Body.(*berth.Compute); ok && c.Spec.Attached {
		verb = berth.VerbDetach
	}
	_, _, err := e.Store.Accept(ctx, store.Change{Verb: verb, Resource: r, Caller: caller})
	if err != nil && !errors.Is(err, store.ErrNotFound) && berth.ErrorCode(err) != berth.CodeBusy {
		return fmt.Errorf("delete %s: %w", r.ID.Name(), err)
	}
	return nil
}
