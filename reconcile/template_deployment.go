package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/store"
	"berth.dev/berth/template"
)

// CodeDeploymentFailed is what ARM calls a deployment of which a part has failed.
const CodeDeploymentFailed berth.Code = "DeploymentFailed"

// Resources is Resource Manager as a template deployment uses it: the same rules and answers as for every caller.
type Resources interface {
	Do(ctx context.Context, q ResourceRequest) (ResourceAnswer, error)
}

// ResourceRequest is one request for a resource.
type ResourceRequest struct {
	Caller, Method, ID, Version string
	Body                        any
}

// ResourceAnswer is what came of it. Operation is empty when it is done.
type ResourceAnswer struct {
	Operation string
	Body      map[string]any
}

// templateLifecycle: what a template deployment has created stays when it is removed, and stays as it is once it has ended.
func templateLifecycle() lifecycle {
	return lifecycle{apply: []phase{templateDeployed, surplusRemoved}, remove: []phase{containerGone}}
}

func (s *scope) deployment() *berth.TemplateDeployment {
	return s.claim.Resource.Body.(*berth.TemplateDeployment)
}

// deploying is one pass over a template deployment: the resource holds what has begun, everything else is found out again.
type deploying struct {
	*scope
	ctx     context.Context
	waiting []berth.ID                // for the end of these
	failed  []berth.Error             // of what has failed
	named   map[string]bool           // keys of everything that the templates name
	outputs map[string]map[string]any // of nested deployments, by id in lower case
}

// templateDeployed begins what can be begun, and waits for what is under way.
func templateDeployed(ctx context.Context, s *scope) (verdict, error) {
	d, t, err := s.readTemplate(ctx)
	if err != nil {
		return verdict{}, err
	}
	done, outputs, err := d.run(t, "")
	if err != nil {
		return verdict{}, err
	}
	if len(d.waiting) > 0 {
		finished := 0
		for _, step := range s.deployment().Status.Steps {
			if step.State.Terminal() {
				finished++
			}
		}
		if err := s.progress(ctx, "%d of %d resources done, now %s", finished, len(s.deployment().Status.Steps),
			d.waiting[0].Name()); err != nil {
			return verdict{}, err
		}
		return verdict{after: s.soon(), on: d.waiting[0].Key()}, nil
	}
	s.deployment().Status.EndedAt = s.Clock.Now().UTC()
	if len(d.failed) > 0 || !done {
		return verdict{}, &berth.Error{Code: CodeDeploymentFailed, Details: d.failed,
			Message: "At least one resource deployment operation failed. The details say which; what has succeeded stays as it is."}
	}
	s.deployment().Status.Outputs = outputs
	return verdict{}, nil
}

// readTemplate puts the template together with its parameters, the secret ones too.
func (s *scope) readTemplate(ctx context.Context) (*deploying, *template.Template, error) {
	if s.Resources == nil {
		return nil, nil, errors.New("this server makes no deployments")
	}
	spec := s.deployment().Spec
	values := map[string]any{}
	secret, err := s.Store.Secret(ctx, s.id(), berth.SecretParameters)
	if err == nil {
		err = json.Unmarshal(secret, &values)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, nil, err
	}
	for name, v := range spec.Values {
		values[name] = v
	}
	d := &deploying{scope: s, ctx: ctx, named: map[string]bool{}, outputs: map[string]map[string]any{}}
	in, err := d.place(s.id().Group, s.id().Name())
	if err != nil {
		return nil, nil, err
	}
	t, err := template.Parse(ctx, spec.Template, values, in)
	return d, t, err
}

// place is what a template sees of the group that it is deployed to.
func (d *deploying) place(group, name string) (template.Scope, error) {
	spec := d.deployment().Spec
	at := template.Scope{
		SubscriptionID: d.id().Subscription, TenantID: spec.TenantID, Now: spec.AskedAt, Deployment: name,
		Environment: spec.Environment, Deployer: spec.Deployer, Provider: d.provider,
	}
	if at.Environment == nil { // an earlier version accepted the deployment
		at.Environment = map[string]any{"name": "AzureCloud", "resourceManager": spec.Endpoint + "/"}
	}
	if group == "" {
		at.Location = d.claim.Resource.Location
		return at, nil
	}
	g, err := d.Store.Get(d.ctx, berth.GroupID(d.id().Subscription, group))
	if errors.Is(err, store.ErrNotFound) {
		return template.Scope{}, berth.Errorf(berth.CodeGroupNotFound, "Resource group '%s' could not be found.", group)
	}
	if err != nil {
		return template.Scope{}, err
	}
	at.Group = g.ID.Group
	at.GroupLocation, at.GroupTags = g.Location, g.Tags
	return at, nil
}

