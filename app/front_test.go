package app_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
)

// kubeUser is a kubeconfig as far as this test reads it. JSON has the bytes in base64, as the file does.
type kubeUser struct {
	Clusters []struct {
		Cluster struct {
			Server string
			Name   string `json:"tls-server-name"`
			CA     []byte `json:"certificate-authority-data"`
		}
	}
	Users []struct {
		User struct {
			Certificate []byte `json:"client-certificate-data"`
			Key         []byte `json:"client-key-data"`
		}
	}
}

// client connects as kubectl does, without a token: by the certificate.
func (u kubeUser) client(t *testing.T) *http.Client {
	t.Helper()
	pair, err := tls.X509KeyPair(u.Users[0].User.Certificate, u.Users[0].User.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(u.Clusters[0].Cluster.CA)
	transport := &http.Transport{DialContext: apptest.Here, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots,
		Certificates: []tls.Certificate{pair}, ServerName: u.Clusters[0].Cluster.Name}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: apptest.Patience}
}

// elsewhere is a server with a public address, and where it listens.
func elsewhere(t *testing.T) (*apptest.Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return apptest.New(t, func(c *app.Config) {
		c.Listen, c.PublicURL = at.String(), fmt.Sprintf("https://berth.example:%d", at.Port)
	}), at.String()
}

// TestReachedFromElsewhere: with a public address, the API of a cluster and its models answer through the one port of the server.
func TestReachedFromElsewhere(t *testing.T) {
	s, _ := elsewhere(t)
	s.MakeWorkspace(jobGroup, jobWorkspace)
	s.Succeed(s.Do(http.MethodPut, s.Cluster(jobGroup, "far"), apptest.Object{"location": "westeurope", "properties": apptest.Object{
		"dnsPrefix": "Far", "agentPoolProfiles": []any{apptest.Object{"name": "np", "count": 1, "vmSize": size, "mode": "System"}}}}))
	cluster := s.Want(http.StatusOK, s.Do(http.MethodGet, s.Cluster(jobGroup, "far"), nil)).Body
	fqdn, _ := apptest.At(cluster, "properties.fqdn").(string)

	var user kubeUser
	if err := yaml.Unmarshal(s.ClusterKeys(s.Cluster(jobGroup, "far")), &user); err != nil {
		t.Fatal(err)
	}
	if c := user.Clusters[0].Cluster; c.Server != s.Endpoint || c.Name != fqdn || !strings.HasSuffix(fqdn, ".berth.internal") {
		t.Fatalf("the kubeconfig leads to %s as %s; the cluster is %s", c.Server, c.Name, fqdn)
	}
	kube := user.client(t)
	resp, err := kube.Get(s.Endpoint + "/api/v1/nodes")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if _ = resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(text), `"kind":"NodeList"`) {
		t.Errorf("the nodes: %d %v %.300s", resp.StatusCode, err, text)
	}
	user.Clusters[0].Cluster.Name = "none-00000000.berth.internal"
	if resp, err := user.client(t).Get(s.Endpoint + "/api/v1/nodes"); err == nil {
		_ = resp.Body.Close()
		t.Errorf("a cluster that there is not: %d", resp.StatusCode)
	}
	far, _, _ := strings.Cut(fqdn, ".")
	modelsFromElsewhere(t, s, kube, far)
}

