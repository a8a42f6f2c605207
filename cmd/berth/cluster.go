package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

func (c *cli) clusterCommand() *cobra.Command {
	return family("cluster", "Connected clusters: clusters that Berth did not create, reached by a kubeconfig", c.clusterConnect(),
		c.clusterShow(), c.clusterList(), c.clusterCheck(berth.TypeConnected, "cluster"), c.clusterDisconnect(),
		c.clusterRouter(), c.clusterCleanups(), c.clusterBindings())
}

// connectOptions select the cluster to connect, from a kubeconfig.
type connectOptions struct {
	where
	file, context, token string
	noWait, force, keep  bool
	dryRun, execOnce     bool
	inference            bool
}

func (o *connectOptions) flags(cmd *cobra.Command) {
	o.clusterFlags(cmd)
	o.locationFlag(cmd, false)
	f := cmd.Flags()
	f.StringVar(&o.file, "kubeconfig", "", "kubeconfig of the cluster (default $KUBECONFIG, else ~/.kube/config)")
	f.StringVar(&o.context, "context", "", "context in the kubeconfig (default: its current context)")
	f.StringVar(&o.token, "token-file", "", "file with a token of berth-connection, if its manifest was applied by hand")
	f.BoolVar(&o.dryRun, "dry-run", false, "print the manifest that an administrator can apply by hand, and change nothing")
	f.BoolVar(&o.execOnce, "exec-once", false, "run the kubeconfig's sign-in command (exec) once, here and as you, and send its token")
	f.BoolVar(&o.force, "force", false, "take the cluster over from another Berth that is connected to it")
	f.BoolVar(&o.keep, "keep-credential", false, "keep the credential and work with it instead of an account of Berth's own")
	f.BoolVar(&o.inference, "enable-inference", false, "give the account the rights to serve models in the cluster too")
	noWaitFlag(cmd, &o.noWait)
}

const connectLong = "\n\nBerth uses the credential once, to create a service account with few rights " +
	"(berth-connection in the namespace\nberth-system), and keeps only short-lived tokens of that account. " +
	"The credential must be an administrator's. For a\nkubeconfig that runs a command to sign in (EKS, GKE, AKS " +
	"with Entra ID), add --exec-once: this command runs it, never the server."

func (c *cli) clusterConnect() *cobra.Command {
	o := &connectOptions{}
	cmd := command("connect", "Connect a Kubernetes cluster that Berth did not create",
		func(ctx context.Context) error { return c.connectCluster(ctx, o, berth.TypeConnected) })
	cmd.Long = "Connect a Kubernetes cluster that Berth did not create, so that it can be attached to workspaces." + connectLong
	cmd.Example = "  berth cluster connect -n edge -g myresourcegroup --context kind-edge"
	o.flags(cmd)
	return o.on(c, cmd)
}

func (c *cli) aksImport() *cobra.Command {
	o := &connectOptions{}
	cmd := command("import", "Connect a Kubernetes cluster as a managed cluster",
		func(ctx context.Context) error { return c.connectCluster(ctx, o, berth.TypeCluster) })
	cmd.Long = "Connect a Kubernetes cluster as a managed cluster, so that az aks show, and attach_configuration(resource_group,\n" +
		"cluster_name) of the SDK v1, find it by its name. `berth aks delete` then removes only the connection." + connectLong
	cmd.Example = "  berth aks import -n myexistingcluster -g myresourcegroup --kubeconfig edge.yaml"
	o.flags(cmd)
	return o.on(c, cmd)
}

func (c *cli) connectCluster(ctx context.Context, o *connectOptions, typ string) error {
	cl, err := c.connect()
	if err != nil {
		return err
	}
	id := cl.ID(o.group, typ, o.name)
	if o.dryRun {
		return c.printManifest(ctx, cl, id, o.inference)
	}
	if o.execOnce && o.keep {
		return usage("--exec-once and --keep-credential exclude each other: the token of a sign-in command is valid for minutes only")
	}
	config, err := c.read(ctx, o)
	if err != nil {
		return err
	}
	_, op, err := cl.ConnectCluster(ctx, id, client.ConnectedCluster{
		Kubeconfig: config, Location: o.location, Force: o.force, KeepCredential: o.keep,
		Inference: o.inference,
	})
	if err != nil {
		return err
	}
	if o.noWait {
		return c.running(ctx, cl, op)
	}
	if err := c.wait(ctx, cl, op, "Connecting cluster "+o.name); err != nil {
		return err
	}
	got, err := cl.Resource(ctx, id)
	if err != nil {
		return err
	}
	shown := flat(got)
	delete(shown, "rights") // long; `show` has them
	return c.emit(shown, connectedTable)
}

// printManifest prints every object and right of a connection, and how to go on once an administrator has applied it.
func (c *cli) printManifest(ctx context.Context, cl *client.Client, id berth.ID, inference bool) error {
	text, err := cl.ConnectionManifest(ctx, id, inference)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(c.out, text); err != nil {
		return err
	}
	command := map[bool]string{true: "cluster connect", false: "aks import"}[id.Is(berth.TypeConnected)]
	if inference {
		command += " --enable-inference"
	}
	c.note("Nothing was changed. Ask the administrator of the cluster to apply this manifest (kubectl apply -f -) and to send you a token:\n"+
		"  kubectl -n berth-system create token berth-connection --duration 168h > token\n"+
		"  berth %s -n %s -g %s --token-file token   # the kubeconfig supplies the address and the authority",
		command, id.Name(), id.Group)
	return nil
}

