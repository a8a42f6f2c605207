package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// clusterRoles are the roles of Kubernetes that permit about what Azure's roles in clusters do: those of AKS, then those of Azure Arc.
var clusterRoles = map[string]string{
	"7f6c6a51-bcf8-42ba-9220-52d62157d7db": "view", "63f0a09d-1495-4db4-a681-037d84835eb4": "view",
	"a7ffa36f-339b-4b5c-8bdf-e2c188b2c0eb": "edit", "5b999177-9696-4545-85c7-50de3797e5a1": "edit",
	"3498e952-d568-435e-9b2c-8d77e338d7f7": "admin", "dffb1e0c-446f-4dde-a09f-99eb5cc68b96": "admin",
	"b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b": "cluster-admin", "8393591c-06b9-48a2-a542-1bd6b377f6a2": "cluster-admin",
}

// bindingOptions say how a connected cluster knows the groups.
type bindingOptions struct {
	where
	prefix string
	byID   bool
}

// bindingLabel marks what the manifest has, so that kubectl can remove what it has no more.
const bindingLabel = "berth.dev/role-bindings"

func (c *cli) clusterBindings() *cobra.Command {
	o := &bindingOptions{}
	cmd := command("role-bindings", "Print the roles of groups in a connected cluster as a manifest", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		return c.printBindings(ctx, cl, o)
	})
	cmd.Long = "Print the roles that groups have at Berth in a connected cluster as role bindings of Kubernetes, and change nothing.\n" +
		"A connected cluster signs people in by itself and does not ask Berth, so an administrator applies the manifest there,\n" +
		"and again when the roles have changed. It has the roles of AKS (Azure Kubernetes Service RBAC Reader, Writer, Admin,\n" +
		"Cluster Admin) and of Azure Arc, in the cluster, above it, and in its namespaces."
	cmd.Example = "  berth cluster role-bindings -n edge -g myresourcegroup --group-prefix oidc: |\n" +
		"    kubectl apply -f - --prune -l " + bindingLabel + "=edge \\\n" +
		"      --prune-allowlist rbac.authorization.k8s.io/v1/ClusterRoleBinding --prune-allowlist rbac.authorization.k8s.io/v1/RoleBinding"
	o.clusterFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.prefix, "group-prefix", "", "what the cluster puts before the names of groups, such as oidc:")
	f.BoolVar(&o.byID, "group-ids", false, "the cluster knows groups by their object ids at Berth, and not by their names at the provider")
	return o.on(c, cmd)
}

func (c *cli) printBindings(ctx context.Context, cl *client.Client, o *bindingOptions) error {
	cluster := cl.ID(o.group, berth.TypeConnected, o.name)
	if _, err := cl.Resource(ctx, cluster); err != nil {
		return err
	}
	given, err := cl.RoleAssignments(ctx, cluster.String(), true)
	if err != nil {
		return err
	}
	groups, err := cl.Groups(ctx)
	if err != nil {
		return err
	}
	var out []string
	others := 0
	for _, a := range given {
		role := clusterRoles[strings.ToLower(lastWord(str(a, "properties", "roleDefinitionId")))]
		if role == "" {
			continue
		}
		i := slices.IndexFunc(groups, func(g client.Object) bool {
			return strings.EqualFold(str(g, "id"), str(a, "properties", "principalId"))
		})
		if i < 0 {
			others++
			continue
		}
		text, err := yaml.Marshal(o.binding(role, groups[i], namespaceOf(str(a, "properties", "scope"))))
		if err != nil {
			return err
		}
		out = append(out, string(text))
	}
	slices.Sort(out)
	if _, err := fmt.Fprint(c.out, strings.Join(slices.Compact(out), "---\n")); err != nil {
		return err
	}
	if others > 0 {
		c.note("%d role assignments of people and applications are not in the manifest: give the roles to groups.", others)
	}
	return nil
}

// namespaceOf is the namespace that is the scope of an assignment; empty for the whole cluster.
func namespaceOf(scope string) string {
	words := strings.Split(scope, "/")
	if n := len(words); n > 2 && strings.EqualFold(words[n-2], "namespaces") {
		return strings.ToLower(words[n-1])
	}
	return ""
}

// binding binds a role of Kubernetes to a group.
func (o *bindingOptions) binding(role string, group client.Object, namespace string) client.Object {
	kind, meta := "ClusterRoleBinding", client.Object{"name": "berth-" + role + "-" + str(group, "id"),
		"labels": client.Object{bindingLabel: strings.ToLower(o.name)}}
	if namespace != "" {
		kind, meta["namespace"] = "RoleBinding", namespace
	}
	name := cmp.Or(str(group, "displayName"), str(group, "id"))
	if o.byID {
		name = str(group, "id")
	}
	const api = "rbac.authorization.k8s.io"
	return client.Object{"apiVersion": api + "/v1", "kind": kind, "metadata": meta,
		"roleRef":  client.Object{"apiGroup": api, "kind": "ClusterRole", "name": role},
		"subjects": []any{client.Object{"apiGroup": api, "kind": "Group", "name": o.prefix + name}}}
}
