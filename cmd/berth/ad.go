package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) adCommand() *cobra.Command {
	sp := family("sp", "Service principals: programs that may sign in", c.spCreate(), c.spList(), c.spShow(), c.spReset(), c.spDelete())
	user := family("user", "People who may sign in", c.userCreate(), c.userList(), c.userShow(), c.userUpdate(), c.userDelete())
	group := family("group", "Groups of people, as outside providers name them", c.groupOfPeopleList(), c.groupOfPeopleShow())
	keys := family("signing-key", "The keys that sign access tokens", c.keyList(), c.keyRotate())
	return family("ad", "Callers: the programs and people that may sign in, and their credentials", sp, user, group, keys)
}

func (c *cli) spList() *cobra.Command {
	var name string
	cmd := command("list", "List the callers", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		all, err := cl.Applications(ctx, "")
		if err != nil {
			return err
		}
		shown := []client.Object{}
		for _, a := range all {
			if strings.HasPrefix(strings.ToLower(str(a, "displayName")), strings.ToLower(name)) {
				shown = append(shown, a)
			}
		}
		return c.emit(shown, spTable)
	})
	cmd.Flags().StringVar(&name, "display-name", "", "only callers whose name begins with this")
	return cmd
}

func spTable(v any) []row {
	return each(v, func(o client.Object) row {
		secrets, _ := at(o, "passwordCredentials").([]any)
		certificates, _ := at(o, "keyCredentials").([]any)
		return row{
			{"Name", str(o, "displayName")}, {"AppId", str(o, "appId")}, {"Secrets", ends(secrets)},
			{"Certificates", ends(certificates)}, {"Created", str(o, "createdDateTime")},
		}
	})
}

// ends lists the days on which credentials expire.
func ends(list []any) string {
	var out []string
	for _, item := range list {
		o, _ := item.(client.Object)
		day, _, _ := strings.Cut(str(o, "endDateTime"), "T")
		if day == "" {
			day = "no end"
		}
		out = append(out, day)
	}
	return strings.Join(out, ", ")
}

func (c *cli) spShow() *cobra.Command {
	w := &where{}
	cmd := command("show", "Show a caller", func(ctx context.Context) error {
		_, a, err := c.principal(ctx, w.name)
		if err != nil {
			return err
		}
		return c.emit(a, spTable)
	})
	w.principalFlag(cmd)
	return w.on(c, cmd)
}

func (c *cli) spDelete() *cobra.Command {
	w := &where{}
	cmd := command("delete", "Delete a caller; its tokens are refused at once", func(ctx context.Context) error {
		cl, a, err := c.principal(ctx, w.name)
		if err != nil {
			return err
		}
		return cl.DeleteApplication(ctx, a)
	})
	w.principalFlag(cmd)
	return w.on(c, cmd)
}

func (w *where) principalFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.name, "id", "", "client id (appId) or object id of the caller")
	w.wants = append(w.wants, want{value: &w.name, options: "--id"})
}

// principal finds a caller.
func (c *cli) principal(ctx context.Context, id string) (*client.Client, client.Object, error) {
	cl, err := c.connect()
	if err != nil {
		return nil, nil, err
	}
	found, err := cl.Applications(ctx, strings.ToLower(unquoted(id)))
	if err == nil && len(found) == 0 {
		err = notFound("no caller has the id '%s'; `berth ad sp list` shows them", id)
	}
	if err != nil {
		return nil, nil, err
	}
	return cl, found[0], nil
}

func (c *cli) keyList() *cobra.Command {
	return command("list", "List the keys whose tokens are accepted", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		keys, err := cl.SigningKeys(ctx)
		if err != nil {
			return err
		}
		return c.emit(keys, keyTable)
	})
}

func (c *cli) keyRotate() *cobra.Command {
	var forget bool
	cmd := command("rotate", "Sign tokens with a new key from now on", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		keys, err := cl.RotateSigningKey(ctx, forget)
		if err != nil {
			return err
		}
		return c.emit(keys, keyTable)
	})
	cmd.Long = "Sign tokens with a new key from now on. Berth does this by itself every 30 days. Tokens of the old key stay valid\n" +
		"until they expire, within the hour; with --forget-old they are refused at once, and every caller signs in again. Use that for\n" +
		"a key that was disclosed."
	cmd.Flags().BoolVar(&forget, "forget-old", false, "refuse the tokens of the old keys at once")
	return cmd
}

func keyTable(v any) []row {
	return each(v, func(o client.Object) row {
		return row{{"Kid", str(o, "kid")}, {"Made", str(o, "made")}, {"Retired", str(o, "retired")}, {"Signs", str(o, "signs")}}
	})
}
