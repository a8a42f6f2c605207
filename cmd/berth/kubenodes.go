package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"berth.dev/berth/client"
)

// node is what the demo shows of a node.
type node struct {
	name, size, cpu, memory, version string
	ready                            bool
}

// readNodes lists the nodes of a cluster.
func readNodes(ctx context.Context, kubeconfig []byte) ([]node, error) {
	a, err := client.OpenKubernetes(kubeconfig)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	body, _, err := a.Call(ctx, http.MethodGet, "/api/v1/nodes", nil)
	if err != nil {
		return nil, err
	}
	return decodeNodes(body)
}

func decodeNodes(body []byte) ([]node, error) {
	var in struct {
		Items []struct {
			Metadata struct {
				Name   string            `json:"name"`
				Labels map[string]string `json:"labels"`
			} `json:"metadata"`
			Status struct {
				Capacity   map[string]string `json:"capacity"`
				Conditions []struct{ Type, Status string }
				NodeInfo   struct {
					KubeletVersion string `json:"kubeletVersion"`
				} `json:"nodeInfo"`
			} `json:"status"`
		} `json:"items"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, fmt.Errorf("the cluster's answer cannot be read: %w", err)
	}
	out := []node{}
	for _, i := range in.Items {
		n := node{name: i.Metadata.Name, size: i.Metadata.Labels["node.kubernetes.io/instance-type"], version: i.Status.NodeInfo.KubeletVersion}
		n.cpu, n.memory = i.Status.Capacity["cpu"], i.Status.Capacity["memory"]
		for _, c := range i.Status.Conditions {
			n.ready = n.ready || c.Type == "Ready" && c.Status == "True"
		}
		out = append(out, n)
	}
	return out, nil
}
