package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

// computeFlags adds the three options that name a compute.
func (w *where) computeFlags(cmd *cobra.Command) {
	w.nameFlag(cmd, "compute", "compute")
	w.groupFlag(cmd, true)
	w.workspaceFlag(cmd)
}

func (w *where) computeName() client.ComputeName {
	return client.ComputeName{Group: w.group, Workspace: w.workspace, Name: w.name}
}

// serialized is a compute as azureml-core's serialize() and the CLI v1 show it.
func serialized(compute client.Object) client.Object {
	properties := pick(at(compute, "properties"), "computeType", "computeLocation", "description", "resourceId", "isAttachedCompute",
		"provisioningState", "provisioningErrors", "properties")
	for _, key := range []string{"warnings", "health", "conditions", "conditionHistory"} { // the Azure service does not have these
		if v := at(compute, "properties", key); v != nil {
			properties[key] = v
		}
	}
	return client.Object{
		"id": compute["id"], "name": compute["name"], "tags": compute["tags"], "location": compute["location"], "properties": properties,
	}
}

// pick keeps some keys of an object.
func pick(v any, keys ...string) client.Object {
	o, _ := v.(client.Object)
	out := client.Object{}
	for _, k := range keys {
		out[k] = o[k]
	}
	return out
}

func computeTable(v any) []row {
	return each(v, func(o client.Object) row {
		kind := "created"
		if at(o, "properties", "isAttachedCompute") == true {
			kind = "attached"
		}
		inner := func(key string) string { return str(o, "properties", "properties", key) }
		return row{
			{"Name", str(o, "name")}, {"Type", str(o, "properties", "computeType")}, {"Kind", kind},
			{"State", str(o, "properties", "provisioningState")},
			{"Purpose", inner("clusterPurpose")}, {"Nodes", inner("agentCount")}, {"VmSize", inner("agentVmSize")},
			{"Location", str(o, "properties", "computeLocation")}, {"Health", healthText(o["properties"])},
		}
	})
}

// settleCompute waits for an operation on a compute and shows the result.
func (c *cli) settleCompute(ctx context.Context, cl *client.Client, n client.ComputeName, s settling) error {
	if s.noWait {
		c.note("To see if your compute target is ready to use, run:\n  berth ml computetarget show -n %s -w %s -g %s",
			n.Name, n.Workspace, n.Group)
		return c.running(ctx, cl, s.op)
	}
	if err := c.wait(ctx, cl, s.op, s.doing); err != nil {
		return err
	}
	compute, err := cl.GetCompute(ctx, n)
	if err != nil {
		return err
	}
	return c.emit(serialized(compute), computeTable)
}

// settling is an operation, and a text for its progress.
type settling struct {
	op     *client.Operation
	doing  string
	noWait bool
}
