package reconcile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// endpoint is the endpoint that the claim is on.
func (s *scope) endpoint() *berth.Endpoint { return s.claim.Resource.Body.(*berth.Endpoint) }

// versioned brings the versions of an AksEndpoint about as its deployments, all at the same time. Until all of them answer, requests go
// where they went.
func versioned(ctx context.Context, s *scope) (verdict, error) {
	e := s.endpoint()
	if !e.IsAks() {
		return verdict{}, nil
	}
	if generation := s.claim.Resource.Generation; e.Status.Asked.Generation != generation {
		e.Status.Asked = berth.AskedVersions{Generation: generation, Operations: map[string]string{}}
	}
	for _, w := range e.Warnings {
		if err := s.tellOnce(ctx, w.Message); err != nil {
			return verdict{}, err
		}
	}
	var await []berth.ID
	for _, name := range slices.Sorted(maps.Keys(e.Spec.Aks.Versions)) {
		ready, err := s.version(ctx, name)
		if err != nil {
			return verdict{}, err
		}
		if !ready {
			await = append(await, s.versionID(name))
		}
	}
	if len(await) > 0 {
		return awaiting(await[0]), nil
	}
	return verdict{}, nil
}

func (s *scope) versionID(name string) berth.ID { return s.id().Child("deployments", name) }

// version brings one version about, or finds that it is.
func (s *scope) version(ctx context.Context, name string) (ready bool, err error) {
	id, asked := s.versionID(name), s.endpoint().Status.Asked.Operations[name]
	if asked != "" {
		op, err := s.Store.Operation(ctx, asked)
		switch {
		case errors.Is(err, store.ErrNotFound): // it ended so long ago that it was forgotten: ask again
		case err != nil:
			return false, err
		case op.State == berth.StateSucceeded:
			return true, s.relay(ctx, op)
		case op.State.Terminal():
			return false, s.versionFailed(ctx, name, op.Err) // no error: the other versions have to end first
		default:
			return false, s.relay(ctx, op)
		}
	}
	old, err := s.Store.Get(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, s.askVersion(ctx, name, nil)
	case err != nil:
		return false, err
	case old.Unreadable:
		return false, old.Fault
	case !old.State.Terminal(): // a former request for it, or its removal, has to end first
		return false, nil
	}
	same, err := sameSpec(old.Body.(*berth.Deployment).Spec, s.wanted(name))
	if err != nil || same && old.State == berth.StateSucceeded {
		return err == nil, err
	}
	return false, s.askVersion(ctx, name, old)
}

// wanted is a version as a deployment.
func (s *scope) wanted(name string) berth.DeploymentSpec {
	return berth.DeploymentSpec{PodSpec: s.endpoint().Spec.Aks.Versions[name]}
}

func sameSpec(a, b berth.DeploymentSpec) (bool, error) {
	one, err := json.Marshal(a)
	if err != nil {
		return false, err
	}
	other, err := json.Marshal(b)
	return bytes.Equal(one, other), err
}

// askVersion asks for the deployment of a version, and remembers the operation. When a crash forgets it, the version is asked for again if
// it needs that.
func (s *scope) askVersion(ctx context.Context, name string, old *berth.Resource) error {
	op, err := s.deploy(ctx, name, s.wanted(name), old)
	if err != nil || op == nil {
		return err
	}
	s.endpoint().Status.Asked.Operations[name] = op.ID
	return s.progress(ctx, "deploying the version '%s'", name)
}

// deploy accepts a version as a deployment in the place of the old one. No operation: something else changes it at this moment, and it is
// to be looked at again.
func (s *scope) deploy(ctx context.Context, name string, spec berth.DeploymentSpec, old *berth.Resource) (*berth.Operation, error) {
	body := &berth.Deployment{Spec: spec}
	c := store.Change{Verb: berth.VerbCreate, Caller: s.claim.Operation.Caller,
		Resource: &berth.Resource{ID: s.versionID(name), Location: s.claim.Resource.Location, Body: body}}
	if old != nil {
		c.Verb, c.Base = berth.VerbUpdate, old.Generation
		body.Status, body.Good = old.Body.(*berth.Deployment).Status, old.Body.(*berth.Deployment).Good
	}
	_, op, err := s.Store.Accept(ctx, c)
	if errors.Is(err, store.ErrMoved) || berth.ErrorCode(err) == berth.CodeBusy {
		return nil, nil
	}
	return op, err
}

