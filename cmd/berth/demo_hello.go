package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// helloImage is an image that every real node has.
const helloImage = "berth.dev/hello:1"

// simulatedNodes is the result of a step that needs real nodes.
const simulatedNodes = "not here: the nodes are simulated ('berth doctor' says why)"

// realNodes reports whether the nodes of a compute run containers.
func (d *demo) realNodes(ctx context.Context, n client.ComputeName) (bool, error) {
	compute, err := d.cl.GetCompute(ctx, n)
	if err != nil {
		return false, err
	}
	id, err := berth.ParseID(str(compute, "properties", "resourceId"))
	if err != nil {
		return false, err
	}
	cluster, err := d.cl.GetCluster(ctx, id.Group, id.Name())
	return str(cluster, "properties", "nodes") == berth.NodesReal, err
}

// hello runs the image in two pods behind a Service and calls it, where the nodes are real.
func (d *demo) hello(ctx context.Context, n client.ComputeName) (string, error) {
	real, err := d.realNodes(ctx, n)
	if err != nil {
		return "", err
	}
	if !real {
		return simulatedNodes, nil
	}
	keys, err := d.cl.ComputeKeys(ctx, n)
	if err != nil {
		return "", err
	}
	api, err := client.OpenKubernetes([]byte(str(keys, "adminKubeConfig")))
	if err != nil {
		return "", err
	}
	defer api.Close()
	for path, object := range helloObjects() {
		if _, status, err := api.Call(ctx, http.MethodPost, path, object); err != nil && status != http.StatusConflict { // of an earlier demo
			return "", err
		}
	}
	return awaitHello(ctx, api)
}

// awaitHello asks the Service, through the cluster's API, until a pod behind it answers.
func awaitHello(ctx context.Context, api *client.Kubernetes) (string, error) {
	start := time.Now()
	limited, cancel := context.WithTimeout(ctx, stepPatience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		text, _, err := api.Call(limited, http.MethodGet, "/api/v1/namespaces/default/services/hello:80/proxy/", nil)
		if err == nil {
			return fmt.Sprintf("%s\n           (the first answer came %.1f s after the deployment)", strings.TrimSpace(string(text)),
				time.Since(start).Seconds()), nil
		}
		select {
		case <-limited.Done():
			return "", fmt.Errorf("no pod answers after %s: %w", stepPatience, err)
		case <-tick.C:
		}
	}
}

// helloObjects are a deployment and a Service, by the path that they are created at.
func helloObjects() map[string]any {
	labels := client.Object{"app": "hello"}
	node := client.Object{"fieldRef": client.Object{"fieldPath": "spec.nodeName"}}
	container := client.Object{
		"name": "hello", "image": helloImage, "ports": []any{client.Object{"containerPort": 8080}},
		"env":            []any{client.Object{"name": "NODE_NAME", "valueFrom": node}},
		"readinessProbe": client.Object{"httpGet": client.Object{"path": "/", "port": 8080}, "periodSeconds": 1},
		"resources":      client.Object{"limits": client.Object{"cpu": "100m", "memory": "32Mi"}},
	}
	return map[string]any{
		"/apis/apps/v1/namespaces/default/deployments": client.Object{
			"metadata": client.Object{"name": "hello"},
			"spec": client.Object{"replicas": 2, "selector": client.Object{"matchLabels": labels},
				"template": client.Object{"metadata": client.Object{"labels": labels}, "spec": client.Object{"containers": []any{container}}}},
		},
		"/api/v1/namespaces/default/services": client.Object{
			"metadata": client.Object{"name": "hello"},
			"spec":     client.Object{"selector": labels, "ports": []any{client.Object{"port": 80, "targetPort": 8080}}},
		},
	}
}
