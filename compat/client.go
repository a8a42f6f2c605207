package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// client is one real client: where its tests are, what must be installed for them, and how they are run.
type client struct {
	name, title string
	pins        string // file in its folder that names what is installed, with versions
	version     string // a regular expression that finds the version in pins
	steps       func(at place) [][]string
	command     func(at place) []string
}

// place is where a client lives during a run.
type place struct {
	root  string // of the repository
	tests string // the client's folder in compat
	home  string // what was installed
}

var clients = []client{
	// The order is that of docs/compatibility.md. Two are tested at a time: those that need real nodes and others take turns.
	python("azureml", "azureml-core (Python SDK v1)", `azureml-core==(\S+)`),
	python("az", "Azure CLI", `azure-cli==(\S+)`),
	python("examples", "examples/, with azureml-core and azure-ai-ml", `azure-ai-ml==(\S+)`),
	python("az245", "Azure CLI as Debian 12 has it,", `azure-cli==(\S+)`),
	python("azml", "azure-ai-ml (Python SDK v2)", `azure-ai-ml==(\S+)`),
	{
		name: "node", title: "Azure SDK for JavaScript", pins: "package.json", version: `"@azure/arm-machinelearning": "([^"]+)"`,
		steps: func(at place) [][]string {
			return [][]string{{"cp", "package.json", at.home}, {"npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", at.home}}
		},
		command: func(at place) []string { return []string{"node", "--test", "--test-concurrency=1", at.tests} },
	},
	{
		name: "golang", title: "Azure SDK for Go", pins: "go.mod", version: `armmachinelearning/v4 (\S+)`,
		steps:   func(place) [][]string { return [][]string{{"go", "mod", "download"}} },
		command: func(place) []string { return []string{"go", "test", "-count=1", "./..."} },
	},
	{
		name: "kubelogin", title: "Azure kubelogin, with kubectl", pins: "go.mod", version: `Azure/kubelogin (v\S+)`,
		steps: func(at place) [][]string {
			return [][]string{{"go", "build", "-o", at.home + "/kubelogin", "github.com/Azure/kubelogin"}}
		},
		command: func(place) []string { return []string{"go", "test", "-count=1", "./..."} },
	},
}

// python is a client that comes from PyPI, in a virtual environment of its own: their packages conflict. Of its many
// files few are ever used, so none is compiled until it is.
func python(name, title, version string) client {
	return client{
		name: name, title: title, pins: "requirements.txt", version: version,
		steps: func(at place) [][]string {
			return [][]string{{"python3.11", "-m", "venv", "--clear", at.home},
				{at.home + "/bin/pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check", "-r", "requirements.txt"}}
		},
		command: func(at place) []string {
			return []string{at.home + "/bin/python", "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", at.tests}
		},
	}
}

func (c client) place(root string) place {
	return place{root: root, tests: filepath.Join(root, "compat", c.name), home: filepath.Join(root, "compat", ".clients", c.name)}
}

// install makes the client's folder once for each content of pins. An interrupted installation is repeated.
func (c client) install(ctx context.Context, root string) error {
	at := c.place(root)
	pins, err := os.ReadFile(filepath.Join(at.tests, c.pins))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(pins)
	mark, want := filepath.Join(at.home, ".installed"), hex.EncodeToString(sum[:])
	if have, err := os.ReadFile(mark); err == nil && string(have) == want {
		return nil
	}
	if err := errors.Join(os.RemoveAll(at.home), os.MkdirAll(at.home, 0o755)); err != nil {
		return err
	}
	for _, step := range c.steps(at) {
		cmd := exec.CommandContext(ctx, step[0], step[1:]...)
		cmd.Dir = at.tests
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(step, " "), err, out.String())
		}
	}
	return os.WriteFile(mark, []byte(want), 0o644)
}

// pinned is the version that is tested.
func (c client) pinned(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(c.place(root).tests, c.pins))
	if err != nil {
		return "", err
	}
	found := regexp.MustCompile(c.version).FindSubmatch(text)
	if found == nil {
		return "", fmt.Errorf("%s names no version of %s", c.pins, c.title)
	}
	return string(found[1]), nil
}

// test runs the client's tests against a server that is made for them, and reads what they report.
func (c client) test(ctx context.Context, t trial) (report, error) {
	r := report{title: c.title}
	var err error
	if r.version, err = c.pinned(t.root); err != nil {
		return r, err
	}
	s, err := startServer(ctx, t.root)
	if err != nil {
		return r, err
	}
	defer s.stop()
	at := c.place(t.root)
	file := filepath.Join(s.dir, "report.jsonl")
	command := c.command(at)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = at.tests
	cmd.Stdout, cmd.Stderr = t.out, t.out
	cmd.Env = append(s.env, "COMPAT_REPORT="+file, "COMPAT_CLIENT="+at.home, "NODE_PATH="+at.home+"/node_modules",
		"PYTHONPYCACHEPREFIX="+at.home+"/pycache")
	failed := cmd.Run()
	if r.operations, err = readReport(file); err != nil {
		return r, errors.Join(failed, err)
	}
	if failed != nil {
		return r, fmt.Errorf("its tests failed: %w; the server's log:\n%s", failed, s.tail())
	}
	return r, nil
}
