package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
)

// maxLine bounds one list of nodes: a thousand of them are 200 kB.
const maxLine = 4 << 20

// list is one line of standard input: the nodes that there are to be. Those that are not in it end.
type list struct {
	Nodes []nodeSpec `json:"nodes"`
}

// nodeSpec is one node. Its certificate and kubeconfigs lie in the folder of its name.
type nodeSpec struct {
	Name      string `json:"name"`
	Address   string `json:"address"`
	PodCIDR   string `json:"podCIDR"`
	VCPUs     int    `json:"vcpus"`
	MemoryMiB int    `json:"memoryMiB"`
	MaxPods   int    `json:"maxPods"`
}

// manage runs the network and the nodes until standard input ends.
func manage(s settings) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if err := startNetwork(s); err != nil {
		return fmt.Errorf("network: %w", err)
	}
	if err := keepDNS(s); err != nil {
		return fmt.Errorf("name server: %w", err)
	}
	if err := keepVolumes(ctx); err != nil {
		return fmt.Errorf("volumes: %w", err)
	}
	failed := make(chan error, 1)
	go func() { failed <- keepServices(ctx, s) }()
	lists := make(chan list)
	go readLists(lists, failed)
	nodes := newNodes(s)
	for {
		select {
		case err := <-failed:
			return err
		case l, more := <-lists:
			if !more {
				return nil
			}
			nodes.fit(l.Nodes)
		}
	}
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
