package main

import (
	"context"
	"fmt"
	"strconv"
)

// kubelet runs the node's kubelet once its containerd answers and has the image without which no pod starts.
func (n *node) kubelet(ctx context.Context) error {
	if err := addAddress(n.spec.Address); err != nil {
		return fmt.Errorf("address %s: %w", n.spec.Address, err)
	}
	if err := writeKeys(n.runPath("keys"), n.spec.Keys); err != nil {
		return err
	}
	cgroup, err := n.nodeCgroup(n.spec.Name)
	if err != nil {
		return fmt.Errorf("cgroups: %w", err)
	}
	if err := n.awaitContainerd(ctx); err != nil {
		return err
	}
	if err := n.importPrograms(ctx, pauseImage); err != nil {
		return fmt.Errorf("images: %w", err)
	}
	own := make(chan struct{})
	whileItRuns, end := context.WithCancel(ctx)
	defer end()
	n.done.Go(func() { n.importLater(whileItRuns, own) })
	stop, err := servePulls(n.runPath("pulls.sock"), n.socket(), own)
	if err != nil {
		return fmt.Errorf("pulls: %w", err)
	}
	defer stop()
	return n.child(ctx, "kubelet.log", insideKube, "kubelet", "--dir", n.path("kubelet"), "--keys", n.runPath("keys"),
		"--run-dir", n.runPath("kubelet"), "--node", n.spec.Name, "--address", n.spec.Address, "--runtime-socket", n.socket(),
		"--image-socket", n.runPath("pulls.sock"), "--cgroup", cgroup, "--dns-service-ip", n.dns, "--vcpus", strconv.Itoa(n.spec.VCPUs),
		"--memory-mib", strconv.Itoa(n.spec.MemoryMiB), "--max-pods", strconv.Itoa(n.spec.MaxPods))
}
