package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// timed is a program of a user that makes one cluster, for each client.
type timed struct {
	client string // whose installation it needs; empty for none
	title  string
	run    func(at place) []string
}

var times = []timed{
	{title: "berth", run: func(place) []string {
		return []string{"berth", "ml", "computetarget", "create", "aks", "-n", "timed", "-g", "myresourcegroup", "-w", "myworkspace",
			"--agent-count", "1", "--cluster-purpose", "DevTest", "-o", "none"}
	}},
	{client: "golang", title: "Azure SDK for Go", run: func(at place) []string { return []string{filepath.Join(at.home, "create")} }},
	{client: "node", title: "Azure SDK for JavaScript",
		run: func(at place) []string { return []string{"node", filepath.Join(at.root, "compat/times/node.js")} }},
	{client: "az", title: "az: login and aks create", run: func(at place) []string {
		return []string{"env", "PATH=" + at.home + "/bin:" + os.Getenv("PATH"), "sh", filepath.Join(at.root, "compat/times/az.sh")}
	}},
	{client: "azureml", title: "azureml-core", run: func(at place) []string {
		return []string{at.home + "/bin/python", filepath.Join(at.root, "compat/times/sdk_v1.py")}
	}},
}

// measure prints how long a user of each installed client waits for a cluster, from `eval "$(berth env)"` on, and how long
// the server worked on it meanwhile. What is between them is the client's: its start, its sign-in, the rhythm of its polling.
func measure(ctx context.Context, root string) error {
	fmt.Printf("%-28s %10s %10s %10s\n", "a cluster by", "whole", "server", "client's")
	for _, t := range times {
		at := place{root: root}
		if i := slices.IndexFunc(clients, func(c client) bool { return c.name == t.client }); i >= 0 {
			at = clients[i].place(root)
			if _, err := os.Stat(filepath.Join(at.home, ".installed")); err != nil {
				fmt.Printf("%-28s not installed: 'make compat' installs it\n", t.title)
				continue
			}
		}
		if err := t.measure(ctx, at); err != nil {
			return fmt.Errorf("%s: %w", t.title, err)
		}
	}
	return nil
}

func (t timed) measure(ctx context.Context, at place) error {
	if t.client == "golang" {
		build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(at.home, "create"), "./create")
		build.Dir = at.tests
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
	}
	s, err := startServer(ctx, at.root)
	if err != nil {
		return err
	}
	defer s.stop()
	env := append(s.env, "NODE_PATH="+at.home+"/node_modules", "PYTHONPYCACHEPREFIX="+at.home+"/pycache")
	run := func(line ...string) error {
		cmd := exec.CommandContext(ctx, line[0], line[1:]...)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	}
	if err := errors.Join(run(s.berth, "group", "create", "-n", "myresourcegroup", "-l", "westus"),
		run(s.berth, "ml", "workspace", "create", "-n", "myworkspace", "-g", "myresourcegroup")); err != nil {
		return err
	}
	start := time.Now()
	if err := run(append([]string{"sh", "-c", `eval "$(berth env)" && exec "$@"`, "sh"}, t.run(at)...)...); err != nil {
		return err
	}
	whole := time.Since(start).Seconds()
	worked, err := s.worked()
	fmt.Printf("%-28s %8.1f s %8.1f s %8.1f s\n", t.title, whole, worked, whole-worked)
	return err
}

var ended = regexp.MustCompile(`msg="operation ended" resource=\S+/timed verb=create state=Succeeded seconds=(\S+)`)

// worked is how long the server itself took for the cluster, as its log has it.
func (s *server) worked() (float64, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, "serve.log"))
	if err != nil {
		return 0, err
	}
	found := ended.FindSubmatch(text)
	if found == nil {
		return 0, errors.New("the server's log does not say that a cluster was made")
	}
	return strconv.ParseFloat(string(found[1]), 64)
}
