package arm

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/models"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// endpointKinds are the rows of online endpoints and their deployments (version 2 of the SDK).
func endpointKinds() []*kind {
	return []*kind{
		{
			typ: berth.TypeEndpoint, created: http.StatusCreated, polled: true,
			put: putEndpoint, patch: patchByPut(putEndpoint, encodeEndpoint), remove: removeAlways, encode: encodeEndpoint,
			actions: []action{
				{"listKeys", existing(endpointKeys)},
				{"regenerateKeys", existing(regenerateEndpointKeys)},
				{"token", existing(endpointToken)},
				{"validate", (*Server).validateOnline},
			},
		},
		{
			typ: berth.TypeDeployment, created: http.StatusCreated, polled: true,
			put: putOnlineDeployment, patch: patchByPut(putOnlineDeployment, encodeOnlineDeployment), remove: removeOnlineDeployment,
			encode:  encodeOnlineDeployment,
			parts:   []part{{name: "skus", list: deploymentSKUs}},
			actions: []action{{"getLogs", existing(deploymentLogs)}, {"validate", (*Server).validateOnline}},
		},
	}
}

func encodeEndpoint(s *Server, _ *request, r *berth.Resource) wire.Object {
	return wire.Endpoint(r, faultStatus(r.Fault), s.Authority.TenantID())
}

// putEndpoint plans an endpoint. It gets its keys when it is created, and keeps them.
func putEndpoint(s *Server, q *request, id berth.ID, old *berth.Resource) (*plan, error) {
	var in wire.EndpointPut
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	ws, err := s.parent(q, id)
	if err != nil {
		return nil, err
	}
	where, err := location(in.Location, old, ws.Location)
	violations, isOurs := rules.Of(err)
	if err != nil && !isOurs {
		return nil, err
	}
	body := &berth.Endpoint{Spec: berth.EndpointSpec{Auth: berth.AuthKey}}
	facts := rules.EndpointFacts{}
	if old != nil {
		*body = *old.Body.(*berth.Endpoint)
		if err := notAks(id, body); err != nil {
			return nil, err
		}
		facts.Present = body.Spec.Compute
	}
	in.Merge(&body.Spec)
	if !strings.EqualFold(cmp.Or(in.Properties.Access, "Enabled"), "Enabled") {
		facts.NoAccess = in.Properties.Access
	}
	if err := s.endpointFacts(q, id, in.Properties.Compute, &body.Spec, &facts); err != nil {
		return nil, err
	}
	secrets, err := s.endpointSecrets(q, old, &in, &facts)
	if err != nil {
		return nil, err
	}
	violations = append(violations, rules.Endpoint(id.Name(), body.Spec, facts)...)
	r := &berth.Resource{ID: id, Location: where, Tags: keepTags(in.Tags, old), Body: body}
	violations = append(violations, rules.Tags(r.Tags)...)
	identity, kept, err := s.identity(q, in.Identity, body.Spec.Identity)
	if err != nil {
		return nil, err
	}
	body.Spec.Identity, violations = identity, append(violations, kept...)
	names, err := wire.KeepEndpoint(q.body, r)
	if err != nil {
		return nil, err
	}
	violations = append(violations, rules.NotActedOn(names)...)
	body.Warnings = rules.Reported(violations, true)
	return &plan{change: store.Change{Resource: r, Secrets: secrets}, violations: violations}, nil
}

// notAks refuses a change of an AksEndpoint: only its own API knows what its versions are.
func notAks(id berth.ID, e *berth.Endpoint) error {
	if !e.IsAks() {
		return nil
	}
	return berth.Errorf(berth.CodeConflict, "The endpoint '%s' is an AksEndpoint. Change it and its versions with version 1 of the SDK "+
		"(azureml-core) or with: berth ml endpoint realtime", id.Name())
}

