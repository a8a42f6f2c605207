package arm

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

func putCluster(s *Server, q *request, id berth.ID, old *berth.Resource) (*plan, error) {
	in, err := wire.DecodeCluster(q.body)
	if err != nil {
		return nil, err
	}
	if in.Properties.Kubeconfig != nil || old != nil && old.Body.(*berth.Cluster).Spec.Connected {
		connected := wire.ConnectedPut{Location: in.Location, Tags: in.Tags, Identity: in.Identity}
		if in.Properties.Kubeconfig != nil {
			connected.Properties.Kubeconfig = *in.Properties.Kubeconfig
			connected.Properties.KeepCredential = in.Properties.KeepCredential
		}
		connected.Properties.EnableInference = in.Properties.EnableInference
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
	body := &berth.Cluster{Spec: berth.ClusterSpec{DNSPrefix: cmp.Or(in.Properties.FQDNSubdomain, id.Name()), IssuerURL: s.issuer(q)}}
	if old != nil {
		*body = *old.Body.(*berth.Cluster)
	}
	body.Spec.Location = where
	r := &berth.Resource{ID: id, Location: where, Tags: keepTags(in.Tags, old), Body: body}
	if old == nil {
		body.Spec.Nodes = r.Tags[berth.TagNodes]
	}
	violations, err := s.clusterViolations(q, in, old, r)
	if err != nil {
		return nil, err
	}
	body.Warnings = rules.Reported(violations, true)
	return &plan{change: store.Change{Resource: r}, violations: violations}, nil
}

// clusterViolations completes the cluster of a PUT and checks it.
func (s *Server) clusterViolations(q *request, in *wire.ClusterPut, old, r *berth.Resource) ([]rules.Violation, error) {
	body := r.Body.(*berth.Cluster)
	asked, poolNames := clusterSpec(in, body)
	identity, violations, err := s.identity(q, in.Identity, body.Spec.Identity)
	if err != nil {
		return nil, err
	}
	if old == nil || body.Spec.Identity != nil || !wire.DefaultIdentity(identity) { // else the answer was sent back
		body.Spec.Identity = identity
	}
	names, err := wire.KeepCluster(q.body, r)
	if err != nil {
		return nil, err
	}
	facts := rules.ClusterFacts{Asked: asked, IsCompute: in.Properties.ComputeType != nil, Stops: stops(in.Properties.Power),
		Tenant: s.Authority.TenantID()}
	if old != nil {
		facts.Old = &old.Body.(*berth.Cluster).Spec
	}
	unknown, err := s.kubelet(q, &body.Spec, facts.Old)
	if err != nil {
		return nil, err
	}
	for _, p := range in.Properties.Pools {
		if err := s.poolFacts(q, p, &facts); err != nil {
			return nil, err
		}
	}
	if facts.Policy, err = s.noPublicIPs(q, r.ID); err != nil {
		return nil, err
	}
	return slices.Concat(violations, unknown, rules.Cluster(r.ID.Name(), body.Spec, facts), rules.Tags(r.Tags),
		rules.NotActedOn(append(names, poolNames...))), nil
}

// stops reports whether a powerState asks for a stop.
func stops(p *wire.Power) bool { return p != nil && strings.EqualFold(p.Code, "Stopped") }

// poolFacts finds what the rules must know about one pool of a request.
func (s *Server) poolFacts(q *request, p wire.NodePoolFields, facts *rules.ClusterFacts) error {
	facts.Stops = facts.Stops || stops(p.Power)
	if p.Version != nil {
		facts.PoolVersion = *p.Version
	}
	if p.Subnet == nil || *p.Subnet == "" {
		return nil
	}
	found, err := s.subnetExists(q, *p.Subnet)
	if err == nil && !found {
		facts.NoSubnet = *p.Subnet
	}
	return err
}

// issuer is the address of the issuer of a new cluster's tokens.
func (s *Server) issuer(q *request) string {
	return q.base + "/oidc/" + s.Authority.TenantID() + "/" + uuid.NewString() + "/"
}

// clusterSpec writes the fields that the request names over the spec. It returns the version as the request states it, and the names
// of the pools' properties that are kept and not acted on.
func clusterSpec(in *wire.ClusterPut, body *berth.Cluster) (asked string, names []string) {
	spec := &body.Spec
	if in.Properties.KubernetesVersion != nil {
		asked = *in.Properties.KubernetesVersion
	}
	if version, known := catalog.ResolveVersion(asked); known && (asked != "" || spec.Version == "") {
		if spec.Version == "" || catalog.Minor(asked) != catalog.Minor(spec.Version) { // an alias of the present version requests nothing
			spec.Version = version
		}
	}
	if p := in.Properties.DNSPrefix; p != nil && *p != "" {
		spec.DNSPrefix = *p
	}
	in.Properties.Network.Merge(&spec.Network)
	rules.ClusterDefaults(spec)
	if in.Properties.Pools != nil {
		old := spec.Pools
		spec.Pools = nil
		for i, fields := range in.Properties.Pools {
			pool := defaultPool()
			if i < len(old) {
				pool = old[i]
			}
			fields.Merge(&pool)
			for _, name := range wire.KeepPool(fields.Sent, body, &pool) {
				names = append(names, fmt.Sprintf("agentPoolProfiles[%d].%s", i, name))
			}
			spec.Pools = append(spec.Pools, pool)
		}
	} else if spec.Pools == nil {
		spec.Pools = []berth.NodePool{defaultPool()}
	}
	return asked, names
}

// defaultPool is the default of AKS: three nodes of Standard_DS2_v2 in a System pool.
func defaultPool() berth.NodePool {
	return berth.NodePool{Name: "nodepool1", Count: 3, VMSize: "Standard_DS2_v2", Mode: "System", OSType: "Linux", MaxPods: 110}
}

func encodeCluster(s *Server, _ *request, r *berth.Resource) wire.Object {
	return wire.Cluster(r, s.Authority.TenantID())
}

// clusterUser answers the user's kubeconfig. Of a cluster to which the callers of Berth sign in it has no credential.
func clusterUser(s *Server, q *request, r *berth.Resource) (*response, error) {
	spec := &r.Body.(*berth.Cluster).Spec
	if spec.Connected || !spec.Access().Entra {
		return s.credential(q, r, credentialKind{"clusterUser", berth.SecretUser})
	}
	config, err := s.Clusters.SignIn(q.Context(), r.ID, q.base, s.Authority.TenantID())
	if err != nil {
		return nil, err
	}
	if config, err = s.Clusters.ForUsers(r, config); err != nil {
		return nil, err
	}
	return secretAnswer(wire.Kubeconfigs("clusterUser", config)), nil
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
	if err := localAccounts(r); err != nil {
		return nil, err
	}
	config, err := s.kubeconfig(q, r.ID, kind.secret)
	if err != nil {
		return nil, err
	}
	return secretAnswer(wire.Kubeconfigs(kind.name, config)), nil
}

// localAccounts refuses the credentials of a cluster whose local accounts are disabled, as AKS does.
func localAccounts(r *berth.Resource) error {
	if !r.Body.(*berth.Cluster).Spec.Access().NoLocal {
		return nil
	}
	return berth.Errorf(berth.CodeBadRequest, "Getting static credentials is not allowed, because the cluster '%s' has disableLocalAccounts "+
		"set to true. Enable its local accounts (az aks update --enable-local-accounts) to use them.", r.ID.Name())
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

// resetProfile answers an action whose body is a profile of the cluster, which it replaces. An empty one is taken away.
func resetProfile(name string) func(*Server, *request, *berth.Resource) (*response, error) {
	return func(s *Server, q *request, r *berth.Resource) (*response, error) {
		var profile map[string]any
		if err := wire.Decode(q.body, &profile); err != nil {
			return nil, err
		}
		k := kindOf(berth.TypeCluster)
		res, err := s.change(q, r.ID, func(old *berth.Resource) (*plan, error) {
			if old == nil {
				return nil, s.missing(q, r.ID)
			}
			whole := wire.Plain(k.encode(s, q, old))
			whole["properties"].(map[string]any)[name] = nil
			if len(profile) > 0 {
				whole["properties"].(map[string]any)[name] = profile
			}
			as, err := q.withBody(whole)
			if err != nil {
				return nil, err
			}
			return k.put(s, as, old.ID, old)
		}, k)
		if err != nil {
			return nil, err
		}
		res.status, res.body = http.StatusAccepted, nil
		delete(res.header, "ETag")
		res.header["Location"] = strings.Replace(res.header["Azure-AsyncOperation"], "operationsStatuses", "operationResults", 1)
		return res, nil
	}
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