// provider asks for a resource provider, as the caller of the deployment.
func (d *deploying) provider(namespace string) (map[string]any, error) {
	a, err := d.Resources.Do(d.ctx, ResourceRequest{Caller: d.claim.Operation.Caller, Method: http.MethodGet, Version: "2021-04-01",
		ID: "/subscriptions/" + d.id().Subscription + "/providers/" + namespace})
	return a.Body, err
}

// run brings about all resources of a template. done is true when all have succeeded.
func (d *deploying) run(t *template.Template, prefix string) (done bool, outputs map[string]any, err error) {
	plan, err := t.Plan()
	if err != nil {
		return false, nil, err
	}
	good := make([]bool, len(plan.Resources))
	done = true
	for i, r := range plan.Resources {
		d.named[strings.ToLower(r.ID())] = true
		ready := true
		for _, before := range r.DependsOn {
			ready = ready && good[before]
		}
		if !ready {
			done = false
			continue
		}
		if good[i], err = d.resource(r, prefix); err != nil {
			return false, nil, err
		}
		done = done && good[i]
	}
	if !done {
		return false, nil, nil
	}
	outputs, err = t.Outputs(plan, d)
	return err == nil, outputs, err
}

// resource brings one resource about, or finds that it is.
func (d *deploying) resource(r *template.Resource, prefix string) (bool, error) {
	if r.Existing {
		return true, nil
	}
	key := prefix + strings.ToLower(r.ID())
	step := d.deployment().Step(key)
	if step != nil && step.State.Terminal() {
		if step.Err != nil {
			d.failed = append(d.failed, d.failure(step))
		}
		if strings.EqualFold(step.Type, template.TypeDeployment) {
			d.outputs[strings.ToLower(step.ID)] = step.Outputs
		}
		return step.State == berth.StateSucceeded, nil
	}
	if step == nil {
		steps := &d.deployment().Status.Steps
		*steps = append(*steps, berth.TemplateDeploymentStep{Key: key, ID: r.ID(), Type: r.Type, Name: r.Name, State: berth.StateAccepted,
			StartedAt: d.Clock.Now().UTC()})
		step = &(*steps)[len(*steps)-1]
	}
	if strings.EqualFold(r.Type, template.TypeDeployment) {
		return d.nested(r, key)
	}
	if step.Operation == "" {
		return d.begin(r, step)
	}
	op, err := d.Store.Operation(d.ctx, step.Operation)
	switch {
	case errors.Is(err, store.ErrNotFound):
		step.Operation = "" // it ended so long ago that it was forgotten: ask again, which changes nothing if all is well
		return d.begin(r, step)
	case err != nil:
		return false, err
	case !op.State.Terminal():
		return false, d.wait(step)
	}
	return d.end(step, op.Err)
}

func (d *deploying) wait(step *berth.TemplateDeploymentStep) error {
	id, err := berth.ParseID(step.ID)
	if err != nil {
		id = d.id()
	}
	d.waiting = append(d.waiting, id)
	return nil
}

// begin asks for a resource. A resource that another operation is changing is requested again later.
func (d *deploying) begin(r *template.Resource, step *berth.TemplateDeploymentStep) (bool, error) {
	body, err := r.Body(d)
	if err == nil {
		var a ResourceAnswer
		a, err = d.Resources.Do(d.ctx, ResourceRequest{Caller: d.claim.Operation.Caller, Method: http.MethodPut, ID: r.ID(),
			Version: r.APIVersion, Body: body})
		if err == nil && a.Operation != "" {
			step.Operation = a.Operation
			if err := d.Store.Progress(d.ctx, d.claim, d.claim.Operation.Message); err != nil { // from here on a crash remembers it
				return false, err
			}
			return false, d.wait(step)
		}
	}
	fault, isOurs := errors.AsType[*berth.Error](err)
	switch {
	case err == nil:
		return d.end(step, nil)
	case berth.ErrorCode(err) == berth.CodeBusy, errors.Is(err, store.ErrMoved):
		return false, d.wait(step)
	case isOurs && !retryable(fault.Code):
		return d.end(step, fault)
	}
	return false, fmt.Errorf("%s: %w", r, err)
}

// end writes down how a resource ended.
func (d *deploying) end(step *berth.TemplateDeploymentStep, fault *berth.Error) (bool, error) {
	step.State, step.Err = berth.StateSucceeded, fault
	step.EndedAt = d.Clock.Now().UTC()
	if fault != nil {
		step.State = berth.StateFailed
		d.failed = append(d.failed, d.failure(step))
	}
	return fault == nil, nil
}

// failure is the error of a step, with the resource that failed as its target, and with the nested deployments around it in the text.
func (d *deploying) failure(step *berth.TemplateDeploymentStep) berth.Error {
	e := *step.Err
	e.Target = step.ID
	e.Message = fmt.Sprintf("%s '%s': %s", step.Type, step.Name, e.Message)
	for key := step.Key; strings.Contains(key, "|"); {
		key = key[:strings.LastIndexByte(key, '|')]
		if around := d.deployment().Step(key); around != nil {
			e.Message = "In the nested deployment '" + around.Name + "': " + e.Message
		}
	}
	return e
}

