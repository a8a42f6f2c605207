package studio

import (
	"html"
	"html/template"
	"slices"

	"berth.dev/berth"
)

// Need is what a button or a link carries that does one of some things (rights) to a resource, when the caller may do none of them: it is
// shown as closed, and says which right is missing. It can be pressed nevertheless: Resource Manager decides, and says why. Without a
// scope it is about what the address names, or about any resource group.
func (v *visit) Need(scope string, rights ...string) template.HTMLAttr {
	scopes := []string{scope}
	if scope == "" {
		scopes = v.here()
	}
	for _, right := range rights {
		if v.may(v.arm.SubscriptionScope(), right) || slices.ContainsFunc(scopes, func(scope string) bool { return v.may(scope, right) }) {
			return ""
		}
	}
	// #nosec G203 -- escaped, and the rights are those of the templates
	return template.HTMLAttr(`aria-disabled="true" title="` + html.EscapeString(v.T("barred", rights[0])) + `"`)
}

// may asks once for a page. What cannot be found out is not barred.
func (v *visit) may(scope, right string) bool {
	key := scope + " " + right
	may, known := v.rights[key]
	if !known {
		var err error
		may, err = v.arm.May(v.r.Context(), scope, right)
		may = may || err != nil
		if v.rights == nil {
			v.rights = map[string]bool{}
		}
		v.rights[key] = may
	}
	return may
}

// here is what the address names: an online endpoint, a workspace, or nothing, which is every resource group that the caller sees.
func (v *visit) here() (scopes []string) {
	switch {
	case v.Workspace() == "":
		groups, _ := v.arm.ListGroups(v.r.Context()) // without them nothing is known of them
		for _, g := range groups {
			scopes = append(scopes, text(g, "id"))
		}
		return scopes
	case v.online() && v.r.PathValue("name") != "":
		return []string{v.onlineID(v.r.PathValue("name")).String()}
	}
	return []string{v.SpaceID(v.Group(), v.Workspace())}
}

// SpaceID is the id of a workspace.
func (v *visit) SpaceID(group, name string) string {
	return v.arm.ID(group, berth.TypeWorkspace, name).String()
}

// Right is the right to do something with what an endpoint page is about.
func (d endpointData) Right(verb string) string {
	if d.Online && !d.Aks {
		return berth.TypeWorkspace + "/onlineEndpoints/" + verb
	}
	return berth.TypeWorkspace + "/services/" + verb
}

// ClusterRight is the right to do something with a cluster.
func (*visit) ClusterRight(kind, verb string) string {
	if kind == "managed" {
		return berth.TypeCluster + "/" + verb
	}
	return berth.TypeConnected + "/" + verb
}

// Title is the attribute with a text.
func (v *visit) Title(key string, args ...any) template.HTMLAttr {
	return template.HTMLAttr(`title="` + html.EscapeString(v.T(key, args...)) + `"`) // #nosec G203 -- escaped
}
