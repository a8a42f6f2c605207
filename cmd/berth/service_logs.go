package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) serviceLogs() *cobra.Command {
	var q client.LogQuery
	cmd := c.onService("get-logs", "Show the log of a service", func(ctx context.Context, cl *client.Client, w *where) error {
		text, err := cl.ServiceLogs(ctx, w.space(), w.name, q)
		if err != nil || text == "" {
			return err
		}
		return c.raw(text)
	})
	cmd.Long = "Show the log of a service. Of several pods, each part begins with a line ==> POD <==. Of a deployment that failed it is\n" +
		"what its containers wrote last."
	cmd.Flags().BoolVar(&q.Init, "init", false, "the log of what prepares the service, instead of its own")
	cmd.Flags().IntVar(&q.Lines, "num-lines", 0, "show so many lines of the end of each pod (default 5000)")
	cmd.Flags().StringVar(&q.Pod, "pod", "", "show the log of this pod only")
	return cmd
}
