package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// healthText is the health of a compute or a cluster in a column: Healthy, "Unreachable since 2026-03-01 14:02 UTC", "Degraded:
// NodesReady". Empty before the first check.
func healthText(properties any) string {
	o, _ := properties.(client.Object)
	h, known := o["health"].(client.Object)
	if !known {
		return ""
	}
	switch berth.HealthState(str(h, "state")) {
	case berth.Unreachable:
		if since, err := time.Parse(time.RFC3339, str(h, "since")); err == nil {
			return "Unreachable since " + since.UTC().Format("2006-01-02 15:04 UTC")
		}
	case berth.Degraded:
		failing, _ := h["failing"].([]any)
		return "Degraded: " + strings.Trim(strings.ReplaceAll(fmt.Sprint(failing), " ", ", "), "[]")
	}
	return str(h, "state")
}

func conditionTable(v any) []row {
	return each(at(v.(client.Object), "properties", "conditions"), func(o client.Object) row {
		return row{
			{"Condition", str(o, "type")}, {"Status", str(o, "status")}, {"Since", str(o, "lastTransitionTime")}, {"Message", str(o, "message")},
		}
	})
}

const checkLong = "Check it now, instead of at the next periodic check, and show the result.\n" +
	"The exit code is 0 when all conditions are met, and 1 when they are not."

func (c *cli) computeCheck() *cobra.Command {
	w := &where{}
	cmd := command("check", "Check a compute and its cluster now", func(ctx context.Context) error {
		return c.checkNow(ctx, func(cl *client.Client) berth.ID {
			return cl.ID(w.group, berth.TypeCompute, w.workspace, w.name)
		})
	})
	cmd.Long = checkLong
	cmd.Example = "  berth ml computetarget check -n myaks -g myresourcegroup -w myworkspace -o table"
	w.computeFlags(cmd)
	return w.on(c, cmd)
}

func (c *cli) clusterCheck(typ, example string) *cobra.Command {
	w := &where{}
	cmd := command("check", "Check a cluster now", func(ctx context.Context) error {
		return c.checkNow(ctx, func(cl *client.Client) berth.ID { return cl.ID(w.group, typ, w.name) })
	})
	cmd.Long = checkLong
	cmd.Example = "  berth " + example + " check -n mycluster -g myresourcegroup -o table"
	w.clusterFlags(cmd)
	return w.on(c, cmd)
}

// checkNow asks for a check, waits for it, and shows the resource.
func (c *cli) checkNow(ctx context.Context, which func(*client.Client) berth.ID) error {
	cl, err := c.connect()
	if err != nil {
		return err
	}
	id := which(cl)
	p := c.progress("Checking " + id.Name())
	got, err := cl.Check(ctx, id)
	p.stop()
	if err != nil {
		return err
	}
	if err := c.emit(got, conditionTable); err != nil {
		return err
	}
	if h, _ := at(got, "properties", "health").(client.Object); str(h, "state") != string(berth.Healthy) {
		return fmt.Errorf("'%s' is not healthy: %s", id.Name(), healthText(got["properties"]))
	}
	return nil
}
