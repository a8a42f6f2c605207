package local

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
)

// preflightPatience is how long the check of this machine may take.
const preflightPatience = 20 * time.Second

// Check is one thing that real nodes need of this machine.
type Check struct {
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Message string `json:"message,omitempty"` // what is wrong and what to do; of what is right, what is less than usual
}

// preflight is whether this machine can run real nodes. It tries once.
type preflight struct {
	once      sync.Once
	reason    string // empty when it can
	unlimited bool   // the limits of pods are not kept
}

// nodesChoice is what runs the nodes of a cluster. It is decided once: it does not change when the server's options do.
type nodesChoice struct {
	Real             bool   `json:"real,omitempty"`
	Unlimited        bool   `json:"unlimited,omitempty"`        // the limits of pods on real nodes are not kept
	SimulatedBecause string `json:"simulatedBecause,omitempty"` // why they are simulated when nobody asked for that
}

// choose decides for a new cluster, which may request one of the two. The error is a *berth.Error when real nodes are requested and not
// possible here.
func (p *Provider) choose(requested string, count int) (nodesChoice, error) {
	requested = cmp.Or(requested, p.Nodes)
	if requested == berth.NodesSimulated {
		return nodesChoice{}, nil
	}
	p.check.once.Do(func() {
		checks, err := Preflight(context.Background(), p.Binary, p.Dir)
		if err != nil {
			p.check.reason = err.Error()
		}
		for _, c := range checks {
			if !c.OK && p.check.reason == "" {
				p.check.reason = c.Name + ": " + c.Message
			}
			p.check.unlimited = p.check.unlimited || c.OK && c.Name == "cgroups" && c.Message != ""
		}
		if p.check.reason != "" {
			p.Logger.Warn("this machine cannot run real nodes; new clusters have simulated ones", "reason", p.check.reason)
		}
	})
	reason := cmp.Or(p.check.reason, tooMany(count))
	if reason == "" {
		return nodesChoice{Real: true, Unlimited: p.check.unlimited}, nil
	}
	if requested == berth.NodesReal {
		return nodesChoice{}, berth.Errorf(berth.CodeProviderUnavailable, "Real nodes are not possible on this machine: %s. 'berth doctor' "+
			"shows all that they need. Without the tag %s=%s the nodes are simulated.", reason, berth.TagNodes, berth.NodesReal)
	}
	return nodesChoice{SimulatedBecause: reason}, nil
}

// What a real node takes of the machine before a pod runs on it.
const (
	nodeMemoryMiB  = 120
	nodeInstances  = 8  // of inotify
	planeInstances = 10 // of inotify, of the control plane of its cluster
)

// tooMany says why this machine should not run so many real nodes; empty when it may.
func tooMany(count int) string {
	if free, known := systemNumber("/proc/meminfo", "MemAvailable:"); known && count*nodeMemoryMiB > free/1024/2 {
		return fmt.Sprintf("%d real nodes take about %d MiB before a pod runs, more than half of the %d MiB that are available", count,
			count*nodeMemoryMiB, free/1024)
	}
	room, known := systemNumber("/proc/sys/fs/inotify/max_user_instances", "")
	if need := count*nodeInstances + planeInstances; known && need > room {
		return fmt.Sprintf("%d real nodes take about %d inotify instances, and this system allows a user %d; allow more: "+
			"sysctl fs.inotify.max_user_instances=%d", count, need, room, 2*need)
	}
	return ""
}

// overcommitted compares all real nodes with this machine, in numbers; empty when it has what they have.
func (p *Provider) overcommitted() string {
	p.mu.Lock()
	all := slices.Collect(maps.Values(p.clusters))
	p.mu.Unlock()
	var nodes, vcpus, memory int
	for _, c := range all {
		if _, r := c.base(); r.Real {
			size, _ := catalog.Size(r.Spec.Pools[0].VMSize)
			nodes += r.Spec.Pools[0].Count
			vcpus += r.Spec.Pools[0].Count * size.VCPUs
			memory += r.Spec.Pools[0].Count * size.MemoryMiB
		}
	}
	have, known := systemNumber("/proc/meminfo", "MemTotal:")
	if have /= 1024; !known || vcpus <= runtime.NumCPU() && memory <= have {
		return ""
	}
	return fmt.Sprintf("the %d real nodes of all clusters have %d vCPUs and %d GiB in all, and the machine has %d and %d GiB", nodes, vcpus,
		memory/1024, runtime.NumCPU(), have/1024)
}

// systemNumber is the number behind a name in a file of the kernel, or the first one.
func systemNumber(path, name string) (int, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	_, behind, _ := strings.Cut(string(text), name)
	fields := strings.Fields(behind)
	if len(fields) == 0 {
		return 0, false
	}
	n, err := strconv.Atoi(fields[0])
	return n, err == nil
}

// nodesProgram finds berth-nodes, which lies beside berth-kube.
func nodesProgram(kube string) (string, error) {
	path, err := filepath.Abs(filepath.Join(filepath.Dir(kube), "berth-nodes"))
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return "", fmt.Errorf("the program that runs nodes is not at %s; 'make' builds it on Linux", path)
	}
	return path, nil
}

// Preflight tries on this machine what real nodes need, in a folder below dir. binary is berth-kube, looked for when empty. The error says
// that nothing could be tried.
func Preflight(ctx context.Context, binary, dir string) ([]Check, error) {
	kube, err := FindBinary(binary)
	if err != nil {
		return nil, err
	}
	program, err := nodesProgram(kube)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, preflightPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "check", "--dir", dir, // #nosec: the operator's own program
		"--bin", filepath.Join(filepath.Dir(program), "nodes"), "--kube", kube)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("the check of this machine failed: %w: %.300s", err, stderr.String())
	}
	var checks []Check
	if err := json.Unmarshal(text, &checks); err != nil {
		return nil, fmt.Errorf("the check of this machine cannot be read: %w", err)
	}
	return checks, nil
}
