package client

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"

	"berth.dev/berth"
)

func (c *Client) clusterPath(group, name string) string {
	return Path(c.ID(group, berth.TypeCluster, name))
}

// PutCluster makes or changes a managed cluster. body is the ARM resource.
func (c *Client) PutCluster(ctx context.Context, group, name string, body Object) (Object, *Operation, error) {
	return c.put(ctx, c.clusterPath(group, name), body)
}

// GetCluster reads a managed cluster.
func (c *Client) GetCluster(ctx context.Context, group, name string) (Object, error) {
	return c.object(ctx, c.clusterPath(group, name))
}

// ConnectCluster connects a cluster that Berth did not create; Berth uses the kubeconfig once. id is the id of a connected
// cluster, or of a managed one, which the SDK v1 finds by name.
func (c *Client) ConnectCluster(ctx context.Context, id berth.ID, g ConnectedCluster) (Object, *Operation, error) {
	properties := Object{"kubeconfig": string(g.Kubeconfig)}
	if g.KeepCredential {
		properties["keepCredential"] = true
	}
	if g.Inference {
		properties["enableInference"] = true
	}
	body := Object{"properties": properties}
	if g.Location != "" {
		body["location"] = g.Location
	}
	path := Path(id)
	if g.Force {
		path += forced
	}
	return c.put(ctx, path, body)
}

// forced takes a cluster over from its present holder.
const forced = "?force=true"

// ConnectedCluster is a cluster to connect.
type ConnectedCluster struct {
	Kubeconfig     []byte
	Location       string // default: the location of the resource group
	Force          bool   // take it over: another Berth that is connected to it loses its account there
	KeepCredential bool   // work with the credential itself, and create nothing in the cluster
	Inference      bool   // with the rights to serve models there
}

// ConnectionManifest is the objects that ConnectCluster would create in a cluster, as YAML for its administrator to apply.
func (c *Client) ConnectionManifest(ctx context.Context, id berth.ID, inference bool) (string, error) {
	var out struct{ Manifest string }
	err := c.Post(ctx, Path(id)+"/manifest", Object{"properties": Object{"enableInference": inference}}, &out)
	return out.Manifest, err
}

// RouterObjects lists the objects of Azure ML's own router in a cluster, such as "deployments/azureml-fe".
func (c *Client) RouterObjects(ctx context.Context, id berth.ID) (found []string, err error) {
	var out struct{ Found []string }
	err = c.Post(ctx, Path(id)+"/leftovers", nil, &out)
	return out.Found, err
}

// RemoveRouterObjects starts to remove the objects that RouterObjects lists. The operation's notes name each of them.
func (c *Client) RemoveRouterObjects(ctx context.Context, id berth.ID) (*Operation, error) {
	return c.start(ctx, http.MethodPost, Path(id)+"/leftovers?clean=true", nil, nil)
}

// Nodes lists the nodes behind a compute or a cluster, as Kubernetes shows them now.
func (c *Client) Nodes(ctx context.Context, id berth.ID) ([]berth.NodeFacts, error) {
	var out struct{ Value []berth.NodeFacts }
	err := c.Post(ctx, Path(id)+"/listNodes", nil, &out)
	return out.Value, err
}

// Cleanups lists the cleanups that wait for a cluster to answer.
func (c *Client) Cleanups(ctx context.Context) ([]Object, error) {
	return c.List(ctx, "/subscriptions/"+c.Subscription()+"/residues")
}

// Resource reads any resource by its id.
func (c *Client) Resource(ctx context.Context, id berth.ID) (Object, error) {
	return c.object(ctx, Path(id))
}

// DeleteResource deletes any resource by its id.
func (c *Client) DeleteResource(ctx context.Context, id berth.ID) (*Operation, error) {
	return c.Delete(ctx, Path(id))
}

// ListConnected lists the connected clusters of a group; of the subscription when group is empty.
func (c *Client) ListConnected(ctx context.Context, group string) ([]Object, error) {
	return c.List(ctx, c.collection(group, berth.TypeConnected))
}

