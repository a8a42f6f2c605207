package arm

import (
	"errors"
	"net/netip"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
)

// computeFacts reads from the store what the rules need to judge the request for a compute.
func (s *Server) computeFacts(q *request, id berth.ID, spec *berth.ComputeSpec, facts *rules.ComputeFacts) error {
	for _, find := range []func(*request, berth.ID, *berth.ComputeSpec, *rules.ComputeFacts) error{
		s.namesakeFacts, s.networkFacts, s.clusterFacts, s.policyFacts,
	} {
		if err := find(q, id, spec, facts); err != nil {
			return err
		}
	}
	facts.ControlPlane = s.controlPlane(facts.WorkspaceLocation)
	return nil
}

// namesakeFacts finds computes of the same name in other workspaces of the region.
func (s *Server) namesakeFacts(q *request, id berth.ID, _ *berth.ComputeSpec, facts *rules.ComputeFacts) error {
	if facts.Exists != nil {
		return nil
	}
	others, err := s.Store.All(q.Context(), store.Query{Type: berth.TypeCompute, Subscription: s.Subscription, Name: id.Name()})
	if err != nil {
		return err
	}
	for _, o := range others {
		ws, err := s.Store.Get(q.Context(), o.ID.Parent())
		if err == nil && ws.Location == facts.WorkspaceLocation && ws.ID.Key() != id.Parent().Key() {
			facts.Namesake = o.ID
		}
	}
	return nil
}

// networkFacts finds the subnet that the request names, and the ranges of all subnets of its network.
func (s *Server) networkFacts(q *request, _ berth.ID, spec *berth.ComputeSpec, facts *rules.ComputeFacts) error {
	if spec.Network == nil || facts.Exists != nil && facts.Exists.Spec.Network != nil && *facts.Exists.Spec.Network == *spec.Network {
		return nil // an earlier request was checked
	}
	subnet, err := berth.ParseID(spec.Network.SubnetID)
	if err != nil || !subnet.Is(berth.TypeSubnet) {
		return nil // the rule reports it
	}
	if err := s.linked(q, subnet, joinSubnet); err != nil {
		return err
	}
	network, err := s.stored(q, subnet.Parent())
	if errors.Is(err, store.ErrNotFound) {
		facts.NoSubnet = true
		return nil
	}
	if err != nil {
		return err
	}
	facts.NoSubnet = subnetIn(network, subnet.Name()) < 0
	facts.Subnets = subnetRanges(network)
	return nil
}

// subnetExists reports whether there is a subnet with this id.
func (s *Server) subnetExists(q *request, text string) (bool, error) {
	id, err := berth.ParseID(text)
	if err != nil || !id.Is(berth.TypeSubnet) {
		return false, nil
	}
	if err := s.linked(q, id, joinSubnet); err != nil {
		return false, err
	}
	network, err := s.stored(q, id.Parent())
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && subnetIn(network, id.Name()) >= 0, err
}

// subnetRanges are the ranges of a network's subnets, as far as they can be read.
func subnetRanges(network *berth.Resource) (out []netip.Prefix) {
	sent, _ := network.Body.(*berth.Record).Properties()["subnets"].([]any)
	for _, one := range sent {
		fields, _ := one.(map[string]any)
		p, _ := fields["properties"].(map[string]any)
		many, _ := p["addressPrefixes"].([]any)
		for _, text := range append(many, p["addressPrefix"]) {
			if s, isText := text.(string); isText {
				if r, err := netip.ParsePrefix(s); err == nil {
					out = append(out, r.Masked())
				}
			}
		}
	}
	return out
}

// joinSubnet is the right that a request needs on the subnet in which it places something.
const joinSubnet = berth.TypeSubnet + "/join/action"

// attachRights are what a request that attaches a cluster needs on it: Berth uses the cluster with an administrator's rights.
var attachRights = map[bool]string{
	true: berth.TypeCluster + "/listClusterAdminCredential/action", false: berth.TypeConnected + "/write"}

// clusterFacts reads the cluster that an attach names.
func (s *Server) clusterFacts(q *request, id berth.ID, spec *berth.ComputeSpec, facts *rules.ComputeFacts) error {
	facts.ClusterID = spec.ClusterID
	if !spec.Attached || !spec.ClusterID.Is(berth.TypeCluster) && !spec.ClusterID.Is(berth.TypeConnected) {
		return nil
	}
	if facts.Exists == nil {
		if err := s.linked(q, spec.ClusterID, attachRights[spec.ClusterID.Is(berth.TypeCluster)]); err != nil {
			return err
		}
	}
	r, err := s.stored(q, spec.ClusterID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	facts.Cluster = r.Body.(*berth.Cluster)
	facts.ClusterState, facts.ClusterLocation = r.State, r.Location
	spec.ClusterID = r.ID
	taken, err := s.Store.Taken(q.Context(), r.ID, id)
	if taken != nil {
		facts.Taken = taken
	}
	facts.TakeOver = forced(q)
	return err
}

// forced reports whether the request takes over a cluster that another compute holds.
func forced(q *request) bool { return strings.EqualFold(q.param("force"), "true") }

func (s *Server) policyFacts(q *request, id berth.ID, spec *berth.ComputeSpec, facts *rules.ComputeFacts) (err error) {
	if facts.Exists != nil {
		return nil // a policy does not apply to an existing resource
	}
	at := id
	if spec.Attached {
		at = spec.ClusterID
	}
	facts.Policy, err = s.noPublicIPs(q, at)
	return err
}

// noPublicIPs finds a policy assignment that forbids public IPs, on the resource's group or on the subscription.
func (s *Server) noPublicIPs(q *request, id berth.ID) (berth.ID, error) {
	all, err := s.Store.All(q.Context(), store.Query{Type: berth.TypePolicyAssignment, Subscription: s.Subscription})
	if err != nil {
		return berth.ID{}, err
	}
	for _, a := range all {
		inGroup := berth.GroupID(a.ID.Subscription, a.ID.Group).Key() == berth.GroupID(id.Subscription, id.Group).Key()
		if (a.ID.Group == "" || inGroup) && rules.ForbidsPublicIPs(a.Body.(*berth.Record).Properties()) {
			return a.ID, nil
		}
	}
	return berth.ID{}, nil
}

// controlPlane are the ranges from which this server connects, for a location and its pair.
func (s *Server) controlPlane(location string) []netip.Prefix {
	out := append([]netip.Prefix{}, s.ControlPlane[location]...)
	for _, l := range catalog.Locations() {
		if l.Name == location && l.Pair != "" {
			out = append(out, s.ControlPlane[l.Pair]...)
		}
	}
	return out
}
