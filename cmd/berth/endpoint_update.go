package main

import (
	"context"
	"maps"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

// endpointChange is what the command line says of an endpoint.
type endpointChange struct {
	document
	percents    map[string]map[string]int // by the names traffic and mirror_traffic
	description *string
}

func (c *cli) endpointUpdate() *cobra.Command {
	w := &where{}
	var traffic, mirror, description string
	var noWait bool
	ch := &endpointChange{percents: map[string]map[string]int{}}
	var cmd *cobra.Command
	cmd = command("update", "Change an online endpoint: its traffic, by its file or by fields", func(ctx context.Context) error {
		for option, typed := range map[string]string{"traffic": traffic, "mirror-traffic": mirror} {
			if !cmd.Flags().Changed(option) {
				continue
			}
			percents, err := parseTraffic("--"+option, typed)
			if err != nil {
				return err
			}
			ch.percents[map[string]string{"traffic": "traffic", "mirror-traffic": "mirror_traffic"}[option]] = percents
		}
		if cmd.Flags().Changed("description") {
			ch.description = &description
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		op, err := ch.send(ctx, cl, w)
		if err != nil {
			return err
		}
		return c.settleEndpoint(ctx, cl, w, settling{op, "Updating endpoint " + w.name, noWait})
	})
	cmd.Example = "  berth ml online-endpoint update -n myendpoint --traffic \"blue=90 green=10\"\n" +
		"  berth ml online-endpoint update -n myendpoint --set tags.stage=dev"
	w.spareName(cmd, "endpoint")
	ch.flags(cmd, "endpoint")
	ch.updateFlags(cmd)
	f := cmd.Flags()
	f.StringVarP(&traffic, "traffic", "r", "", "percentages of the deployments, such as \"blue=90 green=10\"; the others get none")
	f.StringVar(&mirror, "mirror-traffic", "", "percentages of the requests that are copied to deployments without traffic")
	f.StringVar(&description, "description", "", "what it is for")
	noWaitFlag(cmd, &noWait)
	return w.on(c, cmd)
}

// send sends the change: a part of the endpoint where that is enough, and else the whole one.
func (ch *endpointChange) send(ctx context.Context, cl *client.Client, w *where) (*client.Operation, error) {
	if ch.file != "" {
		if err := ch.read(); err != nil {
			return nil, err
		}
		if w.name == "" {
			w.name = str(ch.content, "name")
		}
	}
	if w.name == "" {
		return nil, usage("the following arguments are required: --name/-n, or name in the file")
	}
	if !ch.given() && len(ch.percents) == 0 && ch.description == nil {
		return nil, usage("nothing to change: add options such as --traffic")
	}
	now, err := cl.GetEndpoint(ctx, w.space(), w.name) // a PUT would create what is not there
	if err != nil {
		return nil, err
	}
	for _, percents := range ch.percents {
		if err := completeTraffic(ctx, cl, w, percents); err != nil {
			return nil, err
		}
	}
	if !ch.given() {
		properties := client.Object{}
		for field, percents := range ch.percents {
			properties[map[string]string{"traffic": "traffic", "mirror_traffic": "mirrorTraffic"}[field]] = percents
		}
		if ch.description != nil {
			properties["description"] = *ch.description
		}
		return cl.PatchEndpoint(ctx, w.space(), w.name, client.Object{"properties": properties})
	}
	return ch.replace(ctx, cl, w, now)
}

// replace sends the whole endpoint, as it is in the file or as it is now, with the changes.
func (ch *endpointChange) replace(ctx context.Context, cl *client.Client, w *where, now client.Object) (*client.Operation, error) {
	if ch.file == "" {
		ch.content = endpointYAML(now)
		if err := ch.change(); err != nil {
			return nil, err
		}
	}
	for field, percents := range ch.percents {
		ch.content[field] = percents
	}
	if ch.description != nil {
		ch.content["description"] = *ch.description
	}
	in := endpointFile{}
	if err := ch.decode(&in); err != nil {
		return nil, err
	}
	return cl.PutEndpoint(ctx, w.space(), w.name, in.body(cl, w.space()))
}

// endpointYAML is an endpoint in the words of its file.
func endpointYAML(o client.Object) client.Object {
	p, _ := o["properties"].(client.Object)
	out := client.Object{"name": o["name"], "tags": o["tags"], "compute": p["compute"], "auth_mode": p["authMode"],
		"description": p["description"], "properties": p["properties"], "traffic": p["traffic"], "mirror_traffic": p["mirrorTraffic"]}
	maps.DeleteFunc(out, func(_ string, value any) bool { return value == nil })
	return out
}

// completeTraffic gives nothing to the deployments that are not named: a PATCH changes only what it names.
func completeTraffic(ctx context.Context, cl *client.Client, w *where, percents map[string]int) error {
	all, err := cl.ListDeployments(ctx, w.space(), w.name)
	for _, d := range all {
		if name := str(d, "name"); percents[name] == 0 {
			percents[name] = 0
		}
	}
	return err
}
