package berth_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"berth.dev/berth"
)

const (
	groupText   = "/subscriptions/S-1/resourceGroups/Team-RG"
	wsText      = groupText + "/providers/Microsoft.MachineLearningServices/workspaces/Vision"
	computeText = wsText + "/computes/Gpu"
)

func TestParseID(t *testing.T) {
	for _, c := range []struct {
		in, text, typ, name, parent string
	}{
		{groupText, groupText, berth.TypeResourceGroup, "Team-RG", ""},
		{groupText + "/", groupText, berth.TypeResourceGroup, "Team-RG", ""},
		{"/SUBSCRIPTIONS/S-1/resourcegroups/Team-RG", groupText, berth.TypeResourceGroup, "Team-RG", ""},
		{wsText, wsText, berth.TypeWorkspace, "Vision", groupText},
		{computeText, computeText, berth.TypeCompute, "Gpu", wsText},
		{strings.Replace(computeText, "providers", "Providers", 1), computeText, berth.TypeCompute, "Gpu", wsText},
		{groupText + "/providers/Microsoft.ContainerService/managedClusters/a/agentPools/p",
			groupText + "/providers/Microsoft.ContainerService/managedClusters/a/agentPools/p",
			berth.TypeNodePool, "p", groupText + "/providers/Microsoft.ContainerService/managedClusters/a"},
	} {
		id, err := berth.ParseID(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if id.String() != c.text || id.Type() != c.typ || id.Name() != c.name || id.Key() != strings.ToLower(c.text) || id.IsZero() {
			t.Errorf("%s: %s, type %s, name %s, key %s", c.in, id, id.Type(), id.Name(), id.Key())
		}
		if !id.Is(strings.ToUpper(c.typ)) || id.Is(c.typ+"s") || id.IsGroup() != (c.typ == berth.TypeResourceGroup) {
			t.Errorf("%s: is of the wrong type", c.in)
		}
		if p := id.Parent(); (c.parent == "") != p.IsZero() || c.parent != "" && p.String() != c.parent {
			t.Errorf("%s: parent %s; want %s", c.in, p, c.parent)
		}
	}
}

func TestParseIDRefuses(t *testing.T) {
	for _, c := range []struct{ in, word string }{
		{"", "too few parts"},
		{"/", "too few parts"},
		{strings.TrimPrefix(computeText, "/"), "too few parts"},
		{"/subscriptions/S-1", "too few parts"},
		{"/subscriptions/S-1/resourceGroups", "too few parts"},
		{"/subscriptions//resourceGroups/g", "empty"},
		{groupText + "//providers/N/t/n", "empty"},
		{"/subs/S-1/resourceGroups/g", "does not begin"},
		{"/subscriptions/S-1/groups/g", "does not begin"},
		{groupText + "/providers", "after the group"},
		{groupText + "/providers/N/t", "after the group"},
		{groupText + "/providers/N/t/n/u", "after the group"},
		{groupText + "/provider/N/t/n", "after the group"},
		{groupText + "/providers/N/t/a?b", "a character"},
		{groupText + "/providers/N/t/a\x00b", "a character"},
		{groupText + "/providers/N/t/<script>", "a character"},
		{groupText + "/providers/N/t/" + strings.Repeat("x", 2048), "at most 2048"},
	} {
		id, err := berth.ParseID(c.in)
		if err == nil || !strings.Contains(err.Error(), c.word) || !id.IsZero() {
			t.Errorf("%.80s: %v, %v; want an error that says %q", c.in, id, err, c.word)
		}
	}
}

func TestChild(t *testing.T) {
	ws := berth.NewID("S-1", "Team-RG", berth.TypeWorkspace, "Vision")
	a, b := ws.Child("computes", "a"), ws.Child("computes", "b") // b must not overwrite a
	if a.String() != wsText+"/computes/a" || b.String() != wsText+"/computes/b" || ws.String() != wsText {
		t.Errorf("%s, %s of %s", a, b, ws)
	}
	deep := a.Child("x", "1")
	if p := deep.Parent(); !reflect.DeepEqual(p, a) {
		t.Errorf("parent of a child: %s; want %s", p, a)
	}
	if c := deep.Parent().Child("y", "2"); deep.String() != wsText+"/computes/a/x/1" || c.String() != wsText+"/computes/a/y/2" {
		t.Errorf("a child of the parent overwrote %s (%s)", deep, c)
	}
	if other := berth.NewID("s-1", "TEAM-rg", berth.TypeCompute, "VISION", "GPU"); other.Key() != ws.Child("computes", "Gpu").Key() {
		t.Errorf("casing counts in %s", other.Key())
	}
	defer func() {
		if recover() == nil {
			t.Error("a compute with one name")
		}
	}()
	berth.NewID("S-1", "g", berth.TypeCompute, "only one")
}

// A deployment at the scope of the subscription has no group.
func TestIDOfSubscription(t *testing.T) {
	const text = "/subscriptions/S-1/providers/Microsoft.Resources/deployments/whole"
	for _, s := range []string{text, strings.ToUpper(text), text + "/operations/1"} {
		id, err := berth.ParseID(s)
		if err != nil || id.Group != "" || id.IsGroup() || id.Key() != strings.ToLower(s) {
			t.Errorf("%s: %+v %v", s, id, err)
		}
	}
	id, _ := berth.ParseID(text)
	if p := id.Parent(); !p.IsZero() || !id.Is(berth.TypeTemplateDeployment) || id.Name() != "whole" {
		t.Errorf("parent %v, type %s", p, id.Type())
	}
	for _, s := range []string{"/subscriptions/S-1/providers/Microsoft.Resources/deployments",
		"/subscriptions/S-1/providers/Microsoft.Storage/storageAccounts/a"} {
		if id, err := berth.ParseID(s); err == nil {
			t.Errorf("%s: %+v", s, id)
		}
	}
}

// An extension resource is inside the resource that it extends, or inside the resource of which that is a part.
func TestIDOfExtension(t *testing.T) {
	const role = "/providers/Microsoft.Authorization/roleAssignments/r"
	const network = groupText + "/providers/Microsoft.Network/virtualNetworks/n"
	for _, c := range []struct{ of, parent string }{
		{groupText, groupText},
		{wsText, wsText},
		{computeText, computeText},
		{network + "/subnets/s", network},
		{strings.ToUpper(network + "/subnets/s"), strings.ToUpper(network)},
	} {
		id, err := berth.ParseID(c.of + role)
		if err != nil || id.Key() != strings.ToLower(c.of+role) || !id.Is(berth.TypeRoleAssignment) || id.Name() != "r" ||
			id.Parent().Key() != strings.ToLower(c.parent) || id.Extended().Key() != strings.ToLower(c.of) {
			t.Errorf("%s: %+v %v, in %s, of %s", c.of, id, err, id.Parent(), id.Extended())
		}
	}
	for text, typ := range map[string]string{
		"/subscriptions/S-1" + role: berth.TypeRoleAssignment,
		"/subscriptions/S-1/providers/Microsoft.Features/providers/Microsoft.Compute/features/f": berth.TypeFeature,
		"/subscriptions/S-1/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/v":   berth.TypeDeletedVault,
	} {
		id, err := berth.ParseID(text)
		if err != nil || !id.Is(typ) || !id.Parent().IsZero() || id.String() != text {
			t.Errorf("%s: %+v %v", text, id, err)
		}
	}
	for _, text := range []string{wsText + "/providers/Microsoft.Authorization", wsText + "/providers/Microsoft.Authorization/roleAssignments",
		wsText + "/providers/a/b/c/providers/d"} {
		if id, err := berth.ParseID(text); err == nil {
			t.Errorf("%s: %+v", text, id)
		}
	}
}

func TestIDInJSON(t *testing.T) {
	type thing struct{ ID, None berth.ID }
	in := thing{ID: berth.NewID("S-1", "Team-RG", berth.TypeCompute, "Vision", "Gpu")}
	text, err := json.Marshal(in)
	if err != nil || string(text) != `{"ID":"`+computeText+`","None":""}` {
		t.Fatalf("%s, %v", text, err)
	}
	var out thing
	if err := json.Unmarshal(text, &out); err != nil || !reflect.DeepEqual(out, in) {
		t.Errorf("%+v, %v", out, err)
	}
	if err := json.Unmarshal([]byte(`{"ID":"no"}`), &out); err == nil {
		t.Error("read an id from \"no\"")
	}
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{
		groupText, wsText, computeText, strings.ToUpper(computeText), groupText + "/", "//" + groupText,
		"/subscriptions/a/resourceGroups/b/providers/c/d", "/subscriptions/ /resourceGroups/é",
		"/subscriptions/a/providers/Microsoft.Resources/deployments/b", groupText + "/providers/N/t/a%2fb",
		groupText + "/providers/N/t/n/providers/M/u/m", "", "/",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := berth.ParseID(s)
		if err != nil {
			if !id.IsZero() {
				t.Fatalf("%q: %v beside an error", s, id)
			}
			return
		}
		again, err := berth.ParseID(id.String())
		if err != nil || !reflect.DeepEqual(again, id) {
			t.Fatalf("%q: written as %q, read as %#v, %v", s, id.String(), again, err)
		}
		if strings.ToLower(id.Key()) != id.Key() {
			t.Fatalf("%q: key %q is not lower case", s, id.Key())
		}
		if !utf8.ValidString(s) || len(id.Key()) > len(s) {
			return // letters that grow when lowered: not in names that the rules let through
		}
		if lower, err := berth.ParseID(id.Key()); err != nil || lower.Key() != id.Key() {
			t.Fatalf("%q: key %q is read as %q, %v", s, id.Key(), lower.Key(), err)
		}
		if id.IsGroup() {
			if !id.Parent().IsZero() {
				t.Fatalf("%q: a group in %s", s, id.Parent())
			}
			return
		}
		if id.Scope != "" && len(id.Names) == 1 {
			if of := id.Extended(); !reflect.DeepEqual(of.Extend(id.Namespace).Child(id.Types[0], id.Name()), id) {
				t.Fatalf("%q extends %s", s, of)
			}
			return
		}
		if p := id.Parent(); !p.IsGroup() && !p.IsZero() {
			if back := p.Child(id.Types[len(id.Types)-1], id.Name()); !reflect.DeepEqual(back, id) {
				t.Fatalf("%q: the parent's child is %s", s, back)
			}
		}
	})
}
