package client

import (
	"context"
	"strconv"

	"berth.dev/berth"
)

// ComputeName says which compute is meant.
type ComputeName struct{ Group, Workspace, Name string }

// What becomes of the cluster when its compute goes.
const (
	ActionDelete = "Delete"
	ActionDetach = "Detach"
)

func (c *Client) computePath(n ComputeName) string {
	return Path(c.ID(n.Group, berth.TypeCompute, n.Workspace, n.Name))
}

// PutCompute creates or attaches a compute, or changes one: what body does not name stays as it is. The answer is what
// the server has written down; the operation says when it is done.
func (c *Client) PutCompute(ctx context.Context, n ComputeName, body Object) (Object, *Operation, error) {
	return c.put(ctx, c.computePath(n), body)
}

// TakeOverCompute is PutCompute, and takes the cluster away from the compute that has it.
func (c *Client) TakeOverCompute(ctx context.Context, n ComputeName, body Object) (Object, *Operation, error) {
	return c.put(ctx, c.computePath(n)+forced, body)
}

func (c *Client) put(ctx context.Context, path string, body Object) (Object, *Operation, error) {
	var out Object
	op, err := c.Put(ctx, path, body, &out)
	return out, op, err
}

// Validation is what a wish would be told.
type Validation struct {
	Valid      bool          `json:"valid"`
	Violations []berth.Error `json:"violations"` // what forbids it
	Warnings   []berth.Error `json:"warnings"`   // what is only said
	Checks     []berth.Check `json:"checks,omitempty"`
}

// ValidateCompute asks what PutCompute would be told, and does nothing. The cluster of an attach is asked too.
func (c *Client) ValidateCompute(ctx context.Context, n ComputeName, body Object) (Validation, error) {
	var out Validation
	err := c.Post(ctx, c.computePath(n)+"/validate?preflight=true", body, &out)
	return out, err
}

// CheckRules asks the rules only, which takes a millisecond.
func (c *Client) CheckRules(ctx context.Context, n ComputeName, body Object) (Validation, error) {
	var out Validation
	err := c.Post(ctx, c.computePath(n)+"/validate", body, &out)
	return out, err
}

// GetCompute reads a compute.
func (c *Client) GetCompute(ctx context.Context, n ComputeName) (Object, error) {
	return c.object(ctx, c.computePath(n))
}

// ListComputes lists the computes of a workspace.
func (c *Client) ListComputes(ctx context.Context, group, workspace string) ([]Object, error) {
	return c.List(ctx, c.workspacePath(group, workspace)+"/computes")
}

// ScaleCompute changes the number of nodes, and nothing else.
func (c *Client) ScaleCompute(ctx context.Context, n ComputeName, count int) (Object, *Operation, error) {
	return c.PutCompute(ctx, n, ComputeRequest{Nodes: strconv.Itoa(count)}.Body(c.Subscription()))
}

// DeleteCompute takes a compute away, and with ActionDelete its cluster too.
func (c *Client) DeleteCompute(ctx context.Context, n ComputeName, action string) (*Operation, error) {
	return c.Delete(ctx, c.computePath(n)+"?underlyingResourceAction="+action)
}

// ComputeKeys are the kubeconfigs of the cluster behind a compute. They are secrets.
func (c *Client) ComputeKeys(ctx context.Context, n ComputeName) (Object, error) {
	var out Object
	err := c.Post(ctx, c.computePath(n)+"/listKeys", nil, &out)
	return out, err
}
