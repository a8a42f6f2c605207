package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
	"berth.dev/berth/kube"
)

// helloImage is an image that every real node has.
const helloImage = "berth.dev/hello:1"

// realNodes measures clusters whose nodes run containers.
func (b *bench) realNodes(ctx context.Context) error {
	if err := b.createReal(ctx); err != nil {
		return err
	}
	start := time.Now()
	if err := each(2, func(i int) error { return b.server.createNodes(ctx, fmt.Sprintf("twice%dx", i), berth.NodesReal) }); err != nil {
		return err
	}
	row("2 clusters of 3 real nodes at once, all ready", seconds(time.Since(start)), "")
	if err := b.imageDisk(ctx, 6); err != nil {
		return err
	}
	if err := b.server.deleteCompute(ctx, "twice1x", client.ActionDelete); err != nil {
		return err
	}
	if err := b.pods(ctx, "twice0x"); err != nil {
		return err
	}
	if err := b.killed(ctx); err != nil {
		return err
	}
	return b.server.deleteCompute(ctx, "twice0x", client.ActionDelete)
}

func (s *server) createNodes(ctx context.Context, name, nodes string) error {
	body := client.ComputeRequest{}.Body(s.client.Subscription())
	body["tags"] = client.Object{berth.TagNodes: nodes}
	_, op, err := s.client.PutCompute(ctx, compute(name), body)
	return s.wait(ctx, op, err)
}

// createReal compares a create with real nodes, with simulated ones, and without Berth, turn by turn.
func (b *bench) createReal(ctx context.Context) error {
	taken := map[string][]time.Duration{}
	program, err := filepath.Abs(filepath.Join(b.bin, "berth-nodes"))
	if err != nil {
		return err
	}
	for i := range b.rounds {
		for _, nodes := range []string{berth.NodesReal, berth.NodesSimulated} {
			name, start := fmt.Sprintf("of%d%s", i, nodes[:4]), time.Now()
			if err := b.server.createNodes(ctx, name, nodes); err != nil {
				return err
			}
			taken[nodes] = append(taken[nodes], time.Since(start))
			if err := b.server.deleteCompute(ctx, name, client.ActionDelete); err != nil {
				return err
			}
		}
		d, err := b.bareCluster(ctx, func(n kube.NodeSpec) kube.NodeSpec { return n.Real(true) }, "--nodes", program)
		if err != nil {
			return err
		}
		taken["bare"] = append(taken["bare"], d)
	}
	real, simulated := median(taken[berth.NodesReal]).Seconds(), median(taken[berth.NodesSimulated]).Seconds()
	row("create through ARM, 3 real nodes Ready (median)", fmt.Sprintf("%.2f s", real), "")
	row("ratio to bare berth-kube serve with 3 real nodes", fmt.Sprintf("%.2f", real/median(taken["bare"]).Seconds()), "at most 1.15")
	row("ratio to the same with simulated nodes", fmt.Sprintf("%.2f", real/simulated), "at most 1.7")
	return nil
}

// pods measures pods on a cluster that has just been created.
func (b *bench) pods(ctx context.Context, name string) error {
	api, err := b.server.kubernetes(ctx, name)
	if err != nil {
		return err
	}
	defer api.Close()
	var starts []time.Duration
	for i := range 20 {
		start, pod := time.Now(), fmt.Sprintf("pod%d", i)
		if _, _, err := api.Call(ctx, http.MethodPost, "/api/v1/namespaces/default/pods", helloPod(pod)); err != nil {
			return err
		}
		if _, err := runs(ctx, api, pod); err != nil {
			return err
		}
		starts = append(starts, time.Since(start))
		if i >= 6 { // six stay
			if _, _, err := api.Call(ctx, http.MethodDelete, "/api/v1/namespaces/default/pods/"+pod+"?gracePeriodSeconds=0", nil); err != nil {
				return err
			}
		}
	}
	row("a pod, its image present, to Running: p50 / p99 of 20",
		fmt.Sprintf("%.2f / %.2f s", median(starts).Seconds(), quantile(starts, 0.99).Seconds()), "")
	if err := b.latencies(ctx, api); err != nil {
		return err
	}
	return b.weight(ctx)
}

// kubernetes connects to the cluster of a compute.
func (s *server) kubernetes(ctx context.Context, name string) (*client.Kubernetes, error) {
	keys, err := s.client.ComputeKeys(ctx, compute(name))
	if err != nil {
		return nil, err
	}
	config, _ := keys["adminKubeConfig"].(string)
	return client.OpenKubernetes([]byte(config))
}

func helloPod(name string) client.Object {
	return client.Object{"metadata": client.Object{"name": name, "labels": client.Object{"app": "hello"}},
		"spec": client.Object{"containers": []any{client.Object{"name": "c", "image": helloImage}}}}
}

// runs waits for a pod and answers its address.
func runs(ctx context.Context, api *client.Kubernetes, pod string) (address string, err error) {
	err = until(ctx, func() bool {
		text, _, err := api.Call(ctx, http.MethodGet, "/api/v1/namespaces/default/pods/"+pod, nil)
		var p struct{ Status struct{ Phase, PodIP string } }
		if err != nil || json.Unmarshal(text, &p) != nil {
			return false
		}
		address = p.Status.PodIP
		return p.Status.Phase == "Running"
	})
	return address, err
}