// modelsFromElsewhere sends requests to a router. It stands in for that of the cluster, which needs real nodes: its Service leads to it.
func modelsFromElsewhere(t *testing.T, s *apptest.Server, kube *http.Client, label string) {
	ask := func(path string) (int, string) {
		t.Helper()
		r := s.Send(apptest.Request{Method: http.MethodPost, Path: path, Raw: true, Body: "[1]",
			Header: map[string]string{"Authorization": "key"}})
		return r.Status, r.Text
	}
	if status, text := ask("/inference/" + label + "/api/v1/service/m/score"); status != http.StatusNotFound || !strings.Contains(text,
		"serves no models") {
		t.Errorf("without a router: %d %s", status, text)
	}
	if status, text := ask("/inference/none-00000000/api/v1/service/m/score"); status != http.StatusNotFound || !strings.Contains(text,
		"runs no cluster") {
		t.Errorf("no cluster: %d %s", status, text)
	}
	begun, held := make(chan struct{}), make(chan struct{})
	router := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s %v %s", r.URL.EscapedPath(), r.URL.RawQuery, body, err, r.Header.Get("Authorization"))
		if strings.HasSuffix(r.URL.Path, "/stream") {
			_ = http.NewResponseController(w).Flush()
			close(begun)
			select {
			case <-held:
			case <-r.Context().Done():
			}
			_, _ = io.WriteString(w, " end")
		}
	}))
	defer router.Close()
	at, err := url.Parse(router.URL)
	if err != nil {
		t.Fatal(err)
	}
	service := func(method, path, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, s.Endpoint+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", map[string]string{http.MethodPost: "application/json",
			http.MethodPatch: "application/merge-patch+json"}[method])
		resp, err := kube.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body) // for the message only
		if _ = resp.Body.Close(); resp.StatusCode >= http.StatusBadRequest {
			t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, text)
		}
	}
	service(http.MethodPost, "/api/v1/namespaces", `{"metadata":{"name":"azureml"}}`)
	service(http.MethodPost, "/api/v1/namespaces/azureml/services", fmt.Sprintf(`{"metadata":{"name":"azureml-fe","annotations":`+
		`{"berth.dev/ports":"80=%s"}},"spec":{"type":"LoadBalancer","loadBalancerClass":"example.com/none","ports":[{"port":80}]}}`, at.Port()))
	service(http.MethodPatch, "/api/v1/namespaces/azureml/services/azureml-fe/status",
		`{"status":{"loadBalancer":{"ingress":[{"ip":"127.0.0.1"}]}}}`)
	status, text := ask("/inference/" + label + "/api/v1/service/a%2Fb/score?x=1")
	if want := "/api/v1/service/a%2Fb/score x=1 [1] <nil> key"; status != http.StatusOK || text != want {
		t.Errorf("through the front: %d %q, want %q", status, text, want)
	}
	resp, err := s.Plain().Get(s.Endpoint + "/inference/" + label + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	<-begun // and the answer so far is here, though it has not ended
	part := make([]byte, len("/stream"))
	if _, err := io.ReadFull(resp.Body, part); err != nil || string(part) != "/stream" {
		t.Errorf("%q %v", part, err)
	}
	close(held)
	rest, err := io.ReadAll(resp.Body)
	if _ = resp.Body.Close(); err != nil || !strings.HasSuffix(string(rest), " end") {
		t.Errorf("%q %v", rest, err)
	}
}

// TestReachIsTold: the log says from where the server is reached, and warns of an address that clients elsewhere cannot use.
func TestReachIsTold(t *testing.T) {
	s := apptest.New(t, func(c *app.Config) { c.Listen = "0.0.0.0:0" })
	if s.Info.Reach != "all addresses of this machine" || !strings.Contains(s.Log.String(), "--public-url") {
		t.Errorf("%s\n%s", s.Info.Reach, s.Log.String())
	}
	s = apptest.New(t)
	if s.Info.Reach != "this machine only" || strings.Contains(s.Log.String(), "--public-url") {
		t.Errorf("%s\n%s", s.Info.Reach, s.Log.String())
	}
}

// TestSilentConnections: a connection that says nothing, or no TLS, takes nothing from the others.
func TestSilentConnections(t *testing.T) {
	s, at := elsewhere(t)
	for _, begin := range []string{"", "\x16", "\x16\x03\x01\x00\x05hello", "GET / HTTP/1.1\r\n\r\n"} {
		conn, err := (&net.Dialer{Timeout: time.Minute}).DialContext(t.Context(), "tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := io.WriteString(conn, begin); err != nil {
			t.Fatal(err)
		}
	}
	s.Want(http.StatusOK, s.Do(http.MethodGet, "/subscriptions", nil))
}
