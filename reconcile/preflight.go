package reconcile

import (
	"context"
	"fmt"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/rules"
)

// Preflight asks a cluster itself what an attach would find, and changes nothing. What a wish says of itself is for the rules.
func (e *Engine) Preflight(ctx context.Context, compute berth.ID, spec berth.ComputeSpec) []berth.Check {
	start := e.Clock.Now()
	conn, err := e.adminConn(ctx, spec.ClusterID)
	if err == nil {
		defer conn.Close()
		err = conn.Healthy(ctx)
	}
	if err != nil {
		return []berth.Check{{Name: "answers", Detail: "The cluster does not answer: " + sentence(err) + "."}}
	}
	out := []berth.Check{{Name: "answers", OK: true, Detail: fmt.Sprintf("Its API answers, over TLS that is trusted, in %d ms.", e.Clock.Now().Sub(start).Round(time.Millisecond).Milliseconds())}}
	facts, err := conn.Facts(ctx)
	if err != nil {
		return append(out, berth.Check{Name: "identity", Detail: "The cluster does not say what it is: " + sentence(err) + "."})
	}
	out = append(out, versionCheck(facts.Version), capacityCheck(spec, facts.Nodes), rightsCheck(ctx, conn), e.ownerCheck(ctx, conn, compute),
		conflictCheck(ctx, conn), egressCheck(ctx, conn))
	return out
}

func capacityCheck(spec berth.ComputeSpec, nodes []kube.Node) berth.Check {
	ready, vcpus := 0, 0
	for _, n := range nodes {
		vcpus += n.VCPUs
		if n.Ready {
			ready++
		}
	}
	c := berth.Check{Name: "capacity", OK: true, Detail: fmt.Sprintf("%d of %d nodes are ready, with %d vCPUs together.", ready, len(nodes), vcpus)}
	if spec.Type == berth.ComputeAKS && spec.Purpose != berth.DevTest && vcpus < rules.ProductionVCPUs {
		c.OK = false
		c.Detail += fmt.Sprintf(" %s needs %d vCPUs: add nodes, or attach it with the purpose DevTest.", spec.Purpose, rules.ProductionVCPUs)
	}
	return c
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
			return berth.Check{Name: "rights", Detail: "The cluster does not say what Berth may do: " + sentence(err) + "."}
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

func (e *Engine) ownerCheck(ctx context.Context, conn *kube.Conn, compute berth.ID) berth.Check {
	owner, err := conn.Owner(ctx)
	switch {
	case err != nil:
		return berth.Check{Name: "owner", Detail: "The cluster does not say whether it is taken: " + sentence(err) + "."}
	case owner == nil:
		return berth.Check{Name: "owner", OK: true, Detail: "Nobody has attached it."}
	case owner.Is(compute.String(), e.ServerID):
		return berth.Check{Name: "owner", OK: true, Detail: "It is attached as this compute."}
	}
	return berth.Check{Name: "owner", Detail: fmt.Sprintf("It is attached already, as %s (server %s, since %s). Detach it there first.", owner.ComputeID, owner.Server, owner.Since)}
}
