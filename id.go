package berth

import (
	"fmt"
	"strings"
)

// Resource types, in the casing that Azure Resource Manager answers with.
const (
	TypeResourceGroup = "Microsoft.Resources/resourceGroups"
	TypeWorkspace     = "Microsoft.MachineLearningServices/workspaces"
	TypeCompute       = "Microsoft.MachineLearningServices/workspaces/computes"
	TypeCluster       = "Microsoft.ContainerService/managedClusters"
	TypeNodePool      = "Microsoft.ContainerService/managedClusters/agentPools"
	maxIDLength       = 2048
)

// ID names one ARM resource: a resource group, a resource inside one, or one at the scope of the subscription, which has no
// group.
//
// The casing of the names is the caller's and is kept; two IDs are the same resource when their Keys are equal
// (ARM compares ids without regard to case).
type ID struct {
	Subscription string
	Group        string
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

// ParseID reads "/subscriptions/S/resourceGroups/G[/providers/NS/type/name…]" in any casing of the fixed words, and
// "/subscriptions/S/providers/NS/type/name…" of the types that stand there too (OfSubscription).
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
		id.Types, id.Names = append(id.Types, rest[i]), append(id.Names, rest[i+1])
	}
	return id, nil
}

// OfSubscription reports whether resources of a type can stand at the scope of the subscription as well as in a group.
func OfSubscription(typ string) bool {
	return strings.EqualFold(typ, TypeTemplateDeployment) || strings.EqualFold(typ, TypePolicyAssignment)
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

// Parent is the resource this one lives in: the enclosing resource, the group, or the zero ID of what lives in none.
func (id ID) Parent() ID {
	switch {
	case id.IsGroup():
		return ID{}
	case len(id.Names) == 1 && id.Group == "":
		return ID{}
	case len(id.Names) == 1:
		return GroupID(id.Subscription, id.Group)
	}
	n := len(id.Names) - 1
	return ID{Subscription: id.Subscription, Group: id.Group, Namespace: id.Namespace, Types: id.Types[:n:n], Names: id.Names[:n:n]}
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
	parts := make([]string, 0, 7+2*len(id.Names))
	parts = append(parts, "", "subscriptions", id.Subscription)
	if id.Group != "" || id.IsGroup() {
		parts = append(parts, "resourceGroups", id.Group)
	}
	if !id.IsGroup() {
		parts = append(parts, "providers", id.Namespace)
		for i := range id.Names {
			parts = append(parts, id.Types[i], id.Names[i])
		}
	}
	return strings.Join(parts, "/")
}

// Key is the id as it is compared: lower case.
func (id ID) Key() string { return strings.ToLower(id.String()) }

// Is reports whether the id has the type, in any casing.
func (id ID) Is(typ string) bool { return strings.EqualFold(id.Type(), typ) }

// MarshalText lets an ID stand in JSON as its string.
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
