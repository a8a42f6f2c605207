package arm

import (
	"net/http"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

func putCluster(s *Server, q *request, id berth.ID, old *berth.Resource) (*plan, error) {
	in, profile, err := wire.DecodeCluster(q.body)
	if err != nil {
		return nil, err
	}
	if in.Properties.Kubeconfig != nil || old != nil && old.Body.(*berth.Cluster).Spec.Connected {
		connected := wire.ConnectedPut{Location: in.Location, Tags: in.Tags}
		if in.Properties.Kubeconfig != nil {
			connected.Properties.Kubeconfig = *in.Properties.Kubeconfig
			connected.Properties.KeepCredential = in.Properties.KeepCredential
		}
		return s.planConnected(q, id, old, connected)
	}
	otherwise, err := s.groupLocation(q, id)
	if err != nil {
		return nil, err
	}
	where, err := location(in.Location, old, otherwise)
	if err != nil {
		return nil, err
	}
	policy, err := s.noPublicIPs(q, id)
	if err != nil {
		return nil, err
	}
	body := &berth.Cluster{Spec: berth.ClusterSpec{DNSPrefix: id.Name()}}
	var was *berth.ClusterSpec
	if old != nil {
		*body = *old.Body.(*berth.Cluster)
		was = &old.Body.(*berth.Cluster).Spec
	}
	body.Spec.Location = where
	asked := clusterSpec(in, profile, &body.Spec)
	r := &berth.Resource{ID: id, Location: where, Tags: keepTags(in.Tags, old), Body: body}
	violations := rules.Cluster(id.Name(), body.Spec, rules.ClusterFacts{Old: was, Asked: asked, Policy: policy})
	return &plan{change: store.Change{Resource: r}, violations: append(violations, rules.Tags(r.Tags)...)}, nil
}

// clusterSpec writes the fields that the request names over spec, and returns the version as the request states it.
func clusterSpec(in *wire.ClusterPut, profile map[string]any, spec *berth.ClusterSpec) (asked string) {
	if in.Properties.KubernetesVersion != nil {
		asked = *in.Properties.KubernetesVersion
	}
	if version, known := catalog.ResolveVersion(asked); known && (asked != "" || spec.Version == "") {
		if spec.Version == "" || asked != catalog.Minor(spec.Version) { // an alias of the present version requests nothing
			spec.Version = version
		}
	}
	if p := in.Properties.DNSPrefix; p != nil && *p != "" {
		spec.DNSPrefix = *p
	}
	if in.Properties.Pools != nil {
		old := spec.Pools
		spec.Pools = nil
		for i, fields := range in.Properties.Pools {
			pool := defaultPool()
			if i < len(old) {
				pool = old[i]
			}
			fields.Merge(&pool)
			spec.Pools = append(spec.Pools, pool)
		}
	} else if spec.Pools == nil {
		spec.Pools = []berth.NodePool{defaultPool()}
	}
	if len(profile) > 0 {
		spec.Profile = profile
	}
	return asked
}

// defaultPool is the default of AKS: three nodes of Standard_DS2_v2 in a System pool.
func defaultPool() berth.NodePool {
	return berth.NodePool{Name: "nodepool1", Count: 3, VMSize: "Standard_DS2_v2", Mode: "System", OSType: "Linux", MaxPods: 110}
}

func encodeCluster(_ *Server, _ *request, r *berth.Resource) wire.Object { return wire.Cluster(r) }

func clusterUser(s *Server, q *request, r *berth.Resource) (*response, error) {
	return s.credential(q, r, credentialKind{"clusterUser", berth.SecretUser})
}

func clusterAdmin(s *Server, q *request, r *berth.Resource) (*response, error) {
	return s.credential(q, r, credentialKind{"clusterAdmin", berth.SecretAdmin})
}

// credentialKind is the name of a credential in an answer, and of the secret that holds it.
type credentialKind struct{ name, secret string }

func (s *Server) credential(q *request, r *berth.Resource, kind credentialKind) (*response, error) {
	if r.Body.(*berth.Cluster).Spec.Connected {
		return nil, notKept(r.ID)
	}
	config, err := s.kubeconfig(q, r.ID, kind.secret)
	if err != nil {
		return nil, err
	}
	return secretAnswer(wire.Kubeconfigs(kind.name, config)), nil
}

// secretAnswer is an answer that no cache may store.
func secretAnswer(body any) *response {
	return &response{status: http.StatusOK, body: body, header: map[string]string{"Cache-Control": "no-store"}}
}

// notKept refuses to return a credential of a connected cluster: Berth's own account there is for Berth only.
func notKept(cluster berth.ID) error {
	return berth.Errorf(berth.CodeConflict, "'%s' was connected by a kubeconfig, which Berth does not store. Use your own kubeconfig.",
		cluster.Name())
}

// upgradeProfile answers upgradeProfiles/default.
func (s *Server) upgradeProfile(q *request, t target) (*response, error) {
	r, err := s.load(q, t.id.Parent())
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(t.id.Name(), "default") {
		return nil, noProfile()
	}
	return ok(wire.UpgradeProfile(r)), nil
}

// accessProfile always refuses: clients read credentials by an action.
func (s *Server) accessProfile(q *request, t target) (*response, error) {
	if _, err := s.load(q, t.id.Parent()); err != nil {
		return nil, err
	}
	return nil, noProfile()
}

func noProfile() error {
	return berth.Errorf(berth.CodeNotFound, "A cluster has one upgrade profile: upgradeProfiles/default.")
}
