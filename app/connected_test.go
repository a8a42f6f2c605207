package app_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
	"berth.dev/berth/kube"
)

// foreign is a cluster that Berth did not make: a berth-kube that was started by hand.
type foreign struct {
	t      *testing.T
	config []byte // its administrator's kubeconfig
	conn   *kube.Conn
	http   *http.Client
	url    string
}

func startForeign(t *testing.T) *foreign {
	t.Helper()
	dir := t.TempDir()
	f := &foreign{t: t}
	ended := f.start(dir)
	var err error
	f.until("the cluster to answer", func() bool {
		select {
		case code := <-ended:
			if code != portInUse { // another program took the port that was free a moment ago
				t.Fatalf("it ended with %d", code)
			}
			ended = f.start(dir)
		default:
		}
		if f.config, err = os.ReadFile(filepath.Join(dir, "admin.kubeconfig")); err != nil {
			return false
		}
		if f.conn == nil {
			if f.conn, err = kube.Connect(f.config, unhurried); err != nil {
				return false
			}
		}
		return f.conn.Healthy(t.Context()) == nil
	})
	t.Cleanup(f.conn.Close)
	f.raw()
	for i := range 3 {
		node := kube.NodeSpec{
			Name: fmt.Sprintf("node-%d", i), VCPUs: 4, MemoryMiB: 8192, MaxPods: 10,
			KubeletVersion: "v1.36.0", Architecture: "amd64",
			Labels: map[string]string{kube.LabelSimulated: "true"},
		}
		if err := f.conn.CreateNode(t.Context(), node); err != nil {
			t.Fatal(err)
		}
	}
	f.until("its nodes to be ready", func() bool {
		all, err := f.conn.Nodes(t.Context())
		return err == nil && kube.Total(all).Ready == 3
	})
	return f
}

// portInUse is the exit code of a berth-kube whose port another program has.
const portInUse = 69

// start starts a berth-kube, which ends with the test. The channel has the exit code of one that ends before.
func (f *foreign) start(dir string) <-chan int {
	f.t.Helper()
	_, port, err := net.SplitHostPort(freeAddress(f.t))
	if err != nil {
		f.t.Fatal(err)
	}
	cmd := exec.Command(apptest.KubeBinary(f.t), "serve", "--dir", dir, "--api-port", port, "--kubernetes-version", "1.36")
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	code, gone := make(chan int, 1), make(chan struct{})
	go func() {
		_ = cmd.Wait() // told by the exit code
		code <- cmd.ProcessState.ExitCode()
		close(gone)
	}()
	f.t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); <-gone })
	return code
}

func (f *foreign) until(what string, done func() bool) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), apptest.Patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ; !done(); <-tick.C {
		if ctx.Err() != nil {
			f.t.Fatalf("waited too long for %s", what)
		}
	}
}

// raw makes a client that asks as the administrator, without any of Berth's own code.
func (f *foreign) raw() {
	f.t.Helper()
	var c struct {
		Clusters []struct {
			Cluster struct {
				Server string
				CA     []byte `json:"certificate-authority-data"`
			}
		}
		Users []struct {
			User struct {
				Cert []byte `json:"client-certificate-data"`
				Key  []byte `json:"client-key-data"`
			}
		}
	}
	if err := yaml.Unmarshal(f.config, &c); err != nil {
		f.t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(c.Users[0].User.Cert, c.Users[0].User.Key)
	if err != nil {
		f.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.Clusters[0].Cluster.CA)
	f.url = c.Clusters[0].Cluster.Server
	f.http = &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		},
	}
	f.t.Cleanup(f.http.CloseIdleConnections)
}

