package client

import (
	"context"

	"berth.dev/berth"
)

func (c *Client) workspacePath(group, name string) string {
	return Path(c.ID(group, berth.TypeWorkspace, name))
}

// PutWorkspace makes or changes a workspace. body is the ARM resource: location, tags, properties.
func (c *Client) PutWorkspace(ctx context.Context, group, name string, body Object) (Object, error) {
	var out Object
	op, err := c.Put(ctx, c.workspacePath(group, name), body, &out)
	if err != nil {
		return nil, err
	}
	return out, c.Wait(ctx, op, nil)
}

// CreateWorkspace makes a workspace with nothing but a location.
func (c *Client) CreateWorkspace(ctx context.Context, group, name, location string) (Object, error) {
	return c.PutWorkspace(ctx, group, name, Object{"location": location})
}

// GetWorkspace reads a workspace.
func (c *Client) GetWorkspace(ctx context.Context, group, name string) (Object, error) {
	return c.object(ctx, c.workspacePath(group, name))
}

// ListWorkspaces lists the workspaces of a group; of the subscription when group is empty.
func (c *Client) ListWorkspaces(ctx context.Context, group string) ([]Object, error) {
	return c.List(ctx, c.collection(group, berth.TypeWorkspace))
}

// collection is where resources of a type are listed: in a group, or in the subscription.
func (c *Client) collection(group, typ string) string {
	return Path(berth.GroupID(c.Subscription(), group)) + "/providers/" + typ
}

// DeleteWorkspace deletes a workspace.
func (c *Client) DeleteWorkspace(ctx context.Context, group, name string) (*Operation, error) {
	return c.Delete(ctx, c.workspacePath(group, name))
}
