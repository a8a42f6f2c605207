package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) roleCommand() *cobra.Command {
	assignment := family("assignment", "Who has which role, and where", c.roleAssign(), c.roleAssignments(), c.roleUnassign())
	definition := family("definition", "The roles, and what they permit", c.roleDefinitions())
	return family("role", "Roles decide what a caller may do", assignment, definition)
}

// grant is a role assignment as options name it.
type grant struct{ assignee, role, scope string }

func (g *grant) flags(w *where, cmd *cobra.Command, required bool) {
	f := cmd.Flags()
	f.StringVar(&g.assignee, "assignee", "", "client id, user name or object id of the caller, a user or a group")
	f.StringVar(&g.role, "role", "", "name or id of the role, such as Reader")
	f.StringVar(&g.scope, "scope", "", "id of the resource, the resource group or the subscription (default: the subscription)")
	w.wants = append(w.wants, want{value: &g.assignee, options: "--assignee", spare: !required},
		want{value: &g.role, options: "--role", spare: !required}, want{value: &g.scope, options: "--scope", spare: true})
}

func (c *cli) roleAssign() *cobra.Command {
	w, g := &where{}, &grant{}
	cmd := command("create", "Give a caller a role at a scope and everywhere inside it", func(ctx context.Context) error {
		cl, a, err := c.assignee(ctx, g.assignee)
		if err != nil {
			return err
		}
		made, err := c.assign(ctx, cl, a, g)
		if err != nil {
			return err
		}
		return c.emit(made, nil)
	})
	cmd.Example = "  berth role assignment create --assignee CLIENT_ID --role Reader\n" +
		"  berth role assignment create --assignee CLIENT_ID --role \"AzureML Compute Operator\" \\\n" +
		"    --scope /subscriptions/ID/resourceGroups/team/providers/Microsoft.MachineLearningServices/workspaces/vision"
	g.flags(w, cmd, true)
	return w.on(c, cmd)
}

// assignee finds who gets a role: an application, a person or a group.
func (c *cli) assignee(ctx context.Context, id string) (*client.Client, client.Object, error) {
	cl, err := c.connect()
	if err != nil {
		return nil, nil, err
	}
	found, err := cl.Principal(ctx, unquoted(id))
	if err == nil && found == nil {
		err = notFound("nobody has the id '%s'; `berth ad sp list`, `berth ad user list` and `berth ad group list` show who there is", id)
	}
	return cl, found, err
}

// assign gives a caller that was found a role.
func (c *cli) assign(ctx context.Context, cl *client.Client, a client.Object, g *grant) (client.Object, error) {
	role, err := roleNamed(ctx, cl, g.role)
	if err != nil {
		return nil, err
	}
	if g.scope == "" {
		g.scope = cl.SubscriptionScope()
	}
	return cl.AssignRole(ctx, str(a, "id"), str(role, "id"), g.scope)
}

func roleNamed(ctx context.Context, cl *client.Client, name string) (client.Object, error) {
	found, err := cl.Roles(ctx, name)
	if err == nil && len(found) == 0 {
		err = notFound("there is no role '%s'; `berth role definition list` shows them", name)
	}
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

func (c *cli) roleAssignments() *cobra.Command {
	w, g := &where{}, &grant{}
	all := false
	cmd := command("list", "List the role assignments at a scope and above it", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		found, err := c.assignments(ctx, cl, g, all)
		if err != nil {
			return err
		}
		return c.emit(found, assignmentTable)
	})
	g.flags(w, cmd, false)
	cmd.Flags().BoolVar(&all, "all", false, "those inside the scope too")
	return w.on(c, cmd)
}

// assignments finds role assignments, with the names of the caller and of the role, as az shows them.
func (c *cli) assignments(ctx context.Context, cl *client.Client, g *grant, all bool) ([]client.Object, error) {
	if g.scope == "" {
		g.scope = cl.SubscriptionScope()
	}
	found, err := cl.RoleAssignments(ctx, g.scope, all)
	if err != nil {
		return nil, err
	}
	roles, err := cl.Roles(ctx, "")
	if err != nil {
		return nil, err
	}
	callers, err := principals(ctx, cl)
	if err != nil {
		return nil, err
	}
	shown := []client.Object{}
	for _, o := range found {
		for _, r := range roles {
			if strings.EqualFold(str(r, "name"), lastWord(str(o, "properties", "roleDefinitionId"))) {
				o["roleDefinitionName"] = str(r, "properties", "roleName")
			}
		}
		ids := []string{str(o, "properties", "principalId")}
		for _, a := range callers {
			if strings.EqualFold(str(a, "id"), ids[0]) {
				o["principalName"], ids = str(a, "displayName"), append(ids, str(a, "appId"), str(a, "userPrincipalName"))
			}
		}
		role := g.role == "" || strings.EqualFold(g.role, str(o, "roleDefinitionName")) ||
			strings.EqualFold(lastWord(g.role), lastWord(str(o, "properties", "roleDefinitionId")))
		if role && (g.assignee == "" || slices.ContainsFunc(ids, func(id string) bool { return strings.EqualFold(id, g.assignee) })) {
			shown = append(shown, o)
		}
	}
	return shown, nil
}

// principals are all to whom roles can be given.
func principals(ctx context.Context, cl *client.Client) ([]client.Object, error) {
	all, err := cl.Applications(ctx, "")
	if err != nil {
		return nil, err
	}
	users, err := cl.Users(ctx)
	if err != nil {
		return nil, err
	}
	groups, err := cl.Groups(ctx)
	return slices.Concat(all, users, groups), err
}

func assignmentTable(v any) []row {
	return each(v, func(o client.Object) row {
		who := str(o, "principalName")
		if who == "" {
			who = str(o, "properties", "principalId")
		}
		return row{{"Principal", who}, {"Role", str(o, "roleDefinitionName")}, {"Scope", str(o, "properties", "scope")}}
	})
}

func (c *cli) roleUnassign() *cobra.Command {
	w, g := &where{}, &grant{}
	cmd := command("delete", "Take a role away from a caller", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		found, err := c.assignments(ctx, cl, g, false)
		if err != nil {
			return err
		}
		scope, gone := strings.TrimSuffix(g.scope, "/"), false
		for _, o := range found {
			if strings.EqualFold(str(o, "properties", "scope"), scope) {
				if err := cl.RemoveAssignment(ctx, str(o, "id")); err != nil {
					return err
				}
				gone = true
			}
		}
		if !gone {
			return notFound("'%s' has no assignment of '%s' at '%s'; `berth role assignment list --all` shows them", g.assignee, g.role, scope)
		}
		return nil
	})
	g.flags(w, cmd, true)
	return w.on(c, cmd)
}

func (c *cli) roleDefinitions() *cobra.Command {
	var name string
	var custom bool
	cmd := command("list", "List the roles", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		all, err := cl.Roles(ctx, name)
		if err != nil {
			return err
		}
		shown := []client.Object{}
		for _, r := range all {
			if !custom || str(r, "properties", "type") == "CustomRole" {
				shown = append(shown, r)
			}
		}
		return c.emit(shown, roleTable)
	})
	cmd.Flags().StringVarP(&name, "name", "n", "", "name or id of one role")
	cmd.Flags().BoolVar(&custom, "custom-role-only", false, "only the roles that were defined here")
	return cmd
}

func roleTable(v any) []row {
	return each(v, func(o client.Object) row {
		return row{{"Name", str(o, "properties", "roleName")}, {"Id", str(o, "name")}, {"Type", str(o, "properties", "type")}}
	})
}