// contents is every object that Berth could have made or touched, by its kind and UID, with what is in it.
func (f *foreign) contents() map[string]string {
	f.t.Helper()
	out := map[string]string{}
	for _, path := range []string{
		"/api/v1/namespaces", "/api/v1/serviceaccounts", "/api/v1/configmaps", "/api/v1/secrets", "/api/v1/resourcequotas",
		"/apis/rbac.authorization.k8s.io/v1/roles", "/apis/rbac.authorization.k8s.io/v1/rolebindings",
		"/apis/rbac.authorization.k8s.io/v1/clusterroles", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
	} {
		res, err := f.http.Get(f.url + path)
		if err != nil {
			f.t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		var list struct{ Items []map[string]any }
		if err != nil || json.Unmarshal(text, &list) != nil {
			f.t.Fatalf("%s: %v %s", path, err, text)
		}
		for _, o := range list.Items {
			whole, _ := json.Marshal(o)
			m := o["metadata"].(map[string]any)
			out[fmt.Sprint(path, " ", m["namespace"], "/", m["name"])] = string(whole)
		}
	}
	return out
}

// settled is the contents once Kubernetes has created everything that it creates by itself.
func (f *foreign) settled() (all map[string]string) {
	f.t.Helper()
	f.until("what Kubernetes makes by itself", func() bool {
		all = f.contents()
		count := func(part string) (n int) {
			for key := range all {
				if strings.Contains(key, part) {
					n++
				}
			}
			return n
		}
		return count("kube-root-ca.crt") == 4 && count("/default") >= 4 && count("clusterroles ") > 50 && maps.Equal(all, f.contents())
	})
	return all
}

func connecting(kubeconfig string) apptest.Object {
	return apptest.Object{"location": "westeurope", "properties": apptest.Object{"kubeconfig": kubeconfig}}
}

// TestConnectedCluster connects a cluster that Berth did not make, attaches it, detaches it, and finds it as it was.
func TestConnectedCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	f := startForeign(t)
	s := &site{Server: apptest.New(t), t: t, ctx: t.Context()}
	s.workspace = s.MakeWorkspace(jobGroup, jobWorkspace)
	before := f.settled()
	edge := s.Group(jobGroup) + "/providers/Microsoft.Kubernetes/connectedClusters/edge"
	s.put(edge, connecting(string(f.config)))
	got := s.get(edge)
	s.equal(got, "properties.connectivityStatus", "Connected")
	s.equal(got, "properties.totalCoreCount", 12.0)
	if answer := s.Do(http.MethodGet, edge, nil).Text + s.Log.String(); strings.Contains(answer, "kubeconfig") ||
		strings.Contains(answer, "-----BEGIN") {
		t.Errorf("the kubeconfig is shown: %s", answer)
	}
	onDisk(t, s.Dir, strings.Split(string(f.config), "client-key-data: ")[1][:64])
	checked := s.Want(http.StatusOK, s.Do(http.MethodPost, s.compute("far")+"/validate?preflight=true", apptest.AttachTo(edge, "FastProd")))
	for i, check := range []string{"answers", "version", "capacity", "rights", "owner"} {
		s.equal(checked.Body, fmt.Sprintf("checks.%d.name", i), check)
		s.equal(checked.Body, fmt.Sprintf("checks.%d.ok", i), true)
	}
	s.put(s.compute("far"), apptest.AttachTo(edge, "FastProd"))
	far := s.get(s.compute("far"))
	s.equal(far, "properties.provisioningState", "Succeeded")
	s.equal(far, "properties.properties.agentCount", 3.0)
	s.Refused(s.Do(http.MethodPut, s.compute("again"), apptest.AttachTo(edge, "DevTest")), http.StatusConflict,
		"ClusterAlreadyAttached", "'far'")
	s.Refused(s.Do(http.MethodPost, s.compute("far")+"/listKeys", nil), http.StatusConflict, "Conflict", "does not store")
	s.Refused(s.Do(http.MethodDelete, edge, nil), http.StatusConflict, "Conflict", "Detach it there first", "'far'")
	again := s.Group(jobGroup) + "/providers/Microsoft.ContainerService/managedClusters/again"
	s.Fails(s.Do(http.MethodPut, again, connecting(string(f.config))), "Conflict", "connected already, as "+edge)
	s.Succeed(s.Do(http.MethodDelete, again, nil))

	s.Succeed(s.Do(http.MethodDelete, s.compute("far")+"?underlyingResourceAction=Detach", nil))
	s.Succeed(s.Do(http.MethodDelete, edge, nil))
	f.clean(before)

	// As a managed cluster it is found by its name, and its deletion does not change it.
	s.put(again, connecting(string(f.config)))
	got = s.get(again)
	s.equal(got, "properties.kubernetesVersion", "1.36.0")
	s.equal(got, "properties.agentPoolProfiles.0.count", 3.0)
	s.Succeed(s.Do(http.MethodDelete, again, nil))
	if err := f.conn.Healthy(t.Context()); err != nil {
		t.Errorf("the cluster was deleted: %v", err)
	}
}

// onDisk fails the test if a file of a data folder contains the secret.
func onDisk(t *testing.T, dir, secret string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), secret) {
			t.Errorf("%s holds the administrator's key", file)
		}
	}
}

func noBerth(contents map[string]string) bool {
	for key, text := range contents {
		if strings.Contains(key+text, "berth") {
			return false
		}
	}
	return true
}

// kubeconfigTo is a kubeconfig for a server, with more in its cluster and its user.
func kubeconfigTo(server, cluster, user string) string {
	return "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: c}}]\n" +
		"clusters: [{name: c, cluster: {server: '" + server + "'" + cluster + "}}]\nusers: [{name: c, user: {token: s3cr3t-token" + user + "}}]\n"
}

