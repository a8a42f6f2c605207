package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/informers"
)

// maxLine bounds one list of nodes: a thousand of them are 5 MB.
const maxLine = 16 << 20

// list is one line of standard input: the nodes that there are to be. Those that are not in it end.
type list struct {
	// Keys are files by name, with which the network, the name server and the provisioner sign in. They are on every line.
	Keys  map[string][]byte `json:"keys"`
	Nodes []nodeSpec        `json:"nodes"`
}

// nodeSpec is one node.
type nodeSpec struct {
	UID string `json:"uid"` // of the node object: one that is made again is another node
	// Keys are the files of its kubelet, by name.
	Keys      map[string][]byte `json:"keys"`
	Name      string            `json:"name"`
	Address   string            `json:"address"`
	PodCIDR   string            `json:"podCIDR"`
	VCPUs     int               `json:"vcpus"`
	MemoryMiB int               `json:"memoryMiB"`
	MaxPods   int               `json:"maxPods"`
}

// manage runs the network and the nodes until standard input ends.
func manage(s settings) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if err := startNetwork(s); err != nil {
		return fmt.Errorf("network: %w", err)
	}
	failed := make(chan error, 3)
	lists := make(chan list)
	go readLists(lists, failed)
	nodes, err := newNodes(ctx, s)
	if err != nil {
		return fmt.Errorf("layers: %w", err)
	}
	begun := false
	for {
		select {
		case err := <-failed:
			return err
		case l, more := <-lists:
			if !more {
				return nil
			}
			if err := writeKeys(keysDir, l.Keys); err != nil {
				return err
			}
			if !begun { // all of it signs in with those keys
				if err := serveCluster(ctx, s, failed); err != nil {
					return err
				}
				nodes.forget(l.Nodes)
				begun = true
			}
			nodes.fit(l.Nodes)
		}
	}
}

// serveCluster starts what all nodes share.
func serveCluster(ctx context.Context, s settings, failed chan<- error) error {
	if err := keepVolumes(ctx); err != nil {
		return fmt.Errorf("volumes: %w", err)
	}
	if err := keepDNS(s); err != nil {
		return fmt.Errorf("name server: %w", err)
	}
	client, err := signIn("proxy")
	if err != nil {
		return err
	}
	both := informers.NewSharedInformerFactory(client, 0)
	go func() { failed <- keepServices(ctx, s, both) }()
	go func() { failed <- keepPolicies(ctx, s, both) }()
	return nil
}

// keysDir is where the shared keys are; it does not outlast this run.
const keysDir = insideRun + "/keys"

func writeKeys(dir string, keys map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, text := range keys {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// readLists closes lists when standard input ends.
func readLists(lists chan<- list, failed chan<- error) {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var l list
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			failed <- fmt.Errorf("standard input: %w", err)
			return
		}
		lists <- l
	}
	close(lists)
}
