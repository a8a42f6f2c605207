package clusters

import (
	"context"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

// connectionRights are what the submitted credential needs to create Berth's own account.
var connectionRights = []right{
	{"create", "namespaces", ""}, {"create", "serviceaccounts", kube.ConnectionNamespace},
	{"create", "serviceaccounts/token", kube.ConnectionNamespace},
	{"create", "clusterroles" + rbac, ""}, {"create", "clusterrolebindings" + rbac, ""},
}

// PreflightConnection asks a cluster what a connection with the submitted kubeconfig would find there. It changes nothing, and it
// does not keep the kubeconfig. The rules judge the request itself.
func (c *Clusters) PreflightConnection(ctx context.Context, r *berth.Resource, kubeconfig []byte) []berth.Check {
	config, err := kube.ParseKubeconfig(kubeconfig)
	if err != nil {
		return []berth.Check{failed("answers", "The kubeconfig cannot be used: %s.", berth.Sentence(err))}
	}
	start := c.Clock.Now()
	conn, err := config.Connect(kube.Options{Timeout: c.Timeout, Guard: c.Guard})
	if err == nil {
		defer conn.Close()
		err = conn.Healthy(ctx)
	}
	if why, is := kube.RefusedAddress(err); is {
		return []berth.Check{failed("answers", "The cluster's address is refused: %s.", why)}
	}
	if err != nil {
		return []berth.Check{failed("answers", "The cluster does not answer: %s.", berth.Sentence(err))}
	}
	took := c.Clock.Now().Sub(start).Round(time.Millisecond).Milliseconds()
	out := []berth.Check{passed("answers", "The cluster's API answers over trusted TLS in %d ms.", took)}
	facts, err := conn.Facts(ctx)
	if err != nil {
		return append(out, failed("identity", "The cluster's version and nodes cannot be read: %s.", berth.Sentence(err)))
	}
	total, spec := facts.Totals(), r.Body.(*berth.Cluster).Spec
	out = append(out, VersionCheck(facts.Version),
		passed("capacity", "%d of %d nodes are ready, with %d vCPUs together.", total.Ready, total.Nodes, total.VCPUs))
	if spec.KeepCredential || config.IsOwnAccount() { // the connection creates no account
		return append(out, missingRights(ctx, conn, neededRights))
	}
	return append(out, missingRights(ctx, conn, connectionRights), c.connectionCheck(ctx, conn, r))
}

// missingRights reports the rights that the submitted credential lacks.
func missingRights(ctx context.Context, conn *kube.Conn, needed []right) berth.Check {
	missing, err := lacking(ctx, conn, needed)
	switch {
	case err != nil:
		return failed("rights", "The rights of the credential cannot be read: %s.", berth.Sentence(err))
	case missing != nil:
		return failed("rights", "The credential lacks these rights: %s. Use the credential of an administrator.", strings.Join(missing, ", "))
	}
	return passed("rights", "The credential has the rights that are needed.")
}

// connectionCheck reports whether the cluster is connected already, to this Berth under another name or to another Berth.
func (c *Clusters) connectionCheck(ctx context.Context, conn *kube.Conn, r *berth.Resource) berth.Check {
	other, err := conn.ConnectedElsewhere(ctx, r.ID.String(), c.ServerID)
	switch {
	case err != nil:
		return failed("owner", "The namespace %s cannot be read: %s.", kube.ConnectionNamespace, berth.Sentence(err))
	case other == "":
		return passed("owner", "No other Berth is connected to the cluster.")
	case r.Body.(*berth.Cluster).Spec.TakeOver:
		return passed("owner", "The cluster is connected as %s; this connection takes it over.", other)
	}
	return failed("owner", "The cluster is connected already, as %s. Disconnect it there first, or connect by force.", other)
}
