package berth

import (
	"fmt"
	"slices"
	"strings"
)

// Resource types, in the casing that Azure Resource Manager answers with.
const (
	TypeResourceGroup = "Microsoft.Resources/resourceGroups"
	TypeWorkspace     = "Microsoft.MachineLearningServices/workspaces"
	TypeCompute       = "Microsoft.MachineLearningServices/workspaces/computes"
	TypeCluster       = "Microsoft.ContainerService/managedClusters"
	TypeNodePool      = "Microsoft.ContainerService/managedClusters/agentPools"
	// These are no resources: a namespace in a cluster, as the scope of a role assignment.
	TypeClusterNamespace   = TypeCluster + "/namespaces"
	TypeConnectedNamespace = TypeConnected + "/namespaces"
	maxIDLength            = 2048
)

// ID names one ARM resource: a resource group, a resource inside one, or one at the scope of the subscription, which has no
// group. An extension resource, such as a role assignment, can also be inside any other resource.
//
// The casing of the names is the caller's and is kept; two IDs are the same resource when their Keys are equal
// (ARM compares ids without regard to case).
type ID struct {
	Subscription string
	Group        string
	Scope        string   // of an extension resource: what it extends ("Microsoft.ContainerService/managedClusters/aks"); else empty
	Namespace    string   // "Microsoft.ContainerService"; empty for a resource group
	Types        []string // "managedClusters", "agentPools": one per name
	Names        []string
}

// GroupID is the id of a resource group.
func GroupID(subscription, group string) ID { return ID{Subscription: subscription, Group: group} }

// NewID is the id of a resource of type typ ("Namespace/type[/type…]") in a group. It panics when the number of names
// does not fit the type: that is a mistake in the program, never of a user.
func NewID(subscription, group, typ string, names ...string) ID {
	parts := strings.Split(typ, "/")
	if len(parts)-1 != len(names) {
		panic(fmt.Sprintf("type %s wants %d names, got %d", typ, len(parts)-1, len(names)))
	}
	return ID{Subscription: subscription, Group: group, Namespace: parts[0], Types: parts[1:], Names: names}
}

// ParseID reads "/subscriptions/S/resourceGroups/G[/providers/NS/type/name…[/providers/NS/type/name…]]" in any casing of the fixed
// words, and "/subscriptions/S/providers/NS/type/name…" of the types that can be there too (OfSubscription).
func ParseID(s string) (ID, error) {
	if len(s) > maxIDLength {
		return ID{}, fmt.Errorf("a resource id has at most %d characters; this one has %d", maxIDLength, len(s))
	}
	bad := func(why string) (ID, error) {
		return ID{}, fmt.Errorf("%q is not a resource id: %s (expected "+
			"/subscriptions/{id}/resourceGroups/{group}/providers/{namespace}/{type}/{name})", s, why)
	}
	parts := strings.Split(strings.Trim(s, "/"), "/")
	if !strings.HasPrefix(s, "/") || len(parts) < 4 {
		return bad("it has too few parts")
	}
	for _, p := range parts {
		if p == "" {
			return bad("a part is empty")
		}
		if strings.ContainsFunc(p, isForbidden) {
			return bad("a part has a character that names cannot have")
		}
	}
	ofSubscription := len(parts) >= 6 && strings.EqualFold(parts[2], "providers") && OfSubscription(parts[3]+"/"+parts[4])
	if !strings.EqualFold(parts[0], "subscriptions") || !strings.EqualFold(parts[2], "resourceGroups") && !ofSubscription {
		return bad("it does not begin with /subscriptions/{id}/resourceGroups/{group}")
	}
	id, rest := ID{Subscription: parts[1]}, parts[2:]
	if !ofSubscription {
		id.Group, rest = parts[3], parts[4:]
	}
	if len(rest) == 0 {
		return id, nil
	}
	if len(rest) < 4 || len(rest)%2 != 0 || !strings.EqualFold(rest[0], "providers") {
		return bad("after the group comes /providers/{namespace}/{type}/{name}")
	}
	id.Namespace = rest[1]
	for i := 2; i < len(rest); i += 2 {
		if strings.EqualFold(rest[i], "providers") && i > 2 {
			id = id.Extend(rest[i+1])
			continue
		}
		id.Types, id.Names = append(id.Types, rest[i]), append(id.Names, rest[i+1])
	}
	if len(id.Names) == 0 {
		return bad("after the last namespace comes /{type}/{name}")
	}
	return id, nil
}

// Extend is the beginning of the id of an extension resource of this resource; Child completes it.
func (id ID) Extend(namespace string) ID {
	scope := id.path()
	return ID{Subscription: id.Subscription, Group: id.Group, Scope: scope, Namespace: namespace}
}

// path is what follows the group's or the subscription's "/providers/".
func (id ID) path() string {
	var parts []string
	if id.Scope != "" {
		parts = append(parts, id.Scope, "providers")
	}
	parts = append(parts, id.Namespace)
	for i := range id.Names {
		parts = append(parts, id.Types[i], id.Names[i])
	}
	return strings.Join(parts, "/")
}

