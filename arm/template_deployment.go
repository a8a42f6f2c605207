package arm

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/template"
	"berth.dev/berth/wire"
)

// deploying is a request for a template deployment, with its template parsed and planned.
type deploying struct {
	in       wire.TemplateDeploymentPut
	template *template.Template
	plan     *template.Plan
	scope    template.Scope
	*rehearsal
	judges bool // the rules run too
}

// readDeployment reads and checks a template with its parameters before anything is created. It reports all faults together. With
// judges it also runs the rules for each resource.
func (s *Server) readDeployment(q *request, id berth.ID, judges bool) (*deploying, error) {
	d := &deploying{judges: judges, rehearsal: &rehearsal{
		Server: s, q: q, created: map[string]*berth.Resource{}, same: map[string]bool{},
	}}
	if err := wire.Decode(wire.Relaxed(q.body), &d.in); err != nil {
		return nil, err
	}
	if err := s.followLinks(q.Context(), &d.in); err != nil {
		return nil, err
	}
	p := d.in.Properties
	if p.Mode != "" && !strings.EqualFold(p.Mode, berth.ModeIncremental) && !strings.EqualFold(p.Mode, berth.ModeComplete) {
		return nil, &berth.Error{Code: berth.CodeInvalidRequest, Target: "properties.mode", Message: "The mode is Incremental or Complete."}
	}
	var err error
	if d.scope, err = s.deployedAt(q, id, d.in); err != nil {
		return nil, err
	}
	values, err := template.Values(p.Parameters)
	if err != nil {
		return nil, err
	}
	if d.template, err = template.Parse(evaluation(q), p.Template, values, d.scope); err != nil {
		return nil, err
	}
	if d.plan, err = d.template.Plan(); err != nil {
		return nil, err
	}
	err = d.deployable(d.plan, d.scope, 0)
	return d, cmp.Or(d.failed, err)
}

// evaluationPatience is how long the evaluation of a template may take; template itself bounds its steps and its memory.
const evaluationPatience = 10 * time.Second

// evaluation is the context of an evaluation: it ends with the request, and when its time is over.
func evaluation(q *request) context.Context {
	ctx, cancel := context.WithTimeout(q.Context(), evaluationPatience)
	context.AfterFunc(q.Context(), cancel)
	return ctx
}

// deployedAt is the scope that a template is evaluated in: a group, or the subscription, for which the request needs a location.
func (s *Server) deployedAt(q *request, id berth.ID, in wire.TemplateDeploymentPut) (template.Scope, error) {
	at := template.Scope{
		SubscriptionID: s.Subscription, TenantID: s.Authority.TenantID(), Deployment: id.Name(), Now: s.Clock.Now().UTC(),
		Environment: s.environment(), Deployer: deployer(q), Provider: s.templateProvider(q),
	}
	if id.Group == "" {
		if strings.EqualFold(in.Properties.Mode, berth.ModeComplete) {
			return at, &berth.Error{Code: berth.CodeInvalidRequest, Target: "properties.mode",
				Message: "The mode Complete is possible in resource groups only. Use Incremental at the scope of the subscription."}
		}
		var err error
		at.Location, err = location(in.Location, nil, "")
		return at, err
	}
	group, err := s.load(q, berth.GroupID(id.Subscription, id.Group))
	if err != nil {
		return at, err
	}
	at.Group, at.GroupLocation = group.ID.Group, group.Location
	at.GroupTags = group.Tags
	return at, nil
}

// maxNesting is the maximum depth of nested templates.
const maxNesting = 5

