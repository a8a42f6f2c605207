package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// stallingHost is the host of the registry of these tests.
const stallingHost = "stalls.example"

// stalling is a registry that sends half of a layer of one of its images and then nothing, until that is given up. Then it is mended.
type stalling struct {
	mu      sync.Mutex
	blobs   map[string][]byte  // and manifests, by digest
	tags    map[string]string  // digests of manifests by "name:tag"
	stalls  string             // the digest of the layer
	stalled chan struct{}      // closed when it has sent the half
	givenUp chan time.Duration // how long it was waited for, of the first try
}

// newStalling serves it where a server of Berth has its registry: the nodes ask it for the images of a host, once the server has one.
func newStalling(t *testing.T, images string, program []byte) *stalling {
	t.Helper()
	r := &stalling{blobs: map[string][]byte{}, tags: map[string]string{}, stalled: make(chan struct{}),
		givenUp: make(chan time.Duration, 1)}
	r.add(t, "whole", tarOf(t, map[string][]byte{"hello": program, "whole": []byte("of another digest")}))
	r.stalls = r.add(t, "half", tarOf(t, map[string][]byte{"hello": program}))
	path := filepath.Join(images, "registry.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil { // for the ids inside
		t.Fatal(err)
	}
	server := &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	storeImages(t, images, imageOf(t, stallingHost+"/stored:1", map[string][]byte{"hello": program, "stored": []byte("so that they ask")}))
	return r
}

// add makes an image of one layer, and answers the digest of the layer.
func (r *stalling) add(t *testing.T, name string, layer []byte) string {
	t.Helper()
	blob := func(kind string, text []byte) map[string]any {
		digest := fmt.Sprintf("sha256:%x", sha256.Sum256(text))
		r.blobs[digest] = text
		return map[string]any{"mediaType": "application/vnd.oci.image." + kind, "digest": digest, "size": len(text)}
	}
	of := blob("layer.v1.tar", layer)
	config, err := json.Marshal(map[string]any{"os": "linux", "architecture": runtime.GOARCH,
		"config": map[string]any{"Entrypoint": []string{"/hello"}}, "rootfs": map[string]any{"type": "layers", "diff_ids": []any{of["digest"]}}})
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": blob("config.v1+json", config), "layers": []any{of}})
	if err != nil {
		t.Fatal(err)
	}
	r.tags[name+":1"] = blob("manifest.v1+json", manifest)["digest"].(string)
	return of["digest"].(string)
}

// ServeHTTP answers as far as a pull asks.
func (r *stalling) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	parts := strings.Split(strings.TrimPrefix(q.URL.Path, "/v2/"), "/") // name, kind, reference
	if len(parts) != 3 {
		http.NotFound(w, q)
		return
	}
	digest := parts[2]
	if tagged, is := r.tags[parts[0]+":"+parts[2]]; is {
		digest = tagged
	}
	text, there := r.blobs[digest]
	if !there {
		http.NotFound(w, q)
		return
	}
	if w.Header().Set("Docker-Content-Digest", digest); parts[1] == "manifests" {
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	}
	r.mu.Lock()
	stalls := r.stalls == digest && q.Method == http.MethodGet
	r.mu.Unlock()
	if !stalls {
		http.ServeContent(w, q, "", time.Time{}, bytes.NewReader(text))
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	_, _ = w.Write(text[:len(text)/2])
	_ = http.NewResponseController(w).Flush()
	r.mu.Lock()
	select {
	case <-r.stalled:
	default:
		close(r.stalled)
	}
	r.mu.Unlock()
	begun := time.Now()
	<-q.Context().Done() // until it is given up
	select {
	case r.givenUp <- time.Since(begun):
	default:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stalls = ""
}

// pull makes a pod on n0 of an image of the registry.
func (r *stalling) pull(t *testing.T, s space, name string) {
	t.Helper()
	p := probe(name, "serve")
	p.Spec.Containers[0].Image, p.Spec.NodeName = stallingHost+"/"+name+":1", "n0"
	if _, err := s.client().CoreV1().Pods(s.name).Create(t.Context(), p, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// othersArePulled while the registry is silent about one image.
func (r *stalling) othersArePulled(t *testing.T, s space) {
	eventually(t, func(context.Context) error {
		select {
		case <-r.stalled:
			return nil
		default:
			return errors.New("the registry was not asked for the layer")
		}
	})
	r.pull(t, s, "whole")
	s.wait(t, "whole", ready)
	select {
	case took := <-r.givenUp:
		t.Errorf("the other image was given up after %s, so it was not pulled at the same time", took)
	default:
	}
}

// isTold: a registry that stops in the middle of a layer is told in words, after a minute and not more than two; since it sends again, the
// pod runs.
func (r *stalling) isTold(t *testing.T, s space) {
	const image = stallingHost + "/half:1"
	eventuallyIn(t, 2*time.Minute, func(ctx context.Context) error {
		events, err := s.eventsOf(ctx, "half")
		if want := "the image " + image + " is not complete: the registry " + stallingHost + " sent nothing for 1m0s"; err == nil &&
			!strings.Contains(events, want) {
			err = fmt.Errorf("%q is not among\n%s", want, events)
		}
		return err
	})
	if took := <-r.givenUp; took < time.Minute || took > 2*time.Minute {
		t.Errorf("it was given up after %s", took)
	}
	s.wait(t, "half", ready)
}
