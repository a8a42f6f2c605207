package main

import "github.com/spf13/cobra"

func (c *cli) mlCommand() *cobra.Command {
	return family("ml", "Machine learning: workspaces, the computes in them, models and the services that serve them",
		family("workspace", "Workspaces: they contain computes", c.workspaceCreate(), c.workspaceShow(), c.workspaceList(), c.workspaceDelete()),
		family("computetarget", "Compute targets: clusters attached to a workspace",
			family("create", "Create a compute, with a cluster of its own", c.computeCreate()),
			family("attach", "Attach an existing cluster as a compute", c.computeAttach()),
			family("update", "Change a compute's TLS or load balancer", c.computeUpdate()),
			c.computeShow(), c.computeList(), c.computeCheck(), c.computeScale(), c.computeDetach(), c.computeDelete(), c.computeCredentials()),
		c.modelCommand(), c.serviceCommand(), c.environmentCommand(), c.endpointCommand(), c.deploymentCommand(), c.realtimeCommand())
}
