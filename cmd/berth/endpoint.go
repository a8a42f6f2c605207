package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) endpointCommand() *cobra.Command {
	return family("online-endpoint", "Online endpoints: addresses of the models that a compute serves (az ml, version 2)",
		c.endpointCreate(), c.endpointList(), c.endpointShow(), c.endpointUpdate(), c.endpointInvoke(), c.endpointDelete(),
		c.endpointCredentials(), c.endpointRegenerate())
}

func endpointTable(v any) []row {
	return each(v, func(o client.Object) row {
		return row{{"Name", str(o, "name")}, {"State", str(o, "properties", "provisioningState")},
			{"Compute", lastWord(str(o, "properties", "compute"))}, {"AuthMode", str(o, "properties", "authMode")},
			{"ScoringUri", str(o, "properties", "scoringUri")}}
	})
}

// onEndpoint is a command about an endpoint.
func (c *cli) onEndpoint(use, short string, run aboutOne) *cobra.Command {
	return c.onOne("endpoint", use, short, run)
}

func (c *cli) endpointList() *cobra.Command {
	w := &where{}
	cmd := command("list", "List the online endpoints of a workspace", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		list, err := cl.ListEndpoints(ctx, w.space())
		if err != nil {
			return err
		}
		return c.emit(list, endpointTable)
	})
	w.groupFlag(cmd, true)
	w.workspaceFlag(cmd)
	return w.on(c, cmd)
}

func (c *cli) endpointShow() *cobra.Command {
	return c.onEndpoint("show", "Show an online endpoint", func(ctx context.Context, cl *client.Client, w *where) error {
		endpoint, err := cl.GetEndpoint(ctx, w.space(), w.name)
		if err != nil {
			return err
		}
		return c.emit(endpoint, endpointTable)
	})
}

func (c *cli) endpointDelete() *cobra.Command {
	var yes, noWait bool
	cmd := c.onEndpoint("delete", "Delete an endpoint with its deployments", func(ctx context.Context, cl *client.Client, w *where) error {
		if err := c.confirm(yes, "delete the endpoint "+w.name+" with its deployments"); err != nil {
			return err
		}
		// A DELETE of what does not exist succeeds, and would hide a typing mistake.
		if _, err := cl.GetEndpoint(ctx, w.space(), w.name); err != nil {
			return err
		}
		op, err := cl.DeleteEndpoint(ctx, w.space(), w.name)
		if err != nil {
			return err
		}
		if noWait {
			return c.running(ctx, cl, op)
		}
		return c.wait(ctx, cl, op, "Deleting endpoint "+w.name)
	})
	yesFlag(cmd, &yes)
	noWaitFlag(cmd, &noWait)
	return cmd
}

func (c *cli) endpointCredentials() *cobra.Command {
	return c.onEndpoint("get-credentials", "Show the keys of an online endpoint, or a token for one that takes tokens",
		func(ctx context.Context, cl *client.Client, w *where) error {
			found, _, err := credentials(ctx, cl, w)
			if err != nil {
				return err
			}
			return c.emit(found, nil)
		})
}

// credentials are the keys or the token of an endpoint, and that which calls it.
func credentials(ctx context.Context, cl *client.Client, w *where) (all client.Object, one string, err error) {
	endpoint, err := cl.GetEndpoint(ctx, w.space(), w.name)
	if err != nil {
		return nil, "", err
	}
	if strings.EqualFold(str(endpoint, "properties", "authMode"), "Key") {
		all, err = cl.EndpointKeys(ctx, w.space(), w.name)
		return all, str(all, "primaryKey"), err
	}
	all, err = cl.EndpointToken(ctx, w.space(), w.name)
	return all, str(all, "accessToken"), err
}

func (c *cli) endpointRegenerate() *cobra.Command {
	var key string
	cmd := c.onEndpoint("regenerate-keys", "Replace a key of an online endpoint by a new one",
		func(ctx context.Context, cl *client.Client, w *where) error {
			i := slices.IndexFunc(keyTypes, func(t string) bool { return strings.EqualFold(t, key) })
			if i < 0 {
				return usage("--key-type must be primary or secondary, not '%s'", key)
			}
			op, err := cl.RegenerateEndpointKey(ctx, w.space(), w.name, keyTypes[i])
			if err != nil {
				return err
			}
			return c.wait(ctx, cl, op, "Replacing the key of endpoint "+w.name)
		})
	cmd.Flags().StringVar(&key, "key-type", "primary", "the key to replace: primary or secondary")
	return cmd
}

// settleEndpoint waits for an operation on an endpoint and shows the result.
func (c *cli) settleEndpoint(ctx context.Context, cl *client.Client, w *where, s settling) error {
	if s.noWait {
		return c.running(ctx, cl, s.op)
	}
	if err := c.wait(ctx, cl, s.op, s.doing); err != nil {
		return err
	}
	endpoint, err := cl.GetEndpoint(ctx, w.space(), w.name)
	if err != nil {
		return err
	}
	return c.emit(endpoint, endpointTable)
}
