package models

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
)

// aksEndpointType is the computeType of an AksEndpoint. For the SDK it is a service among others, with versions.
const aksEndpointType = "AKSENDPOINT"

// aksEndpoint is the request for an AksEndpoint as azureml-core sends it.
type aksEndpoint struct {
	payload
	Description string                 `json:"description"`
	Versions    map[string]*aksVersion `json:"versions"`
}

// aksVersion is a version in it: a service, whose compute and keys are those of the endpoint.
type aksVersion struct {
	payload
	Share   *float64 `json:"trafficPercentile"`
	Default *bool    `json:"isDefault"`
	Type    string   `json:"type"`
}

// isAks reports whether a request is for an AksEndpoint.
func (p *payload) isAks() bool { return strings.EqualFold(p.ComputeType, aksEndpointType) }

// served finds a service or an AksEndpoint by its name: to the SDK, both are services.
func (s *Server) served(q *Request, name string) (*berth.Resource, error) {
	r, err := s.child(q, berth.TypeService, "service", name)
	if berth.ErrorCode(err) != berth.CodeNotFound {
		return r, err
	}
	other, found := s.child(q, berth.TypeEndpoint, "service", name)
	if found != nil && berth.ErrorCode(found) != berth.CodeNotFound {
		return nil, found
	}
	if found == nil && other.Body.(*berth.Endpoint).IsAks() {
		return other, nil
	}
	return nil, err
}

// answerOf is a service or an AksEndpoint as the SDK reads it.
func (s *Server) answerOf(q *Request, r *berth.Resource) (object, error) {
	if r.ID.Is(berth.TypeEndpoint) {
		return s.aksAnswer(q, r)
	}
	return s.serviceAnswer(q, r)
}

// createAksEndpoint accepts an AksEndpoint with its first version. With "overwrite" it replaces the one that has the name.
func (s *Server) createAksEndpoint(q *Request, p *payload) (*Answer, error) {
	request := object{}
	if err := decode(q.Body, &request); err != nil {
		return nil, err
	}
	id, err := childID(q.workspace.ID, berth.TypeEndpoint, p.Name)
	if err != nil {
		return nil, rules.AsError(rules.Service(p.Name, berth.ServiceSpec{}, rules.ServiceFacts{}))
	}
	return s.change(q, id, func(old *berth.Resource) (store.Change, []rules.Violation, error) {
		if err := s.nameFree(q, p, old); err != nil {
			return store.Change{}, nil, err
		}
		return s.planAks(q, id, request, old)
	})
}

// nameFree refuses the name of an AksEndpoint that something else has. old is the endpoint that has the name.
func (s *Server) nameFree(q *Request, p *payload, old *berth.Resource) error {
	if old != nil && !old.Body.(*berth.Endpoint).IsAks() {
		return berth.Errorf(berth.CodeConflict, "There is an online endpoint of version 2 of the SDK with the name '%s'. Choose another "+
			"name, or delete it first.", p.Name)
	}
	if old != nil && !p.Overwrite {
		return taken(p.Name)
	}
	_, err := s.child(q, berth.TypeService, "service", p.Name)
	if berth.ErrorCode(err) == berth.CodeNotFound {
		return nil
	}
	if err == nil {
		err = otherKind(p.Name)
	}
	return err
}

// otherKind refuses a name that is taken by what cannot be overwritten.
func otherKind(name string) *berth.Error {
	return berth.Errorf(berth.CodeConflict, "There is a service with the name '%s' already, and of another type: an AksWebservice does not "+
		"become an AksEndpoint, nor the other way round. Choose another name, or delete it first.", name)
}

