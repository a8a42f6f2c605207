package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) serviceCommand() *cobra.Command {
	return family("service", "Web services: models that a compute serves ('berth ml model deploy' creates one)",
		c.serviceList(), c.serviceShow(), c.serviceRun(), c.serviceUpdate(), c.serviceDelete(), c.serviceKeys(), c.serviceRegenerate(),
		c.serviceToken(), c.serviceLogs())
}

func serviceTable(v any) []row {
	return each(v, func(o client.Object) row {
		ready := str(o, "deploymentStatus", "availableReplicas") + "/" + str(o, "deploymentStatus", "replicas")
		return row{{"Name", str(o, "name")}, {"State", str(o, "state")}, {"Compute", str(o, "computeName")}, {"Ready", ready},
			{"ScoringUri", str(o, "scoringUri")}, {"Updated", str(o, "updatedTime")}}
	})
}

// settleService waits for an operation on a service and shows the result.
func (c *cli) settleService(ctx context.Context, cl *client.Client, w *where, s settling) error {
	if s.noWait {
		c.note("To see if your service is ready to use, run:\n  berth ml service show -n %s -w %s -g %s", w.name, w.workspace, w.group)
		return c.running(ctx, cl, s.op)
	}
	if err := c.wait(ctx, cl, s.op, s.doing); err != nil {
		return err
	}
	service, err := cl.GetService(ctx, w.space(), w.name)
	if err != nil {
		return err
	}
	c.note("The service answers at %s", str(service, "scoringUri"))
	if !c.outputAsked && c.query == nil { // whoever deploys wants to see that it runs, and not all of its settings
		c.output = "table"
	}
	return c.emit(service, serviceTable)
}

// onService is a command about a service.
func (c *cli) onService(use, short string, run aboutOne) *cobra.Command {
	return c.onOne("service", use, short, run)
}

// aboutOne does something with what a command names in a workspace.
type aboutOne = func(ctx context.Context, cl *client.Client, w *where) error

// onOne is a command about one resource of a workspace; what it is in sentences.
func (c *cli) onOne(what, use, short string, run aboutOne) *cobra.Command {
	w := &where{}
	cmd := command(use, short, func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		return run(ctx, cl, w)
	})
	w.inWorkspace(cmd, what)
	return w.on(c, cmd)
}
