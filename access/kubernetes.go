package access

import "strings"

// KubernetesRequest is what somebody wants to do in a cluster: a verb on a resource, or on an address that is none.
type KubernetesRequest struct {
	Verb        string // get, list, watch, create, …
	Path        string // of an address that is no resource; empty for a resource
	Group       string // empty for the core group
	Resource    string // in the plural
	Subresource string
	Namespace   string // empty for the whole cluster
}

// clusterType is where the data actions of clusters are.
const clusterType = "Microsoft.ContainerService/managedClusters/"

// kubernetesActions are the actions that Azure has for the verbs of Kubernetes; another verb is an action of its own name.
// Source: Azure/guard, which AKS runs.
var kubernetesActions = map[string]string{
	"get": "read", "list": "read", "watch": "read", "create": "write", "update": "write", "patch": "write",
	"delete": "delete", "deletecollection": "delete",
}

// Action is the data action of Azure, such as Microsoft.ContainerService/managedClusters/apps/deployments/write. A part of a resource,
// such as the log of a pod, goes with the resource. Only to run commands in pods is an action of its own.
func (k KubernetesRequest) Action() string {
	action, known := kubernetesActions[k.Verb]
	if !known {
		action = k.Verb + "/action"
	}
	switch {
	case k.Path != "":
		return clusterType + strings.Trim(k.Path, "/") + "/" + action
	case k.Group == "" && k.Resource == "pods" && k.Subresource == "exec":
		action = "exec/action"
	}
	if k.Group == "" {
		return clusterType + k.Resource + "/" + action
	}
	return clusterType + k.Group + "/" + k.Resource + "/" + action
}

// About reports whether it is what everybody may ask who signs in: which APIs there are, who one is, and what one may do.
func (k KubernetesRequest) About() bool {
	if k.Path != "" {
		first, _, _ := strings.Cut(strings.Trim(k.Path, "/"), "/")
		switch first {
		case "api", "apis", "openapi", "version", "healthz", "livez", "readyz", "openid", ".well-known":
			return k.Verb == "get"
		}
		return false
	}
	return k.Verb == "create" && k.Subresource == "" &&
		(k.Group == "authorization.k8s.io" && (k.Resource == "selfsubjectaccessreviews" || k.Resource == "selfsubjectrulesreviews") ||
			k.Group == "authentication.k8s.io" && k.Resource == "selfsubjectreviews")
}

// MayKubernetes reports whether a principal may do something in a cluster with this id, by its roles there, above it, and in the
// namespace, whose scope is {id}/namespaces/{name}.
func (p *Policy) MayKubernetes(principal, cluster string, k KubernetesRequest) bool {
	if k.Namespace != "" {
		cluster += "/namespaces/" + k.Namespace
	}
	return p.MayData(principal, k.Action(), cluster)
}
