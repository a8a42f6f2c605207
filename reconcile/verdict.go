package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/clusters"
	"berth.dev/berth/store"
)

const (
	// createDeadline bounds a create, attach or update. The original service takes about ten minutes.
	createDeadline = 15 * time.Minute
	removeDeadline = 30 * time.Minute
	firstRetry     = 500 * time.Millisecond
	lastRetry      = 30 * time.Second
)

// verdict is what a phase found. The zero verdict: this phase is satisfied, go on with the next.
type verdict struct {
	after   time.Duration  // repeat after this …
	on      string         // … or when the resource with this key changes
	aside   bool           // others may work meanwhile: what is waited for takes long, and may never come
	outcome *store.Outcome // or: this is the end
}

func (v verdict) satisfied() bool { return v == verdict{} }

// again repeats the phases after a while.
func again(after time.Duration) verdict { return verdict{after: after} }

// aside repeats the phases after a while in which others may work.
func aside(after time.Duration) verdict { return verdict{after: after, aside: true} }

// awaiting repeats the phases when another resource has changed, and after 5 s in any case.
func awaiting(id berth.ID) verdict { return verdict{after: 5 * time.Second, on: id.Key()} }

func ended(o store.Outcome) verdict { return verdict{outcome: &o} }

// phase is one step of bringing a resource to what was requested: observe, then do the next thing. A phase never waits inside.
type phase func(ctx context.Context, s *scope) (verdict, error)

// scope is what the phases of one claim share.
type scope struct {
	*Engine
	claim   *store.Claim
	notes   []string // for the operation's result
	cleanup *store.Cleanup
	secrets map[string][]byte // to be kept with the outcome
	rest    time.Duration     // until the next check of a settled resource; CheckEvery when zero
}

func (s *scope) keep(name string, secret []byte) {
	if s.secrets == nil {
		s.secrets = map[string][]byte{}
	}
	s.secrets[name] = secret
}

func (s *scope) id() berth.ID { return s.claim.Resource.ID }

// elapsed is how long the operation has been under way; 0 in a check.
func (s *scope) elapsed() time.Duration {
	if s.claim.Operation == nil {
		return 0
	}
	return s.Clock.Now().Sub(s.claim.Operation.StartedAt)
}

// soon is how long to wait for something that takes seconds: a fiftieth of the time that has passed so far, so that waiting adds
// about 2 % at most.
func (s *scope) soon() time.Duration {
	return min(max(s.elapsed()/50, 20*time.Millisecond), time.Second)
}

// progress reports progress to the user. Only a text that differs from the last one is written.
func (s *scope) progress(ctx context.Context, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if op := s.claim.Operation; op == nil || op.Message == text {
		return nil
	}
	if err := s.Store.Progress(ctx, s.claim, text); err != nil {
		return err
	}
	s.claim.Operation.Message = text
	return nil
}

// step runs the phases of a claim from the top until one is not satisfied.
func (e *Engine) step(ctx context.Context, c *store.Claim, on *way) (verdict, error) {
	s := &scope{Engine: e, claim: c}
	l, err := lifecycleOf(c)
	if err != nil {
		return verdict{}, err
	}
	for i, p := range l.phases(c) {
		v, err := s.run(on.enter(ctx, s, i, p), p)
		if err == nil && v.satisfied() || v.outcome != nil {
			on.satisfied(i)
		} else if err != nil {
			on.leave(err)
		}
		if err != nil || !v.satisfied() {
			return s.dress(v), err
		}
	}
	end := store.Outcome{State: berth.StateSucceeded}
	switch {
	case len(l.check) > 0:
		end.CheckAt = s.checkIn(cmp.Or(s.rest, s.CheckEvery))
	case c.Operation == nil: // nothing to check: what has ended stays as it ended, and is never due again
		end.State, end.Fault = c.Resource.State, c.Resource.Fault
	}
	return s.dress(ended(end)), nil
}

// run runs one phase. A panic is a failed attempt like any other: it is reported, repeated, and given up at the deadline, and no
// other resource is affected. The user gets an id, under which the log has the stack.
func (s *scope) run(ctx context.Context, p phase) (v verdict, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			id := fmt.Sprintf("%08x", rand.Uint32()) // #nosec G404 -- to find it in the log, nothing more
			s.Log.Error("a phase panicked", "resource", s.id(), "id", id, "panic", cause, "stack", string(debug.Stack()))
			if s.Panicked != nil {
				s.Panicked(s.id().Type())
			}
			v, err = verdict{}, berth.Errorf(berth.CodeInternal, "Berth failed with an internal error. "+
				"The server's log has the details under the id %s.", id)
		}
	}()
	return p(ctx, s)
}

// dress adds to an outcome what the phases have collected.
func (s *scope) dress(v verdict) verdict {
	if v.outcome != nil {
		v.outcome.Notes = append(v.outcome.Notes, s.notes...)
		v.outcome.Cleanup, v.outcome.Secrets = s.cleanup, s.secrets
	}
	return v
}

// nextCheck is when a settled resource is checked next.
func (e *Engine) nextCheck() time.Time { return e.checkIn(e.CheckEvery) }