// nested runs a template inside the template, in its own group, and keeps it as a deployment of that group.
func (d *deploying) nested(r *template.Resource, key string) (bool, error) {
	in, err := d.place(r.Group, r.Name)
	var t *template.Template
	if err == nil {
		t, err = r.Nested(d, in)
	}
	var done bool
	var outputs map[string]any
	before := len(d.waiting) + len(d.failed)
	if err == nil {
		done, outputs, err = d.run(t, key+"|")
	}
	step := d.deployment().Step(key) // steps may have moved in memory
	if fault, isOurs := errors.AsType[*berth.Error](err); isOurs && !retryable(fault.Code) {
		return d.end(step, fault)
	}
	if err != nil {
		return false, err
	}
	if !done {
		if len(d.waiting)+len(d.failed) == before { // nothing of it runs, and nothing of it can
			return d.end(step, berth.Errorf(CodeDeploymentFailed, "A resource in it could not be created."))
		}
		return false, nil
	}
	step.Outputs = outputs
	d.outputs[strings.ToLower(r.ID())] = outputs
	if err := d.keepNested(r, outputs); err != nil {
		return false, err
	}
	return d.end(step, nil)
}

func (d *deploying) keepNested(r *template.Resource, outputs map[string]any) error {
	id, err := berth.ParseID(r.ID())
	if err != nil {
		return berth.Errorf(berth.CodeInvalidID, "%v.", err)
	}
	w := store.Change{Verb: berth.VerbCreate, Settled: true, Caller: d.claim.Operation.Caller,
		Resource: &berth.Resource{ID: id, Location: d.claim.Resource.Location, Body: &berth.TemplateDeployment{
			Spec:   berth.TemplateDeploymentSpec{Run: d.deployment().Spec.Run, Mode: berth.ModeIncremental, AskedAt: d.deployment().Spec.AskedAt},
			Status: berth.TemplateDeploymentStatus{Outputs: outputs, EndedAt: d.Clock.Now().UTC()}}}}
	old, err := d.Store.Get(d.ctx, id)
	if err == nil {
		w.Verb, w.Base = berth.VerbUpdate, old.Generation
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	_, _, err = d.Store.Accept(d.ctx, w)
	return err
}

// Reference implements template.Runtime.
func (d *deploying) Reference(id, version string, full bool) (any, error) {
	if outputs, nested := d.outputs[strings.ToLower(id)]; nested {
		properties := map[string]any{"outputs": outputs, "provisioningState": "Succeeded"}
		if full {
			return map[string]any{"properties": properties}, nil
		}
		return properties, nil
	}
	if version == "" {
		version = "2024-04-01"
	}
	a, err := d.Resources.Do(d.ctx, ResourceRequest{Caller: d.claim.Operation.Caller, Method: http.MethodGet, ID: id, Version: version})
	if err != nil {
		return nil, err
	}
	body := template.Normal(a.Body)
	if full {
		return body, nil
	}
	return body.(map[string]any)["properties"], nil
}

// List implements template.Runtime.
func (d *deploying) List(function, id, version string, body any) (any, error) {
	a, err := d.Resources.Do(d.ctx, ResourceRequest{Caller: d.claim.Operation.Caller, Method: http.MethodPost, ID: id + "/" + function,
		Version: version, Body: body})
	return template.Normal(a.Body), err
}

// surplusRemoved is the other half of the mode Complete: it deletes what the group has and the template does not name.
func surplusRemoved(ctx context.Context, s *scope) (verdict, error) {
	if s.deployment().Spec.Mode != berth.ModeComplete {
		return verdict{}, nil
	}
	d, t, err := s.readTemplate(ctx)
	if err != nil {
		return verdict{}, err
	}
	if _, _, err := d.run(t, ""); err != nil { // all of it has succeeded: this only finds out the names
		return verdict{}, err
	}
	return s.removeAll(ctx, store.Query{Group: berth.GroupID(s.id().Subscription, s.id().Group)},
		func(id berth.ID) bool { return d.surplus(ctx, id) })
}

// surplus reports whether mode Complete deletes a resource: the template names neither it, nor its parent, nor the compute that
// created it.
func (d *deploying) surplus(ctx context.Context, id berth.ID) bool {
	if id.Is(berth.TypeTemplateDeployment) || !strings.EqualFold(id.Group, d.id().Group) {
		return false
	}
	for at := id; !at.IsGroup(); at = at.Parent() {
		if d.named[at.Key()] {
			return false
		}
	}
	r, err := d.Store.Get(ctx, id)
	if err != nil {
		return false // deleted already, or found again by the next pass
	}
	c, isCluster := r.Body.(*berth.Cluster)
	return !isCluster || c.Spec.OwnedBy.IsZero() || !d.named[c.Spec.OwnedBy.Key()]
}
