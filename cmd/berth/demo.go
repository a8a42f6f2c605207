package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"berth.dev/berth/app"
	"berth.dev/berth/client"
)

// demo is one run of `berth demo`: a control plane in this process, and each step printed as it is done.
type demo struct {
	c     *cli
	start time.Time
	log   string // file with the server's log
	info  app.Info
	cl    *client.Client
	// served is set when the model was deployed.
	served bool
}

func (c *cli) demoCommand() *cobra.Command {
	var exit bool
	var cmd *cobra.Command
	cmd = command("demo", "Start a control plane, create, attach, scale and detach clusters, and deploy a model",
		func(ctx context.Context) error {
			config, err := app.LoadConfig(cmd.Flags(), os.Getenv)
			if err != nil {
				return usageError{err}
			}
			for _, name := range []string{"data-dir", "listen", "debug-listen"} {
				if !cmd.Flags().Changed(name) {
					demoDefault(&config, name, exit)
				}
			}
			return c.demo(ctx, config, exit)
		})
	cmd.Long = "Start a control plane in a data folder of its own, and create, attach, scale and detach clusters there: a compute and\n" +
		"an existing cluster. Where the nodes are real, deploy a model and score it. Then keep serving until Ctrl-C, which also\n" +
		"stops the clusters."
	app.AddFlags(cmd.Flags())
	defaults := map[string]string{
		"data-dir":     "berth-demo beside the usual one",
		"listen":       "127.0.0.1:8443, or a free port",
		"debug-listen": "127.0.0.1:8444, or off",
	}
	for name, text := range defaults {
		cmd.Flags().Lookup(name).DefValue = text
	}
	cmd.Flags().BoolVar(&exit, "exit", false, "stop after the main job, and remove everything that it created")
	return cmd
}

// demoDefault keeps the demo away from a real Berth: its own folder (a new one, when it will be removed), and ports that
// are free. Only options count here; the environment is that of the real one.
func demoDefault(config *app.Config, name string, exit bool) {
	d := app.DefaultConfig()
	switch name {
	case "data-dir":
		config.DataDir = filepath.Join(filepath.Dir(d.DataDir), "berth-demo")
		if exit {
			config.DataDir = "" // made in demo
		}
	case "listen":
		config.Listen = freeOr(d.Listen, "127.0.0.1:0", exit)
		config.PublicURL, config.Hosts = "", nil
	case "debug-listen":
		config.DebugListen = freeOr(d.DebugListen, "off", exit)
	}
}

// freeOr is the address if it is free, else the other one.
func freeOr(address, otherwise string, exit bool) string {
	l, err := net.Listen("tcp", address)
	if exit || err != nil {
		if err == nil {
			_ = l.Close()
		}
		return otherwise
	}
	_ = l.Close()
	return address
}

// demo starts the server, does the steps, and stops the server again: at Ctrl-C, or at once.
func (c *cli) demo(ctx context.Context, config app.Config, exit bool) error {
	d := &demo{c: c, start: time.Now()}
	logFile, remove, err := d.prepare(&config)
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx)) // stopped below, after the last step has returned
	ready, ended := make(chan app.Info, 1), make(chan error, 1)
	go func() { ended <- app.Serve(serving, config, logFile, func(i app.Info) { ready <- i }) }()
	err = d.run(ctx, ready, ended)
	if err == nil && !exit {
		d.goOn()
		select {
		case <-ctx.Done():
			c.note("\nStopping the control plane and its clusters…")
		case err = <-ended:
			ended <- nil // it has ended: the next receive must not wait
		}
	}
	stop()
	err = errors.Join(err, <-ended, logFile.Close())
	err = errors.Join(err, remove(err == nil || ctx.Err() != nil))
	return d.verdict(err)
}

