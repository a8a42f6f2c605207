package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/klog/v2"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
)

const (
	usageInterval = 15 * time.Second // as the metrics server has it
	usagePatience = 10 * time.Second
	kubeletPort   = "10250"
	// maxUsage bounds what a kubelet may answer: a container is about 500 bytes.
	maxUsage = 16 << 20
)

// limitsLabel is on a node whose pods have no cgroups: then nobody counts what they use. kube/node.go has the same.
const limitsLabel = "berth.dev/limits"

var realNodesSelector = labels.Set{"berth.dev/node": "real"}.AsSelector()

// reading is what a container had used at a time.
type reading struct {
	at     time.Time
	cpu    uint64 // nanoseconds since its start
	memory uint64 // bytes in use now
}

// readings are the last two of a container. The first that there is comes with its start, when it had used nothing.
type readings struct{ before, now reading }

// meter knows what the containers of the real nodes use. It asks each kubelet every 15 seconds, as long as there are such nodes.
type meter struct {
	nodes    corelisters.NodeLister
	pods     corelisters.PodLister
	kubelets *http.Client

	mu   sync.RWMutex
	last map[string]nodeReadings // by the name of the node
}

// nodeReadings are of one node: by the uid of the pod, then by the name of the container.
type nodeReadings struct {
	at   time.Time
	pods map[string]map[string]readings
}

// newUsage prepares the way to kubelets that the API server takes too, and its informers.
func newUsage(factory informers.SharedInformerFactory) (*meter, error) {
	pair, err := tls.LoadX509KeyPair("pki/kubelet-client.crt", "pki/kubelet-client.key")
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile("pki/ca.crt")
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &meter{
		nodes: factory.Core().V1().Nodes().Lister(), pods: factory.Core().V1().Pods().Lister(),
		kubelets: &http.Client{Timeout: usagePatience, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
			DialContext:     func(_ context.Context, _, address string) (net.Conn, error) { return dialInside(address) },
		}},
	}, nil
}

// run reads until ctx is done.
func (u *meter) run(ctx context.Context) {
	tick := time.NewTicker(usageInterval)
	defer tick.Stop()
	for {
		u.readAll(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// readAll asks all kubelets at once. What one that does not answer said before is forgotten: old numbers would be taken for new ones.
func (u *meter) readAll(ctx context.Context) {
	nodes, err := u.nodes.List(realNodesSelector)
	if err != nil {
		return // a lister has none
	}
	now := map[string]nodeReadings{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for _, n := range nodes {
		before := u.of(n.Name)
		wait.Go(func() {
			summary, err := u.read(ctx, n)
			if err != nil {
				klog.V(2).InfoS("What a node's pods use is not known", "node", n.Name, "err", err)
				return
			}
			of := nodeReadings{at: time.Now(), pods: map[string]map[string]readings{}}
			for _, p := range summary.Pods {
				of.pods[p.PodRef.UID] = podReadings(p, before.pods[p.PodRef.UID])
			}
			mu.Lock()
			defer mu.Unlock()
			now[n.Name] = of
		})
	}
	wait.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last = now
}

// read asks the kubelet of a node.
func (u *meter) read(ctx context.Context, n *corev1.Node) (*stats.Summary, error) {
	address := ""
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			address = a.Address
		}
	}
	if address == "" {
		return nil, errors.New("it has no address yet")
	}
	url := "https://" + net.JoinHostPort(address, kubeletPort) + "/stats/summary?only_cpu_and_memory=true"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := u.kubelets.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("its kubelet answered %s", res.Status)
	}
	var summary stats.Summary
	return &summary, json.NewDecoder(io.LimitReader(res.Body, maxUsage)).Decode(&summary)
}

// podReadings puts the new reading of each container beside the one before.
func podReadings(p stats.PodStats, before map[string]readings) map[string]readings {
	out := map[string]readings{}
	for _, c := range p.Containers {
		if c.CPU == nil || c.CPU.UsageCoreNanoSeconds == nil || c.Memory == nil || c.Memory.WorkingSetBytes == nil {
			continue // nobody counts, or not yet
		}
		now := reading{at: c.CPU.Time.Time, cpu: *c.CPU.UsageCoreNanoSeconds, memory: *c.Memory.WorkingSetBytes}
		last := before[c.Name]
		switch {
		case last.now.at.Before(c.StartTime.Time) || last.now.cpu > now.cpu: // another container of that name
			last = readings{before: reading{at: c.StartTime.Time}}
		case now.at.After(last.now.at):
			last.before = last.now
		}
		if now.at.After(last.before.at) {
			out[c.Name] = readings{before: last.before, now: now}
		}
	}
	return out
}

// of is what was read of a node last. Nobody changes it any more.
func (u *meter) of(node string) nodeReadings {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.last[node]
}

// cores is what a container used on average between the two, in billionths of a core.
func (r readings) cores() int64 {
	return int64(float64(r.now.cpu-r.before.cpu) / r.now.at.Sub(r.before.at).Seconds())
}

// bytes is what a container has in memory.
func (r readings) bytes() int64 { return int64(r.now.memory) } // #nosec: less than any machine has
