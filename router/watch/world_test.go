package watch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"berth.dev/berth"
	"berth.dev/berth/provider/local"
	"berth.dev/berth/provider/providertest"
	"berth.dev/berth/router"
	"berth.dev/berth/router/route"
	"berth.dev/berth/router/watch"
)

const key = "0123456789abcdefghijklmnopqrstuv"

var clusterID = berth.NewID("00000000-0000-0000-0000-000000000001", "rg", berth.TypeCluster, "fe-test")

var clusterSpec = berth.ClusterSpec{Version: "1.36.0", DNSPrefix: "fe", Pools: []berth.NodePool{
	{Name: "agentpool", Count: 1, VMSize: "Standard_D2", Mode: "System", OSType: "Linux", MaxPods: 110}}}

// world is a real cluster with a router that has the rights of one, and no more.
type world struct {
	*testing.T
	dir      string
	provider *local.Provider
	admin    *rest.Config
	http     *http.Client
	router   *router.Router
	public   string
	secure   string
	internal string
}

func start(t *testing.T) *world {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	w := &world{T: t, dir: t.TempDir()}
	w.up()
	t.Cleanup(func() { _ = w.provider.Stop(context.Background()) })
	config, err := w.provider.Kubeconfig(t.Context(), clusterID)
	if err != nil {
		t.Fatal(err)
	}
	if w.admin, err = clientcmd.RESTConfigFromKubeConfig(config); err != nil {
		t.Fatal(err)
	}
	if w.http, err = rest.HTTPClientFor(w.admin); err != nil {
		t.Fatal(err)
	}
	w.rights()
	w.run(w.account(config))
	return w
}

// up starts the cluster, and waits until it is there.
func (w *world) up() {
	var err error
	if w.provider, err = local.New(local.Options{Dir: w.dir, Binary: providertest.Binary(w.T), Nodes: "simulated",
		Logger: slog.New(slog.DiscardHandler), Clock: clockwork.NewRealClock()}); err != nil {
		w.Fatal(err)
	}
	if err := w.provider.Start(w.Context()); err != nil {
		w.Fatal(err)
	}
	w.eventually(func() error {
		f, err := w.provider.Ensure(w.Context(), clusterID, clusterSpec)
		if err == nil && !f.Ready {
			err = errors.New(f.Message)
		}
		return err
	})
}

func (w *world) eventually(f func() error) {
	w.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var err error
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); <-tick.C {
		if err = f(); err == nil {
			return
		}
	}
	w.Fatal(err)
}

// call asks the API server as the administrator.
func (w *world) call(method, path, body string, into any) error {
	req, err := http.NewRequestWithContext(w.Context(), method, w.admin.Host+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	res, err := w.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s", method, path, text)
	}
	if err == nil && into != nil {
		err = json.Unmarshal(text, into)
	}
	return err
}

func (w *world) make(path, body string) {
	w.Helper()
	if err := w.call(http.MethodPost, path, body, nil); err != nil {
		w.Fatal(err)
	}
}

func (w *world) change(path, body string) {
	w.Helper()
	if err := w.call(http.MethodPatch, path, body, nil); err != nil {
		w.Fatal(err)
	}
}

// rights are what docs/010-router.md says that a router needs.
func (w *world) rights() {
	const api, rbac = "/api/v1/namespaces", "/apis/rbac.authorization.k8s.io/v1/namespaces/"
	for namespace, rules := range map[string]string{
		"azureml": `[{"apiGroups":[""],"resources":["secrets"],
			"resourceNames":["azureml-fe-routes","azureml-fe-tls"],"verbs":["get","list","watch"]},
			{"apiGroups":["discovery.k8s.io"],"resources":["endpointslices"],"verbs":["list","watch"]}]`,
		"azureml-ws": `[{"apiGroups":["discovery.k8s.io"],"resources":["endpointslices"],"verbs":["list","watch"]},
			{"apiGroups":["apps"],"resources":["deployments"],"verbs":["list","watch"]},
			{"apiGroups":["apps"],"resources":["deployments/scale"],"verbs":["patch"]}]`,
	} {
		w.make(api, `{"metadata":{"name":"`+namespace+`"}}`)
		w.make(rbac+namespace+"/roles", `{"metadata":{"name":"azureml-fe"},"rules":`+rules+`}`)
		w.make(rbac+namespace+"/rolebindings", `{"metadata":{"name":"azureml-fe"},
			"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"azureml-fe"},
			"subjects":[{"kind":"ServiceAccount","name":"azureml-fe","namespace":"azureml"}]}`)
	}
	w.make(api+"/azureml/serviceaccounts", `{"metadata":{"name":"azureml-fe"}}`)
}

