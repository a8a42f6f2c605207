package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) userCreate() *cobra.Command {
	var name string
	cmd := &cobra.Command{Use: "create NAME", Short: "Create a person who signs in with a password", Args: oneArgument("NAME")}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		password, err := c.newPassword()
		if err != nil {
			return err
		}
		if name == "" {
			name = args[0]
		}
		made, err := cl.CreateUser(cmd.Context(), args[0], name, password)
		if err != nil {
			return err
		}
		return c.emit(made, userTable)
	}
	cmd.Long = "Create a person who signs in with a password. The password is typed at the prompt, or read as the first line of standard\n" +
		"input, never from an argument, because process lists show arguments. People of an outside provider (berth serve --oidc) are\n" +
		"created by their first sign-in."
	cmd.Example = "  berth ad user create ann --display-name \"Ann Lee\"\n" +
		"  berth role assignment create --assignee ann --role Reader"
	cmd.Flags().StringVar(&name, "display-name", "", "name that others see (default: NAME)")
	return cmd
}

// newPassword reads a password, twice from a terminal.
func (c *cli) newPassword() (string, error) {
	password, err := c.typed("Password: ")
	if err != nil {
		return "", err
	}
	if password == "" {
		return "", usage("the password is missing: type it, or pass it on standard input")
	}
	if c.inTerminal {
		again, err := c.typed("Password again: ")
		if err != nil {
			return "", err
		}
		if again != password {
			return "", usage("the two passwords differ")
		}
	}
	return password, nil
}

func (c *cli) userList() *cobra.Command {
	return command("list", "List the people", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		all, err := cl.Users(ctx)
		if err != nil {
			return err
		}
		return c.emit(all, userTable)
	})
}

func userTable(v any) []row {
	return each(v, func(o client.Object) row {
		state := "enabled"
		if enabled, _ := o["accountEnabled"].(bool); !enabled {
			state = "disabled"
		}
		return row{{"Name", str(o, "displayName")}, {"User", str(o, "userPrincipalName")}, {"Id", str(o, "id")}, {"State", state},
			{"LastSignIn", str(o, "signInActivity", "lastSignInDateTime")}}
	})
}

func (w *where) userFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.name, "id", "", "user name or object id of the person")
	w.wants = append(w.wants, want{value: &w.name, options: "--id"})
}

func (c *cli) userShow() *cobra.Command {
	w := &where{}
	cmd := command("show", "Show a person, with the groups of the last sign-in", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		user, err := cl.User(ctx, w.name)
		if err != nil {
			return err
		}
		groups, err := cl.GroupsOf(ctx, w.name)
		if err != nil {
			return err
		}
		user["memberOf"] = groups
		return c.emit(user, userTable)
	})
	w.userFlag(cmd)
	return w.on(c, cmd)
}

func (c *cli) userUpdate() *cobra.Command {
	w := &where{}
	var name string
	var enable, disable, password, signOut bool
	cmd := command("update", "Change a person: name, password, whether it may sign in", func(ctx context.Context) error {
		if enable && disable {
			return usage("--enable and --disable exclude each other")
		}
		body := client.Object{}
		if name != "" {
			body["displayName"] = name
		}
		if enable || disable {
			body["accountEnabled"] = enable
		}
		if password {
			text, err := c.newPassword()
			if err != nil {
				return err
			}
			body["passwordProfile"] = client.Object{"password": text}
		}
		return c.updateUser(ctx, w.name, body, signOut)
	})
	cmd.Long = "Change a person. --disable, --password and --sign-out end all sign-ins of the person at once."
	w.userFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&name, "display-name", "", "name that others see")
	f.BoolVar(&enable, "enable", false, "let the person sign in again")
	f.BoolVar(&disable, "disable", false, "let the person sign in no more")
	f.BoolVar(&password, "password", false, "give the person the password that is typed or passed on standard input")
	f.BoolVar(&signOut, "sign-out", false, "end all sign-ins of the person")
	return w.on(c, cmd)
}

func (c *cli) updateUser(ctx context.Context, id string, body client.Object, signOut bool) error {
	if len(body) == 0 && !signOut {
		return usage("nothing is to be changed: name an option")
	}
	cl, err := c.connect()
	if err != nil {
		return err
	}
	if len(body) > 0 {
		if err := cl.UpdateUser(ctx, id, body); err != nil {
			return err
		}
	}
	if signOut {
		return cl.EndSignIns(ctx, id)
	}
	return nil
}

func (c *cli) userDelete() *cobra.Command {
	w := &where{}
	cmd := command("delete", "Delete a person; its sign-ins end at once", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		return cl.DeleteUser(ctx, w.name)
	})
	w.userFlag(cmd)
	return w.on(c, cmd)
}

func (c *cli) groupOfPeopleList() *cobra.Command {
	return command("list", "List the groups that people were in when they signed in", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		all, err := cl.Groups(ctx)
		if err != nil {
			return err
		}
		return c.emit(all, peopleGroupTable)
	})
}

func peopleGroupTable(v any) []row {
	return each(v, func(o client.Object) row {
		return row{{"Name", str(o, "displayName")}, {"Id", str(o, "id")}, {"Of", str(o, "description")}}
	})
}

func (c *cli) groupOfPeopleShow() *cobra.Command {
	w := &where{}
	cmd := command("show", "Show a group, with the people in it", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		group, err := cl.Group(ctx, w.name)
		if err != nil {
			return err
		}
		return c.emit(group, peopleGroupTable)
	})
	cmd.Flags().StringVar(&w.name, "id", "", "object id of the group")
	w.wants = append(w.wants, want{value: &w.name, options: "--id"})
	return w.on(c, cmd)
}