// planAks is the change that a request for an AksEndpoint asks for, with its violations.
func (s *Server) planAks(q *Request, id berth.ID, request object, old *berth.Resource) (c store.Change, vs []rules.Violation, err error) {
	text, err := encode(request)
	if err != nil {
		return c, nil, err
	}
	var p aksEndpoint
	if err := decode(text, &p); err != nil {
		return c, nil, err
	}
	request = fields(text) // a copy: the plan may be made once more
	body := &berth.Endpoint{}
	f := rules.AksEndpointFacts{}
	if old != nil {
		was := old.Body.(*berth.Endpoint)
		body.Status, body.Good = was.Status, was.Good
		f.Present, f.PresentDefault = was.Spec.Compute, was.Spec.Aks.Default
	}
	if err := s.aksFacts(q, &p, &f); err != nil {
		return c, nil, err
	}
	body.Spec = p.endpointSpec(&f)
	vs = rules.AksEndpoint(id.Name(), body.Spec, f)
	secrets, err := s.keys(q, old, p.Keys.Primary, p.Keys.Secondary)
	if err != nil {
		return c, nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(p.Versions)) {
		if v := p.Versions[name]; v.Image != nil {
			more, err := s.addLogin(q, old, v.Image.Environment, secrets)
			if err != nil {
				return c, nil, err
			}
			vs = append(vs, more...)
		}
	}
	withoutPasswords(request)
	body.Warnings = rules.Reported(vs, true)
	if body.Spec.Aks.Request, err = p.kept(request, f); err != nil {
		return c, nil, err
	}
	c = store.Change{Verb: berth.VerbCreate, Caller: q.Caller, Secrets: secrets,
		Resource: &berth.Resource{ID: id, Location: q.workspace.Location, Tags: p.KVTags, Body: body}}
	if old != nil {
		c.Verb, c.Base = berth.VerbUpdate, old.Generation
	}
	return c, vs, nil
}

// aksFacts finds what the request names, for the endpoint and for each version.
func (s *Server) aksFacts(q *Request, p *aksEndpoint, f *rules.AksEndpointFacts) (err error) {
	present := f.Present
	p.Image, p.ComputeType = nil, string(berth.ComputeAKS) // a version has an image
	if f.ServiceFacts, err = s.serviceFacts(q, &p.payload, &berth.ServiceSpec{Compute: p.ComputeName}); err != nil {
		return err
	}
	f.Present, f.Versions = present, map[string]rules.AksVersion{}
	for name, v := range p.Versions {
		if v == nil {
			v = &aksVersion{}
			p.Versions[name] = v
		}
		one := rules.AksVersion{Share: v.Share, Default: or(v.Default, len(p.Versions) == 1), Type: cmp.Or(v.Type, rules.VersionTreatment),
			Compute: v.ComputeName, Keyed: v.Keys.Primary != "" && v.Keys.Primary != p.Keys.Primary ||
				v.Keys.Secondary != "" && v.Keys.Secondary != p.Keys.Secondary}
		v.ComputeName, v.ComputeType = p.ComputeName, string(berth.ComputeAKS)
		v.KeyAuth, v.TokenAuth = nil, nil
		v.Keys.Primary, v.Keys.Secondary = "", ""
		one.Spec = v.spec()
		if len(p.Versions) <= rules.MaxAksVersions { // otherwise all of it is refused
			if one.ServiceFacts, err = s.serviceFacts(q, &v.payload, &one.Spec); err != nil {
				return err
			}
		}
		f.Versions[name] = one
	}
	return nil
}

// endpointSpec is the request as the engine works on it.
func (p *aksEndpoint) endpointSpec(f *rules.AksEndpointFacts) berth.EndpointSpec {
	own := p.spec()
	out := berth.EndpointSpec{Compute: own.Compute, Auth: own.Auth, Description: p.Description, Traffic: map[string]int{},
		Aks: &berth.AksEndpoint{Versions: map[string]berth.PodSpec{}}}
	rest := 100
	for name, v := range f.Versions {
		out.Aks.Versions[name] = v.Spec.PodSpec
		if v.Default {
			out.Aks.Default = name
		}
		if v.Share != nil && *v.Share > 0 {
			out.Traffic[name] = int(*v.Share)
			rest -= out.Traffic[name]
		}
	}
	if out.Aks.Default != "" && rest > 0 {
		out.Traffic[out.Aks.Default] += rest
	}
	return out
}

// kept is the request as it is kept: without keys, and with what was filled in.
func (p *aksEndpoint) kept(request object, f rules.AksEndpointFacts) (json.RawMessage, error) {
	secret := func(field string, _ any) bool {
		return strings.EqualFold(field, "keys") || strings.EqualFold(field, "overwrite")
	}
	out := maps.Clone(request)
	maps.DeleteFunc(out, func(field string, value any) bool {
		return secret(field, value) || strings.EqualFold(field, "versions")
	})
	versions := object{}
	for name := range p.Versions {
		asked, _ := member(request, "versions").(object)
		v, _ := asked[name].(object)
		v = maps.Clone(v)
		if v == nil {
			v = object{}
		}
		maps.DeleteFunc(v, secret)
		v["isDefault"], v["type"] = f.Versions[name].Default, f.Versions[name].Type
		if tags, is := v["tags"].(object); is { // so update_version calls what create_version calls kvTags
			v["kvTags"] = tags
		}
		delete(v, "tags")
		versions[name] = v
	}
	out["versions"] = versions
	return encode(out)
}

