package client

import (
	"context"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"berth.dev/berth"
)

// SubscriptionScope is the id of the subscription, at which and inside which roles are assigned.
func (c *Client) SubscriptionScope() string { return "/subscriptions/" + c.Subscription() }

// Roles lists the role definitions: the built-in ones, and those that were defined. With a name it lists the role of that name or id only.
func (c *Client) Roles(ctx context.Context, name string) (found []Object, err error) {
	all, err := c.List(ctx, c.SubscriptionScope()+"/providers/"+berth.TypeRoleDefinition)
	if err != nil || name == "" {
		return all, err
	}
	id := name[strings.LastIndex(name, "/")+1:]
	for _, r := range all {
		properties, _ := r["properties"].(Object)
		title, _ := properties["roleName"].(string)
		if strings.EqualFold(title, name) || strings.EqualFold(r["name"].(string), id) {
			found = append(found, r)
		}
	}
	return found, nil
}

// RoleAssignments lists the role assignments at a scope and above it; with inside, those inside it too.
func (c *Client) RoleAssignments(ctx context.Context, scope string, inside bool) ([]Object, error) {
	path := strings.TrimSuffix(scope, "/") + "/providers/" + berth.TypeRoleAssignment
	if !inside {
		path += "?$filter=" + url.QueryEscape("atScope()")
	}
	return c.List(ctx, path)
}

// AssignRole gives a principal (an object id) a role (its id) at a scope.
func (c *Client) AssignRole(ctx context.Context, principal, role, scope string) (out Object, err error) {
	path := strings.TrimSuffix(scope, "/") + "/providers/" + berth.TypeRoleAssignment + "/" + uuid.NewString()
	out, _, err = c.put(ctx, path, Object{"properties": Object{"principalId": principal, "roleDefinitionId": role}})
	return out, err
}

// RemoveAssignment removes a role assignment by its id.
func (c *Client) RemoveAssignment(ctx context.Context, id string) error {
	_, err := c.Delete(ctx, id)
	return err
}

// May reports whether the caller has a right at a scope.
func (c *Client) May(ctx context.Context, scope, right string) (bool, error) {
	var out struct {
		Value []struct{ AccessDecision string }
	}
	err := c.Post(ctx, strings.TrimSuffix(scope, "/")+"/providers/Microsoft.Authorization/checkAccess",
		Object{"actions": []any{Object{"id": right}}}, &out)
	return err == nil && len(out.Value) == 1 && out.Value[0].AccessDecision == "Allowed", err
}
