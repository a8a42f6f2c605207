package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// The resources that the demo creates.
const (
	demoGroup     = "demo-rg"
	demoWorkspace = "demo-ws"
	demoLocation  = "westeurope"
)

type demoStep struct {
	name string
	do   func() (string, error)
}

// steps create, attach, scale and detach. Each can be repeated over the resources of an earlier demo.
func (d *demo) steps(ctx context.Context) []demoStep {
	myaks := client.ComputeName{Group: demoGroup, Workspace: demoWorkspace, Name: "myaks"}
	attached := client.ComputeName{Group: demoGroup, Workspace: demoWorkspace, Name: "attached"}
	return []demoStep{
		{"resource group demo-rg and workspace demo-ws", func() (string, error) { return d.home(ctx) }},
		{"create compute myaks (FastProd, 3 × Standard_D3_v2)", func() (string, error) {
			return d.compute(ctx, myaks, client.ComputeRequest{Nodes: "3", VMSize: "Standard_D3_v2", Purpose: berth.FastProd})
		}},
		{"ask myaks itself, through its Kubernetes API", func() (string, error) { return d.computeNodes(ctx, myaks) }},
		{"run a container in 2 pods of myaks, and call it over HTTP", func() (string, error) { return d.hello(ctx, myaks) }},
		{"deploy a model to myaks and score it", func() (string, error) { return d.model(ctx, myaks) }},
		{"create cluster existing (1 × Standard_D3_v2), as you would with az aks create", func() (string, error) { return d.cluster(ctx) }},
		{"attach cluster existing as compute attached (DevTest)", func() (string, error) {
			existing := d.cl.ID(demoGroup, berth.TypeCluster, "existing").String()
			return d.compute(ctx, attached, client.ComputeRequest{ClusterID: existing, Purpose: berth.DevTest})
		}},
		{"scale myaks to 4 nodes", func() (string, error) { return d.scale(ctx, myaks) }},
		{"list the computes", func() (string, error) { return d.list(ctx) }},
		{"detach compute attached", func() (string, error) { return d.detach(ctx, attached) }},
		{"ask existing, which was detached, through its Kubernetes API", func() (string, error) { return d.clusterNodes(ctx, "existing") }},
	}
}

func (d *demo) home(ctx context.Context) (string, error) {
	if _, err := d.cl.CreateGroup(ctx, demoGroup, demoLocation, nil); err != nil {
		return "", err
	}
	ws, err := d.cl.CreateWorkspace(ctx, demoGroup, demoWorkspace, demoLocation)
	return str(ws, "properties", "provisioningState"), err
}

// compute puts an AKS compute and waits for it.
func (d *demo) compute(ctx context.Context, n client.ComputeName, r client.ComputeRequest) (string, error) {
	_, op, err := d.cl.PutCompute(ctx, n, r.Body(d.cl.Subscription()))
	if err != nil {
		return "", err
	}
	if err := d.wait(ctx, op, n.Name); err != nil {
		return "", err
	}
	got, err := d.cl.GetCompute(ctx, n)
	return fmt.Sprintf("%s (%s)", str(got, "properties", "provisioningState"), nodes(str(got, "properties", "properties", "agentCount"))), err
}

func nodes(count string) string {
	if count == "1" {
		return "1 node ready"
	}
	return count + " nodes ready"
}

// stepPatience is how long a step of the demo may take. The server tries for longer; a person watching should not.
const stepPatience = 3 * time.Minute

// wait follows an operation on what. Ctrl-C ends it without advice: the server stops too, so no operation is left to follow.
func (d *demo) wait(ctx context.Context, op *client.Operation, what string) error {
	return d.waitLong(ctx, op, what, stepPatience)
}

func (d *demo) waitLong(ctx context.Context, op *client.Operation, what string, patience time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := d.c.wait(limited, d.cl, op, what)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return fmt.Errorf("%s is not ready after %s: %s", what, patience, op.Message)
	}
	return err
}

func (d *demo) cluster(ctx context.Context) (string, error) {
	pool := client.Object{"name": "nodepool1", "mode": "System", "count": 1, "vmSize": "Standard_D3_v2"}
	_, op, err := d.cl.PutCluster(ctx, demoGroup, "existing", client.Object{
		"location": demoLocation, "properties": client.Object{"agentPoolProfiles": []any{pool}},
	})
	if err != nil {
		return "", err
	}
	if err := d.wait(ctx, op, "existing"); err != nil {
		return "", err
	}
	got, err := d.cl.GetCluster(ctx, demoGroup, "existing")
	return fmt.Sprintf("%s (Kubernetes %s)", str(got, "properties", "provisioningState"), str(got, "properties", "kubernetesVersion")), err
}

func (d *demo) scale(ctx context.Context, n client.ComputeName) (string, error) {
	_, op, err := d.cl.ScaleCompute(ctx, n, 4)
	if err != nil {
		return "", err
	}
	if err := d.wait(ctx, op, n.Name); err != nil {
		return "", err
	}
	return d.computeNodes(ctx, n)
}

func (d *demo) computeNodes(ctx context.Context, n client.ComputeName) (string, error) {
	keys, err := d.cl.ComputeKeys(ctx, n)
	if err != nil {
		return "", err
	}
	return describeNodes(ctx, []byte(str(keys, "adminKubeConfig")))
}

func (d *demo) clusterNodes(ctx context.Context, name string) (string, error) {
	config, err := d.cl.ClusterCredentials(ctx, demoGroup, name, true)
	if err != nil {
		return "", err
	}
	return describeNodes(ctx, config)
}

// describeNodes reads the nodes from a cluster's own API, and fails when one is not ready.
func describeNodes(ctx context.Context, kubeconfig []byte) (string, error) {
	list, err := readNodes(ctx, kubeconfig)
	if err != nil {
		return "", err
	}
	text := nodes(fmt.Sprint(len(list)))
	for _, n := range list {
		if !n.ready {
			return "", fmt.Errorf("the node %s is not ready", n.name)
		}
		text += fmt.Sprintf("\n           %s  %s  %s CPU  %s  %s", n.name, n.size, n.cpu, n.memory, n.version)
	}
	return text, nil
}

func (d *demo) list(ctx context.Context) (string, error) {
	list, err := d.cl.ListComputes(ctx, demoGroup, demoWorkspace)
	if err != nil {
		return "", err
	}
	v, err := plain(list)
	if err != nil {
		return "", err
	}
	table := strings.TrimRight(renderTable(computeTable(v)), "\n")
	return fmt.Sprintf("%d computes\n           %s", len(list), strings.ReplaceAll(table, "\n", "\n           ")), nil
}

func (d *demo) detach(ctx context.Context, n client.ComputeName) (string, error) {
	op, err := d.cl.DeleteCompute(ctx, n, client.ActionDetach)
	if err != nil {
		return "", err
	}
	if err := d.wait(ctx, op, n.Name); err != nil {
		return "", err
	}
	return "Succeeded", nil
}

// program is how the user calls this program.
func program() string {
	exe, err := os.Executable()
	if err != nil {
		return "berth"
	}
	if dir, err := os.Getwd(); err == nil {
		if short, err := filepath.Rel(dir, exe); err == nil && !strings.HasPrefix(short, "..") {
			if !strings.ContainsRune(short, filepath.Separator) {
				short = "." + string(filepath.Separator) + short // the shell searches PATH for a bare name
			}
			return shellWord(short)
		}
	}
	return shellWord(exe)
}

// shellWord quotes a word when a shell would take it apart.
func shellWord(s string) string {
	if strings.ContainsAny(s, " '\"$`\\&;|<>()*?[]#~!") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