// deployable checks what the template language cannot know: whether Berth serves the resource types, and whether the rules allow the
// resources; also in all nested templates that can be evaluated already.
func (d *deploying) deployable(plan *template.Plan, scope template.Scope, depth int) error {
	var wrong []berth.Error
	for _, r := range plan.Resources {
		nested := strings.EqualFold(r.Type, berth.TypeTemplateDeployment)
		misplaced := d.misplaced(r, nested)
		wrong = append(wrong, misplaced...)
		if nested {
			wrong = append(wrong, inNested(r, d.nestedDeployable(r, scope, depth))...)
			continue
		}
		body, err := r.Body(nil)
		if err != nil && !template.Late(err) {
			wrong = append(wrong, details(err)...)
			continue
		}
		if d.judges && len(misplaced) == 0 {
			wrong = append(wrong, d.check(r, body)...)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return &berth.Error{Code: template.CodeInvalidTemplate, Message: "Deployment template validation failed: " + wrong[0].Message,
		Details: wrong}
}

// misplaced reports a resource that Berth does not serve, or not in this place.
func (d *deploying) misplaced(r *template.Resource, nested bool) (wrong []berth.Error) {
	if !canDeploy(r.Type) {
		wrong = append(wrong, notServed(r.Type, r.Path))
	}
	if r.Group == "" && !nested && !berth.OfSubscription(r.Type) && !strings.EqualFold(r.Type, berth.TypeResourceGroup) {
		wrong = append(wrong, berth.Error{Code: template.CodeInvalidTemplate, Target: r.Path,
			Message: "'" + r.Type + "' must be in a resource group: put it into a nested deployment with resourceGroup."})
	}
	if !strings.EqualFold(r.SubscriptionID, d.Subscription) {
		wrong = append(wrong, berth.Error{Code: berth.CodeSubscriptionNotFound, Target: r.Path + ".subscriptionId",
			Message: "The subscription '" + r.SubscriptionID + "' could not be found."})
	}
	return wrong
}

func notServed(typ, path string) berth.Error {
	return berth.Error{Code: berth.CodeInvalidResourceType, Target: path + ".type",
		Message: "Berth does not serve the resource type '" + typ + "', which " + path + " has."}
}

// inNested names the nested deployment of errors in it. A path in its template becomes a path in the template around it.
func inNested(r *template.Resource, wrong []berth.Error) []berth.Error {
	for i := range wrong {
		e := &wrong[i]
		e.Message = "In the nested deployment '" + r.Name + "': " + e.Message
		if !strings.HasPrefix(e.Target, "/") && !strings.HasPrefix(e.Target, r.Path) {
			e.Target = r.Path + ".properties.template." + e.Target
		}
	}
	return wrong
}

func (d *deploying) nestedDeployable(r *template.Resource, scope template.Scope, depth int) []berth.Error {
	if depth >= maxNesting {
		return []berth.Error{{Code: template.CodeInvalidTemplate, Target: r.Path, Message: r.Path + ": templates are nested too deep."}}
	}
	scope = d.nestedScope(d.q, r, scope)
	t, err := r.Nested(nil, scope)
	if template.Late(err) { // its parameters depend on resources that are created first
		return unservedWritten(r)
	}
	if err == nil {
		var plan *template.Plan
		if plan, err = t.Plan(); err == nil {
			err = d.deployable(plan, scope, depth+1)
		}
	}
	return slices.Clone(details(err))
}

// unservedWritten reports the types that Berth does not serve in a nested template that cannot be evaluated yet.
func unservedWritten(r *template.Resource) (wrong []berth.Error) {
	for _, w := range r.Written() {
		if canDeploy(w.Type) {
			continue
		}
		e := notServed(w.Type, w.Path)
		for _, name := range slices.Backward(w.Inside) {
			e.Message = "In the nested deployment '" + name + "': " + e.Message
		}
		wrong = append(wrong, e)
	}
	return wrong
}

// nestedScope is the scope of a nested template, as far as it is known: an earlier resource may create its group.
func (s *Server) nestedScope(q *request, r *template.Resource, outer template.Scope) template.Scope {
	outer.Deployment = r.Name
	if r.Group == outer.Group {
		return outer
	}
	outer.Group, outer.GroupLocation = r.Group, outer.Location
	outer.GroupTags = nil
	if g, err := s.Store.Get(q.Context(), berth.GroupID(s.Subscription, r.Group)); err == nil {
		outer.Group, outer.GroupLocation = g.ID.Group, g.Location
		outer.GroupTags = g.Tags
	}
	return outer
}

func details(err error) []berth.Error {
	if err == nil {
		return nil
	}
	e, isOurs := err.(*berth.Error) //nolint:errorlint // template and arm never wrap it
	switch {
	case !isOurs:
		return []berth.Error{{Code: template.CodeInvalidTemplate, Message: err.Error()}}
	case len(e.Details) > 0:
		return e.Details
	}
	return []berth.Error{*e}
}

func putDeployment(s *Server, q *request, id berth.ID, old *berth.Resource) (*plan, error) {
	d, err := s.readDeployment(q, id, false)
	if err != nil {
		return nil, err
	}
	mode := berth.ModeIncremental
	if strings.EqualFold(d.in.Properties.Mode, berth.ModeComplete) {
		mode = berth.ModeComplete
	}
	plain, secret := map[string]any{}, map[string]any{}
	for name, v := range d.template.Parameters() {
		if d.template.IsSecure(name) {
			secret[name] = v
		} else {
			plain[name] = v
		}
	}
	kept, err := json.Marshal(secret)
	if err != nil {
		return nil, err
	}
	spec := berth.TemplateDeploymentSpec{
		Run: uuid.NewString(), Mode: mode, Template: d.in.Properties.Template, Values: plain, Shown: d.template.Shown(),
		AskedAt: d.scope.Now, TenantID: d.scope.TenantID, Endpoint: s.Endpoint, Environment: d.scope.Environment, Deployer: d.scope.Deployer,
	}
	r := &berth.Resource{
		ID: id, Location: cmp.Or(d.scope.GroupLocation, d.scope.Location), Tags: keepTags(d.in.Tags, old),
		Body: &berth.TemplateDeployment{Spec: spec},
	}
	w := store.Change{Resource: r, Secrets: map[string][]byte{berth.SecretParameters: kept}}
	return &plan{change: w, violations: rules.Tags(r.Tags)}, nil
}

func encodeDeployment(_ *Server, _ *request, r *berth.Resource) wire.Object {
	return wire.TemplateDeployment(r)
}

func exportTemplate(_ *Server, _ *request, r *berth.Resource) (*response, error) {
	return ok(wire.Object{"template": r.Body.(*berth.TemplateDeployment).Spec.Template}), nil
}

// cancelDeployment stops a template deployment from starting more resources. Those that it has started continue.
func (s *Server) cancelDeployment(q *request, r *berth.Resource) (*response, error) {
	err := s.Store.Cancel(q.Context(), r, berth.Errorf(berth.CodeCanceled,
		"The deployment was canceled. The resources that it had started by then continue."))
	if err != nil {
		return nil, err
	}
	return &response{status: http.StatusNoContent}, nil
}

func (s *Server) validateDeployment(q *request, t target) (*response, error) {
	id := t.id
	d, err := s.readDeployment(q, id, true)
	if err != nil {
		return nil, err
	}
	validated := []any{}
	for _, r := range d.plan.Resources {
		validated = append(validated, wire.Object{"id": r.ID()})
	}
	properties := wire.Object{
		"provisioningState": "Succeeded", "mode": d.in.Properties.Mode, "parameters": d.template.Shown(), "validatedResources": validated,
		"correlationId": q.id, "timestamp": wire.Time(d.scope.Now), "duration": "PT0S", "providers": []any{}, "dependencies": []any{},
	}
	return ok(wire.Object{
		"id": id.String(), "name": id.Name(), "type": berth.TypeTemplateDeployment, "properties": properties,
	}), nil
}

func (s *Server) deploymentOperations(q *request, t target) (*response, error) {
	r, err := s.load(q, t.id)
	if err != nil {
		return nil, err
	}
	return ok(wire.Object{"value": wire.TemplateDeploymentOperations(r, faultStatus)}), nil
}

func (s *Server) deploymentOperation(q *request, t target) (*response, error) {
	r, err := s.load(q, t.id.Parent())
	if err != nil {
		return nil, err
	}
	for _, o := range wire.TemplateDeploymentOperations(r, faultStatus) {
		if o.(wire.Object)["operationId"] == t.id.Name() {
			return ok(o), nil
		}
	}
	return nil, berth.Errorf(berth.CodeNotFound, "The deployment '%s' has no operation '%.60s'.", t.id.Parent().Name(), t.id.Name())
}
