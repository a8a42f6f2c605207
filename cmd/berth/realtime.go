package main

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"berth.dev/berth/client"
)

// aksEndpoint is the type of realtime endpoints of the CLI v1 (AksEndpoint of its SDK): services with versions.
const aksEndpoint = "AKSENDPOINT"

func (c *cli) realtimeCommand() *cobra.Command {
	shared := []*cobra.Command{c.serviceShow(), c.serviceRun(), c.serviceDelete(), c.serviceKeys(), c.serviceRegenerate(), c.serviceToken(),
		c.serviceLogs()}
	for _, cmd := range shared { // what a service answers, an endpoint answers
		cmd.Short = strings.Replace(cmd.Short, "a service", "a realtime endpoint", 1)
		cmd.Long = strings.Replace(cmd.Long, "a service", "a realtime endpoint", 1)
		cmd.Example = strings.ReplaceAll(cmd.Example, "ml service", "ml endpoint realtime")
	}
	return family("endpoint", "Endpoints of the CLI v1",
		family("realtime", "Realtime endpoints (AksEndpoint): one address with several versions ('berth ml model deploy --cp AksEndpoint')",
			append(shared, c.realtimeList(), c.realtimeUpdate(), c.versionCreate(), c.versionUpdate(), c.versionDelete())...))
}

func (c *cli) realtimeList() *cobra.Command {
	w := &where{}
	cmd := command("list", "List the realtime endpoints of a workspace", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		list, err := cl.ListServices(ctx, w.space(), url.Values{"computeType": {aksEndpoint}})
		if err != nil {
			return err
		}
		return c.emit(list, serviceTable)
	})
	w.groupFlag(cmd, true)
	w.workspaceFlag(cmd)
	return w.on(c, cmd)
}

// aksVersionTable shows the versions of an endpoint.
func aksVersionTable(v any) []row {
	endpoint, _ := v.(client.Object)
	versions, _ := endpoint["versions"].(client.Object)
	var rows []row
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		o, _ := versions[name].(client.Object)
		ready := str(o, "deploymentStatus", "availableReplicas") + "/" + str(o, "deploymentStatus", "replicas")
		rows = append(rows, row{{"Version", name}, {"State", str(o, "state")}, {"Default", str(o, "isDefault")}, {"Type", str(o, "type")},
			{"Percentile", str(o, "trafficPercentile")}, {"Ready", ready}, {"ScoringUri", str(o, "scoringUri")}})
	}
	return rows
}

func (c *cli) realtimeUpdate() *cobra.Command {
	w := &where{}
	var o realtimeChange
	var cmd *cobra.Command
	cmd = command("update", "Change the authentication, the tags or the description of a realtime endpoint", func(ctx context.Context) error {
		changes, err := o.changes(cmd.Flags())
		if err != nil {
			return err
		}
		if len(changes) == 0 {
			return usage("nothing to change: add options such as --description or --tag")
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		return c.patchEndpoint(ctx, cl, w, endpointPatch{changes, "Updating endpoint " + w.name, o.noWait})
	})
	cmd.Example = "  berth ml endpoint realtime update -n myendpoint --description \"two versions\""
	w.inWorkspace(cmd, "endpoint")
	f := cmd.Flags()
	f.BoolVar(&o.auth, "auth-enabled", true, "callers need a key")
	f.BoolVar(&o.token, "token-auth-enabled", false, "callers need a token, instead of a key")
	f.StringVarP(&o.description, "description", "d", "", "what it is for")
	f.StringArrayVar(&o.tags, "tag", nil, "tag as key=value; may be repeated, and takes the place of all tags")
	noWaitFlag(cmd, &o.noWait)
	return w.on(c, cmd)
}

// realtimeChange is what changes of an endpoint besides its versions.
type realtimeChange struct {
	auth, token bool
	description string
	tags        []string
	noWait      bool
}

func (o *realtimeChange) changes(f *pflag.FlagSet) (out []change, err error) {
	if f.Changed("auth-enabled") {
		out = append(out, change{"/authEnabled", o.auth})
	}
	if f.Changed("token-auth-enabled") {
		out = append(out, change{"/aadAuthEnabled", o.token})
		if o.token && !f.Changed("auth-enabled") { // one excludes the other
			out = append(out, change{"/authEnabled", false})
		}
	}
	if f.Changed("description") {
		out = append(out, change{"/description", o.description})
	}
	tags, err := parsePairs("--tag", o.tags)
	if tags != nil {
		out = append(out, change{"/kvTags", tags})
	}
	return out, err
}

// endpointPatch is a change of an endpoint.
type endpointPatch struct {
	changes []change
	doing   string
	noWait  bool
}

// patchEndpoint changes an endpoint, waits for it, and shows its versions.
func (c *cli) patchEndpoint(ctx context.Context, cl *client.Client, w *where, p endpointPatch) error {
	op, err := cl.PatchService(ctx, w.space(), w.name, operations(p.changes))
	if err != nil {
		return err
	}
	if p.noWait {
		return c.running(ctx, cl, op)
	}
	if err := c.wait(ctx, cl, op, p.doing); err != nil {
		return err
	}
	endpoint, err := cl.GetService(ctx, w.space(), w.name)
	if err != nil {
		return err
	}
	if !c.outputAsked && c.query == nil {
		c.output = "table"
	}
	return c.emit(endpoint, aksVersionTable)
}

// operations are changes as a JSON Patch.
func operations(changes []change) (patch []client.Object) {
	for _, h := range changes {
		if h.value == removed {
			patch = append(patch, client.Object{"op": "remove", "path": h.path})
			continue
		}
		patch = append(patch, client.Object{"op": "add", "path": h.path, "value": h.value})
	}
	return patch
}

// removed in the place of a value takes a field away.
var removed any = new(int)