// ofSubscription are the types of which resources can be at the scope of the subscription as well as in a group. Below
// Microsoft.Features, "providers" is part of a type, and below Microsoft.KeyVault "locations".
var ofSubscription = []string{
	TypeTemplateDeployment, TypePolicyAssignment, TypeRoleAssignment, TypeRoleDefinition, TypeDiagnosticSetting,
	"Microsoft.Features/providers", "Microsoft.KeyVault/locations",
}

// OfSubscription reports whether resources of a type can be at the scope of the subscription.
func OfSubscription(typ string) bool {
	return slices.ContainsFunc(ofSubscription, func(t string) bool { return strings.EqualFold(t, typ) })
}

// isForbidden reports whether a character cannot be in any part of an id.
func isForbidden(r rune) bool {
	switch r {
	case '<', '>', '%', '&', '\\', '?', '"', '\'', 0x7f:
		return true
	}
	return r < 0x20
}

// IsZero reports whether the id names nothing.
func (id ID) IsZero() bool { return id.Subscription == "" && id.Group == "" }

// IsGroup reports whether the id names a resource group.
func (id ID) IsGroup() bool { return id.Namespace == "" }

// Type is "Namespace/type[/type…]", and TypeResourceGroup for a group.
func (id ID) Type() string {
	if id.IsGroup() {
		return TypeResourceGroup
	}
	return id.Namespace + "/" + strings.Join(id.Types, "/")
}

// Name is the last name.
func (id ID) Name() string {
	if id.IsGroup() {
		return id.Group
	}
	return id.Names[len(id.Names)-1]
}

// Top is the resource directly in a group in which this one is, such as its workspace; itself when it is one.
func (id ID) Top() ID {
	for len(id.Names) > 1 {
		id = id.Parent()
	}
	return id
}

// Parent is the resource this one lives in: the enclosing resource, the group, or the zero ID of what lives in none. An extension
// resource lives in the resource that it extends; when that is a part of another resource, such as a subnet, in that other one.
func (id ID) Parent() ID {
	n := len(id.Names) - 1
	switch {
	case id.IsGroup():
		return ID{}
	case n == 0 && id.Scope != "":
		return id.extended()
	case n == 0 && id.Group == "", n == 1 && id.Group == "" && id.Scope == "" && id.underWord():
		return ID{}
	case n == 0:
		return GroupID(id.Subscription, id.Group)
	}
	p := id
	p.Types, p.Names = id.Types[:n:n], id.Names[:n:n]
	return p
}

// Extended is the resource or the part that an extension resource extends: the group, or the zero ID for the subscription, when it
// extends no resource.
func (id ID) Extended() ID {
	if id.Scope == "" {
		return GroupID(id.Subscription, id.Group)
	}
	root := ID{Subscription: id.Subscription, Group: id.Group}
	of, err := ParseID(root.root() + "/providers/" + id.Scope)
	if err != nil {
		return ID{} // only of an id that ParseID would refuse
	}
	return of
}

func (id ID) extended() ID {
	of := id.Extended()
	if isPart(of.Type()) {
		return of.Parent()
	}
	return of
}

// underWord reports whether the id begins with a word that is no resource: Microsoft.Features/providers/{namespace}/features/{name}
// is one resource, and so is Microsoft.KeyVault/locations/{location}/deletedVaults/{name}.
func (id ID) underWord() bool {
	return strings.EqualFold(id.Types[0], "providers") || strings.EqualFold(id.Types[0], "locations")
}

// Child is the id of a resource of type typ inside this one.
func (id ID) Child(typ, name string) ID {
	c := id
	c.Types = append(id.Types[:len(id.Types):len(id.Types)], typ)
	c.Names = append(id.Names[:len(id.Names):len(id.Names)], name)
	return c
}

// String writes the id as ARM does.
func (id ID) String() string {
	if id.IsGroup() {
		return "/subscriptions/" + id.Subscription + "/resourceGroups/" + id.Group
	}
	return id.root() + "/providers/" + id.path()
}

// root is the id of the group, or of the subscription when there is no group.
func (id ID) root() string {
	if id.Group == "" {
		return "/subscriptions/" + id.Subscription
	}
	return "/subscriptions/" + id.Subscription + "/resourceGroups/" + id.Group
}

// Key is the id as it is compared: lower case.
func (id ID) Key() string { return strings.ToLower(id.String()) }

// Is reports whether the id has the type, in any casing.
func (id ID) Is(typ string) bool { return strings.EqualFold(id.Type(), typ) }

// MarshalText makes an ID a string in JSON.
func (id ID) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return nil, nil
	}
	return []byte(id.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = ID{}
		return nil
	}
	got, err := ParseID(string(text))
	*id = got
	return err
}
