package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) serviceKeys() *cobra.Command {
	return c.onService("get-keys", "Show the keys of a service", func(ctx context.Context, cl *client.Client, w *where) error {
		keys, err := cl.ServiceKeys(ctx, w.space(), w.name)
		if err != nil {
			return err
		}
		return c.emit(keys, nil)
	})
}

func (c *cli) serviceToken() *cobra.Command {
	return c.onService("get-access-token", "Show a token for a service that takes tokens",
		func(ctx context.Context, cl *client.Client, w *where) error {
			token, err := cl.ServiceToken(ctx, w.space(), w.name)
			if err != nil {
				return err
			}
			return c.emit(token, nil)
		})
}

var keyTypes = []string{"Primary", "Secondary"}

func (c *cli) serviceRegenerate() *cobra.Command {
	var key string
	cmd := c.onService("regen-key", "Replace a key of a service by a new one", func(ctx context.Context, cl *client.Client, w *where) error {
		if !slices.Contains(keyTypes, key) {
			return usage("--key must be Primary or Secondary, not '%s'", key)
		}
		op, err := cl.RegenerateKey(ctx, w.space(), w.name, client.Object{"keyType": key})
		if err != nil {
			return err
		}
		if err := c.wait(ctx, cl, op, "Replacing the key of service "+w.name); err != nil {
			return err
		}
		c.note("The key was replaced. To see it, run:\n  berth ml service get-keys -n %s -w %s -g %s", w.name, w.workspace, w.group)
		return nil
	})
	cmd.Flags().StringVarP(&key, "key", "k", "", "the key to replace: Primary or Secondary")
	_ = cmd.RegisterFlagCompletionFunc("key", cobra.FixedCompletions(keyTypes, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return cmd
}
