package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func dryRunFlag(cmd *cobra.Command, dryRun *bool) {
	cmd.Flags().BoolVar(dryRun, "dry-run", false, "report every violation and warning without changing anything")
}

// dryRun reports every violation and warning. It fails when the request would be refused, so that scripts can ask.
func (c *cli) dryRun(ctx context.Context, cl *client.Client, n client.ComputeName, body client.Object) error {
	v, err := cl.ValidateCompute(ctx, n, body)
	if err != nil {
		return err
	}
	for _, check := range v.Checks {
		mark, colour := "✓", green
		if !check.OK {
			mark, colour = "✗", red
		}
		c.note("%s %-9s %s", c.paint(colour, mark), check.Name, check.Detail)
	}
	for _, w := range v.Warnings {
		c.warn("%s: %s", w.Target, w.Message)
	}
	if err := c.emit(v, validationTable); err != nil {
		return err
	}
	if v.Valid {
		c.note("%s", c.paint(green, c.text("Berth would accept this request. Nothing was changed.")))
		return nil
	}
	c.say("%s\n", c.paint(red, c.text("Berth would refuse this request. Nothing was changed.")))
	return errSilent
}

func validationTable(v any) []row {
	var rows []row
	for _, kind := range []struct{ key, word string }{{"violations", "refused"}, {"warnings", "warning"}} {
		o, _ := v.(client.Object)
		list, _ := o[kind.key].([]any)
		for _, item := range list {
			e, _ := item.(client.Object)
			rows = append(rows, row{{"Rule", kind.word}, {"Field", str(e, "target")}, {"Message", str(e, "message")}})
		}
	}
	o, _ := v.(client.Object)
	checks, _ := o["checks"].([]any)
	for _, item := range checks {
		check, _ := item.(client.Object)
		if check["ok"] != true {
			rows = append(rows, row{{"Rule", "refused"}, {"Field", str(check, "name")}, {"Message", str(check, "detail")}})
		}
	}
	if rows == nil {
		rows = []row{{{"Rule", "ok"}, {"Field", ""}, {"Message", "No rule is violated."}}}
	}
	return rows
}
