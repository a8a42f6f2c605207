package reconcile

import (
	"context"
	"reflect"
	"runtime"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// way is how far an operation has come through its phases, for the spans of its trace. A phase is tried again and again, from the first
// one each time, and has one span: from its first try until it is satisfied, or until the try fails.
type way struct {
	passed  int // phases that were satisfied once
	inside  context.Context
	leaving func(error) // ends the span of the present phase; nil outside of one
}

// enter is the context in which a phase runs. Checks of settled resources have no spans.
func (w *way) enter(ctx context.Context, s *scope, i int, p phase) context.Context {
	if s.claim.Operation == nil || i < w.passed {
		return ctx
	}
	if w.leaving == nil {
		w.inside, w.leaving = s.Spans.Begin(ctx, berth.Span{Name: nameOf(p), Attributes: attributesOf(s.claim)})
	}
	return w.inside
}

// satisfied notes that a phase has done its part.
func (w *way) satisfied(i int) {
	if i >= w.passed {
		w.passed = i + 1
		w.leave(nil)
	}
}

// leave ends the span of the present phase.
func (w *way) leave(err error) {
	if w.leaving != nil {
		w.leaving(err)
		w.leaving = nil
	}
}

// spanOf makes the span of a whole operation, from the moment at which it was accepted.
func (e *Engine) spanOf(ctx context.Context, c *store.Claim, o store.Outcome) {
	_, end := e.Spans.Begin(ctx, berth.Span{Name: string(c.Operation.Verb) + " " + c.Resource.ID.Type(), At: c.Operation.StartedAt,
		Attributes: attributesOf(c)})
	var err error
	switch {
	case o.OperationFault != nil:
		err = o.OperationFault
	case o.Fault != nil:
		err = o.Fault
	}
	end(err)
}

func attributesOf(c *store.Claim) map[string]string {
	return map[string]string{"berth.resource": c.Resource.ID.String(), "berth.operation": c.Operation.ID}
}

// nameOf is the name of a phase: that of its function.
func nameOf(p phase) string {
	name := runtime.FuncForPC(reflect.ValueOf(p).Pointer()).Name()
	return strings.TrimSuffix(name[strings.LastIndexByte(name, '.')+1:], "-fm")
}
