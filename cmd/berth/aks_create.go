package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

type clusterOptions struct {
	where
	count                 int
	vmSize, version, pool string
	tags                  []string
	nodes                 string
	access                accessOptions
	noWait                bool
}

func (c *cli) aksCreate() *cobra.Command {
	o := &clusterOptions{}
	var cmd *cobra.Command
	cmd = command("create", "Create a Kubernetes cluster", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		if err := o.access.check(); err != nil {
			return err
		}
		body, err := o.body(cmd.Flags().Changed("node-count"))
		if err != nil {
			return err
		}
		_, op, err := cl.PutCluster(ctx, o.group, o.name, body)
		if err != nil {
			return err
		}
		if o.noWait {
			return c.running(ctx, cl, op)
		}
		return c.settleCluster(ctx, cl, &o.where, settling{op: op, doing: "Creating cluster " + o.name})
	})
	cmd.Example = "  berth aks create -n myexistingcluster -g myresourcegroup --node-count 3 --node-vm-size Standard_D3_v2"
	o.clusterFlags(cmd)
	o.locationFlag(cmd, false)
	f := cmd.Flags()
	f.IntVarP(&o.count, "node-count", "c", 0, "number of nodes (default 3)")
	f.StringVarP(&o.vmSize, "node-vm-size", "s", "", "size of the nodes (default Standard_DS2_v2)")
	f.StringVarP(&o.version, "kubernetes-version", "k", "", "Kubernetes version, such as 1.36 (see 'berth aks get-versions')")
	f.StringVar(&o.pool, "nodepool-name", "nodepool1", "name of the node pool")
	tagsFlag(cmd, &o.tags)
	nodesFlag(cmd, &o.nodes)
	o.access.flags(cmd)
	noWaitFlag(cmd, &o.noWait)
	return o.on(c, cmd)
}

// accessOptions are who may sign in to a cluster, as az has them.
type accessOptions struct {
	entra, azureRBAC, noLocal bool
	adminGroups               string
}

func (o *accessOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.entra, "enable-aad", false, "callers of Berth sign in to the cluster, and its own RBAC decides what they may do")
	f.BoolVar(&o.azureRBAC, "enable-azure-rbac", false, "their roles at Berth decide what they may do in the cluster; needs --enable-aad")
	f.StringVar(&o.adminGroups, "aad-admin-group-object-ids", "", "object ids, separated by commas, of groups that may do everything in it")
	f.BoolVar(&o.noLocal, "disable-local-accounts", false, "the administrator's own certificate and token do not sign in")
}

func (o *accessOptions) write(properties client.Object) {
	if o.noLocal {
		properties["disableLocalAccounts"] = true
	}
	if o.entra {
		profile := client.Object{"managed": true, "enableAzureRBAC": o.azureRBAC}
		if o.adminGroups != "" {
			profile["adminGroupObjectIDs"] = strings.Split(o.adminGroups, ",")
		}
		properties["aadProfile"] = profile
	}
}

func (o *accessOptions) check() error {
	if (o.azureRBAC || o.adminGroups != "") && !o.entra {
		return usage("--enable-azure-rbac and --aad-admin-group-object-ids need --enable-aad")
	}
	return nil
}

func (o *clusterOptions) body(countSet bool) (client.Object, error) {
	pool := client.Object{"name": o.pool, "mode": "System", "osType": "Linux"}
	if countSet {
		pool["count"] = o.count
	}
	put(pool, "vmSize", o.vmSize)
	properties := client.Object{"agentPoolProfiles": []any{pool}}
	put(properties, "kubernetesVersion", o.version)
	o.access.write(properties)
	body := client.Object{"properties": properties}
	put(body, "location", o.location)
	tags, err := parseTags(o.tags)
	tags = chooseNodes(tags, o.nodes)
	if tags != nil {
		body["tags"] = tags
	}
	return body, err
}

// settleCluster waits for an operation on a cluster and shows the result.
func (c *cli) settleCluster(ctx context.Context, cl *client.Client, w *where, s settling) error {
	if err := c.wait(ctx, cl, s.op, s.doing); err != nil {
		return err
	}
	cluster, err := cl.GetCluster(ctx, w.group, w.name)
	if err != nil {
		return err
	}
	return c.emit(flat(cluster), clusterTable)
}
