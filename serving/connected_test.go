package serving_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/router/route"
	"berth.dev/berth/serving"
)

// asConnected gives the world the credential that Berth has in a connected cluster in place of the administrator's.
func (w *world) asConnected() {
	w.Helper()
	if err := w.conn.Enter(w.Context(), kube.Connection{Of: "/the/cluster", Server: "test", Inference: true}); err != nil {
		w.Fatal(err)
	}
	token, _, err := w.conn.ConnectionToken(w.Context(), time.Hour)
	if err != nil {
		w.Fatal(err)
	}
	config, err := clientcmd.Load(w.config)
	if err != nil {
		w.Fatal(err)
	}
	for name := range config.AuthInfos {
		config.AuthInfos[name] = &api.AuthInfo{Token: token}
	}
	text, err := clientcmd.Write(*config)
	if err != nil {
		w.Fatal(err)
	}
	if w.conn, err = kube.Connect(text, kube.Options{Timeout: 20 * time.Second}); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(w.conn.Close)
}

// asksRouters: both routers tell what they have counted, kept and collected, whichever of them the Service leads to.
func (w *world) asksRouters(name string) {
	w.Helper()
	v := &w.routes[0].Versions[0]
	v.Name, v.Log = serving.RoutedService, true
	v.Collect = &route.Collect{Workspace: "/the/workspace", Source: "/the/service", Rolling: route.ByDay,
		Request: &route.Collection{Folder: "modeldata/ridge/inputs", Rate: 1}}
	w.routers = 2
	w.routed()
	logged := func() int {
		id := berth.NewID("s", "rg", berth.TypeService, "ws", name)
		text, err := w.s.Requests(w.Context(), w.conn, serving.RequestQuery{ID: id, Lines: 500})
		if err != nil {
			w.Fatal(err)
		}
		return strings.Count(text, "\n")
	}
	var counted map[string]int
	w.until("requests by both routers", func() error {
		for range 5 {
			http.DefaultClient.CloseIdleConnections() // a connection leads to one router
			if status, answer, err := w.score(name, secretKey, "{}"); err != nil || status != http.StatusOK {
				return fmt.Errorf("%d %s %w", status, answer, err)
			}
		}
		counts, err := w.s.Counts(w.Context(), w.conn)
		counted = map[string]int{}
		for router, text := range counts {
			if strings.Contains(string(text), `berth_fe_requests_total{code="200"`) {
				counted[router]++
			}
		}
		if err == nil && len(counted) < 2 {
			err = fmt.Errorf("these routers have counted: %v of %d", counted, len(counts))
		}
		return err
	})
	if n := logged(); n < 5 {
		w.Errorf("%d requests are logged", n)
	}
	events := 0
	w.until("the data that was collected", func() error {
		got, err := w.s.Gather(w.Context(), w.conn, func(c berth.Collected) error {
			events += strings.Count(string(c.Events), "\n")
			return nil
		})
		if n := logged(); err == nil && (events < n || n == 0) {
			err = fmt.Errorf("%d events of %d requests, %+v", events, n, got)
		}
		return err
	})
	may, err := w.conn.MayAskRouter(w.Context(), route.Namespace)
	if err != nil || !may {
		w.Errorf("the account may ask the router: %v, %v", may, err)
	}
}

// TestConnected is the life of a service in a connected cluster: the rights of the account there suffice, and they are no more than those
// that docs/berth-connection-inference.yaml lists.
func TestConnected(t *testing.T) {
	w := newWorld(t, 1)
	w.asConnected()
	const silent = "--extra-index-url https://127.0.0.1:9/simple" // nobody answers there: it is left out, as pip does
	d := w.deployment("ridge", answers("one"), silent)
	d.Files = append(d.Files, w.file("azureml-models/m/1/data", make([]byte, 3<<20)))
	d.Liveness.Period = time.Second
	w.serve(d)
	w.route("ridge")
	if answer := w.scored("ridge", "{}"); answer != `"one"` {
		t.Errorf("it answers %s", answer)
	}
	d = w.deployment("ridge", "def init():\n    raise ValueError('no')\n\ndef run(data):\n    pass\n", silent)
	d.Generation = 2
	p := w.deploy(d)
	if p.Failure == nil || !strings.Contains(p.Failure.Message, "ValueError: no (score.py, line 2)") {
		t.Errorf("%v", p.Failure)
	}
	d = w.deployment("ridge", answers("two"), silent)
	d.Generation, d.Replicas = 3, 2
	w.serve(d)
	w.until("the new version", func() error {
		_, answer, err := w.score("ridge", secretKey, "{}")
		if err == nil && answer != `"two"` {
			err = errors.New(answer)
		}
		return err
	})
	w.asksRouters("ridge")
	if text, err := w.s.Logs(t.Context(), w.conn, serving.LogQuery{Namespace: workspace, Name: "ridge", Lines: 50}); err != nil || text == "" {
		t.Errorf("the log: %q, %v", text, err)
	}
	if now, err := w.s.Status(t.Context(), w.conn, workspace, "ridge"); err != nil || now.Ready != 2 {
		t.Errorf("%+v, %v", now, err)
	}
	if err := w.s.SweepFiles(t.Context(), w.conn); err != nil {
		t.Error(err)
	}
	w.removes("ridge")
	type object struct{ Metadata kube.Meta }
	if _, err := kube.Objects[object](t.Context(), w.conn, kube.Ref{Kind: "Secret", Namespace: "kube-system"}, ""); !kube.Denied(err) {
		t.Errorf("the account lists secrets: %v", err)
	}
	if status, _, err := w.score("ridge", "wrong", "{}"); err != nil || status != http.StatusUnauthorized {
		t.Errorf("%d, %v", status, err)
	}
}
