package client

import (
	"context"
	"strconv"

	"berth.dev/berth"
)

// ComputeName identifies a compute in the subscription of the client.
type ComputeName struct{ Group, Workspace, Name string }

// ActionDelete deletes the cluster with its compute; ActionDetach keeps it.
const (
	ActionDelete = "Delete"
	ActionDetach = "Detach"
)

func (c *Client) computePath(n ComputeName) string {
	return Path(c.ID(n.Group, berth.TypeCompute, n.Workspace, n.Name))
}

// PutCompute creates or attaches a compute, or changes one: what body does not name stays as it is. It returns the resource
// as the server accepted it, and the operation that works on it.
func (c *Client) PutCompute(ctx context.Context, n ComputeName, body Object) (Object, *Operation, error) {
	return c.put(ctx, c.computePath(n), body)
}

// TakeOverCompute is PutCompute, and takes the cluster over from the compute that has it.
func (c *Client) TakeOverCompute(ctx context.Context, n ComputeName, body Object) (Object, *Operation, error) {
	return c.put(ctx, c.computePath(n)+forced, body)
}

func (c *Client) put(ctx context.Context, path string, body Object) (Object, *Operation, error) {
	var out Object
	op, err := c.Put(ctx, path, body, &out)
	return out, op, err
}

// Validation is the rules' answer to a request that is not carried out.
type Validation struct {
	Valid      bool          `json:"valid"`
	Violations []berth.Error `json:"violations"` // reasons to refuse the request
	Warnings   []berth.Error `json:"warnings"`   // remarks on a request that is accepted
	Checks     []berth.Check `json:"checks,omitempty"`
}

// ValidateCompute reports every violation and warning of a PutCompute without changing anything. The cluster of an attach is
// checked too.
func (c *Client) ValidateCompute(ctx context.Context, n ComputeName, body Object) (Validation, error) {
	var out Validation
	err := c.Post(ctx, c.computePath(n)+"/validate?preflight=true", body, &out)
	return out, err
}

// CheckRules is ValidateCompute without the check of the cluster: it takes a millisecond.
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

// DeleteCompute deletes a compute, and with ActionDelete its cluster too.
func (c *Client) DeleteCompute(ctx context.Context, n ComputeName, action string) (*Operation, error) {
	return c.Delete(ctx, c.computePath(n)+"?underlyingResourceAction="+action)
}

// ComputeKeys are the kubeconfigs of the cluster behind a compute. They are secrets.
func (c *Client) ComputeKeys(ctx context.Context, n ComputeName) (Object, error) {
	var out Object
	err := c.Post(ctx, c.computePath(n)+"/listKeys", nil, &out)
	return out, err
}
