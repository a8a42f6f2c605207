package client

import (
	"context"

	"berth.dev/berth"
)

func (c *Client) groupPath(name string) string { return Path(berth.GroupID(c.Subscription(), name)) }

// CreateGroup makes a resource group, or changes its tags when it is there. tags may be nil: they stay as they are.
func (c *Client) CreateGroup(ctx context.Context, name, location string, tags map[string]string) (Object, error) {
	body := Object{"location": location}
	if tags != nil {
		body["tags"] = tags
	}
	var out Object
	_, err := c.Put(ctx, c.groupPath(name), body, &out)
	return out, err
}

// GetGroup reads a resource group.
func (c *Client) GetGroup(ctx context.Context, name string) (Object, error) {
	return c.object(ctx, c.groupPath(name))
}

// object reads one resource.
func (c *Client) object(ctx context.Context, path string) (Object, error) {
	var out Object
	err := c.Get(ctx, path, &out)
	return out, err
}

// ListGroups lists the resource groups.
func (c *Client) ListGroups(ctx context.Context) ([]Object, error) {
	return c.List(ctx, Path(berth.ID{Subscription: c.Subscription()})+"/resourceGroups")
}

// DeleteGroup deletes a resource group with everything in it.
func (c *Client) DeleteGroup(ctx context.Context, name string) (*Operation, error) {
	return c.Delete(ctx, c.groupPath(name))
}
