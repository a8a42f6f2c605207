package client

import (
	"bytes"
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

// Kubernetes is a cluster's own API, called with plain HTTPS requests.
type Kubernetes struct {
	server, token string
	transport     *http.Transport
}

// OpenKubernetes reads a kubeconfig. It does not connect.
func OpenKubernetes(kubeconfig []byte) (*Kubernetes, error) {
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
	return &Kubernetes{strings.TrimRight(cluster.Server, "/"), user.Token, &http.Transport{TLSClientConfig: trust}}, nil
}

// Close ends the connections.
func (a *Kubernetes) Close() { a.transport.CloseIdleConnections() }

// Call answers the body of a success, and the status of what is none.
func (a *Kubernetes) Call(ctx context.Context, method, path string, body any) (text []byte, status int, err error) {
	var sent io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, 0, err
		}
		sent = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.server+path, sent)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	res, err := (&http.Client{Transport: a.transport, Timeout: 15 * time.Second}).Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("the cluster does not answer: %w", err)
	}
	text, err = io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return nil, 0, err
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return nil, res.StatusCode, fmt.Errorf("the cluster answered %s", res.Status)
	}
	return text, res.StatusCode, nil
}