// read takes the one context out of a kubeconfig and puts the files that it names into it: they are this machine's, and the
// server neither sees nor reads them.
func (c *cli) read(ctx context.Context, o *connectOptions) ([]byte, error) {
	file, err := kubeconfigFile(o.file)
	if err != nil {
		return nil, err
	}
	cluster, user, err := o.pick(file)
	if err != nil {
		return nil, err
	}
	if o.token != "" {
		text, err := os.ReadFile(o.token)
		if err != nil {
			return nil, fmt.Errorf("the token cannot be read: %w", err)
		}
		user = client.Object{"token": strings.TrimSpace(string(text))}
	}
	for _, f := range []struct {
		in   client.Object
		name string
	}{{cluster, "certificate-authority"}, {user, "client-certificate"}, {user, "client-key"}} {
		if err := embed(f.in, f.name, filepath.Dir(file)); err != nil {
			return nil, err
		}
	}
	if plugin, is := user["exec"].(client.Object); is {
		if !o.execOnce {
			return nil, execRecipe(plugin)
		}
		if user, err = c.runPlugin(ctx, plugin, cluster, filepath.Dir(file)); err != nil {
			return nil, err
		}
	}
	return yaml.Marshal(client.Object{
		"apiVersion": "v1", "kind": "Config", "current-context": "cluster",
		"clusters": []any{client.Object{"name": "cluster", "cluster": cluster}}, "users": []any{client.Object{"name": "cluster", "user": user}},
		"contexts": []any{client.Object{"name": "cluster", "context": client.Object{"cluster": "cluster", "user": "cluster"}}},
	})
}

// pick reads a kubeconfig and finds the cluster and the user of the context.
func (o *connectOptions) pick(file string) (cluster, user client.Object, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("there is no kubeconfig %s; name one with --kubeconfig", file)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("the kubeconfig cannot be read: %w", err)
	}
	var config client.Object
	if err := yaml.Unmarshal(text, &config); err != nil {
		return nil, nil, fmt.Errorf("%s is not a kubeconfig: it is not valid YAML", file)
	}
	name := o.context
	if name == "" {
		name, _ = config["current-context"].(string)
	}
	chosen := entry(config, "contexts", "context", name)
	if chosen == nil {
		return nil, nil, fmt.Errorf("%s has no context '%s'; name one with --context", file, name)
	}
	clusterName, _ := chosen["cluster"].(string)
	userName, _ := chosen["user"].(string)
	cluster, user = entry(config, "clusters", "cluster", clusterName), entry(config, "users", "user", userName)
	if cluster == nil || user == nil {
		return nil, nil, fmt.Errorf("the context '%s' of %s names a cluster or a user that is not there; name another with --context",
			name, file)
	}
	if server, _ := cluster["server"].(string); strings.HasPrefix(server, "https://0.0.0.0:") { // k3d: every address of this machine
		cluster["server"] = "https://127.0.0.1:" + strings.TrimPrefix(server, "https://0.0.0.0:")
	}
	return cluster, user, nil
}

// entry finds a named entry in one of the lists of a kubeconfig.
func entry(config client.Object, list, kind, name string) client.Object {
	all, _ := config[list].([]any)
	for _, one := range all {
		if o, ok := one.(client.Object); ok && o["name"] == name {
			content, _ := o[kind].(client.Object)
			return content
		}
	}
	return nil
}

// embed replaces the name of a file by its content.
func embed(o client.Object, field, dir string) error {
	path, _ := o[field].(string)
	if path == "" {
		return nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("the kubeconfig's %s cannot be read: %w", field, err)
	}
	delete(o, field)
	o[field+"-data"] = base64.StdEncoding.EncodeToString(data)
	return nil
}

func (c *cli) clusterShow() *cobra.Command {
	w := &where{}
	cmd := command("show", "Show a connected cluster", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		got, err := cl.Resource(ctx, cl.ID(w.group, berth.TypeConnected, w.name))
		if err != nil {
			return err
		}
		return c.emit(flat(got), connectedTable)
	})
	w.clusterFlags(cmd)
	return w.on(c, cmd)
}

func (c *cli) clusterList() *cobra.Command {
	w := &where{}
	cmd := command("list", "List the connected clusters", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		all, err := cl.ListConnected(ctx, w.group)
		if err != nil {
			return err
		}
		return c.emit(flatAll(all), connectedTable)
	})
	w.groupFlag(cmd, false)
	return w.on(c, cmd)
}

func (c *cli) clusterDisconnect() *cobra.Command {
	w := &where{}
	var yes, noWait bool
	cmd := command("disconnect", "Disconnect a cluster; the cluster itself is not changed", func(ctx context.Context) error {
		if err := c.confirm(yes, "disconnect the cluster "+w.name); err != nil {
			return err
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		op, err := cl.DeleteResource(ctx, cl.ID(w.group, berth.TypeConnected, w.name))
		if err != nil {
			return err
		}
		if noWait {
			return c.running(ctx, cl, op)
		}
		return c.wait(ctx, cl, op, "Disconnecting cluster "+w.name)
	})
	w.clusterFlags(cmd)
	yesFlag(cmd, &yes)
	noWaitFlag(cmd, &noWait)
	return w.on(c, cmd)
}

func connectedTable(v any) []row {
	return each(v, func(o client.Object) row {
		return row{
			{"Name", str(o, "name")}, {"ResourceGroup", groupOf(o)}, {"State", str(o, "provisioningState")},
			{"Status", str(o, "connectivityStatus")},
			{"Version", str(o, "kubernetesVersion")}, {"Nodes", str(o, "totalNodeCount")},
			{"VCpus", str(o, "totalCoreCount")}, {"Endpoint", str(o, "kubernetesEndpoint")},
			{"Health", healthText(o)},
		}
	})
}
