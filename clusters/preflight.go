package clusters

import (
	"context"
	"fmt"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/kube"
	"berth.dev/berth/rules"
)

// Preflight asks a cluster itself what an attach would find, and changes nothing. What a wish says of itself is for the rules.
func (c *Clusters) Preflight(ctx context.Context, compute berth.ID, spec berth.ComputeSpec) []berth.Check {
	start := c.Clock.Now()
	conn, err := c.Connect(ctx, spec.ClusterID)
	if err == nil {
		defer conn.Close()
		err = conn.Healthy(ctx)
	}
	if err != nil {
		return []berth.Check{{Name: "answers", Detail: "The cluster does not answer: " + berth.Sentence(err) + "."}}
	}
	out := []berth.Check{{Name: "answers", OK: true, Detail: fmt.Sprintf("Its API answers, over TLS that is trusted, in %d ms.", c.Clock.Now().Sub(start).Round(time.Millisecond).Milliseconds())}}
	facts, err := conn.Facts(ctx)
	if err != nil {
		return append(out, berth.Check{Name: "identity", Detail: "The cluster does not say what it is: " + berth.Sentence(err) + "."})
	}
	out = append(out, VersionCheck(facts.Version), CapacityCheck(spec, facts.Totals()), rightsCheck(ctx, conn), c.ownerCheck(ctx, conn, compute),
		conflictCheck(ctx, conn), egressCheck(ctx, conn))
	return out
}

// CapacityCheck reports whether a cluster is large enough for the purpose of a compute.
func CapacityCheck(spec berth.ComputeSpec, total kube.Totals) berth.Check {
	check := berth.Check{Name: "capacity", OK: true}
	check.Detail = fmt.Sprintf("%d of %d nodes are ready, with %d vCPUs together.", total.Ready, total.Nodes, total.VCPUs)
	if spec.Type == berth.ComputeAKS && spec.Purpose != berth.DevTest && total.VCPUs < rules.ProductionVCPUs {
		check.OK = false
		check.Detail += fmt.Sprintf(" %s needs %d vCPUs: add nodes, or attach it with the purpose DevTest.", spec.Purpose, rules.ProductionVCPUs)
	}
	return check
}

// neededRights are what an attach does in a cluster, as verb, resource and namespace.
var neededRights = [][3]string{
	{"create", "namespaces", ""}, {"create", "serviceaccounts", ""}, {"create", "serviceaccounts/token:berth", "default"}, {"list", "nodes", ""},
	{"create", "configmaps", "kube-system"}, {"create", "clusterroles.rbac.authorization.k8s.io", ""}, {"create", "clusterrolebindings.rbac.authorization.k8s.io", ""},
	{"create", "roles.rbac.authorization.k8s.io", "kube-system"}, {"create", "rolebindings.rbac.authorization.k8s.io", "kube-system"},
}

func rightsCheck(ctx context.Context, conn *kube.Conn) berth.Check {
	var missing []string
	for _, r := range neededRights {
		may, err := conn.Can(ctx, r[0], r[1], r[2])
		if err != nil {
			return berth.Check{Name: "rights", Detail: "The cluster does not say what Berth may do: " + berth.Sentence(err) + "."}
		}
		if !may {
			missing = append(missing, strings.TrimSpace(r[0]+" "+r[1]+" "+r[2]))
		}
	}
	if missing == nil {
		return berth.Check{Name: "rights", OK: true, Detail: "Berth may do there what an attach needs."}
	}
	return berth.Check{Name: "rights", Detail: "Berth may not " + strings.Join(missing, ", ") + ". Somebody has cut the rights of its account; connect the cluster again."}
}

func (c *Clusters) ownerCheck(ctx context.Context, conn *kube.Conn, compute berth.ID) berth.Check {
	owner, err := conn.Owner(ctx)
	switch {
	case err != nil:
		return berth.Check{Name: "owner", Detail: "The cluster does not say whether it is taken: " + berth.Sentence(err) + "."}
	case owner == nil:
		return berth.Check{Name: "owner", OK: true, Detail: "Nobody has attached it."}
	case owner.Is(compute.String(), c.ServerID):
		return berth.Check{Name: "owner", OK: true, Detail: "It is attached as this compute."}
	}
	return berth.Check{Name: "owner", Detail: fmt.Sprintf("It is attached already, as %s (server %s, since %s). Detach it there first.", owner.ComputeID, owner.Server, owner.Since)}
}

// conflictCheck tells beforehand what is in the cluster already.
func conflictCheck(ctx context.Context, conn *kube.Conn) berth.Check {
	found, err := conn.RouterObjects(ctx)
	switch {
	case err != nil:
		return berth.Check{Name: "conflicts", Detail: "The cluster does not say what is in it: " + berth.Sentence(err) + "."}
	case len(found) > 0:
		return berth.Check{Name: "conflicts", OK: true, Detail: "Azure ML's own router was left behind (" + strings.Join(found, ", ") + "). It does not hinder Berth; `berth cluster leftovers --clean` removes it."}
	}
	return berth.Check{Name: "conflicts", OK: true, Detail: "Nothing of an earlier attachment is in the way."}
}

// egressCheck: Berth runs nothing in the cluster, so it goes by what others meet there.
func egressCheck(ctx context.Context, conn *kube.Conn) berth.Check {
	stuck, err := conn.ImagesMissing(ctx)
	switch {
	case err != nil:
		return berth.Check{Name: "egress", Detail: "The cluster does not say how its pods are: " + berth.Sentence(err) + "."}
	case len(stuck) > 0:
		return berth.Check{Name: "egress", Detail: "Some pods cannot pull their images: " + strings.Join(stuck, ", ") + ". The cluster may not reach the outside; check its firewall and DNS."}
	}
	return berth.Check{Name: "egress", OK: true, Detail: "No pod there waits for an image in vain. Berth runs nothing in the cluster, so that is all it can tell."}
}

// VersionCheck says whether a version is supported.
func VersionCheck(version string) berth.Check {
	ok, preview := catalog.Supported(version)
	c := berth.Check{Name: "version", OK: ok, Detail: "Kubernetes " + version + " is supported."}
	switch {
	case !ok:
		c.Detail = "Kubernetes " + version + " is not supported. Supported are " + rules.SupportedVersions() + "."
	case preview:
		c.Detail = "Kubernetes " + version + " is a preview: not for production."
	}
	return c
}
