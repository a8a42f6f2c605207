package main

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

// completionPatience is how long the shell waits for values of the server.
const completionPatience = 3 * time.Second

// values lists what an option may have, given the other options of the command line.
type values func(ctx context.Context, cl *client.Client, w where) ([]client.Object, error)

// completions are the options whose values the server knows, and the field that is the value.
var completions = map[string]struct {
	list  values
	field string
}{
	"resource-group": {listGroups, "name"}, "workspace-name": {listWorkspaces, "name"}, "location": {listLocations, "name"},
	"vm-size": {listSizes, "name"}, "node-vm-size": {listSizes, "name"}, "kubernetes-version": {listVersions, "orchestratorVersion"},
	"compute-resource-id": {listClusterIDs, "id"}, "compute-target": {listComputes, "name"}, "model": {listModels, "id"},
	"model-id": {listModels, "id"}, "environment-name": {listEnvironments, "name"},
}

// names are the values of --name, by the group of the command.
var names = map[string]values{
	"berth group": listGroups, "berth ml workspace": listWorkspaces, "berth aks": listClusters, "berth aks nodepool": listClusters,
	"berth cluster": func(ctx context.Context, cl *client.Client, w where) ([]client.Object, error) {
		return cl.ListConnected(ctx, w.group)
	},
	"berth ml computetarget": listComputes, "berth ml environment": listEnvironments,
	"berth ml model": func(ctx context.Context, cl *client.Client, w where) ([]client.Object, error) {
		return cl.ListModels(ctx, w.space(), client.ModelQuery{Newest: true})
	},
	"berth ml service": func(ctx context.Context, cl *client.Client, w where) ([]client.Object, error) {
		return cl.ListServices(ctx, w.space(), nil)
	},
	"berth ml endpoint realtime": func(ctx context.Context, cl *client.Client, w where) ([]client.Object, error) {
		return cl.ListServices(ctx, w.space(), url.Values{"computeType": {aksEndpoint}})
	},
}

// namesNew are the commands whose --name is that of something that does not exist yet.
var namesNew = []string{"create", "deploy"}

func listComputes(ctx context.Context, cl *client.Client, w where) ([]client.Object, error) {
	return cl.ListComputes(ctx, w.group, w.workspace)
}

func listModels(ctx context.Context, cl *client.Client, w where) ([]client.Object, error) {
	return cl.ListModels(ctx, w.space(), client.ModelQuery{})
}

func listEnvironments(ctx context.Context, cl *client.Client, w where) ([]client.Object, error) {
	return cl.ListEnvironments(ctx, w.space())
}

func listGroups(ctx context.Context, cl *client.Client, _ where) ([]client.Object, error) {
	return cl.ListGroups(ctx)
}

func listWorkspaces(ctx context.Context, cl *client.Client, w where) ([]client.Object, error) {
	return cl.ListWorkspaces(ctx, w.group)
}

func listLocations(ctx context.Context, cl *client.Client, _ where) ([]client.Object, error) {
	return cl.Locations(ctx)
}

func listClusters(ctx context.Context, cl *client.Client, w where) ([]client.Object, error) {
	return cl.ListClusters(ctx, w.group)
}

func listClusterIDs(ctx context.Context, cl *client.Client, _ where) ([]client.Object, error) {
	managed, err := cl.ListClusters(ctx, "")
	if err != nil {
		return nil, err
	}
	connected, err := cl.ListConnected(ctx, "")
	return append(managed, connected...), err
}

// anyLocation stands in for a location: sizes and versions are the same everywhere.
const anyLocation = "westeurope"

func listSizes(ctx context.Context, cl *client.Client, w where) ([]client.Object, error) {
	return cl.VMSizes(ctx, cmp.Or(w.location, anyLocation))
}

func listVersions(ctx context.Context, cl *client.Client, w where) ([]client.Object, error) {
	all, err := cl.Orchestrators(ctx, cmp.Or(w.location, anyLocation))
	list, _ := all["orchestrators"].([]any)
	return objects(list), err
}

// completeValues lets the shell complete the values of options, in every command below cmd.
func (c *cli) completeValues(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		for option, of := range completions {
			c.completeFlag(sub, option, of.field, of.list)
		}
		for p := sub.Parent(); p != nil && !slices.Contains(namesNew, sub.Name()); p = p.Parent() {
			if list := names[p.CommandPath()]; list != nil {
				c.completeFlag(sub, "name", "name", list)
				break
			}
		}
		c.completeValues(sub)
	}
}

func (c *cli) completeFlag(cmd *cobra.Command, option, field string, list values) {
	if cmd.Flags().Lookup(option) == nil {
		return
	}
	// An error means that the option has values already.
	_ = cmd.RegisterFlagCompletionFunc(option, func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return c.candidates(cmd, field, begun, list), cobra.ShellCompDirectiveNoFileComp
	})
}

// candidates asks the server. A shell has no place for an error: without an answer nothing is offered.
func (c *cli) candidates(cmd *cobra.Command, field, begun string, list values) []string {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
	defer cancel()
	cl, err := c.connect()
	if err != nil {
		return nil
	}
	defaults, err := readDefaults()
	if err != nil {
		return nil
	}
	value := func(option, key string) string {
		if f := cmd.Flags().Lookup(option); f != nil && f.Changed {
			return f.Value.String()
		}
		return defaults[key]
	}
	w := where{group: value("resource-group", "group"), workspace: value("workspace-name", "workspace")}
	w.location = value("location", "location")
	found, err := list(ctx, cl, w)
	if err != nil {
		return nil
	}
	out := []string{}
	for _, o := range found {
		if v := str(o, field); strings.HasPrefix(strings.ToLower(v), strings.ToLower(begun)) {
			out = append(out, v)
		}
	}
	return out
}
