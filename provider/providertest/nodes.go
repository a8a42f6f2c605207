package providertest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"berth.dev/berth"
)

// api is the cluster's API as a client other than Berth sees it, which signs in by the token of the kubeconfig alone.
type api struct {
	server, token string
	client        *http.Client
}

func (c *contract) api() api {
	c.Helper()
	text, err := c.provider.AdminKubeconfig(c.Context(), ID)
	if err != nil {
		c.Fatal(err)
	}
	var config struct {
		Clusters []struct {
			Cluster struct {
				Server string
				CA     []byte `json:"certificate-authority-data"`
			}
		}
		Users []struct{ User struct{ Token string } }
	}
	if err := yaml.Unmarshal(text, &config); err != nil || len(config.Clusters) != 1 || len(config.Users) != 1 {
		c.Fatalf("the kubeconfig has %d clusters and %d users, %v", len(config.Clusters), len(config.Users), err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(config.Clusters[0].Cluster.CA)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	c.Cleanup(transport.CloseIdleConnections)
	return api{config.Clusters[0].Cluster.Server, config.Users[0].User.Token, &http.Client{Transport: transport, Timeout: 30 * time.Second}}
}

func (c *contract) call(method, path string, body, into any) {
	c.Helper()
	a, text := c.api(), []byte(nil)
	if body != nil {
		text, _ = json.Marshal(body) // of JSON
	}
	r, err := http.NewRequestWithContext(c.Context(), method, a.server+path, bytes.NewReader(text))
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := a.client.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err = io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || json.Unmarshal(text, into) != nil {
		c.Fatalf("%s %s: %s, %v: %.2000s", method, path, answer.Status, err, text)
	}
}

type nodeList struct {
	Items []struct {
		Metadata struct {
			Name   string
			Labels map[string]string
		}
		Spec struct {
			PodCIDR string
			Taints  []struct{ Key, Value, Effect string }
		}
		Status struct {
			Addresses []struct{ Type, Address string }
		}
	}
}

func (c *contract) nodes() (out nodeList) {
	c.Helper()
	c.call(http.MethodGet, "/api/v1/nodes", nil, &out)
	return out
}

// addresses: each node has its own, in the subnet that AKS has for nodes.
func (c *contract) addresses() {
	seen := map[string]bool{}
	for _, n := range c.nodes().Items {
		for _, a := range n.Status.Addresses {
			switch {
			case a.Type == "Hostname" && a.Address != n.Metadata.Name, seen[a.Address]:
				c.Errorf("node %s has %+v", n.Metadata.Name, n.Status.Addresses)
			case a.Type == "InternalIP" && !netip.MustParsePrefix("10.224.0.0/16").Contains(netip.MustParseAddr(a.Address)):
				c.Errorf("node %s has the address %s", n.Metadata.Name, a.Address)
			}
			seen[a.Address] = true
		}
	}
	if len(seen) != 6 {
		c.Errorf("three nodes have the addresses %v", seen)
	}
}

// ranges: a spec without any has those of AKS, and they cannot be changed.
func (c *contract) ranges() {
	var kubernetes, dns struct{ Spec struct{ ClusterIP string } }
	c.call(http.MethodGet, "/api/v1/namespaces/default/services/kubernetes", nil, &kubernetes)
	c.call(http.MethodGet, "/api/v1/namespaces/kube-system/services/kube-dns", nil, &dns)
	if kubernetes.Spec.ClusterIP != "10.0.0.1" || dns.Spec.ClusterIP != "10.0.0.10" {
		c.Errorf("the services have %+v and %+v", kubernetes, dns)
	}
	seen := map[string]bool{}
	for _, n := range c.nodes().Items {
		p, err := netip.ParsePrefix(n.Spec.PodCIDR)
		if err != nil || !netip.MustParsePrefix("10.244.0.0/16").Overlaps(p) || seen[n.Spec.PodCIDR] {
			c.Errorf("node %s has the pod range %q", n.Metadata.Name, n.Spec.PodCIDR)
		}
		seen[n.Spec.PodCIDR] = true
	}
	asked := Spec(3)
	asked.Network = berth.ClusterNetwork{ServiceCIDR: "10.0.0.0/16", PodCIDR: "10.244.0.0/16", DNSServiceIP: "10.0.0.10"}
	c.ready(asked)
	c.ready(Spec(3))
	asked.Network.ServiceCIDR = "10.0.0.0/17"
	_, err := c.provider.Ensure(c.Context(), ID, asked)
	if final, ok := errors.AsType[*berth.Error](err); !ok || final.Code != berth.CodeBadRequest {
		c.Errorf("other ranges: %v", err)
	}
	c.ready(Spec(3))
}

// labelled: the labels, taints and zones of the pool reach nodes that exist, and go again. Those of a user stay.
func (c *contract) labelled() {
	path := "/api/v1/nodes/" + c.names[0]
	var node map[string]any
	c.call(http.MethodGet, path, nil, &node)
	node["metadata"].(map[string]any)["labels"].(map[string]any)["mine"] = "kept"
	node["spec"] = map[string]any{"podCIDR": node["spec"].(map[string]any)["podCIDR"],
		"taints": []any{map[string]any{"key": "mine", "value": "kept", "effect": "PreferNoSchedule"}}}
	c.call(http.MethodPut, path, node, &node)
	spec := Spec(3)
	spec.Location = "westeurope"
	pool := &spec.Pools[0]
	pool.Labels, pool.Taints = map[string]string{"team": "vision", "tier": "a"}, []string{"sku=gpu:NoSchedule", "old:NoExecute"}
	pool.Zones = []string{"1", "3"}
	c.ready(spec)
	c.carry(map[string]string{"team": "vision", "tier": "a"}, "sku=gpu:NoSchedule old=:NoExecute",
		[]string{"westeurope-1", "westeurope-3", "westeurope-1"})
	pool.Count = 4 // the new one has them from the start
	c.ready(spec)
	c.carry(map[string]string{"team": "vision", "tier": "a"}, "sku=gpu:NoSchedule old=:NoExecute",
		[]string{"westeurope-1", "westeurope-3", "westeurope-1", "westeurope-3"})
	pool.Count = 3
	pool.Labels, pool.Taints = map[string]string{"team": "speech"}, []string{"sku=cpu:NoSchedule"}
	c.ready(spec)
	c.carry(map[string]string{"team": "speech", "tier": ""}, "sku=cpu:NoSchedule", []string{"westeurope-1", "westeurope-3", "westeurope-1"})
	c.ready(Spec(3))
	c.carry(map[string]string{"team": "", "tier": ""}, "", []string{"", "", ""})
}

// carry checks the labels and taints of all nodes; a label that is empty must not be there.
func (c *contract) carry(labels map[string]string, taints string, zones []string) {
	c.Helper()
	for i, n := range c.nodes().Items { // by name, which is by index
		want, have := maps.Clone(labels), map[string]string{}
		want["agentpool"], want["kubernetes.azure.com/agentpool"] = "agentpool", "agentpool"
		want["kubernetes.azure.com/mode"] = "system"
		want["topology.kubernetes.io/zone"] = zones[i]
		want["node.kubernetes.io/instance-type"] = "Standard_D3_v2"
		if n.Metadata.Name == c.names[0] {
			want["mine"] = "kept"
		}
		for key := range want {
			have[key] = n.Metadata.Labels[key]
		}
		var found []string
		mine := false
		for _, t := range n.Spec.Taints {
			switch {
			case t.Key == "mine":
				mine = true
			case !strings.HasPrefix(t.Key, "node.kubernetes.io/"): // that of a new node ends a moment after it is ready
				found = append(found, t.Key+"="+t.Value+":"+t.Effect)
			}
		}
		if !maps.Equal(have, want) || strings.Join(found, " ") != taints || mine != (n.Metadata.Name == c.names[0]) {
			c.Errorf("node %s has the labels %v and the taints %+v; wanted %v and %s", n.Metadata.Name, have, n.Spec.Taints, want, taints)
		}
	}
}

// issued gives a cluster that runs an issuer. Its documents name it, and its tokens.
func (c *contract) issued() {
	spec := Spec(3)
	spec.IssuerURL = "https://berth.example/oidc/tenant/guid/"
	c.ready(spec)
	configuration, keys, err := c.connect().OpenID(c.Context())
	var document struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	var set struct{ Keys []struct{ Kty string } }
	if err != nil || json.Unmarshal(configuration, &document) != nil || json.Unmarshal(keys, &set) != nil ||
		document.Issuer != spec.IssuerURL || document.Keys != spec.IssuerURL+"openid/v1/jwks" || len(set.Keys) != 1 || set.Keys[0].Kty == "" {
		c.Errorf("%s; %s; %v", configuration, keys, err)
	}
	if f := c.facts(spec); f.UID != c.uid {
		c.Errorf("cluster %s became %s", c.uid, f.UID)
	}
}