// latencies compares requests, each on a connection of its own, that reach a pod directly, through its Service, and through the Service's
// address on this machine.
func (b *bench) latencies(ctx context.Context, api *client.Kubernetes) error {
	pod, err := runs(ctx, api, "pod0")
	if err != nil {
		return err
	}
	service := client.Object{"metadata": client.Object{"name": "hello"}, "spec": client.Object{"type": "LoadBalancer",
		"selector": client.Object{"app": "hello"}, "ports": []any{client.Object{"port": 18080, "targetPort": 8080}}}}
	if _, _, err := api.Call(ctx, http.MethodPost, "/api/v1/namespaces/default/services", service); err != nil {
		return err
	}
	var s struct {
		Spec   struct{ ClusterIP string }
		Status struct {
			LoadBalancer struct{ Ingress []struct{ IP string } }
		}
	}
	if err := until(ctx, func() bool {
		text, _, err := api.Call(ctx, http.MethodGet, "/api/v1/namespaces/default/services/hello", nil)
		return err == nil && json.Unmarshal(text, &s) == nil && len(s.Status.LoadBalancer.Ingress) == 1
	}); err != nil {
		return err
	}
	sockets, err := filepath.Glob(filepath.Join(b.server.dir, "clusters", "*", "kube", "nodes-sockets", "in.sock"))
	if err != nil || len(sockets) == 0 {
		return errors.Join(err, errors.New("no cluster has a way inside"))
	}
	inside := through(sockets[0])
	direct, err1 := times(ctx, inside, "http://"+pod+":8080/")
	translated, err2 := times(ctx, inside, "http://"+s.Spec.ClusterIP+":18080/")
	listener, err3 := times(ctx, &http.Transport{DisableKeepAlives: true}, "http://"+s.Status.LoadBalancer.Ingress[0].IP+":18080/")
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	row("a request through the Service ÷ directly to the pod (p50)", fmt.Sprintf("%.2f", translated.Seconds()/direct.Seconds()), "")
	row("through its address on this machine ÷ directly (p50)", fmt.Sprintf("%.2f (%.2f ms)", listener.Seconds()/direct.Seconds(),
		1000*listener.Seconds()), "")
	return nil
}

// through makes connections by the CONNECT proxy of a cluster's nodes.
func through(socket string) *http.Transport {
	return &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
		if err != nil {
			return nil, err
		}
		if _, err := fmt.Fprintf(c, "CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", address); err != nil {
			return nil, err
		}
		// Nothing follows the answer until a request is sent, so that the reader keeps nothing.
		answer, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: http.MethodConnect})
		if err == nil {
			err = answer.Body.Close() // it has none
		}
		return c, err
	}}
}

// times is the median of 300 requests.
func times(ctx context.Context, by *http.Transport, url string) (time.Duration, error) {
	var all []time.Duration
	for i := range 310 {
		start := time.Now()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return 0, err
		}
		res, err := by.RoundTrip(req)
		if err != nil {
			return 0, err
		}
		_ = res.Body.Close()
		if i >= 10 {
			all = append(all, time.Since(start))
		}
	}
	return median(all), nil
}

// weight measures what the nodes of the one cluster that is left cost while nothing happens.
func (b *bench) weight(ctx context.Context) error {
	const rest = 20 * time.Second
	if err := pause(ctx, rest/2); err != nil {
		return err
	}
	before, memory := nodeProcesses(), map[string]float64{}
	used := map[int]time.Duration{}
	for pid, name := range before {
		memory[name] += proportional(pid)
		used[pid], _ = cpuTime(pid) // gone already: counts nothing
	}
	if err := pause(ctx, rest); err != nil {
		return err
	}
	var cpu time.Duration
	for pid := range before {
		if now, err := cpuTime(pid); err == nil {
			cpu += now - used[pid]
		}
	}
	row("memory of 3 kubelets, containerds and 6 pods' shims (PSS)", fmt.Sprintf("%.0f MB", memory["kubelet"]+memory["containerd"]+
		memory["containerd-shim"]), "at most 300 MB")
	row("memory of berth-nodes, all its parts (PSS)", fmt.Sprintf("%.0f MB", memory["berth-nodes"]), "")
	row("idle CPU of 3 real nodes with 6 pods, of one core", fmt.Sprintf("%.1f %%", 100*cpu.Seconds()/rest.Seconds()), "at most 6 %")
	return nil
}

// processes are the processes on this machine, with what name makes of the words of their command lines; those without a name are left out.
func processes(name func(line []string) string) map[int]string {
	out := map[int]string{}
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is good
	for _, path := range all {
		text, err := os.ReadFile(path)
		pid, numberErr := strconv.Atoi(strings.Split(path, "/")[2])
		if err != nil || numberErr != nil {
			continue
		}
		if is := name(strings.Split(string(text), "\x00")); is != "" {
			out[pid] = is
		}
	}
	return out
}

// nodeProcesses are the processes of real nodes on this machine, with what they are.
func nodeProcesses() map[int]string {
	return processes(func(line []string) string {
		switch name := filepath.Base(line[0]); {
		case name == "containerd-shim-runc-v2":
			return "containerd-shim"
		case name == "berth-nodes", name == "containerd":
			return name
		case (name == "exe" || name == "reap") && slices.Contains(line, "--dns-service-ip"):
			return "berth-nodes"
		case len(line) > 1 && line[1] == "kubelet":
			return "kubelet"
		}
		return ""
	})
}

// proportional is the memory of a process in MiB, shared pages counted by their share; 0 for one that is gone.
func proportional(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
			kib, _ := strconv.Atoi(f[1]) // the kernel writes numbers
			return float64(kib) / 1024
		}
	}
	return 0
}
