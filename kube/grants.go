package kube

import (
	"context"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// grant is one right of Berth's account in a connected cluster, and its reason, a sentence.
type grant struct {
	why  string
	rule rbacv1.PolicyRule
}

// roleKinds are the kinds by which Kubernetes grants rights.
var roleKinds = []string{"clusterroles", "clusterrolebindings", "roles", "rolebindings"}

// connectionGrants are what Berth may do in a connected cluster: read its nodes, keep the ownership record, and create and
// remove what a compute needs. It cannot read secrets, run anything, or grant what it does not have: Kubernetes refuses roles
// that exceed the rights of the account that creates them.
var connectionGrants = []grant{
	{"The size of the cluster, and which of its nodes are ready.", permit([]string{""}, []string{"nodes"}, nil, "get", "list")},
	{"The cluster's identity (kube-system's UID), the namespaces of computes, and which of them stay when the cluster is disconnected.",
		permit([]string{""}, []string{"namespaces"}, nil, "get", "list", "create", "update", "delete")},
	{"The ownership record. Kubernetes cannot limit a create to one name.",
		permit([]string{""}, []string{"configmaps"}, nil, "create")},
	{"The same record: to read which compute holds the cluster, and to remove it.",
		permit([]string{""}, []string{"configmaps"}, []string{recordName}, "get", "delete")},
	{"The service accounts of computes. Kubernetes cannot limit a create to one name.",
		permit([]string{""}, []string{"serviceaccounts"}, nil, "create")},
	{"The same service accounts, and its own.",
		permit([]string{""}, []string{"serviceaccounts"}, []string{accountName, connectionName}, "get", "update", "delete")},
	{"Short-lived tokens for computes and for itself, and for no other account.",
		permit([]string{""}, []string{"serviceaccounts/token"}, []string{accountName, connectionName}, "create")},
	{"The roles of computes. Kubernetes does not let them exceed the rights listed here.",
		permit([]string{rbacv1.GroupName}, roleKinds, nil, "create")},
	{"The same roles, to correct and to delete them.",
		permit([]string{rbacv1.GroupName}, roleKinds, []string{rightsName}, "get", "update", "delete")},
	{"A quota that forbids nothing and counts secrets and custom resources. The right to list them would be the right to read them.",
		permit([]string{""}, []string{"resourcequotas"}, nil, "create")},
	{"The same quota.", permit([]string{""}, []string{"resourcequotas"}, []string{countName}, "get", "delete")},
	{"Its own role: to make the namespace its owner, so that both are deleted together. " +
		"Kubernetes does not let an account extend its own rights.",
		permit([]string{rbacv1.GroupName}, []string{"clusterroles", "clusterrolebindings"}, []string{connectionName}, "get", "update")},
	{"The router objects of Azure ML, when a detach is asked to delete them (--remove-router).",
		permit([]string{"", "apps"}, []string{"serviceaccounts", "services", "deployments", "secrets", "configmaps"}, routerNames, "delete")},
	{"The same, of cluster-scoped kinds.",
		permit([]string{rbacv1.GroupName}, []string{"clusterroles", "clusterrolebindings"}, []string{routerRole, routerBinding}, "get",
			"delete")},
	{"Whether a namespace holds objects of the user, before it is deleted. The names of secrets are not among them.", permit([]string{
		"", "apps", "batch", "networking.k8s.io", "autoscaling", "policy", "discovery.k8s.io", "coordination.k8s.io",
		"events.k8s.io", "storage.k8s.io", "resource.k8s.io", rbacv1.GroupName,
	}, listable, nil, "list")},
}

// inferenceGrants are what Berth may do besides, when it serves models in the cluster.
var inferenceGrants = []grant{
	{"The namespaces of models and of their router.", permit([]string{""}, []string{"namespaces"}, nil, "patch")},
	{"What serves a model: its pods, their address, the list of their files, the volume of their environment and the job that builds it.",
		permit([]string{"", "apps", "batch", "networking.k8s.io"}, []string{"configmaps", "services", "persistentvolumeclaims", "deployments",
			"jobs", "networkpolicies"}, nil, "get", "create", "patch", "delete")},
	{"Why a model does not start, and what its script wrote. Kubernetes cannot limit the right to pods of models.",
		permit([]string{""}, []string{"pods/log"}, nil, "get")},
	{"Which volumes all nodes can share.", permit([]string{"storage.k8s.io"}, []string{"storageclasses"}, nil, "list")},
	{"The store of files in the cluster, to which Berth sends models.",
		permit([]string{""}, []string{"services/proxy"}, []string{"azureml-files:files"}, "get", "create", "update")},
	{"The router: what it has counted, and to fetch the data that it has collected.",
		permit([]string{""}, []string{"services/proxy"}, []string{RouterService}, routerVerbs...)},
	{"Secrets of Berth's own: the keys, the routes and the certificate of the router, the key of the store of files, where packages " +
		"come from, and how nodes sign in at registries.", permit([]string{""}, []string{"secrets"}, []string{"azureml-fe-routes",
		"azureml-fe-tls", "azureml-fe-peers", "azureml-fe-otlp", "azureml-files", "env-index", "image-pull",
		"image-pull-users"}, "get", "list", "watch", "create", "patch", "delete")},
	{"The account and the rights of the router.", permit([]string{"", rbacv1.GroupName}, []string{"serviceaccounts", "roles", "rolebindings"},
		routerNames[:1], "get", "create", "patch", "delete")},
	{"What the router may do, because Kubernetes lets Berth grant only what it has: to watch the replicas of models, and to scale them.",
		permit([]string{"discovery.k8s.io", "apps"}, []string{"endpointslices", "deployments"}, nil, "list", "watch")},
	{"The same: to scale.", permit([]string{"apps"}, []string{"deployments/scale"}, nil, "patch")},
}

// RouterService is the Service and its port by which routers are asked, as rights name it, and routerVerbs is what that takes.
const RouterService = "azureml-fe-data:data"

var routerVerbs = []string{"get", "create", "delete"}

// MayAskRouter reports whether the credential of a connection suffices to ask the routers of Berth in a namespace.
func (c *Conn) MayAskRouter(ctx context.Context, namespace string) (bool, error) {
	for _, verb := range routerVerbs {
		if may, err := c.Can(ctx, verb, "services/proxy:"+RouterService, namespace); err != nil || !may {
			return false, err
		}
	}
	return true, nil
}

// grantsOf are the rights of a connection.
func grantsOf(inference bool) []grant {
	if inference {
		return slices.Concat(connectionGrants, inferenceGrants)
	}
	return connectionGrants
}

// permit is the rule that permits verbs on resources; names nil permits them on objects of any name.
func permit(groups, resources, names []string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: groups, Resources: resources, ResourceNames: names, Verbs: verbs}
}

