package kube_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"encoding/pem"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/provider/fake"
)

var clusterID = berth.NewID("00000000-0000-0000-0000-000000000001", "rg", berth.TypeCluster, "kube-test")

func spec(count int) berth.ClusterSpec {
	return berth.ClusterSpec{Version: "1.36.0", DNSPrefix: "kube-test", Pools: []berth.NodePool{
		{Name: "agentpool", Count: count, VMSize: "Standard_NC6s_v3", Mode: "System", OSType: "Linux", MaxPods: 110},
	}}
}

// simulated is a cluster with so many nodes, by a clock of its own.
func simulated(t *testing.T, count int) (*fake.Provider, *clockwork.FakeClock, []byte) {
	t.Helper()
	clock := clockwork.NewFakeClock()
	p := fake.New(clock)
	t.Cleanup(p.Close)
	if _, err := p.Ensure(t.Context(), clusterID, spec(count)); err != nil {
		t.Fatal(err)
	}
	config, err := p.Kubeconfig(t.Context(), clusterID)
	if err != nil {
		t.Fatal(err)
	}
	return p, clock, config
}

// onClusters runs a test on a simulated cluster and on a real one.
func onClusters(t *testing.T, test func(t *testing.T, admin []byte)) {
	t.Run("simulated", func(t *testing.T) {
		_, _, config := simulated(t, 3)
		test(t, config)
	})
	t.Run("real", func(t *testing.T) { test(t, real(t)) })
}

// patience is how long a test waits for what comes soon on a machine that does nothing else.
const patience = 5 * time.Minute

// unhurried are the options of a connection that a busy machine does not break off. What is tested ends by itself.
var unhurried = kube.Options{Timeout: patience}

func connect(t *testing.T, kubeconfig []byte) *kube.Conn {
	t.Helper()
	c, err := kube.Connect(kubeconfig, unhurried)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// served is a connection to an HTTP handler that plays the API server.
func served(t *testing.T, h http.HandlerFunc, o kube.Options) *kube.Conn {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	c, err := kube.Connect(kubeconfigOf(s.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func kubeconfigOf(url string, ca []byte) []byte {
	return fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Config","current-context":"x",
"contexts":[{"name":"x","context":{"cluster":"c","user":"u"}}],
"clusters":[{"name":"c","cluster":{"server":%q,"certificate-authority-data":%q}}],
"users":[{"name":"u","user":{"token":"t0p-s3cret"}}]}`, url, base64.StdEncoding.EncodeToString(ca))
}

// eventually asks again until there is no error: some things take a cluster a moment.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// tokenKubeconfig is a kubeconfig for the same cluster that signs in with a token.
func tokenKubeconfig(admin []byte, token, namespace string) ([]byte, error) {
	k, err := kube.ParseKubeconfig(admin)
	if err != nil {
		return nil, err
	}
	return k.WithToken(token, namespace).Bytes()
}