// TestKubeconfigRefused: what a kubeconfig could make the server do is refused, before anything connects.
func TestKubeconfigRefused(t *testing.T) {
	closed := func(c *app.Config) { c.ClusterRanges = []string{"none"} }
	s := &site{Server: apptest.New(t, closed), t: t, ctx: t.Context()}
	s.MakeWorkspace(jobGroup, jobWorkspace)
	edge := s.Group(jobGroup) + "/providers/Microsoft.Kubernetes/connectedClusters/edge"
	const good = "https://203.0.113.1:6443"
	for name, c := range map[string]struct{ config, word string }{
		"nothing":    {"", "Send the kubeconfig"},
		"no YAML":    {"{", "not valid YAML"},
		"no context": {"apiVersion: v1\nkind: Config\n", "current-context"},
		"exec": {
			kubeconfigTo(good, "", ", exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, interactiveMode: Never}"),
			"'exec'",
		},
		"auth-provider":   {kubeconfigTo(good, "", ", auth-provider: {name: gcp}"), "'auth-provider'"},
		"tokenFile":       {kubeconfigTo(good, "", ", tokenFile: /etc/passwd"), "'tokenFile'"},
		"client key":      {kubeconfigTo(good, "", ", client-key: /etc/shadow"), "'client-key'"},
		"authority file":  {kubeconfigTo(good, ", certificate-authority: /etc/passwd", ""), "'certificate-authority'"},
		"proxy":           {kubeconfigTo(good, ", proxy-url: 'http://127.0.0.1:1'", ""), "'proxy-url'"},
		"impersonation":   {kubeconfigTo(good, "", ", as: system:admin"), "'as'"},
		"trusts anybody":  {kubeconfigTo(good, ", insecure-skip-tls-verify: true", ""), "'insecure-skip-tls-verify'"},
		"http":            {kubeconfigTo("http://203.0.113.1", "", ""), "plain https"},
		"two documents":   {kubeconfigTo(good, "", "") + "---\n" + kubeconfigTo(good, "", ""), "several YAML documents"},
		"far too large":   {kubeconfigTo(good, "", "") + "#" + strings.Repeat("x", 300<<10), "at most"},
		"user in the URL": {kubeconfigTo("https://me:pw@203.0.113.1", "", ""), "plain https"},
	} {
		r := s.Do(http.MethodPut, edge, connecting(c.config))
		if r.Status != http.StatusBadRequest {
			t.Fatalf("%s is accepted: %s", name, r.Text)
		}
		s.Refused(r, http.StatusBadRequest, "BadRequest", "properties.kubeconfig", c.word)
		if strings.Contains(r.Text, "s3cr3t") {
			t.Errorf("%s: the answer shows a secret: %s", name, r.Text)
		}
	}
	// Addresses are judged when they are dialled: a name may resolve to any address.
	for name, c := range map[string]struct{ server, word string }{
		"loopback":           {"https://127.0.0.1:6443", "this machine itself"},
		"loopback by name":   {"https://localhost:6443", "this machine itself"},
		"loopback in IPv6":   {"https://[::1]:6443", "this machine itself"},
		"mapped into IPv6":   {"https://[::ffff:127.0.0.1]:6443", "this machine itself"},
		"cloud metadata":     {"https://169.254.169.254", "link-local"},
		"unspecified":        {"https://0.0.0.0:6443", "this machine itself"},
		"Berth's own door":   {s.Endpoint, "is Berth itself"},
		"metadata over IPv6": {"https://[fd00:ec2::254]", "link-local"},
	} {
		t.Run(name, func(t *testing.T) {
			at := s.Server.As(t)
			at.Fails(at.Do(http.MethodPut, edge, connecting(kubeconfigTo(c.server, "", ""))), "BadRequest", c.word)
		})
	}
	open := apptest.New(t)
	open.MakeWorkspace(jobGroup, jobWorkspace)
	self := open.Group(jobGroup) + "/providers/Microsoft.Kubernetes/connectedClusters/self"
	open.Fails(open.Do(http.MethodPut, self, connecting(kubeconfigTo(open.Endpoint, "", ""))), "BadRequest", "is Berth itself")
	// A server that others reach names the option. (One that only this machine reaches connects: TestConnectedCluster.)
	far := apptest.New(t, func(c *app.Config) { c.Hosts = []string{"berth.example"} })
	far.MakeWorkspace(jobGroup, jobWorkspace)
	there := far.Group(jobGroup) + "/providers/Microsoft.Kubernetes/connectedClusters/there"
	refused := far.Do(http.MethodPut, there, connecting(kubeconfigTo("https://127.0.0.1:1", "", "")))
	far.Fails(refused, "BadRequest", "--cluster-range 127.0.0.0/8")
	if strings.Contains(s.Log.String(), "s3cr3t") ||
		strings.Contains(s.Log.String(), base64.StdEncoding.EncodeToString([]byte("s3cr3t-token"))) {
		t.Error("the log shows a secret")
	}
}
