package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/client"
	"berth.dev/berth/kube"
)

// create compares a create through ARM with the bare process underneath it, turn by turn.
func (b *bench) create(ctx context.Context) error {
	var arm, bare []time.Duration
	for i := range b.rounds {
		name := fmt.Sprintf("create%dx", i)
		start := time.Now()
		if err := b.server.createCompute(ctx, name); err != nil {
			return err
		}
		arm = append(arm, time.Since(start))
		if err := b.server.deleteCompute(ctx, name, client.ActionDelete); err != nil {
			return err
		}
		d, err := b.bareCluster(ctx, func(n kube.NodeSpec) kube.NodeSpec { return n })
		if err != nil {
			return err
		}
		bare = append(bare, d)
	}
	row("create through ARM to Succeeded, 3 nodes Ready (median)", seconds(median(arm)), "")
	row("bare berth-kube start to 3 nodes Ready (median)", seconds(median(bare)), "")
	row("ratio", fmt.Sprintf("%.2f", median(arm).Seconds()/median(bare).Seconds()), "at most 1.15")
	row("k3d's 19.9 s ÷ create", fmt.Sprintf("%.1f ×", 19.9/median(arm).Seconds()), "")
	return nil
}

// bareCluster starts the process without Berth, with more arguments, and makes three nodes as soon as it answers.
func (b *bench) bareCluster(ctx context.Context, as func(kube.NodeSpec) kube.NodeSpec, more ...string) (time.Duration, error) {
	dir, err := os.MkdirTemp("", "berth-bare-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return 0, err
	}
	start := time.Now()
	cmd := exec.Command(filepath.Join(b.bin, "berth-kube"), append([]string{"serve", "--dir", dir, "--api-port", strconv.Itoa(port),
		"--kubernetes-version", catalog.Minor(catalog.DefaultVersion())}, more...)...)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() }()
	if err := threeNodes(ctx, filepath.Join(dir, "admin.kubeconfig"), as); err != nil {
		return 0, err
	}
	return time.Since(start), nil
}

// threeNodes makes the nodes when the API answers, and waits until they are Ready.
func threeNodes(ctx context.Context, kubeconfig string, as func(kube.NodeSpec) kube.NodeSpec) error {
	var conn *kube.Conn
	err := until(ctx, func() bool {
		text, err := os.ReadFile(kubeconfig)
		if err != nil {
			return false
		}
		if conn == nil {
			conn, _ = kube.Connect(text, kube.Options{}) // half written: again
		}
		return conn != nil && conn.Healthy(ctx) == nil
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	vm, _ := catalog.Size(size)
	id := berth.NewID("bench", group, berth.TypeCluster, "bare")
	pool := berth.NodePool{Name: "pool", Count: 3, VMSize: size, Mode: "System", OSType: "Linux", MaxPods: 110}
	for i := range pool.Count {
		node := kube.NodeFor(id, pool, kube.SizeFacts{Name: vm.Name, VCPUs: vm.VCPUs, MemoryMiB: vm.MemoryMiB, Architecture: vm.Architecture}, i)
		node.KubeletVersion = "v" + catalog.DefaultVersion()
		if err := conn.CreateNode(ctx, as(node)); err != nil {
			return err
		}
	}
	return until(ctx, func() bool {
		nodes, err := conn.Nodes(ctx)
		ready := 0
		for _, n := range nodes {
			if n.Ready {
				ready++
			}
		}
		return err == nil && ready == pool.Count
	})
}

func until(ctx context.Context, condition func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for !condition() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// attach measures attaches to a cluster that runs, detaching in between. Each is from another workspace: the namespace of
// the same one would still be on its way out, which takes Kubernetes five seconds.
func (b *bench) attach(ctx context.Context) error {
	if err := b.server.createCluster(ctx, "existing"); err != nil {
		return err
	}
	var attaches, detaches []time.Duration
	for i := range 4 * b.rounds {
		from := fmt.Sprintf("%s%d", workspace, i)
		if _, err := b.server.client.CreateWorkspace(ctx, group, from, "westeurope"); err != nil {
			return err
		}
		name := client.ComputeName{Group: group, Workspace: from, Name: "attached"}
		start := time.Now()
		if err := b.server.attach(ctx, name, "existing"); err != nil {
			return err
		}
		attaches = append(attaches, time.Since(start))
		start = time.Now()
		op, err := b.server.client.DeleteCompute(ctx, name, client.ActionDetach)
		if err := b.server.wait(ctx, op, err); err != nil {
			return err
		}
		detaches = append(detaches, time.Since(start))
	}
	row("attach to Succeeded (median)", seconds(median(attaches)), "under 1 s")
	row("attach to Succeeded (slowest)", seconds(quantile(attaches, 1)), "")
	row("detach to Succeeded (median)", seconds(median(detaches)), "")
	op, err := b.server.client.DeleteCluster(ctx, group, "existing")
	return b.server.wait(ctx, op, err)
}

// many makes clusters at once. The last ones stay for the measurement of memory.
func (b *bench) many(ctx context.Context) error {
	for _, n := range []int{1, 5, 10} {
		start := time.Now()
		if err := each(n, func(i int) error { return b.server.createCompute(ctx, fmt.Sprintf("many%dx%dx", n, i)) }); err != nil {
			return err
		}
		row(fmt.Sprintf("%d clusters at once, all ready", n), seconds(time.Since(start)), "")
		if n == 10 {
			return nil
		}
		if err := each(n, func(i int) error {
			return b.server.deleteCompute(ctx, fmt.Sprintf("many%dx%dx", n, i), client.ActionDelete)
		}); err != nil {
			return err
		}
	}
	return nil
}

func each(n int, do func(int) error) error {
	errs := make(chan error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs <- do(i) })
	}
	wg.Wait()
	for range n {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

// idle waits until nothing is under way, and measures the cost of that.
func (b *bench) idle(ctx context.Context) error {
	pids, err := b.server.children()
	if err != nil {
		return err
	}
	const rest = 30 * time.Second
	if err := pause(ctx, rest/3); err != nil {
		return err
	}
	before := map[int]time.Duration{}
	for _, pid := range append(pids, b.server.cmd.Process.Pid) {
		if before[pid], err = cpuTime(pid); err != nil {
			return err
		}
	}
	if err := pause(ctx, rest); err != nil {
		return err
	}
	var memory, cpu float64
	for _, pid := range pids {
		rss, err1 := resident(pid)
		used, err2 := cpuTime(pid)
		if err1 != nil || err2 != nil {
			return fmt.Errorf("a cluster's process went away: %w %w", err1, err2)
		}
		memory, cpu = max(memory, rss), cpu+(used-before[pid]).Seconds()/rest.Seconds()
	}
	rss, err := resident(b.server.cmd.Process.Pid)
	if err != nil {
		return err
	}
	used, err := cpuTime(b.server.cmd.Process.Pid)
	if err != nil {
		return err
	}
	row("resident memory of the server, after all this", fmt.Sprintf("%.0f MB", rss), "at most 80 MB")
	row(fmt.Sprintf("resident memory of the largest of %d clusters", len(pids)), fmt.Sprintf("%.0f MB", memory), "at most 350 MB")
	row("idle CPU of a cluster (mean), of one core", fmt.Sprintf("%.1f %%", 100*cpu/float64(len(pids))), "at most 3 %")
	row(fmt.Sprintf("idle CPU of the server with %d clusters", len(pids)),
		fmt.Sprintf("%.1f %%", 100*(used-before[b.server.cmd.Process.Pid]).Seconds()/rest.Seconds()), "")
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