// ListClusters lists the managed clusters of a group; of the subscription when group is empty.
func (c *Client) ListClusters(ctx context.Context, group string) ([]Object, error) {
	return c.List(ctx, c.collection(group, berth.TypeCluster))
}

// PoolScale is the number of nodes to set for a pool. Pool may be empty if the cluster has only one.
type PoolScale struct {
	Pool  string
	Count int
}

// ScaleCluster changes the number of nodes of a pool. Like az it reads the cluster, changes the count and writes it back.
func (c *Client) ScaleCluster(ctx context.Context, group, name string, to PoolScale) (Object, *Operation, error) {
	cluster, err := c.GetCluster(ctx, group, name)
	if err != nil {
		return nil, nil, err
	}
	properties, _ := cluster["properties"].(Object)
	pools, _ := properties["agentPoolProfiles"].([]any)
	for _, p := range pools {
		if pool, ok := p.(Object); ok && (to.Pool == "" && len(pools) == 1 || pool["name"] == to.Pool) {
			pool["count"] = to.Count
			return c.PutCluster(ctx, group, name, Object{"location": cluster["location"], "tags": cluster["tags"], "properties": properties})
		}
	}
	if to.Pool == "" {
		return nil, nil, fmt.Errorf("the cluster %s has %d node pools; name one with --nodepool-name", name, len(pools))
	}
	return nil, nil, fmt.Errorf("the cluster %s has no node pool %s", name, to.Pool)
}

// DeleteCluster deletes a managed cluster.
func (c *Client) DeleteCluster(ctx context.Context, group, name string) (*Operation, error) {
	return c.Delete(ctx, c.clusterPath(group, name))
}

// ClusterCredentials is a kubeconfig of a cluster: its user's or its administrator's. It is a secret.
func (c *Client) ClusterCredentials(ctx context.Context, group, name string, admin bool) ([]byte, error) {
	action := "/listClusterUserCredential"
	if admin {
		action = "/listClusterAdminCredential"
	}
	var out struct {
		Kubeconfigs []struct {
			Value string `json:"value"`
		} `json:"kubeconfigs"`
	}
	if err := c.Post(ctx, c.clusterPath(group, name)+action, nil, &out); err != nil {
		return nil, err
	}
	if len(out.Kubeconfigs) == 0 {
		return nil, fmt.Errorf("the server gave no credentials for the cluster %s", name)
	}
	return base64.StdEncoding.DecodeString(out.Kubeconfigs[0].Value)
}

// NodePools lists the node pools of a cluster.
func (c *Client) NodePools(ctx context.Context, group, name string) ([]Object, error) {
	return c.List(ctx, c.clusterPath(group, name)+"/agentPools")
}

// UpgradeProfile lists the versions that a cluster can be upgraded to.
func (c *Client) UpgradeProfile(ctx context.Context, group, name string) (Object, error) {
	return c.object(ctx, c.clusterPath(group, name)+"/upgradeProfiles/default")
}

// Locations lists the locations of the subscription.
func (c *Client) Locations(ctx context.Context) ([]Object, error) {
	return c.List(ctx, Path(berth.ID{Subscription: c.Subscription()})+"/locations")
}

// VMSizes lists the sizes that nodes can have in a location.
func (c *Client) VMSizes(ctx context.Context, location string) ([]Object, error) {
	at := Path(berth.ID{Subscription: c.Subscription()}) + "/providers/Microsoft.Compute/locations/" + url.PathEscape(location)
	return c.List(ctx, at+"/vmSizes?api-version=2024-07-01")
}

// Orchestrators lists the Kubernetes versions of a location.
func (c *Client) Orchestrators(ctx context.Context, location string) (Object, error) {
	at := Path(berth.ID{Subscription: c.Subscription()}) + "/providers/Microsoft.ContainerService/locations/" + url.PathEscape(location)
	return c.object(ctx, at+"/orchestrators?resource-type=managedClusters")
}