// relay tells what the operation on a version tells: of an AksEndpoint the SDK follows one operation only.
func (s *scope) relay(ctx context.Context, op *berth.Operation) error {
	for _, step := range op.Steps {
		if err := s.tellOnce(ctx, step.Message); err != nil {
			return err
		}
	}
	return nil
}

func (s *scope) tellOnce(ctx context.Context, text string) error {
	if slices.ContainsFunc(s.claim.Operation.Steps, func(step berth.Step) bool { return step.Message == text }) {
		return nil
	}
	return s.progress(ctx, "%s", text)
}

// versionFailed is the failure of an AksEndpoint one of whose versions is not served. If the endpoint goes back to what was led to, the
// versions that it did not have then go, and those that this request has changed become what they were.
func (s *scope) versionFailed(ctx context.Context, name string, why *berth.Error) error {
	if why == nil {
		why = berth.Errorf(berth.CodeConflict, "The operation on it was canceled.")
	}
	if good := s.endpoint().Good; good != nil {
		if err := s.dropVersions(ctx, good.Aks.Versions); err != nil {
			return err
		}
		if back, err := s.restored(ctx, good.Aks.Versions); err != nil || !back {
			return err
		}
	}
	code := why.Code
	if retryable(code) { // it has been tried for as long as is possible
		code = berth.CodeConflict
	}
	failure := berth.Errorf(code, "The version '%s' is not served: %s", name, why.Message)
	failure.Details = why.Details
	return failure
}

// dropVersions asks for the removal of the versions that are not among those to keep.
func (s *scope) dropVersions(ctx context.Context, keep map[string]berth.PodSpec) error {
	all, err := s.Store.All(ctx, store.Query{Type: berth.TypeDeployment, Parent: s.id()})
	if err != nil {
		return err
	}
	for _, r := range all {
		if _, stays := keep[strings.ToLower(r.ID.Name())]; !stays {
			if err := s.requestRemoval(ctx, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// restored asks for the versions as they were, which may take its time: pods serve meanwhile. It is false while one of them is still being
// changed.
func (s *scope) restored(ctx context.Context, versions map[string]berth.PodSpec) (bool, error) {
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		r, err := s.Store.Get(ctx, s.versionID(name))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil || !r.State.Terminal() {
			return false, err
		}
		if r.Unreadable { // nobody knows what it is
			continue
		}
		was := berth.DeploymentSpec{PodSpec: versions[name]}
		same, err := sameSpec(r.Body.(*berth.Deployment).Spec, was)
		if err == nil && !same {
			_, err = s.deploy(ctx, name, was, r)
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// ledByVersion notes how the router is to lead to the versions, which have answered, and lets it.
func ledByVersion(ctx context.Context, s *scope) (verdict, error) {
	if e := s.endpoint(); e.IsAks() {
		e.Leads()
	}
	return led(ctx, s)
}

// surplusVersionsGone removes the versions that an AksEndpoint has no longer, when no request goes there any more.
func surplusVersionsGone(ctx context.Context, s *scope) (verdict, error) {
	e := s.endpoint()
	if !e.IsAks() {
		return verdict{}, nil
	}
	return s.removeAll(ctx, s.inside(), func(id berth.ID) bool {
		_, stays := e.Spec.Aks.Versions[strings.ToLower(id.Name())]
		return !stays
	})
}

// endpointRekeyed gives the router new keys of an AksEndpoint before its versions, which may take long.
func endpointRekeyed(ctx context.Context, s *scope) (verdict, error) {
	if op := s.claim.Operation; s.endpoint().Status.Led == nil || op == nil || op.Message != "" {
		return verdict{}, nil
	}
	if err := s.tellRouter(ctx); err != nil {
		return verdict{}, err
	}
	return verdict{}, s.progress(ctx, "the router has the keys of the service")
}