// listable are the kinds that live in namespaces, besides secrets.
var listable = []string{
	"pods", "services", "configmaps", "serviceaccounts", "persistentvolumeclaims", "replicationcontrollers", "endpoints",
	"events", "limitranges", "resourcequotas", "podtemplates", "deployments", "statefulsets", "daemonsets", "replicasets",
	"controllerrevisions", "jobs", "cronjobs", "ingresses", "networkpolicies", "horizontalpodautoscalers",
	"poddisruptionbudgets", "endpointslices", "leases", "csistoragecapacities", "resourceclaims", "resourceclaimtemplates",
	"roles", "rolebindings",
}

func connectionRules(inference bool) []rbacv1.PolicyRule {
	var out []rbacv1.PolicyRule
	for _, g := range grantsOf(inference) {
		out = append(out, g.rule)
	}
	return out
}

// Rights lists what Berth may do in a connected cluster, one sentence for each right: verbs, resources and the reason.
func Rights(inference bool) []string {
	var out []string
	for _, g := range grantsOf(inference) {
		line := strings.Join(g.rule.Verbs, ", ") + " " + strings.Join(g.rule.Resources, ", ")
		if len(g.rule.ResourceNames) > 0 {
			line += " (" + strings.Join(g.rule.ResourceNames, ", ") + ")"
		}
		out = append(out, line+": "+g.why)
	}
	return out
}

// Manifest is what Enter creates, as YAML for an administrator to apply. A comment above each right states its reason.
func Manifest(n Connection) string {
	a := n.attachment()
	var out strings.Builder
	write := func(kind, version string, meta metav1.ObjectMeta, more string) {
		text, _ := yaml.Marshal(map[string]any{"apiVersion": version, "kind": kind, "metadata": map[string]any{
			"name": meta.Name, "labels": meta.Labels, "annotations": meta.Annotations}}) // plain maps
		if meta.Namespace != "" {
			text = append(text, "  namespace: "+meta.Namespace+"\n"...)
		}
		out.WriteString("---\n" + string(text) + more)
	}
	const group = rbacv1.GroupName + "/v1"
	write("Namespace", "v1", a.meta(ConnectionNamespace, ""), "")
	write("ServiceAccount", "v1", a.meta(connectionName, ConnectionNamespace), "")
	var rules strings.Builder
	rules.WriteString("rules:\n")
	for _, g := range grantsOf(n.Inference) {
		rule := map[string]any{"apiGroups": g.rule.APIGroups, "resources": g.rule.Resources, "verbs": g.rule.Verbs}
		if len(g.rule.ResourceNames) > 0 {
			rule["resourceNames"] = g.rule.ResourceNames
		}
		text, _ := yaml.Marshal([]any{rule})
		rules.WriteString("# " + g.why + "\n" + string(text))
	}
	write("ClusterRole", group, a.meta(connectionName, ""), rules.String())
	write("ClusterRoleBinding", group, a.meta(connectionName, ""), "roleRef:\n  apiGroup: "+rbacv1.GroupName+"\n  kind: ClusterRole\n  "+
		"name: "+connectionName+
		"\nsubjects:\n- kind: ServiceAccount\n  name: "+connectionName+"\n  namespace: "+ConnectionNamespace+"\n")
	return out.String()
}
