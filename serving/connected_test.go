package serving_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"berth.dev/berth/kube"
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