// prepare creates the data folder and the log. With --exit the log lies outside of the folder, so that it survives a failure.
func (d *demo) prepare(config *app.Config) (log io.WriteCloser, remove func(all bool) error, err error) {
	remove = func(bool) error { return nil }
	if config.DataDir != "" {
		if err := os.MkdirAll(config.DataDir, 0o700); err != nil {
			return nil, nil, fmt.Errorf("the data folder cannot be made: %w", err)
		}
		d.log = filepath.Join(config.DataDir, "demo.log")
		log, err = os.OpenFile(d.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		return log, remove, err
	}
	dir, err := os.MkdirTemp("", "berth-demo-")
	if err != nil {
		return nil, nil, err
	}
	config.DataDir = dir
	file, err := os.CreateTemp("", "berth-demo-*.log")
	if err != nil {
		return nil, nil, err
	}
	d.log = file.Name()
	return file, func(all bool) error {
		err := os.RemoveAll(dir)
		if all {
			err = errors.Join(err, os.Remove(file.Name()))
		}
		return err
	}, nil
}

// run waits for the server and does the steps.
func (d *demo) run(ctx context.Context, ready <-chan app.Info, ended chan error) error {
	err := d.step("start the control plane", func() (string, error) {
		select {
		case d.info = <-ready:
		case err := <-ended:
			ended <- nil // it has ended: the next receive must not wait
			return "", errors.Join(err, ctx.Err())
		case <-ctx.Done():
			return "", ctx.Err()
		}
		cr, err := client.CredentialsIn(d.info.DataDir)
		if err != nil {
			return "", err
		}
		d.cl, err = client.New(client.Options{Credentials: cr, UserAgent: "berth-demo/" + version})
		return d.info.Endpoint, err
	})
	for _, s := range d.steps(ctx) {
		if err != nil {
			return err
		}
		err = d.step(s.name, s.do)
	}
	return err
}

// step does one thing and prints a line for it.
func (d *demo) step(name string, do func() (string, error)) error {
	result, err := do()
	line := func(text string) {
		_, _ = fmt.Fprintf(d.c.out, "[%5.1fs] %s … %s\n", time.Since(d.start).Seconds(), name, text)
	}
	switch {
	case errors.Is(err, context.Canceled):
		line("interrupted")
	case err != nil:
		line("failed")
	default:
		line(result)
	}
	return err
}

// verdict names the server's log when the demo failed.
func (d *demo) verdict(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	d.c.report(err)
	d.c.say("The server's log is %s\n", d.log)
	return errSilent
}

// goOn prints what the user can do now.
func (d *demo) goOn() {
	berth := program()
	_, _ = fmt.Fprintf(d.c.out, `
Berth serves at %s (debug pages: %s); Ctrl-C stops it with all its clusters.
  data folder  %s
  log          %s

In another terminal, let az, azureml-core, the SDKs and Terraform talk to it:
  eval "$(%[5]s env --data-dir %[6]s)"

To open it in a browser, signed in (or: %[5]s studio --data-dir %[6]s):
  %[7]s

Then, for example:
  %[5]s ml computetarget list -g demo-rg -w demo-ws -o table
  %[5]s ml computetarget scale -n myaks -a 3 -g demo-rg -w demo-ws
  %[5]s aks get-credentials -n existing -g demo-rg --file demo.kubeconfig && kubectl --kubeconfig demo.kubeconfig get nodes
  %[5]s aks get-versions -l westus -o table
`, d.info.Endpoint, orNone(d.info.DebugAddress), d.info.DataDir, d.log, berth, shellWord(d.info.DataDir), d.studioLink())
	if d.served {
		_, _ = fmt.Fprintf(d.c.out, "  %s ml service run -n %s -d '{\"data\": [4, 5]}' -g %s -w %s\n", berth, lineName, demoGroup, demoWorkspace)
	}
}

// studioLink is a link that signs in once; the plain address of the web page when the server refuses one.
func (d *demo) studioLink() string {
	if link, err := d.cl.StudioLink(context.Background()); err == nil {
		return link
	}
	return d.info.Endpoint + "/studio/"
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
