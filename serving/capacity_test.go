package serving_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/jonboulle/clockwork"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"berth.dev/berth/kube"
	"berth.dev/berth/serving"
)

// nodeComes: a node that is not Ready counts as room for a minute, because after a restart of the cluster all begin so. Then the refusal
// names it.
func (w *world) nodeComes() {
	now := time.Now()
	w.addNode(kube.Object{"metadata": kube.Object{"name": "late"}, "status": kube.Object{
		"capacity": kube.Object{"cpu": "8", "memory": "32Gi", "pods": "20"},
		"conditions": []kube.Object{{"type": "Ready", "status": "False", "reason": "KubeletNotReady",
			"lastTransitionTime": now.UTC().Format(time.RFC3339)}},
	}})
	w.s = serving.New(serving.Options{Clock: clockwork.NewFakeClockAt(now), Index: index()}) // the minute lasts as long as the test needs
	d := w.deployment("waits", answers("one"))
	d.Environment.Requirements = nil
	d.Replicas, d.CPU = 3, 3
	w.pack(&d)
	w.until("pods that wait for the node", func() error {
		p, err := w.s.Advance(w.Context(), w.conn, d, w.open)
		if p.Failure != nil {
			w.Fatal(p.Failure)
		}
		pods, listErr := w.conn.Replicas(w.Context(), d.Namespace, "")
		for _, r := range pods {
			if strings.Contains(r.Unschedulable, "Insufficient cpu") {
				return errors.Join(err, listErr)
			}
		}
		return errors.Join(err, listErr, errors.New("no pod waits"))
	})

	later := serving.New(serving.Options{Clock: clockwork.NewFakeClockAt(now.Add(2 * time.Minute)), Index: index()})
	d.Name, d.Generation = "second", 1
	w.until("the refusal", func() error {
		p, err := later.Advance(w.Context(), w.conn, d, w.open)
		switch {
		case p.Failure == nil:
			return errors.Join(err, errors.New("it goes on"))
		case p.Failure.Code != serving.CodeUnschedulable || !strings.Contains(p.Failure.Message, "not Ready: late"):
			w.Fatal(p.Failure)
		}
		return err
	})
}

// addNode creates a node object that no kubelet looks after.
func (w *world) addNode(node kube.Object) {
	w.Helper()
	node["apiVersion"], node["kind"] = "v1", "Node"
	body, err := json.Marshal(node)
	if err != nil {
		w.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(w.config)
	if err != nil {
		w.Fatal(err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		w.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPost, config.Host+"/api/v1/nodes", bytes.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		w.Fatal(answer.Status)
	}
}
