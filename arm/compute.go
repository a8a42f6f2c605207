package arm

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// putCompute plans a compute: without a resourceId Berth creates a cluster for it; with one it attaches the cluster that the id
// names. Fields that cannot be read are reported together with the violations of the others.
func putCompute(s *Server, q *request, id berth.ID, old *berth.Resource) (*plan, error) {
	var in wire.ComputePut
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	ws, err := s.parent(q, id)
	if err != nil {
		return nil, err
	}
	facts := rules.ComputeFacts{WorkspaceLocation: ws.Location, Subscription: s.Subscription, Now: s.Clock.Now(), Renew: in.Renews(),
		NoNodes: in.NoNodes()}
	where, err := location(in.Location, old, ws.Location)
	violations, isOurs := rules.Of(err)
	if err != nil && !isOurs {
		return nil, err
	}
	spec, key, unread, err := computeSpec(id, &in, old, &facts)
	if err != nil {
		return nil, err
	}
	violations = append(violations, unread...)
	if err := s.computeFacts(q, id, spec, &facts); err != nil {
		return nil, err
	}
	if err := s.keyFacts(q, id, key, &facts); err != nil {
		return nil, err
	}
	if spec.Attached && spec.Location == "" {
		spec.Location = cmp.Or(facts.ClusterLocation, ws.Location)
	}
	violations = append(violations, rules.Compute(id.Name(), *spec, facts)...)
	violations = append(violations, rules.Tags(keepTags(in.Tags, old))...)
	if spec.Attached { // clients send back what Berth observed; the cluster itself determines these
		spec.AgentCount, spec.VMSize = 0, ""
	}
	spec.TakeOver = facts.TakeOver
	body := &berth.Compute{Spec: *spec}
	if facts.Exists != nil {
		body.Status = facts.Exists.Status
	}
	r := &berth.Resource{ID: id, Location: where, Tags: keepTags(in.Tags, old), Body: body}
	kept, err := s.keepCompute(q, in.Identity, r)
	if err != nil {
		return nil, err
	}
	violations = append(violations, kept...)
	body.Warnings = rules.Reported(violations, true)
	w := store.Change{Resource: r, Hold: spec.ClusterID, Force: facts.TakeOver, Secrets: sslSecret(key)}
	return &plan{change: w, violations: violations}, nil
}

// sslSecret is the private key of a certificate as a secret; nil for none.
func sslSecret(key string) map[string][]byte {
	if key == "" {
		return nil
	}
	return map[string][]byte{berth.SecretSSLKey: []byte(key)}
}

// keepCompute sets the identity of a compute, and what it keeps of the request without acting on it.
func (s *Server) keepCompute(q *request, in *wire.IdentityFields, r *berth.Resource) ([]rules.Violation, error) {
	spec := &r.Body.(*berth.Compute).Spec
	identity, violations, err := s.identity(q, in, spec.Identity)
	if err != nil {
		return nil, err
	}
	spec.Identity = identity
	names, err := wire.KeepCompute(q.body, r)
	return append(violations, rules.KeptOfCompute(*spec, names)...), err
}

// validateCompute reports every violation and warning of a PUT, and changes nothing. With preflight=true it also checks the
// cluster of an attach.
func (s *Server) validateCompute(q *request, t target) (*response, error) {
	return s.validate(q, t, func(p *plan) []berth.Check {
		spec := p.change.Resource.Body.(*berth.Compute).Spec
		if !spec.Attached || !strings.EqualFold(q.param("preflight"), "true") {
			return nil
		}
		if cluster, err := s.Store.Get(q.Context(), spec.ClusterID); err != nil || cluster.State != berth.StateSucceeded {
			return nil
		}
		return s.Clusters.Preflight(q.Context(), t.id, spec)
	})
}

