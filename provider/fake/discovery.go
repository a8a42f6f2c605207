package fake

import (
	"encoding/json"
	"strings"
	"sync"
)

// resource is one kind of object that the simulator keeps.
type resource struct {
	group, version, name, kind string
	cluster                    bool // not in namespaces
	ask                        bool // a question: answered, not kept
}

// resources are those that Berth touches, and enough of the common ones to see what a user has put into a namespace.
var resources = []*resource{
	{"", "v1", "namespaces", "Namespace", true, false},
	{"", "v1", "nodes", "Node", true, false},
	{"", "v1", "pods", "Pod", false, false},
	{"", "v1", "services", "Service", false, false},
	{"", "v1", "endpoints", "Endpoints", false, false},
	{"", "v1", "events", "Event", false, false},
	{"", "v1", "configmaps", "ConfigMap", false, false},
	{"", "v1", "secrets", "Secret", false, false},
	{"", "v1", "resourcequotas", "ResourceQuota", false, false},
	{"", "v1", "serviceaccounts", "ServiceAccount", false, false},
	{"", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", false, false},
	{"apps", "v1", "deployments", "Deployment", false, false},
	{"apps", "v1", "statefulsets", "StatefulSet", false, false},
	{"batch", "v1", "jobs", "Job", false, false},
	{"example.com", "v1", "widgets", "Widget", false, false}, // a custom resource
	{"coordination.k8s.io", "v1", "leases", "Lease", false, false},
	{"rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", true, false},
	{"rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", true, false},
	{"rbac.authorization.k8s.io", "v1", "roles", "Role", false, false},
	{"rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", false, false},
	{"authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", true, true},
}

var (
	namespacesResource = find("", "namespaces")
	nodesResource      = find("", "nodes")
	accountsResource   = find("", "serviceaccounts")
	quotasResource     = find("", "resourcequotas")
)

func find(group, name string) *resource {
	for _, r := range resources {
		if r.group == group && r.name == name {
			return r
		}
	}
	return nil
}

func (r *resource) groupVersion() string { return strings.TrimPrefix(r.group+"/"+r.version, "/") }

func (r *resource) qualified() string { return strings.TrimSuffix(r.name+"."+r.group, ".") }

func (r *resource) verbs() []string {
	if r.ask {
		return []string{"create"}
	}
	return []string{"create", "delete", "get", "list", "update", "watch"}
}

// discovery answers /api and /apis in the aggregated form, built once.
var discovery = sync.OnceValue(func() map[string][]byte {
	groups := map[string][]any{} // of resources, by group
	var order []string
	for _, r := range resources {
		if groups[r.group] == nil {
			order = append(order, r.group)
		}
		scope := "Namespaced"
		if r.cluster {
			scope = "Cluster"
		}
		groups[r.group] = append(groups[r.group], object{
			"resource": r.name, "responseKind": object{"kind": r.kind}, "scope": scope, "verbs": r.verbs(),
			"singularResource": strings.ToLower(r.kind),
		})
	}
	lists := map[string][]any{"/api": {}, "/apis": {}}
	for _, group := range order {
		root := "/apis"
		if group == "" {
			root = "/api"
		}
		lists[root] = append(lists[root], object{
			"metadata": object{"name": group},
			"versions": []object{{"version": "v1", "freshness": "Current", "resources": groups[group]}},
		})
	}
	out := map[string][]byte{}
	for root, items := range lists {
		out[root], _ = json.Marshal(object{"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": object{},
			"items": items})
	}
	return out
})
