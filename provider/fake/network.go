package fake

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

// settleNetwork checks the ranges of a spec, and creates in a new cluster the services that Kubernetes has at their addresses.
func (c *cluster) settleNetwork(spec berth.ClusterSpec) error {
	want, err := kube.Ranges(spec.Network)
	if err != nil || want == c.network {
		return err
	}
	if c.network != (berth.ClusterNetwork{}) {
		return berth.Errorf(berth.CodeBadRequest, "The address ranges of the cluster '%s' cannot be changed. Delete it, then create it again.",
			c.id.Name())
	}
	c.network = want
	for _, s := range []struct{ namespace, name, ip string }{
		{"default", "kubernetes", netip.MustParsePrefix(want.ServiceCIDR).Addr().Next().String()},
		{"kube-system", "kube-dns", want.DNSServiceIP},
	} {
		o := object{"metadata": map[string]any{"name": s.name}, "spec": map[string]any{"clusterIP": s.ip}}
		if _, failed := c.create(at{resource: find("", "services"), namespace: s.namespace}, o); failed != nil {
			return failed
		}
	}
	return nil
}

// podRange adds to the spec of a new node the first free block of the pod range, as Kubernetes' controller does. Without a free block
// it has none.
func (c *cluster) podRange(node string, spec any) (map[string]any, error) {
	out, _ := spec.(map[string]any)
	if out == nil {
		out = map[string]any{}
	}
	pods, err := netip.ParsePrefix(c.network.PodCIDR)
	if err != nil {
		return nil, err
	}
	for i, name := range c.blocks { // nodes that were deleted, by whomever, free theirs
		if _, there := c.objects[nodesResource]["/"+name]; !there {
			c.blocks[i] = ""
		}
	}
	i := slices.Index(c.blocks, "")
	if i < 0 {
		i = len(c.blocks)
		c.blocks = append(c.blocks, "")
	}
	bits := max(pods.Bits(), 24)
	if i >= 1<<(bits-pods.Bits()) {
		return out, nil
	}
	c.blocks[i] = node
	first := pods.Addr().As4()
	binary.BigEndian.PutUint32(first[:], binary.BigEndian.Uint32(first[:])+uint32(i)<<(32-bits)) // #nosec: within the range
	out["podCIDR"] = netip.PrefixFrom(netip.AddrFrom4(first), bits).String()
	return out, nil
}
