package arm

import (
	"github.com/google/uuid"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

const kubeconfigField = "properties.kubeconfig"

// putConnected is PUT of a connected cluster: one that Berth did not create and reaches by a kubeconfig.
func putConnected(s *Server, q *request, id berth.ID, old *berth.Resource) (*plan, error) {
	var in wire.ConnectedPut
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	return s.planConnected(q, id, old, in)
}

// planConnected connects the cluster again when the request has a kubeconfig. An update without one changes only tags.
func (s *Server) planConnected(q *request, id berth.ID, old *berth.Resource, in wire.ConnectedPut) (*plan, error) {
	otherwise, err := s.groupLocation(q, id)
	if err != nil {
		return nil, err
	}
	where, err := location(in.Location, old, otherwise)
	violations, isOurs := rules.Of(err)
	if err != nil && !isOurs {
		return nil, err
	}
	body := &berth.Cluster{}
	if id.Is(berth.TypeConnected) {
		body.Type = berth.TypeConnected
	}
	if old != nil {
		*body = *old.Body.(*berth.Cluster)
		if !body.Spec.Connected {
			return nil, &berth.Error{Code: berth.CodeExistsDifferently, Target: kubeconfigField,
				Message: "'" + id.Name() + "' is a cluster that Berth created; a kubeconfig cannot replace it. Choose another name."}
		}
	} else {
		violations = append(violations, rules.ClusterName(id.Name())...)
	}
	body.Spec.Connected, body.Spec.TakeOver = true, forced(q)
	body.Spec.Location = where
	w := store.Change{Resource: &berth.Resource{ID: id, Location: where, Tags: keepTags(in.Tags, old), Body: body}}
	kept, err := s.keepConnected(q, in.Identity, w.Resource)
	if err != nil {
		return nil, err
	}
	violations = append(violations, kept...)
	body.Warnings = rules.Reported(violations, true)
	inference := orBefore(in.Properties.EnableInference, body.Spec.Inference)
	switch {
	case in.Properties.Kubeconfig != "":
		body.Spec.Inference = inference
		body.Spec.Run, body.Spec.KeepCredential = uuid.NewString(), in.Properties.KeepCredential
		w.Secrets = map[string][]byte{berth.SecretSubmitted: []byte(in.Properties.Kubeconfig)}
		if err := s.Clusters.Judge([]byte(in.Properties.Kubeconfig)); err != nil {
			violations = append(violations, rules.Violation{Code: berth.CodeBadRequest, Target: kubeconfigField,
				Message: capital(err.Error()) + "."})
		}
	case old == nil:
		violations = append(violations, rules.Violation{Code: berth.CodeBadRequest, Target: kubeconfigField,
			Message: "Send the kubeconfig of the cluster (berth cluster connect --kubeconfig FILE)."})
	case inference != body.Spec.Inference:
		violations = append(violations, rules.Violation{Code: berth.CodeBadRequest, Target: "properties.enableInference",
			Message: "Send the kubeconfig of an administrator too: the rights of Berth's account in the cluster change."})
	}
	return &plan{change: w, violations: append(violations, rules.Tags(w.Resource.Tags)...)}, nil
}

// keepConnected sets the identity of a connected cluster, and what it keeps of the request without acting on it.
func (s *Server) keepConnected(q *request, in *wire.IdentityFields, r *berth.Resource) ([]rules.Violation, error) {
	spec := &r.Body.(*berth.Cluster).Spec
	identity, violations, err := s.identity(q, in, spec.Identity)
	if err != nil {
		return nil, err
	}
	spec.Identity = identity
	names, err := wire.KeepConnected(q.body, r)
	return append(violations, rules.NotActedOn(names)...), err
}

// removeCluster disconnects a connected cluster, unless a compute holds it: without its account in the cluster, Berth could not
// remove what the attach created there.
func removeCluster(s *Server, q *request, old *berth.Resource) (berth.Verb, error) {
	if !old.Body.(*berth.Cluster).Spec.Connected {
		return berth.VerbDelete, nil
	}
	holder, err := s.Store.Holder(q.Context(), old.ID)
	if err == nil && !holder.IsZero() {
		err = berth.Errorf(berth.CodeConflict, "The cluster '%s' is attached, as compute '%s' of workspace '%s'. Detach it there first: "+
			"after a disconnect Berth could not remove what it created in the cluster.", old.ID.Name(), holder.Name(), holder.Parent().Name())
	}
	return berth.VerbDelete, err
}

// orBefore is what was asked for, or what was there before.
func orBefore(asked *bool, before bool) bool {
	if asked != nil {
		return *asked
	}
	return before
}

func capital(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}

func encodeConnected(s *Server, _ *request, r *berth.Resource) wire.Object {
	o := wire.Connected(r, s.Authority.TenantID())
	properties := o["properties"].(wire.Object)
	spec := r.Body.(*berth.Cluster).Spec
	if spec.KeepCredential {
		properties["rights"] = []string{"every right of the credential that you submitted with --keep-credential"}
	} else {
		properties["rights"] = s.Clusters.Rights(spec.Inference)
	}
	return o
}

// manifest answers what a connection creates in a cluster, so that its administrator can apply it by hand. The body may say whether
// models are to be served there.
func (s *Server) manifest(q *request, t target) (*response, error) {
	var in wire.ConnectedPut
	if len(q.body) > 0 {
		if err := wire.Decode(q.body, &in); err != nil {
			return nil, err
		}
	}
	return ok(wire.Object{"manifest": s.Clusters.Manifest(t.id, orBefore(in.Properties.EnableInference, false))}), nil
}
