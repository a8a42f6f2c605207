package arm

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// putCompute: without resourceId a cluster is made (create); with one, the cluster that it names is taken up (attach).
func putCompute(s *Server, q *request, id berth.ID, old *berth.Resource) (*plan, error) {
	var in wire.ComputePut
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	ws, err := s.Store.Get(q.Context(), id.Parent())
	if errors.Is(err, store.ErrNotFound) {
		return nil, s.parentMissing(q, id)
	}
	if err != nil {
		return nil, err
	}
	where, err := location(in.Location, old, ws.Location)
	if err != nil {
		return nil, err
	}
	facts := rules.ComputeFacts{WorkspaceLocation: ws.Location, Subscription: s.Subscription}
	spec, key, err := computeSpec(id, &in, old, &facts)
	if err != nil {
		return nil, err
	}
	if err := s.clusterFacts(q, spec, &facts); err != nil {
		return nil, err
	}
	facts.SSLKey = key != "" || facts.Exists != nil && facts.Exists.Spec.SSL != nil && facts.Exists.Spec.SSL.Status == "Enabled"
	if spec.Attached && spec.Location == "" {
		spec.Location = ws.Location
		if facts.ClusterLocation != "" {
			spec.Location = facts.ClusterLocation
		}
	}
	violations := rules.Compute(id.Name(), *spec, facts)
	if spec.Attached { // an echo of what was observed: the cluster itself knows better
		spec.AgentCount, spec.VMSize = 0, ""
	}
	body := &berth.Compute{Spec: *spec}
	if facts.Exists != nil {
		body.Status = facts.Exists.Status
	}
	w := store.Wish{Resource: &berth.Resource{ID: id, Location: where, Tags: keepTags(in.Tags, old), Body: body}, Hold: spec.ClusterID}
	if key != "" {
		w.Secrets = map[string][]byte{berth.SecretSSLKey: []byte(key)}
	}
	return &plan{wish: w, violations: append(violations, rules.Tags(w.Resource.Tags)...)}, nil
}

func (s *Server) parentMissing(q *request, id berth.ID) error {
	if _, err := s.Store.Get(q.Context(), berth.GroupID(id.Subscription, id.Group)); errors.Is(err, store.ErrNotFound) {
		return berth.Errorf(berth.CodeGroupNotFound, "Resource group '%s' could not be found.", id.Group)
	}
	return berth.Errorf(berth.CodeParentNotFound, "Failed to perform 'write' on resource(s) of type '%s', because the parent resource '%s' could not be found.", id.Type(), id.Parent())
}

// computeSpec is the old spec, or the defaults, with what the request names written over.
func computeSpec(id berth.ID, in *wire.ComputePut, old *berth.Resource, facts *rules.ComputeFacts) (*berth.ComputeSpec, string, error) {
	spec := &berth.ComputeSpec{}
	if old != nil {
		facts.Exists = old.Body.(*berth.Compute)
		*spec = facts.Exists.Spec
	}
	typ, err := computeType(in.Properties.ComputeType)
	if err != nil {
		return nil, "", err
	}
	spec.Type = typ
	if err := resourceID(id, in, old, spec); err != nil {
		return nil, "", err
	}
	if l := in.Properties.ComputeLocation; l != nil && *l != "" {
		name, known := catalog.CanonicalLocation(*l)
		if !known {
			return nil, "", &berth.Error{Code: berth.CodeLocationUnavailable, Target: "properties.computeLocation", Message: "The location '" + *l + "' is not known."}
		}
		spec.Location = name
	} else if spec.Location == "" && !spec.Attached {
		spec.Location = facts.WorkspaceLocation
	}
	key := in.Merge(spec)
	rules.ComputeDefaults(spec)
	return spec, key, nil
}

func computeType(s string) (berth.ComputeType, error) {
	for _, t := range []berth.ComputeType{berth.ComputeAKS, berth.ComputeKubernetes} {
		if strings.EqualFold(s, string(t)) {
			return t, nil
		}
	}
	return "", &berth.Error{Code: berth.CodeInvalidRequest, Target: "properties.computeType", Message: "The computeType '" + s + "' is not served. Berth serves AKS and Kubernetes."}
}

// resourceID reads which cluster is meant: one named (attach), or one to be made under a derived name (create).
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
		return &berth.Error{Code: berth.CodeInvalidID, Target: "properties.resourceId", Message: err.Error() + "."}
	}
	if old == nil {
		spec.Attached = true
	}
	if spec.ClusterID.Key() != cluster.Key() { // an echoed id keeps the casing it had
		spec.ClusterID = cluster
	}
	return nil
}

// suffix makes the name of a cluster that Berth makes: ten hex digits, as the service does.
func suffix() string {
	b := make([]byte, 5)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// clusterFacts reads what the store knows of the cluster that is to be attached.
func (s *Server) clusterFacts(q *request, spec *berth.ComputeSpec, facts *rules.ComputeFacts) error {
	facts.ClusterID = spec.ClusterID
	if !spec.Attached || !spec.ClusterID.Is(berth.TypeCluster) {
		return nil
	}
	r, err := s.Store.Get(q.Context(), spec.ClusterID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	facts.Cluster, facts.ClusterState, facts.ClusterLocation = r.Body.(*berth.Cluster), r.State, r.Location
	spec.ClusterID = r.ID
	return nil
}

// removeCompute: delete takes the cluster along that Berth made; detach leaves it. What the user brought is never deleted.
func removeCompute(q *request, old *berth.Resource) (berth.Verb, error) {
	attached := old.Body.(*berth.Compute).Spec.Attached
	switch action := q.URL.Query().Get("underlyingResourceAction"); {
	case strings.EqualFold(action, "Detach"), action == "" && attached:
		return berth.VerbDetach, nil
	case strings.EqualFold(action, "Delete") && attached:
		return "", &berth.Error{Code: berth.CodeAttachedCannotBeDeleted, Target: "underlyingResourceAction",
			Message: "'" + old.ID.Name() + "' is an attached compute: its cluster was brought by you, and is not Berth's to delete. Detach it (underlyingResourceAction=Detach); then delete the cluster itself if you want that. Nothing was changed."}
	case strings.EqualFold(action, "Delete"):
		return berth.VerbDelete, nil
	case action == "":
		return "", &berth.Error{Code: berth.CodeInvalidRequest, Target: "underlyingResourceAction",
			Message: "Say what is to become of the cluster: add ?underlyingResourceAction=Delete to delete it with the compute, or =Detach to keep it running."}
	default:
		return "", &berth.Error{Code: berth.CodeInvalidRequest, Target: "underlyingResourceAction", Message: "underlyingResourceAction must be Delete or Detach."}
	}
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
	return &response{status: http.StatusOK, body: wire.ComputeKeys(user, admin), header: map[string]string{"Cache-Control": "no-store"}}, nil
}

func (s *Server) kubeconfig(q *request, cluster berth.ID, which string) ([]byte, error) {
	config, err := s.Store.Secret(q.Context(), cluster, which)
	if errors.Is(err, store.ErrNotFound) {
		return nil, berth.Errorf(berth.CodeConflict, "The cluster '%s' has no credentials yet. Wait until it is Succeeded.", cluster.Name())
	}
	return config, err
}
