package models

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
)

// createService accepts a web service. With "overwrite" it replaces the one that has the name.
func (s *Server) createService(q *Request) (*Answer, error) {
	request := object{}
	if err := decode(q.Body, &request); err != nil {
		return nil, err
	}
	var p payload
	if err := decode(q.Body, &p); err != nil {
		return nil, err
	}
	if p.isAks() {
		return s.createAksEndpoint(q, &p)
	}
	return s.changeService(q, p.Name, func(old *berth.Resource) (object, error) {
		if old != nil && !p.Overwrite {
			return nil, taken(p.Name)
		}
		if old != nil {
			return request, nil
		}
		_, err := s.served(q, p.Name)
		if berth.ErrorCode(err) == berth.CodeNotFound {
			return request, nil
		}
		if err == nil {
			err = otherKind(p.Name)
		}
		return nil, err
	})
}

// fixedFields are those of a service that stay as they were created.
var fixedFields = []string{"/name", "/computeType", "/computeName", "/id", "/createdTime"}

// patchService applies a JSON Patch to the last accepted request.
func (s *Server) patchService(q *Request) (*Answer, error) {
	patch, err := readPatch(q.Body, fixedFields)
	if err != nil {
		return nil, err
	}
	r, err := s.served(q, q.words[0])
	if err != nil {
		return nil, err
	}
	if r.ID.Is(berth.TypeEndpoint) {
		return s.patchAks(q, r.ID, patch)
	}
	return s.changeService(q, q.words[0], func(old *berth.Resource) (object, error) {
		if old == nil {
			return nil, missing(store.ErrNotFound, "service", q.words[0])
		}
		b := old.Body.(*berth.Service)
		request := fields(b.Request)
		maps.Copy(request, defaults(b.Spec)) // the SDK replaces what it has read, also what the request had left out
		request, err := applyPatch(patch, request)
		if err == nil && patches(patch, "/numReplicas") && !patches(patch, "/autoScaler") {
			request["autoScaler"] = object{"autoscaleEnabled": request["numReplicas"] == nil}
		}
		return request, err
	})
}

// patches reports whether a patch changes a field or a part of it.
func patches(patch jsonpatch.Patch, field string) bool {
	return slices.ContainsFunc(patch, func(op jsonpatch.Operation) bool {
		path, err := op.Path()
		return err == nil && (path == field || strings.HasPrefix(path, field+"/"))
	})
}

// changeService plans a service as decide says, and answers its operation.
func (s *Server) changeService(q *Request, name string, decide func(old *berth.Resource) (object, error)) (*Answer, error) {
	id, err := childID(q.workspace.ID, berth.TypeService, name)
	if err != nil {
		return nil, rules.AsError(rules.Service(name, berth.ServiceSpec{}, rules.ServiceFacts{}))
	}
	return s.change(q, id, func(old *berth.Resource) (store.Change, []rules.Violation, error) {
		request, err := decide(old)
		if err != nil {
			return store.Change{}, nil, err
		}
		return s.planService(q, id, request, old)
	})
}

// planService is the change that a request asks for, with its violations.
func (s *Server) planService(q *Request, id berth.ID, request object, old *berth.Resource) (c store.Change, vs []rules.Violation,
	err error) {
	text, err := encode(request)
	if err != nil {
		return c, nil, err
	}
	var p payload
	if err := decode(text, &p); err != nil {
		return c, nil, err
	}
	request = fields(text) // a copy: the plan may be made once more
	spec := p.spec()
	facts, err := s.serviceFacts(q, &p, &spec)
	if err != nil {
		return c, nil, err
	}
	if old != nil {
		facts.Present = old.Body.(*berth.Service).Spec.Compute
	}
	vs = rules.Service(id.Name(), spec, facts)
	maps.DeleteFunc(request, func(field string, _ any) bool { // in any casing: so they were read
		return strings.EqualFold(field, "keys") || strings.EqualFold(field, "overwrite")
	})
	secrets, err := s.keys(q, old, p.Keys.Primary, p.Keys.Secondary)
	if err != nil {
		return c, nil, err
	}
	if p.Image != nil {
		more, err := s.addLogin(q, old, p.Image.Environment, secrets)
		if err != nil {
			return c, nil, err
		}
		vs = append(vs, more...)
	}
	withoutPasswords(request)
	body := &berth.Service{Spec: spec, Warnings: rules.Reported(vs, true)}
	if body.Request, err = encode(request); err != nil {
		return c, nil, err
	}
	c = store.Change{Verb: berth.VerbCreate, Caller: q.Caller, Secrets: secrets,
		Resource: &berth.Resource{ID: id, Location: q.workspace.Location, Tags: p.KVTags, Body: body}}
	if old != nil {
		c.Verb, c.Base = berth.VerbUpdate, old.Generation
		body.Status, body.Good = old.Body.(*berth.Service).Status, old.Body.(*berth.Service).Good
	}
	return c, vs, nil
}

