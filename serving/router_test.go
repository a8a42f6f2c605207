package serving_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"berth.dev/berth/kube"
	"berth.dev/berth/router/route"
	"berth.dev/berth/serving"
)

// TestReadyImage: an image is served as it is, by several routers and replicas on several nodes.
func TestReadyImage(t *testing.T) {
	w := newWorld(t, 2)
	d := serving.Deployment{Namespace: workspace, Name: "hello", Generation: 1, Replicas: 2, CPU: 0.1, MemoryGB: 0.1,
		Environment: serving.Environment{Image: "berth.dev/hello:1", Port: 8080}}
	w.serve(d)
	w.routers = 2
	w.route("hello")
	for range 20 { // whichever router is asked
		if status, answer, err := w.score("hello", secretKey, "{}"); err == nil && status == http.StatusNotFound {
			t.Errorf("the router is ready without its routes: %s", answer)
		}
	}
	w.scored("hello", "{}")
	d.Generation, d.Replicas = 2, 1
	w.serve(d)
	w.scored("hello", "{}")
	logs, err := w.s.Logs(t.Context(), w.conn, serving.LogQuery{Namespace: workspace, Name: "hello", Lines: 10})
	if err != nil {
		t.Errorf("%s, %v", logs, err)
	}
	if !w.reaches("router", "http://azureml-fe.azureml.svc/") {
		t.Error("a pod does not reach the router")
	}
	if w.reaches("model", "http://"+serving.ObjectName("hello")+"."+workspace+".svc/") {
		t.Error("a pod reaches a model without the router")
	}
	w.overTLS("hello")
	w.removes("hello")
}

// overTLS gives the router a certificate, and sees that it answers with it and no longer in plain.
func (w *world) overTLS(name string) {
	w.Helper()
	other := httptest.NewTLSServer(http.NotFoundHandler()) // has a certificate for example.com
	defer other.Close()
	pair := other.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		w.Fatal(err)
	}
	r := serving.Router{Replicas: 1, Table: &route.Table{Routes: w.routes},
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})}
	roots := x509.NewCertPool()
	roots.AddCert(other.Certificate())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"}}}
	w.until("an answer over TLS", func() error {
		if ready, err := w.s.EnsureRouter(w.Context(), w.conn, r); err != nil || !ready {
			return fmt.Errorf("the router is ready: %v, %w", ready, err)
		}
		a, err := w.s.Address(w.Context(), w.conn)
		if err != nil || a.HTTPS == 0 || a.HTTP != 0 {
			return fmt.Errorf("%+v, %w", a, err)
		}
		ask, err := http.NewRequestWithContext(w.Context(), http.MethodGet,
			fmt.Sprintf("https://%s:%d/api/v1/service/%s/score", a.Host, a.HTTPS, name), nil)
		if err != nil {
			return err
		}
		ask.Header.Set("Authorization", "Bearer "+secretKey)
		got, err := client.Do(ask)
		if err != nil {
			return err
		}
		if err = got.Body.Close(); err == nil && got.StatusCode != http.StatusOK {
			err = errors.New(got.Status)
		}
		return err
	})
}

// reaches tells whether a pod gets an answer from an address inside the cluster.
func (w *world) reaches(name, address string) bool {
	w.Helper()
	ref := kube.Ref{Kind: "Job", Namespace: "default", Name: "reaches-" + name}
	container := kube.Object{"name": "hello", "image": "berth.dev/hello:1", "args": []string{"get", address}}
	err := w.conn.Apply(w.Context(), ref, kube.Object{"spec": kube.Object{"backoffLimit": 0, "template": kube.Object{
		"spec": kube.Object{"restartPolicy": "Never", "containers": []kube.Object{container}}}}}, nil)
	if err != nil {
		w.Fatal(err)
	}
	var job struct {
		Status struct{ Succeeded, Failed int }
	}
	w.until("the pod to end", func() error {
		_, err := w.conn.Read(w.Context(), ref, &job)
		if err == nil && job.Status.Succeeded+job.Status.Failed == 0 {
			err = errors.New("it runs")
		}
		return err
	})
	return job.Status.Succeeded > 0
}
