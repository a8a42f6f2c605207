package watch_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth.dev/berth/router/route"
	"berth.dev/berth/router/watch"
)

const slices = "/apis/discovery.k8s.io/v1/namespaces/azureml-ws/endpointslices"

// What a router does as its cluster changes, with no more rights than it is given.
func TestCluster(t *testing.T) {
	w := start(t)
	ready := func() error {
		res, err := http.Get("http://" + w.internal + "/readyz")
		if err == nil {
			_ = res.Body.Close()
		}
		if err == nil && res.StatusCode != http.StatusOK {
			err = errors.New(res.Status)
		}
		return err
	}
	if err := ready(); err == nil {
		t.Error("ready without routes")
	}
	if got := w.score("one"); !strings.HasPrefix(got, "503 ") {
		t.Errorf("before the first routes: %s", got)
	}
	w.routes(service("one", nil))
	w.scores("one", "503 No ready replicas for service one")

	w.eventually(ready)
	host, port := w.pod("first")
	w.make(slices, slice("one-a", "one", host, port, `{"ready":true}`))
	w.scores("one", "200 first")
	_, second := w.pod("second")
	w.make(slices, slice("one-b", "one", host, second, `{"ready":false}`))
	w.change(slices+"/one-b", `{"endpoints":[{"addresses":["`+host+`"],"conditions":{"ready":true}}]}`)
	w.change(slices+"/one-a", `{"endpoints":[{"addresses":["`+host+`"],"conditions":{"ready":false,"serving":true,"terminating":true}}]}`)
	w.scores("one", "200 second")
	if err := w.call("DELETE", slices+"/one-b", "", nil); err != nil {
		t.Fatal(err)
	}
	w.scores("one", "200 first") // it is ending, but there is no other

	w.secret(route.Secret, map[string][]byte{route.Key: []byte(`{"routes":[{"kind":"service","name":"../x"}]}`)})
	w.routes(service("one", nil), service("two", nil)) // the table before was no table: it changed nothing
	w.scores("two", "503 No ready replicas for service two")
	w.scores("one", "200 first")

	t.Run("certificate", w.certificate)
	t.Run("autoscale", w.autoscale)
	t.Run("away", w.away)
}

// The certificate comes from a Secret, under either pair of names; what is no certificate changes nothing.
func (w *world) certificate(t *testing.T) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	own := s.TLS.Certificates[0]
	private, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]})
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	for _, data := range []map[string][]byte{{"tls.crt": chain, "tls.key": secret}, {"tls.crt": []byte("x")},
		{"tls.crt": nil, "tls.key": nil, "cert.pem": chain, "key.pem": secret}} {
		w.secret("azureml-fe-tls", data)
		w.eventually(func() error {
			res, err := s.Client().Get("https://" + w.secure + "/")
			if err == nil {
				_ = res.Body.Close()
			}
			return err
		})
	}
}

// The router scales a Deployment by its subresource scale.
func (w *world) autoscale(t *testing.T) {
	const deployments = "/apis/apps/v1/namespaces/azureml-ws/deployments"
	w.make(deployments, `{"metadata":{"name":"zero"},"spec":{"replicas":0,"selector":{"matchLabels":{"a":"b"}},"template":{
		"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}`)
	w.routes(service("one", nil), service("zero", &route.Autoscale{Deployment: "zero", Min: 0, Max: 3}))
	answers := make(chan string, 1)
	w.scores("one", "200 first")
	go func() {
		for {
			got := w.score("zero")
			if strings.HasPrefix(got, "404") { // the routes are not there yet
				continue
			}
			answers <- got
			return
		}
	}()
	w.eventually(func() error {
		var d struct{ Spec struct{ Replicas int } }
		if err := w.call("GET", deployments+"/zero", "", &d); err != nil || d.Spec.Replicas < 1 {
			return fmt.Errorf("%d replicas, %w", d.Spec.Replicas, err)
		}
		return nil
	})
	host, port := w.pod("woken")
	w.make(slices, slice("zero-a", "zero", host, port, `{"ready":true}`))
	if got := <-answers; got != "200 woken" {
		t.Error(got)
	}
}

// The API server goes away and comes back: the router goes on, and hears what is new.
func (w *world) away(t *testing.T) {
	if err := w.provider.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if got := w.score("one"); got != "200 first" {
			t.Error(got)
		}
	}
	w.up()
	host, port := w.pod("third")
	w.eventually(func() error { // the API server accepts before it is ready
		return w.call("POST", slices, slice("one-c", "one", host, port, `{"ready":true}`), nil)
	})
	w.scores("one", "200 third")
}

func TestNoConfig(t *testing.T) {
	if _, err := watch.Connect(filepath.Join(t.TempDir(), "none"), watch.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
