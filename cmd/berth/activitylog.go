package main

import (
	"context"
	"encoding/json"
	"regexp"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) monitorCommand() *cobra.Command {
	log := family("activity-log", "Who has changed what, and what was refused", c.activityList(), c.activityExport())
	return family("monitor", "What has happened on a server", log)
}

// activityOptions select events of the activity log, as az has them.
type activityOptions struct {
	where
	from, to, offset, correlation, resource, namespace, caller, status string
}

func (o *activityOptions) flags(c *cli, cmd *cobra.Command, offset string) *cobra.Command {
	f := cmd.Flags()
	f.StringVar(&o.from, "start-time", "", "time of the first event, such as 2026-11-01 or 2026-11-01T08:00:00Z")
	f.StringVar(&o.to, "end-time", "", "time of the last event (default: now)")
	f.StringVar(&o.offset, "offset", offset, "without --start-time, how long before --end-time, such as 1d or 2h30m")
	f.StringVar(&o.correlation, "correlation-id", "", "only what follows from one request")
	f.StringVar(&o.resource, "resource-id", "", "only events of this resource")
	f.StringVar(&o.namespace, "namespace", "", "only events of a resource provider, such as Microsoft.ContainerService")
	f.StringVar(&o.caller, "caller", "", "only events of a caller: a client id or the name of a user")
	f.StringVar(&o.status, "status", "", "only events with this status: Accepted, Succeeded, Failed or Canceled")
	o.groupFlag(cmd, false)
	return o.on(c, cmd)
}

// query is what the options select.
func (o *activityOptions) query() (q client.ActivityQuery, err error) {
	q = client.ActivityQuery{Correlation: o.correlation, Group: o.group, Resource: unquoted(o.resource), Provider: o.namespace,
		Caller: o.caller, Status: o.status}
	if q.To, err = timeOption("--end-time", o.to); err != nil {
		return q, err
	}
	if q.From, err = timeOption("--start-time", o.from); err != nil || !q.From.IsZero() {
		return q, err
	}
	before, err := span(o.offset)
	if err != nil {
		return q, err
	}
	end := q.To
	if end.IsZero() {
		end = time.Now()
	}
	q.From = end.Add(-before)
	return q, nil
}

// timeOption reads a time; without a zone it is UTC. The zero time for an empty text.
func timeOption(option, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04",
		time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usage("%s '%s' is not a time. Write it as 2026-11-01 or 2026-11-01T08:00:00Z.", option, text)
}

var spanFormat = regexp.MustCompile(`^(?:([0-9]{1,4})d)?(?:([0-9]{1,5})h)?(?:([0-9]{1,6})m)?$`)

// span reads a length of time as az writes it: days, hours and minutes.
func span(text string) (out time.Duration, err error) {
	m := spanFormat.FindStringSubmatch(text)
	if m == nil || text == "" {
		return 0, usage("--offset '%s' is not a length of time. Write it as 1d, 6h or 2h30m.", text)
	}
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute} {
		n, _ := strconv.Atoi("0" + m[i+1]) // digits
		out += time.Duration(n) * unit
	}
	return out, nil
}

func (c *cli) activityList() *cobra.Command {
	o, most := &activityOptions{}, 50
	cmd := command("list", "List events of the activity log, the newest first", func(ctx context.Context) error {
		all := []client.Object{}
		err := c.activities(ctx, o, func(e client.Object) (bool, error) {
			all = append(all, e)
			return len(all) < most, nil
		})
		if err != nil {
			return err
		}
		return c.emit(all, activityTable)
	})
	cmd.Flags().IntVar(&most, "max-events", most, "how many events to list")
	return o.flags(c, cmd, "6h")
}

func (c *cli) activityExport() *cobra.Command {
	o := &activityOptions{}
	cmd := command("export", "Write the activity log as JSON lines, the newest event first", func(ctx context.Context) error {
		out := json.NewEncoder(c.out)
		out.SetEscapeHTML(false)
		return c.activities(ctx, o, func(e client.Object) (bool, error) { return true, out.Encode(e) })
	})
	cmd.Long = "Write every event of the activity log that you may read, one JSON object a line. --output and --query do not apply."
	cmd.Example = "  berth monitor activity-log export --start-time 2026-11-01 --end-time 2026-12-01 > november.jsonl"
	return o.flags(c, cmd, "90d")
}

func (c *cli) activities(ctx context.Context, o *activityOptions, each func(client.Object) (bool, error)) error {
	q, err := o.query()
	if err != nil {
		return err
	}
	cl, err := c.connect()
	if err != nil {
		return err
	}
	return cl.Activities(ctx, q, each)
}

func activityTable(v any) []row {
	return each(v, func(o client.Object) row {
		return row{
			{"Time", str(o, "eventTimestamp")}, {"Caller", str(o, "caller")}, {"Operation", str(o, "operationName", "value")},
			{"Status", str(o, "status", "value")}, {"Resource", lastWord(str(o, "resourceId"))},
			{"Address", str(o, "httpRequest", "clientIpAddress")}, {"CorrelationId", str(o, "correlationId")},
		}
	})
}
