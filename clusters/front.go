package clusters

import (
	"net/netip"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

// InferencePath is what the addresses of models in clusters on this machine begin with, at Options.Front. The first label of the
// cluster's name follows.
const InferencePath = "/inference/"

// ForUsers is a kubeconfig of a managed cluster as users get it. When they may be elsewhere, it leads through the server.
func (c *Clusters) ForUsers(cluster *berth.Resource, kubeconfig []byte) ([]byte, error) {
	name := cluster.Body.(*berth.Cluster).Status.FQDN
	if c.Front == "" || name == "" {
		return kubeconfig, nil
	}
	return kube.Through(kubeconfig, c.Front, name)
}

// RouterURL is the address of a cluster's router for clients elsewhere, without a slash at its end; empty when they have to use its own,
// which is at host.
func (c *Clusters) RouterURL(fqdn, host string) string {
	ip, err := netip.ParseAddr(host)
	label, _, _ := strings.Cut(fqdn, ".")
	if c.Front == "" || label == "" || err != nil || !ip.IsLoopback() {
		return ""
	}
	return c.Front + InferencePath + label
}
