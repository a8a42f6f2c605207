package access_test

import (
	"testing"

	"berth.dev/berth/access"
)

// TestKubernetesAction: the spelling of Azure's actions, by the roles that use it.
func TestKubernetesAction(t *testing.T) {
	const of = "Microsoft.ContainerService/managedClusters/"
	for want, k := range map[string]access.KubernetesRequest{
		"pods/read":                {Verb: "watch", Resource: "pods", Subresource: "log"},
		"pods/exec/action":         {Verb: "create", Resource: "pods", Subresource: "exec"},
		"pods/write":               {Verb: "create", Resource: "pods", Subresource: "portforward"},
		"apps/deployments/write":   {Verb: "patch", Group: "apps", Resource: "deployments", Subresource: "scale"},
		"secrets/delete":           {Verb: "deletecollection", Resource: "secrets"},
		"users/impersonate/action": {Verb: "impersonate", Resource: "users"},
		"certificates.k8s.io/signers/approve/action": {Verb: "approve", Group: "certificates.k8s.io", Resource: "signers"},
		"metrics/read": {Verb: "get", Path: "/metrics"},
	} {
		if got := k.Action(); got != of+want {
			t.Errorf("%+v is %s, want %s", k, got, of+want)
		}
	}
}

// TestMayKubernetes: what the four roles of AKS permit, in a cluster and in a namespace.
func TestMayKubernetes(t *testing.T) {
	in := func(who, role, scope string) access.Assignment {
		return access.Assignment{Principal: who, Scope: scope, Role: access.BuiltIn(role)}
	}
	team := cluster + "/namespaces/team"
	p := access.NewPolicy([]access.Assignment{
		in("reader", "7f6c6a51-bcf8-42ba-9220-52d62157d7db", cluster), in("writer", "a7ffa36f-339b-4b5c-8bdf-e2c188b2c0eb", team),
		in("admin", "3498e952-d568-435e-9b2c-8d77e338d7f7", team), in("cluster", "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b", groupA),
		in("owner", access.OwnerRole, subscription), in("elsewhere", "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b", cluster+"2"),
	}, nil)
	rbac := "rbac.authorization.k8s.io"
	for _, c := range []struct {
		who string
		may bool
		k   access.KubernetesRequest
	}{
		{"reader", true, access.KubernetesRequest{Verb: "list", Resource: "pods"}},
		{"reader", true, access.KubernetesRequest{Verb: "get", Resource: "pods", Subresource: "log", Namespace: "team"}},
		{"reader", false, access.KubernetesRequest{Verb: "get", Resource: "secrets", Namespace: "team"}},
		{"reader", false, access.KubernetesRequest{Verb: "create", Resource: "pods", Subresource: "exec", Namespace: "team"}},
		{"reader", false, access.KubernetesRequest{Verb: "impersonate", Resource: "users"}},
		{"writer", true, access.KubernetesRequest{Verb: "create", Resource: "pods", Subresource: "exec", Namespace: "team"}},
		{"writer", false, access.KubernetesRequest{Verb: "list", Resource: "pods"}},
		{"writer", false, access.KubernetesRequest{Verb: "list", Resource: "pods", Namespace: "team2"}},
		{"writer", false, access.KubernetesRequest{Verb: "create", Group: rbac, Resource: "rolebindings", Namespace: "team"}},
		{"admin", true, access.KubernetesRequest{Verb: "create", Group: rbac, Resource: "rolebindings", Namespace: "team"}},
		{"admin", false, access.KubernetesRequest{Verb: "delete", Resource: "namespaces", Namespace: "team"}},
		{"admin", false, access.KubernetesRequest{Verb: "update", Resource: "resourcequotas", Namespace: "team"}},
		{"admin", false, access.KubernetesRequest{Verb: "list", Resource: "nodes"}},
		{"cluster", true, access.KubernetesRequest{Verb: "delete", Resource: "nodes"}},
		{"cluster", true, access.KubernetesRequest{Verb: "get", Path: "/metrics"}},
		{"owner", false, access.KubernetesRequest{Verb: "list", Resource: "pods"}}, // of Resource Manager, not of data
		{"elsewhere", false, access.KubernetesRequest{Verb: "list", Resource: "pods"}},
		{"", false, access.KubernetesRequest{Verb: "list", Resource: "pods"}},
	} {
		if got := p.MayKubernetes(c.who, cluster, c.k); got != c.may {
			t.Errorf("%s, %+v: %v", c.who, c.k, got)
		}
	}
}

// TestAbout: what everybody may ask who signs in, and no more.
func TestAbout(t *testing.T) {
	for want, all := range map[bool][]access.KubernetesRequest{
		true: {{Verb: "get", Path: "/apis/apps/v1"}, {Verb: "get", Path: "/version"},
			{Verb: "create", Group: "authorization.k8s.io", Resource: "selfsubjectaccessreviews"}},
		false: {{Verb: "get", Path: "/metrics"}, {Verb: "post", Path: "/api"}, {Verb: "get", Path: "/logs/api"},
			{Verb: "create", Group: "authorization.k8s.io", Resource: "subjectaccessreviews"},
			{Verb: "list", Group: "authentication.k8s.io", Resource: "selfsubjectreviews"}, {}},
	} {
		for _, k := range all {
			if k.About() != want {
				t.Errorf("%+v: not %v", k, want)
			}
		}
	}
}
