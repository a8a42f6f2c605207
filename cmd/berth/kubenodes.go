package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// node is what the demo shows of a node.
type node struct {
	name, size, cpu, memory, version string
	ready                            bool
}

// miniConfig is as much of a kubeconfig as Berth's own have: one cluster, and a client certificate or a token.
type miniConfig struct {
	Clusters []struct {
		Cluster struct {
			Server string `json:"server"`
			CA     []byte `json:"certificate-authority-data"`
		} `json:"cluster"`
	} `json:"clusters"`
	Users []struct {
		User struct {
			Cert  []byte `json:"client-certificate-data"`
			Key   []byte `json:"client-key-data"`
			Token string `json:"token"`
		} `json:"user"`
	} `json:"users"`
}

// readNodes lists the nodes of a cluster with one plain HTTPS request: it shows that the credentials work without
// any code of Berth.
func readNodes(ctx context.Context, kubeconfig []byte) ([]node, error) {
	var config miniConfig
	if err := yaml.Unmarshal(kubeconfig, &config); err != nil {
		return nil, fmt.Errorf("the kubeconfig cannot be read: %w", err)
	}
	if len(config.Clusters) != 1 || len(config.Users) != 1 {
		return nil, errors.New("the kubeconfig should have one cluster and one user")
	}
	cluster, user := config.Clusters[0].Cluster, config.Users[0].User
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cluster.CA)
	trust := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if len(user.Cert) > 0 {
		pair, err := tls.X509KeyPair(user.Cert, user.Key)
		if err != nil {
			return nil, fmt.Errorf("the kubeconfig's certificate cannot be used: %w", err)
		}
		trust.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: trust}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(cluster.Server, "/")+"/api/v1/nodes", nil)
	if err != nil {
		return nil, err
	}
	if user.Token != "" {
		req.Header.Set("Authorization", "Bearer "+user.Token)
	}
	res, err := (&http.Client{Transport: transport, Timeout: 15 * time.Second}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("the cluster does not answer: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the cluster answered %s", res.Status)
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