// member is a field of an object in any casing: so it is read.
func member(o object, name string) any {
	for field, value := range o {
		if strings.EqualFold(field, name) {
			return value
		}
	}
	return nil
}

// patchAks applies a JSON Patch to the last accepted request for an AksEndpoint.
func (s *Server) patchAks(q *Request, id berth.ID, patch jsonpatch.Patch) (*Answer, error) {
	return s.change(q, id, func(old *berth.Resource) (store.Change, []rules.Violation, error) {
		if old == nil || !old.Body.(*berth.Endpoint).IsAks() {
			return store.Change{}, nil, missing(store.ErrNotFound, "service", id.Name())
		}
		return s.patchedAks(q, patch, old)
	})
}

// patchedAks is the change that a patch asks for. What is wrong with its paths is told together with what is wrong with the rest.
func (s *Server) patchedAks(q *Request, patch jsonpatch.Patch, old *berth.Resource) (c store.Change, vs []rules.Violation, err error) {
	request := aksRequest(old.Body.(*berth.Endpoint))
	versions, _ := request["versions"].(object)
	possible, wrong := versionsThere(old.ID.Name(), patch, versions)
	request, err = applyPatch(possible, request)
	if err != nil && len(wrong) > 0 {
		return c, wrong, nil
	}
	if err != nil {
		return c, nil, err
	}
	scaled(possible, request)
	c, vs, err = s.planAks(q, old.ID, request, old)
	return c, slices.Concat(wrong, vs), err
}

// versionsThere are the operations of a patch that are about versions which are there when it is their turn, and what is wrong with others.
func versionsThere(endpoint string, patch jsonpatch.Patch, versions object) (possible jsonpatch.Patch, wrong []rules.Violation) {
	there := map[string]bool{}
	for name := range versions {
		there[name] = true
	}
	for _, op := range patch {
		path, _ := op.Path() // readPatch has read it
		words := strings.Split(strings.TrimPrefix(path, "/"), "/")
		if words[0] != "versions" {
			possible = append(possible, op)
			continue
		}
		if len(words) == 1 {
			wrong = append(wrong, rules.AksVersionsWhole()...)
			continue
		}
		name, whole := words[1], len(words) == 2
		switch {
		case whole && op.Kind() == "add" && there[name]:
			wrong = append(wrong, rules.AksVersionTaken(endpoint, name)...)
		case (!whole || op.Kind() != "add") && !there[name]:
			wrong = append(wrong, rules.NoAksVersion(endpoint, name)...)
		default:
			there[name] = !whole || op.Kind() != "remove"
			possible = append(possible, op)
		}
	}
	return possible, wrong
}

// scaled turns the scaling of a version off when a patch gives it a number of replicas, and on when it takes that away.
func scaled(patch jsonpatch.Patch, request object) {
	versions, _ := request["versions"].(object)
	for name, one := range versions {
		v, is := one.(object)
		if at := "/versions/" + name; is && patches(patch, at+"/numReplicas") && !patches(patch, at+"/autoScaler") {
			v["autoScaler"] = object{"autoscaleEnabled": v["numReplicas"] == nil}
		}
	}
}

// change plans a change of a service or an AksEndpoint, and answers its operation. The plan gets what has the id; nil for nothing.
func (s *Server) change(q *Request, id berth.ID, plan func(old *berth.Resource) (store.Change, []rules.Violation, error)) (*Answer, error) {
	r, op, err := s.accept(q.Context, func() (c store.Change, err error) {
		old, err := s.Store.Get(q.Context, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return c, err
		}
		if old != nil && old.Unreadable {
			return c, old.Fault
		}
		c, violations, err := plan(old)
		if err != nil {
			return c, err
		}
		if e := rules.AsError(violations); e != nil {
			return c, e
		}
		return c, nil
	})
	if err != nil {
		return nil, err
	}
	answer, err := s.answerOf(q, r)
	if err != nil {
		return nil, err
	}
	return &Answer{Status: http.StatusAccepted, Header: s.followed(q, op), Body: answer}, nil
}
