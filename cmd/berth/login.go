package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"berth.dev/berth/client"
)

func (c *cli) loginCommand() *cobra.Command {
	cr := client.Credentials{CloudName: client.CloudName}
	cmd := command("login", "Store credentials for a Berth on another machine", func(ctx context.Context) error { return c.login(ctx, cr) })
	cmd.Long = "Store credentials for a Berth on another machine in the settings folder, readable by you only. The secret is read from\n" +
		"standard input or from BERTH_CLIENT_SECRET, never from an argument, because process lists show arguments."
	cmd.Example = "  berth login --endpoint https://berth.example:8443 --tenant TENANT --client-id CLIENT --ca-file ca.pem < secret.txt"
	f := cmd.Flags()
	f.StringVar(&cr.Endpoint, "endpoint", os.Getenv("BERTH_ENDPOINT"), "https address of the Berth [$BERTH_ENDPOINT]")
	f.StringVar(&cr.TenantID, "tenant", os.Getenv("BERTH_TENANT_ID"), "tenant id [$BERTH_TENANT_ID]")
	f.StringVar(&cr.ClientID, "client-id", os.Getenv("BERTH_CLIENT_ID"), "client id [$BERTH_CLIENT_ID]")
	f.StringVar(&cr.CAFile, "ca-file", os.Getenv("BERTH_CA_FILE"), "certificate of its CA (ca.pem) [$BERTH_CA_FILE]")
	for _, name := range []string{"endpoint", "tenant", "client-id", "ca-file"} {
		f.Lookup(name).DefValue = "" // help must read the same everywhere
	}
	w := &where{
		wants: []want{
			{value: &cr.Endpoint, options: "--endpoint"}, {value: &cr.TenantID, options: "--tenant"},
			{value: &cr.ClientID, options: "--client-id"},
		},
	}
	return w.on(c, cmd)
}

func (c *cli) login(ctx context.Context, cr client.Credentials) error {
	var err error
	if cr.ClientSecret, err = c.readSecret(); err != nil {
		return err
	}
	if cr.CAFile != "" {
		if cr.CAFile, err = filepath.Abs(cr.CAFile); err != nil {
			return err
		}
	}
	o := client.Options{Credentials: cr, UserAgent: "berth/" + version, Language: c.language}
	if c.debug {
		o.Trace = c.err
	}
	cl, err := client.New(o)
	if err != nil {
		return err
	}
	list, err := cl.List(ctx, "/subscriptions")
	if err != nil {
		return err
	}
	if cr.SubscriptionID, err = c.choose(list); err != nil {
		return err
	}
	if cr.CloudName, err = cl.CloudName(ctx); err != nil {
		return err
	}
	file, err := loginFile()
	if err != nil {
		return err
	}
	if err := cr.Write(file); err != nil {
		return fmt.Errorf("the login cannot be stored: %w", err)
	}
	c.note("Logged in to %s. The credentials are stored in %s.", cr.Endpoint, file)
	return c.emit(list, nil)
}

// choose takes the subscription that was asked for, or the only one.
func (c *cli) choose(list []client.Object) (string, error) {
	for _, s := range list {
		if id := str(s, "subscriptionId"); id != "" && (c.subscription == "" || strings.EqualFold(c.subscription, id)) {
			return id, nil
		}
	}
	if c.subscription != "" {
		return "", fmt.Errorf("this client sees no subscription %s", c.subscription)
	}
	return "", errors.New("this client sees no subscription")
}

// readSecret reads the client's secret: unseen from a terminal, or the first line of standard input.
func (c *cli) readSecret() (string, error) {
	if s := os.Getenv("BERTH_CLIENT_SECRET"); s != "" {
		return s, nil
	}
	secret, err := c.typed("Client secret: ")
	if secret = strings.TrimSpace(secret); err == nil && secret == "" {
		err = usage("the client secret is missing: pass it on standard input or in BERTH_CLIENT_SECRET")
	}
	return secret, err
}

// typed reads a secret: unseen from a terminal, which shows the prompt, or the first line of standard input.
func (c *cli) typed(prompt string) (string, error) {
	if f, ok := c.in.(*os.File); ok && c.inTerminal {
		c.say("%s", c.text(prompt))
		secret, err := term.ReadPassword(int(f.Fd()))
		c.say("\n")
		return string(secret), err
	}
	lines := bufio.NewScanner(c.in)
	lines.Scan()
	return strings.TrimRight(lines.Text(), "\r"), lines.Err()
}
