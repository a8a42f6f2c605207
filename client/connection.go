package client

import (
	"context"

	"berth.dev/berth"
)

// ValidateConnection reports what ConnectCluster would find, and changes nothing: the violations of the request, and the checks of
// the cluster with the kubeconfig.
func (c *Client) ValidateConnection(ctx context.Context, id berth.ID, g ConnectedCluster) (Validation, error) {
	path := Path(id) + "/validate"
	if g.Force {
		path += forced
	}
	properties := Object{"kubeconfig": string(g.Kubeconfig), "keepCredential": g.KeepCredential, "enableInference": g.Inference}
	body := Object{"properties": properties}
	if g.Location != "" {
		body["location"] = g.Location
	}
	var out Validation
	err := c.Post(ctx, path, body, &out)
	return out, err
}