// computeSpec is the old spec, or the defaults, with the fields of the request written over it. unread are violations for fields that
// could not be read; the error is for a request that cannot be checked at all.
func computeSpec(id berth.ID, in *wire.ComputePut, old *berth.Resource, facts *rules.ComputeFacts) (spec *berth.ComputeSpec, key string,
	unread []rules.Violation, err error) {
	spec = &berth.ComputeSpec{}
	if old != nil {
		facts.Exists = old.Body.(*berth.Compute)
		*spec = facts.Exists.Spec
	}
	typ, err := computeType(in.Properties.ComputeType)
	if err != nil {
		return nil, "", nil, err
	}
	spec.Type = typ
	unread, _ = rules.Of(resourceID(id, in, old, spec))
	if l := in.Properties.ComputeLocation; l != nil && *l != "" {
		name, known := catalog.CanonicalLocation(*l)
		if !known {
			unread = append(unread, rules.Violation{Code: berth.CodeLocationUnavailable, Target: "properties.computeLocation",
				Message: "The location '" + *l + "' is not known."})
		}
		spec.Location = name
	} else if spec.Location == "" && !spec.Attached {
		spec.Location = facts.WorkspaceLocation
	}
	key = in.Merge(spec)
	rules.ComputeDefaults(spec)
	return spec, key, unread, nil
}

func computeType(s string) (berth.ComputeType, error) {
	for _, t := range []berth.ComputeType{berth.ComputeAKS, berth.ComputeKubernetes} {
		if strings.EqualFold(s, string(t)) {
			return t, nil
		}
	}
	return "", &berth.Error{Code: berth.CodeInvalidRequest, Target: "properties.computeType",
		Message: "The computeType '" + s + "' is not supported. Use AKS or Kubernetes."}
}

// resourceID determines the cluster: the one that the request names (attach), or a new one with a derived name (create).
func resourceID(id berth.ID, in *wire.ComputePut, old *berth.Resource, spec *berth.ComputeSpec) error {
	sent := ""
	if in.Properties.ResourceID != nil {
		sent = *in.Properties.ResourceID
	}
	switch {
	case sent == "" && old != nil:
		return nil
	case sent == "":
		spec.Attached, spec.ClusterID = false, berth.NewID(id.Subscription, id.Group, berth.TypeCluster, strings.ToLower(id.Name())+suffix())
		return nil
	}
	cluster, err := berth.ParseID(sent)
	if err != nil {
		spec.Attached = spec.Attached || old == nil
		return &berth.Error{Code: berth.CodeInvalidID, Target: "properties.resourceId", Message: err.Error() + "."}
	}
	if old == nil {
		spec.Attached = true
	}
	if spec.ClusterID.Key() != cluster.Key() { // the same id keeps its stored casing
		spec.ClusterID = cluster
	}
	return nil
}

