package arm

import (
	"context"
	"errors"
	"slices"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// put answers PUT of any kind. SDKs do not wait for the end of a delete or a detach, and their scripts create or attach again on
// the next line. So a PUT waits, at most EndingWait, while its resource is being deleted, or while the compute that holds its
// cluster is being detached. It has accepted nothing until then. A
// template deployment does not wait: it tries again by itself.
func (s *Server) put(q *request, t target) (*response, error) {
	ctx, cancel := context.WithTimeout(q.Context(), s.EndingWait)
	defer cancel()
	for wait := s.EndingWait > 0 && !q.inside; ; {
		var blocker, cluster berth.ID
		res, err := s.change(q, t.id, func(old *berth.Resource) (*plan, error) {
			if wait && old != nil && old.State == berth.StateDeleting {
				return nil, errEnding
			}
			p, err := t.kind.put(s, q, t.id, old)
			if err == nil {
				cluster = p.change.Hold
			}
			return p, err
		}, t.kind)
		switch {
		case errors.Is(err, errEnding):
			blocker = t.id
		case wait && !cluster.IsZero() && names(err, berth.CodeAlreadyAttached):
			blocker = s.endingHolder(q, cluster)
		}
		if blocker.IsZero() {
			return res, err
		}
		wait = s.gone(ctx, blocker) // when the time is over, the last answer is the one without waiting
	}
}

// errEnding stops a plan: its resource is being deleted.
var errEnding = errors.New("the resource is being deleted")

// endingHolder is the compute that holds a cluster, if it is being detached; else the zero ID.
func (s *Server) endingHolder(q *request, cluster berth.ID) berth.ID {
	holder, err := s.Store.Holder(q.Context(), cluster)
	if err != nil || holder.IsZero() {
		return berth.ID{}
	}
	if r, err := s.Store.Get(q.Context(), holder); err != nil || r.State != berth.StateDeleting {
		return berth.ID{}
	}
	return holder
}

// gone waits until a resource that is being deleted is no longer; false when the time is over first.
func (s *Server) gone(ctx context.Context, id berth.ID) bool {
	changed := make(chan struct{}, 1)
	defer s.Store.Subscribe(func(e store.Event) {
		if e.Key == id.Key() {
			select {
			case changed <- struct{}{}:
			default: // one is enough
			}
		}
	})()
	for {
		r, err := s.Store.Get(ctx, id)
		if ctx.Err() != nil {
			return false
		}
		if err != nil || r.State != berth.StateDeleting {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
}

// names reports whether an error, or one of its details, has a code.
func names(err error, code berth.Code) bool {
	if berth.ErrorCode(err) == code {
		return true
	}
	e, isOurs := errors.AsType[*berth.Error](err)
	return isOurs && slices.ContainsFunc(e.Details, func(d berth.Error) bool { return d.Code == code })
}
