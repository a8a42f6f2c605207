package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) deploymentCommand() *cobra.Command {
	return family("online-deployment", "Deployments of an online endpoint: models with their code and environment (az ml, version 2)",
		c.deploymentCreate(), c.deploymentList(), c.deploymentShow(), c.deploymentUpdate(), c.deploymentDelete(), c.deploymentLogs())
}

func deploymentTable(v any) []row {
	return each(v, func(o client.Object) row {
		return row{{"Name", str(o, "name")}, {"State", str(o, "properties", "provisioningState")},
			{"Ready", str(o, "properties", "readyReplicas") + "/" + str(o, "sku", "capacity")},
			{"Model", strings.Replace(lastWords(str(o, "properties", "model")), "/versions/", ":", 1)},
			{"Script", str(o, "properties", "codeConfiguration", "scoringScript")}}
	})
}

// lastWords are the name and the version of an asset, by its id.
func lastWords(id string) string {
	i := strings.LastIndex(strings.TrimSuffix(id, "/versions/"+lastWord(id)), "/")
	return id[i+1:]
}

// atEndpoint names a deployment of an endpoint.
type atEndpoint struct {
	where
	endpoint string
}

func (w *atEndpoint) endpointFlag(cmd *cobra.Command, spare bool) {
	cmd.Flags().StringVarP(&w.endpoint, "endpoint-name", "e", "", "name of the endpoint")
	w.wants = append(w.wants, want{value: &w.endpoint, options: "--endpoint-name/-e", spare: spare})
}

// onDeployment is a command about a deployment.
func (c *cli) onDeployment(use, short string, run func(ctx context.Context, cl *client.Client, w *atEndpoint) error) *cobra.Command {
	w := &atEndpoint{}
	cmd := command(use, short, func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		return run(ctx, cl, w)
	})
	w.inWorkspace(cmd, "deployment")
	w.endpointFlag(cmd, false)
	return w.on(c, cmd)
}

func (c *cli) deploymentList() *cobra.Command {
	w := &atEndpoint{}
	cmd := command("list", "List the deployments of an online endpoint", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		list, err := cl.ListDeployments(ctx, w.space(), w.endpoint)
		if err != nil {
			return err
		}
		return c.emit(list, deploymentTable)
	})
	w.groupFlag(cmd, true)
	w.workspaceFlag(cmd)
	w.endpointFlag(cmd, false)
	return w.on(c, cmd)
}

func (c *cli) deploymentShow() *cobra.Command {
	return c.onDeployment("show", "Show a deployment", func(ctx context.Context, cl *client.Client, w *atEndpoint) error {
		deployment, err := cl.GetDeployment(ctx, w.space(), w.endpoint, w.name)
		if err != nil {
			return err
		}
		return c.emit(deployment, deploymentTable)
	})
}

func (c *cli) deploymentDelete() *cobra.Command {
	var yes, noWait bool
	cmd := c.onDeployment("delete", "Delete a deployment without traffic", func(ctx context.Context, cl *client.Client, w *atEndpoint) error {
		if err := c.confirm(yes, "delete the deployment "+w.name+" of the endpoint "+w.endpoint); err != nil {
			return err
		}
		// A DELETE of what does not exist succeeds, and would hide a typing mistake.
		if _, err := cl.GetDeployment(ctx, w.space(), w.endpoint, w.name); err != nil {
			return err
		}
		op, err := cl.DeleteDeployment(ctx, w.space(), w.endpoint, w.name)
		if err != nil {
			return err
		}
		if noWait {
			return c.running(ctx, cl, op)
		}
		return c.wait(ctx, cl, op, "Deleting deployment "+w.name)
	})
	yesFlag(cmd, &yes)
	noWaitFlag(cmd, &noWait)
	return cmd
}

func (c *cli) deploymentLogs() *cobra.Command {
	var lines int
	var container string
	cmd := c.onDeployment("get-logs", "Show the log of a deployment", func(ctx context.Context, cl *client.Client, w *atEndpoint) error {
		if container != "inference-server" && container != "storage-initializer" {
			return usage("--container must be inference-server or storage-initializer, not '%s'", container)
		}
		text, err := cl.DeploymentLogs(ctx, w.space(), [2]string{w.endpoint, w.name}, container == "storage-initializer", lines)
		if err != nil || text == "" {
			return err
		}
		return c.raw(text)
	})
	cmd.Flags().IntVarP(&lines, "lines", "l", 0, "show so many lines of the end (default 5000)")
	cmd.Flags().StringVarP(&container, "container", "c", "inference-server", "inference-server, or storage-initializer for what prepares it")
	return cmd
}

// settleDeployment waits for an operation on a deployment and shows the result.
func (c *cli) settleDeployment(ctx context.Context, cl *client.Client, w *atEndpoint, s settling) error {
	if s.noWait {
		return c.running(ctx, cl, s.op)
	}
	if err := c.wait(ctx, cl, s.op, s.doing); err != nil {
		return err
	}
	deployment, err := cl.GetDeployment(ctx, w.space(), w.endpoint, w.name)
	if err != nil {
		return err
	}
	return c.emit(deployment, deploymentTable)
}