// suffix ends the name of a cluster that Berth creates: ten random hex digits, as in the service.
func suffix() string {
	b := make([]byte, 5)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// keyFacts finds the private key: the one in the request, or the stored one.
func (s *Server) keyFacts(q *request, id berth.ID, sent string, facts *rules.ComputeFacts) error {
	if sent != "" {
		facts.SSLKey, facts.SSLKeyPEM = true, []byte(sent)
		return nil
	}
	if facts.Exists == nil || facts.Exists.Spec.SSL == nil || facts.Exists.Spec.SSL.Status != "Enabled" {
		return nil
	}
	key, err := s.Store.Secret(q.Context(), id, berth.SecretSSLKey)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	facts.SSLKey, facts.SSLKeyPEM = err == nil, key
	return err
}

// removeCompute: a delete also deletes the cluster that Berth created; a detach keeps it. Berth never deletes an attached cluster.
func removeCompute(s *Server, q *request, old *berth.Resource) (berth.Verb, error) {
	if err := s.unused(q, old.ID); err != nil {
		return "", err
	}
	attached := old.Body.(*berth.Compute).Spec.Attached
	switch action := q.param("underlyingResourceAction"); {
	case strings.EqualFold(action, "Detach"), action == "" && attached:
		return berth.VerbDetach, nil
	case strings.EqualFold(action, "Delete") && attached:
		return "", &berth.Error{Code: berth.CodeAttachedCannotBeDeleted, Target: "underlyingResourceAction",
			Message: "'" + old.ID.Name() + "' is an attached compute, and Berth never deletes the cluster of an attached compute. Detach it " +
				"(underlyingResourceAction=Detach), then delete the cluster itself if you want to. Nothing was changed."}
	case strings.EqualFold(action, "Delete"):
		return berth.VerbDelete, nil
	case action == "":
		return "", &berth.Error{Code: berth.CodeInvalidRequest, Target: "underlyingResourceAction",
			Message: "Decide what happens to the cluster: add ?underlyingResourceAction=Delete to delete it with the compute, " +
				"or =Detach to keep it."}
	default:
		return "", &berth.Error{Code: berth.CodeInvalidRequest, Target: "underlyingResourceAction",
			Message: "underlyingResourceAction must be Delete or Detach."}
	}
}

// unused refuses to remove a compute on which services or endpoints run: their pods would go on in a detached cluster, and nobody could
// remove them.
func (s *Server) unused(q *request, compute berth.ID) error {
	for _, typ := range []string{berth.TypeService, berth.TypeEndpoint} {
		all, err := s.Store.All(q.Context(), store.Query{Type: typ, Parent: compute.Parent()})
		if err != nil {
			return err
		}
		for _, r := range all {
			switch b := r.Body.(type) {
			case *berth.Service:
				if strings.EqualFold(b.Spec.Compute, compute.Name()) {
					return berth.Errorf(berth.CodeConflict, "The service '%s' runs on the compute '%s'. Delete the service first.", r.ID.Name(),
						compute.Name())
				}
			case *berth.Endpoint:
				if strings.EqualFold(b.Spec.Compute, compute.Name()) {
					return berth.Errorf(berth.CodeConflict, "The endpoint '%s' is on the compute '%s'. Delete the endpoint first.", r.ID.Name(),
						compute.Name())
				}
			}
		}
	}
	return nil
}

func encodeCompute(s *Server, _ *request, r *berth.Resource) wire.Object {
	return wire.Compute(r, faultStatus(r.Fault), s.Authority.TenantID())
}

// settled refuses credential actions on a resource that has no credentials yet.
func settled(r *berth.Resource) error {
	if r.State == berth.StateSucceeded || r.State == berth.StateUpdating {
		return nil
	}
	return berth.Errorf(berth.CodeConflict, "'%s' is %s; it has credentials once it is Succeeded.", r.ID.Name(), r.State)
}

// computeKeys answers listKeys: the credentials of the cluster behind the compute.
func computeKeys(s *Server, q *request, r *berth.Resource) (*response, error) {
	if err := settled(r); err != nil {
		return nil, err
	}
	cluster := r.Body.(*berth.Compute).Spec.ClusterID
	user, err := s.kubeconfig(q, cluster, berth.SecretUser)
	if err != nil {
		return nil, err
	}
	admin, err := s.kubeconfig(q, cluster, berth.SecretAdmin)
	if err != nil {
		return nil, err
	}
	return secretAnswer(wire.ComputeKeys(user, admin)), nil
}

func (s *Server) kubeconfig(q *request, cluster berth.ID, which string) ([]byte, error) {
	r, err := s.Store.Get(q.Context(), cluster)
	if err == nil {
		if r.Body.(*berth.Cluster).Spec.Connected {
			return nil, notKept(cluster)
		}
		if err := localAccounts(r); err != nil {
			return nil, err
		}
	}
	config, err := s.Store.Secret(q.Context(), cluster, which)
	if errors.Is(err, store.ErrNotFound) {
		return nil, berth.Errorf(berth.CodeConflict, "The cluster '%s' has no credentials yet. Wait until it is Succeeded.", cluster.Name())
	}
	if err != nil || r == nil {
		return config, err
	}
	return s.Clusters.ForUsers(r, config)
}