// endpointFacts finds what an endpoint names: its compute and its deployments, whose names get their own casing.
func (s *Server) endpointFacts(q *request, id berth.ID, compute *string, spec *berth.EndpointSpec, f *rules.EndpointFacts) error {
	switch {
	case compute != nil && *compute != "":
		f.ComputeID = *compute
		named, err := berth.ParseID(strings.TrimPrefix(*compute, "azureml:"))
		if f.Foreign = err != nil || !named.Is(berth.TypeCompute) || named.Parent().Key() != id.Parent().Key(); f.Foreign {
			return nil
		}
		spec.Compute = named.Name()
	case f.Present == "":
		return nil
	default:
		f.ComputeID = f.Present
	}
	at := id.Parent().Child("computes", spec.Compute)
	if r, err := s.Store.Get(q.Context(), at); err == nil {
		spec.Compute = r.ID.Name()
	}
	var err error
	if f.ComputeToServe, err = models.ComputeToServe(q.Context(), s.Store, at); err != nil {
		return err
	}
	all, err := s.Store.All(q.Context(), store.Query{Type: berth.TypeDeployment, Parent: id})
	if err != nil {
		return err
	}
	f.Deployments = map[string]bool{}
	for _, r := range all {
		if d, readable := r.Body.(*berth.Deployment); readable && !r.Unreadable && r.State != berth.StateDeleting {
			f.Deployments[r.ID.Name()] = d.Status.Served > 0
			spec.Traffic, spec.Mirror = named(spec.Traffic, r.ID.Name()), named(spec.Mirror, r.ID.Name())
		}
	}
	return nil
}

// named gives a key of a map the casing of a name. Two keys that differ in casing only stay, and one of them is refused.
func named(percents map[string]int, name string) map[string]int {
	if _, same := percents[name]; same {
		return percents
	}
	out := map[string]int{}
	for key, percent := range percents {
		if strings.EqualFold(key, name) && out[name] == 0 {
			key = name
		}
		out[key] = percent
	}
	return out
}

// endpointSecrets are the keys of an endpoint: those in the request, else those that it has, else new ones.
func (s *Server) endpointSecrets(q *request, old *berth.Resource, in *wire.EndpointPut, f *rules.EndpointFacts) (map[string][]byte, error) {
	sent := map[string]string{}
	if k := in.Properties.Keys; k != nil {
		sent[berth.SecretPrimaryKey], sent[berth.SecretSecondaryKey] = k.Primary, k.Secondary
	}
	out := map[string][]byte{}
	for _, name := range []string{berth.SecretPrimaryKey, berth.SecretSecondaryKey} {
		var have []byte
		if old != nil {
			var err error
			if have, err = s.Store.Secret(q.Context(), old.ID, name); err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
		}
		switch {
		case sent[name] != "" && sent[name] != string(have):
			out[name] = []byte(sent[name])
			f.Keys = append(f.Keys, sent[name])
		case len(have) == 0:
			out[name] = models.NewKey()
		}
	}
	return out, nil
}

// endpointKeys answers listKeys.
func endpointKeys(s *Server, q *request, r *berth.Resource) (*response, error) {
	primary, err := s.Store.Secret(q.Context(), r.ID, berth.SecretPrimaryKey)
	if err != nil {
		return nil, err
	}
	secondary, err := s.Store.Secret(q.Context(), r.ID, berth.SecretSecondaryKey)
	if err != nil {
		return nil, err
	}
	return secretAnswer(wire.EndpointKeys(primary, secondary)), nil
}

// regenerateEndpointKeys replaces one of the keys: by the one in the request, or by a new one. The SDK sends the present key, and means a
// new one.
func regenerateEndpointKeys(s *Server, q *request, r *berth.Resource) (*response, error) {
	var in struct {
		KeyType  string  `json:"keyType"`
		KeyValue *string `json:"keyValue"`
	}
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	name, err := models.KeyName(in.KeyType)
	if err != nil {
		return nil, err
	}
	have, err := s.Store.Secret(q.Context(), r.ID, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	key := models.NewKey()
	if in.KeyValue != nil && *in.KeyValue != "" && *in.KeyValue != string(have) {
		key = []byte(*in.KeyValue)
	}
	if e := rules.AsError(rules.ServiceKey(string(key))); e != nil {
		return nil, e
	}
	changed, op, err := s.Store.Accept(q.Context(), store.Change{Verb: berth.VerbUpdate, Resource: r, Base: r.Generation,
		Caller: q.caller.AppID, Secrets: map[string][]byte{name: key}})
	if err != nil {
		return nil, err
	}
	return s.followed(q, changed, op.ID), nil
}

// endpointToken answers a token for an endpoint that takes tokens.
func endpointToken(s *Server, q *request, r *berth.Resource) (*response, error) {
	if auth := r.Body.(*berth.Endpoint).Spec.Auth; auth != berth.AuthMLToken && auth != berth.AuthToken { // the latter of an AksEndpoint
		return nil, berth.Errorf(berth.CodeBadRequest, "The endpoint '%s' takes no tokens. Set its authMode to AMLToken, or use its keys.",
			r.ID.Name())
	}
	token, refresh, expires, err := s.Models.ScoringToken(q.Context(), r, q.caller.AppID)
	if err != nil {
		return nil, err
	}
	return secretAnswer(wire.EndpointToken(token, refresh, expires)), nil
}
