package kube

import (
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// grant is one right of Berth's account in a cluster that was given to it, and what it is for.
type grant struct {
	why  string
	rule rbacv1.PolicyRule
}

// connectionGrants are what Berth may do in a connected cluster: read its nodes, keep the ownership record, and create and
// remove what a compute needs. It cannot read secrets, run anything, or grant what it does not have: Kubernetes refuses roles
// that exceed their maker's own rights.
var connectionGrants = []grant{
	{"How large the cluster is, and which of its nodes are ready.", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get", "list"}}},
	{"The cluster's identity (kube-system's UID), the namespaces of computes, and which of them stay when the cluster is disconnected.",
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get", "list", "create", "update", "delete"}}},
	{"The ownership record. It is made with create-only semantics, which Kubernetes cannot bind to a name.", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create"}}},
	{"The same record: whose the cluster is, and its end.", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{recordName}, Verbs: []string{"get", "delete"}}},
	{"The service accounts of computes. That something is made cannot be bound to a name.", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, Verbs: []string{"create"}}},
	{"The same service accounts, and its own.", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, ResourceNames: []string{accountName, connectionName}, Verbs: []string{"get", "update", "delete"}}},
	{"Short-lived tokens for computes and for itself, and for no other account.", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}, ResourceNames: []string{accountName, connectionName}, Verbs: []string{"create"}}},
	{"The roles of computes: Kubernetes lets them have no more than what stands here.", rbacv1.PolicyRule{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles", "clusterrolebindings", "roles", "rolebindings"}, Verbs: []string{"create"}}},
	{"The same roles, to put them right and to take them away.", rbacv1.PolicyRule{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles", "clusterrolebindings", "roles", "rolebindings"}, ResourceNames: []string{rightsName}, Verbs: []string{"get", "update", "delete"}}},
	{"A quota that forbids nothing and counts secrets and custom resources, instead of the right to list, which is to read, them.", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"resourcequotas"}, Verbs: []string{"create"}}},
	{"The same quota.", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"resourcequotas"}, ResourceNames: []string{countName}, Verbs: []string{"get", "delete"}}},
	{"Its own role, to let it belong to its namespace and go with it. Kubernetes lets nobody give himself more.", rbacv1.PolicyRule{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles", "clusterrolebindings"}, ResourceNames: []string{connectionName}, Verbs: []string{"get", "update"}}},
	{"What Azure ML's router left behind, when a detach is asked to clean it (--clean-leftovers).", rbacv1.PolicyRule{APIGroups: []string{"", "apps"}, Resources: []string{"serviceaccounts", "services", "deployments", "secrets", "configmaps"}, ResourceNames: routerNames, Verbs: []string{"delete"}}},
	{"The same, of the kinds that stand in no namespace.", rbacv1.PolicyRule{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles", "clusterrolebindings"}, ResourceNames: []string{routerRole, routerBinding}, Verbs: []string{"get", "delete"}}},
	{"Whether a namespace holds anything of the user's, before it is taken away. Names of secrets are not among it.", rbacv1.PolicyRule{APIGroups: []string{"", "apps", "batch", "networking.k8s.io", "autoscaling", "policy", "discovery.k8s.io", "coordination.k8s.io", "events.k8s.io", "storage.k8s.io", "resource.k8s.io", rbacv1.GroupName}, Resources: listable, Verbs: []string{"list"}}},
}

// listable are the kinds that live in namespaces, besides secrets.
var listable = []string{
	"pods", "services", "configmaps", "serviceaccounts", "persistentvolumeclaims", "replicationcontrollers", "endpoints", "events", "limitranges",
	"resourcequotas", "podtemplates", "deployments", "statefulsets", "daemonsets", "replicasets", "controllerrevisions", "jobs", "cronjobs",
	"ingresses", "networkpolicies", "horizontalpodautoscalers", "poddisruptionbudgets", "endpointslices", "leases", "csistoragecapacities", "resourceclaims", "resourceclaimtemplates", "roles", "rolebindings",
}

func connectionRules() []rbacv1.PolicyRule {
	out := make([]rbacv1.PolicyRule, 0, len(connectionGrants))
	for _, g := range connectionGrants {
		out = append(out, g.rule)
	}
	return out
}

// Rights says in sentences what Berth may do in a cluster that was given to it, and why.
func Rights() []string {
	var out []string
	for _, g := range connectionGrants {
		line := strings.Join(g.rule.Verbs, ", ") + " " + strings.Join(g.rule.Resources, ", ")
		if len(g.rule.ResourceNames) > 0 {
			line += " named " + strings.Join(g.rule.ResourceNames, ", ")
		}
		out = append(out, line+": "+g.why)
	}
	return out
}

// Manifest is what Enter would make, for an administrator to apply by hand: of is the ARM id of the cluster, server which
// Berth. Each right stands under what it is for.
func Manifest(of, server string) string {
	a := Attachment{Namespace: ConnectionNamespace, ComputeID: of, Server: server}
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
	for _, g := range connectionGrants {
		rule := map[string]any{"apiGroups": g.rule.APIGroups, "resources": g.rule.Resources, "verbs": g.rule.Verbs}
		if len(g.rule.ResourceNames) > 0 {
			rule["resourceNames"] = g.rule.ResourceNames
		}
		text, _ := yaml.Marshal([]any{rule})
		rules.WriteString("# " + g.why + "\n" + string(text))
	}
	write("ClusterRole", group, a.meta(connectionName, ""), rules.String())
	write("ClusterRoleBinding", group, a.meta(connectionName, ""), "roleRef:\n  apiGroup: "+rbacv1.GroupName+"\n  kind: ClusterRole\n  name: "+connectionName+
		"\nsubjects:\n- kind: ServiceAccount\n  name: "+connectionName+"\n  namespace: "+ConnectionNamespace+"\n")
	return out.String()
}