// checkIn is a moment about that far away: up to a fifth earlier or later, so that many resources are not checked at once.
func (e *Engine) checkIn(d time.Duration) time.Time {
	jitter := time.Duration(rand.Int64N(int64(d)*2/5 + 1)) // #nosec: spread, not secrecy
	return e.Clock.Now().Add(d*4/5 + jitter)
}

// settle records how a step ended: finished, failed finally, or to be tried again.
func (w *worker) settle(ctx context.Context, v verdict, err error) error {
	e, c := w.engine, w.claim
	if err == nil {
		return e.finish(ctx, c, *v.outcome)
	}
	if errors.Is(err, store.ErrLost) {
		return err
	}
	if there, elsewhere := errors.AsType[*clusters.Elsewhere](err); elsewhere && there.Home.GoneAt.IsZero() {
		return e.Store.HandOver(ctx, c, there.Home.ID, true) // the server that reaches the cluster goes on
	}
	user, isUser := errors.AsType[*berth.Error](err)
	if isUser && !retryable(user.Code) {
		return e.finish(ctx, c, e.failure(c, user))
	}
	if over := e.overdue(c); over != nil {
		over.Message += " The last error: " + berth.Sentence(err)
		return e.finish(ctx, c, e.failure(c, over))
	}
	delay := backoff(c.Attempts)
	e.Log.Info("will try again", "resource", c.Resource.ID, "in", delay, "attempt", c.Attempts+1, "error", err)
	return e.Store.Retry(ctx, c, e.Clock.Now().Add(delay), "trying again: "+berth.Sentence(err))
}

func (e *Engine) finish(ctx context.Context, c *store.Claim, o store.Outcome) error {
	if cluster, isCluster := c.Resource.Body.(*berth.Cluster); isCluster && cluster.Spec.Connected {
		o.Forget = append(o.Forget, berth.SecretSubmitted) // it is used once, whether the connection succeeds or fails
	}
	if err := e.Store.Finish(ctx, c, o); err != nil {
		return err
	}
	if c.Operation != nil && c.Operation.Verb == berth.VerbUpdate {
		e.checkHolder(ctx, c.Resource.ID)
	}
	if c.Operation != nil {
		e.spanOf(ctx, c, o)
		e.Log.Info("operation ended", "resource", c.Resource.ID, "verb", c.Operation.Verb, "state", o.State,
			"seconds", e.Clock.Now().Sub(c.Operation.StartedAt).Seconds(), "fault", brief(cmp.Or(o.OperationFault, o.Fault)))
	}
	return nil
}

// brief is a fault for the log, without its details: they may hold the log of a user's container.
func brief(e *berth.Error) string {
	if e == nil {
		return ""
	}
	return string(e.Code) + ": " + e.Message
}

// checkHolder makes the check of the compute that holds a cluster due, because the cluster has changed. Without it the next periodic
// check finds the same.
func (e *Engine) checkHolder(ctx context.Context, cluster berth.ID) {
	if !cluster.Is(berth.TypeCluster) {
		return
	}
	holder, err := e.Store.Holder(ctx, cluster)
	if err == nil && !holder.IsZero() {
		_, err = e.Store.CheckNow(ctx, holder)
	}
	if err != nil {
		e.Log.Warn("the compute that holds a changed cluster could not be checked", "cluster", cluster, "error", err)
	}
}

// failure is the outcome of a claim that failed finally. A settled resource that failed its check is checked again, because
// it may heal. An operation that does not concern the resource itself fails alone.
func (e *Engine) failure(c *store.Claim, why *berth.Error) store.Outcome {
	o := store.Outcome{State: berth.StateFailed, Fault: why}
	if b, is := c.Resource.Body.(interface{ GoBack() }); is && c.Operation != nil && !c.Operation.Verb.Removes() {
		b.GoBack()
	}
	switch {
	case c.Operation == nil:
		o.CheckAt = e.nextCheck()
	case c.Operation.Verb == berth.VerbClean:
		o = store.Outcome{State: berth.StateSucceeded, OperationFault: why, CheckAt: e.nextCheck()}
	}
	return o
}

// retryable reports whether an error may pass without any action of the user.
func retryable(c berth.Code) bool {
	switch c {
	case berth.CodeClusterUnreachable, berth.CodeServiceUnavailable, berth.CodeBusy, berth.CodeStorageFull, berth.CodeInternal:
		return true
	}
	return false
}

// overdue is the failure of an operation that has used up its time; nil before that.
func (e *Engine) overdue(c *store.Claim) *berth.Error {
	if c.Operation == nil {
		return nil
	}
	limit := createDeadline
	if c.Operation.Verb.Removes() {
		limit = removeDeadline
	}
	if e.Clock.Now().Sub(c.Operation.StartedAt) < limit {
		return nil
	}
	return berth.Errorf(berth.CodeDeadlineExceeded, "The %s of '%s' did not finish within %d minutes, so Berth gave it up.",
		c.Operation.Verb, c.Resource.ID.Name(), int(limit.Minutes()))
}

func backoff(attempts int) time.Duration {
	d := firstRetry << min(attempts, 10)
	return min(d, lastRetry)
}