// followed are the headers by which the SDK finds the operation.
func (s *Server) followed(q *Request, op *berth.Operation) map[string]string {
	if op == nil {
		return nil
	}
	return map[string]string{"Operation-Location": q.Base + prefixes[0] + q.workspace.ID.String() + "/operations/" + op.ID}
}

// servedState is the state of a service, or of a version of an AksEndpoint, for the SDK. One that was updated and failed goes on as it was
// before.
func servedState(r *berth.Resource, status *berth.ServiceStatus) string {
	switch {
	case !r.State.Terminal():
		return "Transitioning"
	case r.State == berth.StateSucceeded && status.Ready > 0:
		return "Healthy"
	case r.State == berth.StateSucceeded || status.Served > 0:
		return "Unhealthy"
	}
	return "Failed"
}

// serviceAnswer is a service as the SDK reads it: the request with all defaults, and what became of it.
func (s *Server) serviceAnswer(q *Request, r *berth.Resource) (object, error) {
	b := r.Body.(*berth.Service)
	out := fields(b.Request)
	for name, value := range defaults(b.Spec) {
		out[name] = value
	}
	out["id"], out["name"] = r.ID.Name(), r.ID.Name()
	out["computeType"] = string(berth.ComputeAKS)
	out["createdTime"], out["updatedTime"] = clockTime(r.CreatedAt), clockTime(r.ModifiedAt)
	out["kvTags"] = r.Tags
	if r.Tags == nil {
		out["kvTags"] = object{}
	}
	out["state"], out["scoringUri"] = servedState(r, &b.Status), b.Status.ScoringURI
	out["createdBy"] = object{"userObjectId": r.CreatedBy, "userName": r.CreatedBy}
	out["deploymentStatus"] = object{"availableReplicas": b.Status.Ready, "replicas": b.Spec.Replicas}
	switch {
	case r.Fault != nil:
		out["error"] = fault(r.Fault)
	case b.Status.Trouble != "":
		out["error"] = fault(berth.Errorf(berth.CodeServiceUnavailable, "%s", b.Status.Trouble))
	}
	if len(b.Warnings) > 0 {
		out["warnings"] = b.Warnings
	}
	for _, field := range []string{"description", "properties"} {
		if out[field] == nil {
			out[field] = map[string]any{"description": "", "properties": object{}}[field]
		}
	}
	if strings.EqualFold(q.Query.Get("expand"), "true") {
		out["models"] = s.expanded(q, b.Spec.Models)
	}
	return out, nil
}

// expanded are the models of a service.
func (s *Server) expanded(q *Request, ids []berth.ID) []object {
	models := []object{}
	for _, id := range ids {
		if m, err := s.Store.Get(q.Context, id); err == nil && !m.Unreadable {
			models = append(models, modelAnswer(m))
		}
	}
	return models
}

