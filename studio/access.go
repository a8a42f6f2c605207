package studio

import (
	"slices"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// assignmentView is who has which role, and where.
type assignmentView struct {
	ID, Who, Role, Scope string
	Known                bool // the principal is a caller of this server
	Since                time.Time
	Actions, NotActions  []string
}

// choice is an option of a list.
type choice struct{ ID, Name string }

type accessData struct {
	All            []assignmentView
	Callers        []choice
	Common, Others []choice // roles
	Scopes         []choice
	Form           accessForm
	Errors         []berth.Error
}

type accessForm struct{ Who, Role, Scope string }

// commonRoles are those that people of a team have, the lowest first.
var commonRoles = []string{"Reader", "AzureML Data Scientist", "AzureML Compute Operator", "Azure Kubernetes Service Cluster User Role",
	"Azure Kubernetes Service Cluster Admin Role", "Azure Kubernetes Service Contributor Role", "Contributor", "User Access Administrator",
	"Owner"}

func (s *Studio) access(v *visit) error { return v.showAccess(accessData{}) }

func (v *visit) showAccess(data accessData) error {
	ctx, root := v.r.Context(), v.arm.SubscriptionScope()
	roles, err := v.arm.Roles(ctx, "")
	if err != nil {
		return err
	}
	all, err := v.arm.RoleAssignments(ctx, root, true)
	if err != nil {
		return err
	}
	if data.Scopes, err = v.scopes(); err != nil {
		return err
	}
	principals := v.Principals()
	for _, a := range principals {
		data.Callers = append(data.Callers, choice(a))
	}
	data.Common, data.Others = rolesToGive(roles)
	for _, o := range all {
		data.All = append(data.All, assignmentOf(o, roles, principals))
	}
	slices.SortStableFunc(data.All, func(a, b assignmentView) int { return strings.Compare(a.Who+a.Scope, b.Who+b.Scope) })
	return v.render("access", data)
}

// rolesToGive are the roles that permit anything.
func rolesToGive(roles []client.Object) (common, others []choice) {
	for _, r := range roles {
		one := choice{text(r, "id"), text(r, "properties", "roleName")}
		switch {
		case len(list(r, "properties", "permissions")) == 0:
		case slices.Contains(commonRoles, one.Name):
			common = append(common, one)
		default:
			others = append(others, one)
		}
	}
	slices.SortFunc(common, func(a, b choice) int { return slices.Index(commonRoles, a.Name) - slices.Index(commonRoles, b.Name) })
	return common, others
}

func assignmentOf(o client.Object, roles []client.Object, principals []Principal) assignmentView {
	role := text(o, "properties", "roleDefinitionId")
	out := assignmentView{ID: text(o, "id"), Who: text(o, "properties", "principalId"), Role: role, Scope: text(o, "properties", "scope"),
		Since: moment(o, "properties", "createdOn")}
	for _, a := range principals {
		if strings.EqualFold(a.ID, out.Who) {
			out.Who, out.Known = a.Name, true
		}
	}
	for _, r := range roles {
		if !strings.EqualFold(text(r, "name"), role[strings.LastIndex(role, "/")+1:]) {
			continue
		}
		out.Role = text(r, "properties", "roleName")
		for _, p := range list(r, "properties", "permissions") {
			out.Actions = append(out.Actions, wordsOf(p, "actions")...)
			out.NotActions = append(out.NotActions, wordsOf(p, "notActions")...)
		}
	}
	return out
}

func list(o client.Object, path ...string) []any {
	found, _ := at(o, path...).([]any)
	return found
}

func wordsOf(of any, name string) (out []string) {
	for _, v := range list(objectsOf(of), name) {
		if s, is := v.(string); is {
			out = append(out, s)
		}
	}
	return out
}

// scopes are where roles are given most: the subscription, its groups, workspaces and clusters.
func (v *visit) scopes() ([]choice, error) {
	ctx := v.r.Context()
	out := []choice{{v.arm.SubscriptionScope(), v.T("access.subscription")}}
	groups, err := v.arm.ListGroups(ctx)
	if err != nil {
		return nil, err
	}
	spaces, err := v.arm.ListWorkspaces(ctx, "")
	if err != nil {
		return nil, err
	}
	clusters, err := v.arm.ListClusters(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, o := range slices.Concat(groups, spaces, clusters) {
		out = append(out, choice{text(o, "id"), v.Inside(text(o, "id"))})
	}
	return out, nil
}

// Inside is a scope without the subscription.
func (v *visit) Inside(scope string) string {
	if rest, has := strings.CutPrefix(strings.ToLower(scope), strings.ToLower(v.arm.SubscriptionScope())); has {
		if rest == "" {
			return v.T("access.subscription")
		}
		return strings.TrimPrefix(scope[len(scope)-len(rest):], "/resourceGroups/")
	}
	return scope
}

// changeAccess gives a role, or takes one away.
func (s *Studio) changeAccess(v *visit) (err error) {
	f := func(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }
	data := accessData{Form: accessForm{f("who"), f("role"), f("scope")}}
	switch id, parseErr := berth.ParseID(f("remove")); {
	case v.r.PostFormValue("resume") != "":
		return v.showAccess(data)
	case f("remove") == "":
		_, err = v.arm.AssignRole(v.r.Context(), data.Form.Who, data.Form.Role, data.Form.Scope)
	case parseErr != nil || !id.Is(berth.TypeRoleAssignment):
		return s.missing(v)
	default:
		err = v.arm.RemoveAssignment(v.r.Context(), client.Path(id))
	}
	if client.Refused(err) {
		data.Errors, v.status = detailsOf(err), client.StatusOf(err)
		return v.showAccess(data)
	}
	if err != nil {
		return err
	}
	return v.redirect(Path + "/access")
}
