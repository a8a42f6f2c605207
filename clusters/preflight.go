package clusters

import (
	"context"
	"fmt"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/rules"
)

// Preflight asks a cluster what an attach would find there, and changes nothing. The rules judge the request itself.
func (c *Clusters) Preflight(ctx context.Context, compute berth.ID, spec berth.ComputeSpec) []berth.Check {
	start := c.Clock.Now()
	conn, err := c.Connect(ctx, spec.ClusterID)
	if err == nil {
		defer conn.Close()
		err = conn.Healthy(ctx)
	}
	if err != nil {
		return []berth.Check{failed("answers", "The cluster does not answer: %s.", berth.Sentence(err))}
	}
	took := c.Clock.Now().Sub(start).Round(time.Millisecond).Milliseconds()
	out := []berth.Check{passed("answers", "The cluster's API answers over trusted TLS in %d ms.", took)}
	facts, err := conn.Facts(ctx)
	if err != nil {
		return append(out, failed("identity", "Berth cannot read the cluster's version and nodes: %s.", berth.Sentence(err)))
	}
	return append(out, VersionCheck(facts.Version), nodesCheck(spec, facts.Totals()), rightsCheck(ctx, conn),
		c.ownerCheck(ctx, conn, compute), conflictCheck(ctx, conn), egressCheck(ctx, conn))
}

func passed(name, format string, args ...any) berth.Check {
	return berth.Check{Name: name, OK: true, Detail: fmt.Sprintf(format, args...)}
}

func failed(name, format string, args ...any) berth.Check {
	return berth.Check{Name: name, Detail: fmt.Sprintf(format, args...)}
}

// VersionCheck reports whether Berth supports the Kubernetes version of a cluster.
func VersionCheck(version string) berth.Check {
	ok, detail := rules.Version(version)
	return berth.Check{Name: "version", OK: ok, Detail: detail}
}

// nodesCheck is CapacityCheck for a cluster that is about to be attached: without a ready node nothing can run there.
func nodesCheck(spec berth.ComputeSpec, total kube.Totals) berth.Check {
	if total.Ready == 0 {
		return failed("capacity", "%d of %d nodes are ready, so nothing can run there. Add nodes, or wait until they are ready.",
			total.Ready, total.Nodes)
	}
	return CapacityCheck(spec, total)
}

// CapacityCheck reports whether a cluster is large enough for the purpose of a compute.
func CapacityCheck(spec berth.ComputeSpec, total kube.Totals) berth.Check {
	have := fmt.Sprintf("%d of %d nodes are ready, with %d vCPUs together", total.Ready, total.Nodes, total.VCPUs)
	if spec.Type == berth.ComputeAKS && !rules.EnoughVCPUs(spec.Purpose, total.VCPUs, total.VMSize) {
		return failed("capacity", "%s. %s needs %d vCPUs: add nodes, or attach it with the purpose DevTest.", have, spec.Purpose,
			rules.ProductionVCPUs)
	}
	return passed("capacity", "%s.", have)
}

// right is what an account must be allowed to do; resource is written as kube.Conn.Can reads it.
type right struct{ verb, resource, namespace string }

const rbac = ".rbac.authorization.k8s.io"

// neededRights are what an attach does in a cluster.
var neededRights = []right{
	{"create", "namespaces", ""}, {"create", "serviceaccounts", ""}, {"create", "serviceaccounts/token:berth", "default"},
	{"list", "nodes", ""}, {"create", "configmaps", "kube-system"},
	{"create", "clusterroles" + rbac, ""}, {"create", "clusterrolebindings" + rbac, ""},
	{"create", "roles" + rbac, "kube-system"}, {"create", "rolebindings" + rbac, "kube-system"},
}

// lacking are the rights that the account of a connection does not have, as texts.
func lacking(ctx context.Context, conn *kube.Conn, needed []right) (missing []string, err error) {
	for _, r := range needed {
		may, err := conn.Can(ctx, r.verb, r.resource, r.namespace)
		if err != nil {
			return nil, err
		}
		if !may {
			missing = append(missing, strings.TrimSpace(r.verb+" "+r.resource+" "+r.namespace))
		}
	}
	return missing, nil
}

func rightsCheck(ctx context.Context, conn *kube.Conn) berth.Check {
	missing, err := lacking(ctx, conn, neededRights)
	switch {
	case err != nil:
		return failed("rights", "Berth cannot read its rights in the cluster: %s.", berth.Sentence(err))
	case missing != nil:
		return failed("rights", "Berth's account lacks these rights: %s. Connect the cluster again to restore them.", strings.Join(missing, ", "))
	}
	return passed("rights", "Berth's account has the rights that an attach needs.")
}

func (c *Clusters) ownerCheck(ctx context.Context, conn *kube.Conn, compute berth.ID) berth.Check {
	owner, err := conn.Owner(ctx)
	switch {
	case err != nil:
		return failed("owner", "Berth cannot read the cluster's ownership record: %s.", berth.Sentence(err))
	case owner == nil:
		return passed("owner", "No compute holds the cluster.")
	case owner.Is(compute.String(), c.ServerID):
		return passed("owner", "The cluster is attached as this compute already.")
	}
	return failed("owner", "The cluster is attached as %s (server %s, since %s). Detach it there first.", owner.ComputeID, owner.Server,
		owner.Since)
}

// conflictCheck reports what is in the cluster already.
func conflictCheck(ctx context.Context, conn *kube.Conn) berth.Check {
	found, err := conn.RouterObjects(ctx)
	switch {
	case err != nil:
		return failed("conflicts", "Berth cannot list what is in the cluster: %s.", berth.Sentence(err))
	case len(found) > 0:
		return passed("conflicts", "Azure ML's own router is still in the cluster (%s). It does not disturb Berth. To remove it: "+
			"berth cluster router --remove.",
			strings.Join(found, ", "))
	}
	return passed("conflicts", "The cluster has no remains of an earlier attachment.")
}

// egressCheck reports whether pods get their images. Berth runs nothing in the cluster, so it goes by the pods of others.
func egressCheck(ctx context.Context, conn *kube.Conn) berth.Check {
	stuck, err := conn.ImagesMissing(ctx)
	switch {
	case err != nil:
		return failed("egress", "Berth cannot list the cluster's pods: %s.", berth.Sentence(err))
	case len(stuck) > 0:
		return failed("egress", "Some pods cannot pull their images: %s. Check the cluster's firewall and DNS.", strings.Join(stuck, ", "))
	}
	return passed("egress", "All pods have their images. Berth starts no pod of its own to test this.")
}