// account is a kubeconfig file with the router's own token.
func (w *world) account(admin []byte) string {
	var token struct{ Status struct{ Token string } }
	if err := w.call("POST", "/api/v1/namespaces/azureml/serviceaccounts/azureml-fe/token", `{"spec":{}}`, &token); err != nil {
		w.Fatal(err)
	}
	config, err := clientcmd.Load(admin)
	if err != nil {
		w.Fatal(err)
	}
	for _, user := range config.AuthInfos {
		user.ClientCertificateData, user.ClientKeyData = nil, nil
		user.Token = token.Status.Token
	}
	path := filepath.Join(w.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		w.Fatal(err)
	}
	return path
}

// run starts the router.
func (w *world) run(kubeconfig string) {
	s := &router.Server{Cert: &router.Certificate{}, Logger: slog.New(slog.DiscardHandler), Drain: time.Second}
	for _, l := range []struct {
		into    *net.Listener
		address *string
	}{{&s.HTTP, &w.public}, {&s.HTTPS, &w.secure}, {&s.Internal, &w.internal}} {
		var err error
		if *l.into, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			w.Fatal(err)
		}
		*l.address = (*l.into).Addr().String()
	}
	_, port, _ := net.SplitHostPort(w.internal)
	number, _ := strconv.Atoi(port)
	watcher, err := watch.Connect(kubeconfig, watch.Options{Namespace: "azureml", RoutesSecret: route.Secret, TLSSecret: "azureml-fe-tls",
		Service: "azureml-fe", InternalPort: number, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.Fatal(err)
	}
	w.router = router.New(router.Options{Self: w.internal, Scale: watcher})
	s.Router, s.Ready = w.router, watcher.Ready
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go watcher.Run(ctx, w.router, s.Cert)
	go w.router.Run(ctx)
	go func() { ended <- s.Serve(ctx) }()
	w.Cleanup(func() {
		stop()
		<-ended
	})
}

// secret writes a Secret.
func (w *world) secret(name string, data map[string][]byte) {
	w.Helper()
	text, _ := json.Marshal(map[string]any{"metadata": map[string]string{"name": name}, "data": data})
	const all = "/api/v1/namespaces/azureml/secrets"
	if w.call(http.MethodPatch, all+"/"+name, string(text), nil) != nil {
		w.make(all, string(text))
	}
}

func (w *world) routes(routes ...route.Route) {
	w.Helper()
	text, err := (&route.Table{Routes: routes}).JSON()
	if err != nil {
		w.Fatal(err)
	}
	w.secret(route.Secret, map[string][]byte{route.Key: text})
}

// score sends a request and says what came back.
func (w *world) score(name string) string {
	address := "http://" + w.public + "/api/v1/service/" + name + "/score"
	req, _ := http.NewRequestWithContext(w.Context(), "POST", address, bytes.NewReader([]byte("{}")))
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return fmt.Sprint(res.StatusCode, " ", string(text))
}

func (w *world) scores(name, want string) {
	w.Helper()
	w.eventually(func() error {
		if got := w.score(name); got != want {
			return fmt.Errorf("%s answers %q; want %q", name, got, want)
		}
		return nil
	})
}

// outward is an address of this machine that the API server takes for a pod's: not loopback.
func outward(t *testing.T) string {
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no address but loopback, and the API server takes none of those for a pod's")
	return ""
}

// pod is a replica at an address that can be in an EndpointSlice.
func (w *world) pod(word string) (host string, port int) {
	host = outward(w.T)
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		w.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(out, word) }))
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	w.Cleanup(s.Close)
	return host, l.Addr().(*net.TCPAddr).Port
}

func slice(name, service, host string, port int, conditions string) string {
	return fmt.Sprintf(`{"metadata":{"name":%q,"labels":{"kubernetes.io/service-name":%q}},"addressType":"IPv4",
		"endpoints":[{"addresses":[%q],"conditions":%s}],"ports":[{"name":"http","port":%d}]}`, name, service, host, conditions, port)
}

func service(name string, auto *route.Autoscale) route.Route {
	return route.Route{Name: route.Name{Kind: route.Service, Name: name}, Auth: route.ByKey, Keys: []route.KeyHash{route.HashKey(key)},
		Versions: []route.Version{{Name: "v1", MaxQueueWaitMS: 10, Autoscale: auto,
			Backend: route.Backend{Namespace: "azureml-ws", Service: name, Port: "http"}}}}
}