// defaults are the fields that the SDK demands, with the values that apply.
func defaults(s berth.ServiceSpec) object {
	out := object{
		"computeName": s.Compute, "authEnabled": s.Auth == berth.AuthKey, "aadAuthEnabled": s.Auth == berth.AuthToken,
		"appInsightsEnabled": s.LogRequests, "dataCollection": object{"storageEnabled": s.Collect != nil, "eventHubEnabled": false},
		"maxConcurrentRequestsPerContainer": s.Concurrent, "maxQueueWaitMs": s.QueueWait.Milliseconds(),
		"scoringTimeoutMs": s.Timeout.Milliseconds(), "numReplicas": nil,
		"containerResourceRequirements": object{"cpu": s.CPU, "cpuLimit": nilIfZero(s.CPULimit), "memoryInGB": s.MemoryGB,
			"memoryInGBLimit": nilIfZero(s.MemoryLimit), "gpu": nilIfZero(float64(s.GPUs))},
		"livenessProbeRequirements": object{"initialDelaySeconds": s.Liveness.Delay.Seconds(), "periodSeconds": s.Liveness.Period.Seconds(),
			"timeoutSeconds": s.Liveness.Timeout.Seconds(), "successThreshold": s.Liveness.Successes, "failureThreshold": s.Liveness.Failures},
		"autoScaler": object{"autoscaleEnabled": false, "minReplicas": nil, "maxReplicas": nil, "targetUtilization": nil,
			"refreshPeriodInSeconds": nil},
	}
	if s.Scale == nil {
		out["numReplicas"] = s.Replicas
		return out
	}
	out["autoScaler"] = object{"autoscaleEnabled": true, "minReplicas": s.Scale.Min, "maxReplicas": s.Scale.Max,
		"targetUtilization": s.Scale.Target, "refreshPeriodInSeconds": s.Scale.Refresh.Seconds()}
	return out
}

func nilIfZero(v float64) any {
	if v == 0 {
		return nil
	}
	return v
}

func (s *Server) getService(q *Request) (*Answer, error) {
	r, err := s.served(q, q.words[0])
	if err != nil {
		return nil, err
	}
	answer, err := s.answerOf(q, r)
	if err != nil {
		return nil, err
	}
	return ok(answer), nil
}

// listServices answers the services that the filters of the query leave.
func (s *Server) listServices(q *Request) (*Answer, error) {
	var all []*berth.Resource
	for _, typ := range []string{berth.TypeService, berth.TypeEndpoint} {
		some, err := s.Store.All(q.Context, store.Query{Type: typ, Parent: q.workspace.ID})
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	value := []object{}
	for _, r := range all {
		if r.Unreadable || !q.selects(r) {
			continue
		}
		answer, err := s.answerOf(q, r)
		if err != nil {
			return nil, err
		}
		if tagFilter(q.Query.Get("properties"), texts(answer["properties"])) {
			value = append(value, answer)
		}
	}
	return ok(object{"value": value}), nil
}

// selects reports whether a service or an AksEndpoint passes the filters.
func (q *Request) selects(r *berth.Resource) bool {
	get := q.Query.Get
	typ, models := string(berth.ComputeAKS), []berth.ID{}
	switch b := r.Body.(type) {
	case *berth.Service:
		models = b.Spec.Models
	case *berth.Endpoint:
		if !b.IsAks() {
			return false
		}
		typ, models = aksEndpointType, b.Spec.Aks.Models()
	}
	return (get("computeType") == "" || strings.EqualFold(get("computeType"), typ)) &&
		(get("modelId") == "" ||
			slices.ContainsFunc(models, func(id berth.ID) bool { return strings.EqualFold(modelID(id), get("modelId")) })) &&
		(get("modelName") == "" ||
			slices.ContainsFunc(models, func(id berth.ID) bool { return strings.EqualFold(id.Parent().Name(), get("modelName")) })) &&
		get("imageName") == "" && get("imageId") == "" && get("imageDigest") == "" && tagFilter(get("tags"), r.Tags)
}

// removeService accepts the removal. Of what is not there, the SDK wants no content.
func (s *Server) removeService(q *Request) (*Answer, error) {
	r, err := s.served(q, q.words[0])
	if berth.ErrorCode(err) == berth.CodeNotFound {
		return &Answer{Status: http.StatusNoContent}, nil
	}
	if err != nil {
		return nil, err
	}
	_, op, err := s.Store.Accept(q.Context, store.Change{Verb: berth.VerbDelete, Resource: r, Caller: q.Caller})
	if err != nil {
		return nil, err
	}
	return &Answer{Status: http.StatusAccepted, Header: s.followed(q, op)}, nil
}
