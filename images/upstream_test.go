package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// elsewhere is another registry with one image, team/model:1, and what is asked of it.
type elsewhere struct {
	*httptest.Server
	host        string
	layer       string
	user        string // who alone may pull; empty: everybody
	lies        bool   // about what a layer has
	mu          sync.Mutex
	asked       []string
	gate        chan struct{} // when set: a layer is sent by half until it is closed
	interrupted chan struct{} // closed when a client leaves at the gate
}

func newElsewhere(t *testing.T) *elsewhere {
	t.Helper()
	e := &elsewhere{layer: strings.Repeat("of a layer ", 20_000), interrupted: make(chan struct{})}
	store := ocimem.New()
	push := func(text string) ocispec.Descriptor {
		d := ocispec.Descriptor{MediaType: blobType, Digest: digest.FromString(text), Size: int64(len(text))}
		if _, err := store.PushBlob(t.Context(), "team/model", d, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	config, layer := push("{}"), push(e.layer)
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":2},`+
		`"layers":[{"mediaType":%q,"digest":%q,"size":%d}]}`, ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageConfig, config.Digest,
		ocispec.MediaTypeImageLayer, layer.Digest, layer.Size)
	if _, err := store.PushManifest(t.Context(), "team/model", "1", []byte(manifest), ocispec.MediaTypeImageManifest); err != nil {
		t.Fatal(err)
	}
	registry := ociserver.New(store, nil)
	e.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		e.asked = append(e.asked, r.Method+" "+r.URL.Path)
		e.mu.Unlock()
		switch user, password, _ := r.BasicAuth(); {
		case e.user != "" && (user != e.user || password != "secret"):
			w.Header().Set("WWW-Authenticate", `Basic realm="elsewhere"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, layer.Digest.String()) && (e.gate != nil || e.lies):
			e.send(w, r)
		default:
			registry.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(e.Close)
	e.host = strings.TrimPrefix(e.URL, "https://")
	return e
}

// send sends a layer in halves, or another one.
func (e *elsewhere) send(w http.ResponseWriter, r *http.Request) {
	text := e.layer
	if e.lies {
		text = strings.ToUpper(text)
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	_, _ = io.WriteString(w, text[:len(text)/2])
	_ = http.NewResponseController(w).Flush()
	if e.gate != nil {
		select {
		case <-e.gate:
		case <-r.Context().Done():
			close(e.interrupted)
			return
		}
	}
	_, _ = io.WriteString(w, text[len(text)/2:])
}

// count is how often it was asked for something.
func (e *elsewhere) count(what string) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, asked := range e.asked {
		if strings.Contains(asked, what) {
			n++
		}
	}
	return n
}

// nodes is the registry as nodes see it.
func (e *elsewhere) nodes(t *testing.T, s *Store, mirrors ...string) *httptest.Server {
	t.Helper()
	var all []Mirror
	for _, text := range mirrors {
		m, err := ParseMirror(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	web := httptest.NewServer(s.Registry(RegistryOptions{Log: slog.New(slog.DiscardHandler), ReadOnly: true,
		Own: func(string) bool { return false }, Upstreams: s.NewUpstreams(all, e.Client().Transport)}))
	t.Cleanup(web.Close)
	return web
}

// ask is a request of a node.
func ask(ctx context.Context, web *httptest.Server, path string, header ...string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, web.URL+path, nil)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return web.Client().Do(r)
}

// answer is status and body.
func answer(ctx context.Context, web *httptest.Server, path string, header ...string) string {
	r, err := ask(ctx, web, path, header...)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(r.StatusCode, " ", string(text))
}

func (e *elsewhere) blob() string {
	return "/v2/team/model/blobs/" + digest.FromString(e.layer).String() + "?ns=" + e.host
}

// TestFetchedOnce: however many nodes want a layer of another registry, it is asked for it once, and all get it while it comes.
func TestFetchedOnce(t *testing.T) {
	e := newElsewhere(t)
	e.gate = make(chan struct{})
	s := open(t, t.TempDir())
	web := e.nodes(t, s)
	var readers sync.WaitGroup
	for range 8 {
		r, err := ask(t.Context(), web, e.blob())
		if err != nil {
			t.Fatal(err)
		}
		half := make([]byte, len(e.layer)/2)
		if _, err := io.ReadFull(r.Body, half); err != nil || r.StatusCode != http.StatusOK {
			t.Fatal("the first half does not come while the second one is not there: ", r.Status, err)
		}
		readers.Go(func() {
			defer func() { _ = r.Body.Close() }()
			if rest, err := io.ReadAll(r.Body); err != nil || string(half)+string(rest) != e.layer {
				t.Error("a node got ", len(half)+len(rest), " bytes, ", err)
			}
		})
	}
	close(e.gate)
	readers.Wait()
	if got := answer(t.Context(), web, e.blob(), "Range", "bytes=3-8"); got != "206 "+e.layer[3:9] {
		t.Errorf("a part is %q", got)
	}
	e.Close() // now it is not needed any more, nor is the server that fetched
	if got := answer(t.Context(), e.nodes(t, s), e.blob()); got != "200 "+e.layer {
		t.Errorf("later it is %.60q", got)
	}
	if n := e.count("/blobs/"); n != 1 {
		t.Errorf("the registry was asked %d times", n)
	}
}

// TestNobodyReads: a layer that no node waits for any more is not fetched to its end.
func TestNobodyReads(t *testing.T) {
	e := newElsewhere(t)
	e.gate = make(chan struct{})
	ctx, leave := context.WithCancel(t.Context())
	r, err := ask(ctx, e.nodes(t, open(t, t.TempDir())), e.blob())
	if err != nil {
		t.Fatal(err)
	}
	leave()
	_ = r.Body.Close()
	<-e.interrupted
}

// TestOtherContent: what does not have its digest reaches no second node.
func TestOtherContent(t *testing.T) {
	e := newElsewhere(t)
	e.lies = true
	s := open(t, t.TempDir())
	web := e.nodes(t, s)
	_ = answer(t.Context(), web, e.blob()) // the node looks at the digest itself
	e.lies = false
	if got := answer(t.Context(), web, e.blob()); got != "200 "+e.layer {
		t.Errorf("when the registry is mended: %.60q", got)
	}
	if got := answer(t.Context(), web, "/v2/team/model/blobs/sha256:"+strings.Repeat("0", 64)+"?ns="+e.host); !strings.HasPrefix(got, "404 ") {
		t.Errorf("what it does not have: %q", got)
	}
}

// TestPrivate: a registry that asks who wants an image is asked with what the pod has, and nobody gets a manifest past it.
func TestPrivate(t *testing.T) {
	e := newElsewhere(t)
	e.user = "alice"
	web := e.nodes(t, open(t, t.TempDir()))
	r, err := ask(t.Context(), web, e.blob())
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("without credentials: %s, %q", r.Status, r.Header.Get("WWW-Authenticate"))
	}
	if got := answer(t.Context(), web, e.blob(), basicOf("alice", "wrong")...); !strings.HasPrefix(got, "404 ") {
		t.Errorf("with wrong ones: %.60q", got) // the node asks the registry itself, which says so
	}
	if got := answer(t.Context(), web, e.blob(), basicOf("alice", "secret")...); got != "200 "+e.layer {
		t.Errorf("with its credentials: %.60q", got)
	}
	for _, ref := range []string{"1", digest.FromString(e.layer).String()} {
		got := answer(t.Context(), web, "/v2/team/model/manifests/"+ref+"?ns="+e.host, basicOf("alice", "secret")...)
		if !strings.HasPrefix(got, "404 ") {
			t.Errorf("the manifest %s is answered past the registry: %.60q", ref, got)
		}
	}
}

func basicOf(user, password string) []string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return []string{"Authorization", r.Header.Get("Authorization")}
}

// TestMirror: images of a host come from its mirror, with what 'docker login' has stored; what it does not have is left to the host.
func TestMirror(t *testing.T) {
	e := newElsewhere(t)
	plain := httptest.NewServer(e.Config.Handler)
	defer plain.Close()
	e.user = "alice"
	t.Setenv("DOCKER_AUTH_CONFIG", fmt.Sprintf(`{"auths":{%q:{"username":"alice","password":"secret"}}}`,
		strings.TrimPrefix(plain.URL, "http://")))
	web := e.nodes(t, open(t, t.TempDir()), "registry.example=http://127.0.0.1:1", "registry.example="+plain.URL+"/team")
	manifest := answer(t.Context(), web, "/v2/model/manifests/1?ns=registry.example")
	if !strings.Contains(manifest, digest.FromString(e.layer).String()) {
		t.Errorf("the manifest by its tag: %q", manifest)
	}
	by := digest.FromString(strings.TrimPrefix(manifest, "200 ")).String()
	if got := answer(t.Context(), web, "/v2/model/manifests/"+by+"?ns=registry.example"); got != manifest {
		t.Errorf("the manifest by its digest: %q", got)
	}
	at := "/v2/model/blobs/" + digest.FromString(e.layer).String()
	if got := answer(t.Context(), web, at+"?ns=registry.example"); got != "200 "+e.layer {
		t.Errorf("the layer: %.60q", got)
	}
	if got := answer(t.Context(), web, "/v2/model/manifests/2?ns=registry.example"); !strings.HasPrefix(got, "404 ") ||
		!strings.Contains(got, plain.URL) {
		t.Errorf("another tag: %q", got)
	}
	for _, bad := range []string{"docker.io", "docker.io=mirror.example.com", "=https://a.example", "docker.io=https://u:hush@a.example",
		"a/b=https://a.example"} {
		if _, err := ParseMirror(bad); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestPulledRoom: what was not asked for the longest goes first.
func TestPulledRoom(t *testing.T) {
	s := open(t, t.TempDir())
	p := pulls{store: s, room: 25, all: map[digest.Digest]*pull{}}
	if err := os.MkdirAll(s.pulled(), 0o700); err != nil {
		t.Fatal(err)
	}
	var all []digest.Digest
	for i := range 3 {
		text := fmt.Sprint("blob no. ", i, "!")
		d := digest.FromString(text)
		at := time.Now().Add(time.Duration(i-10) * time.Hour)
		if err := errors.Join(os.WriteFile(p.path(d), []byte(text), 0o600), os.Chtimes(p.path(d), at, at)); err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	r, err := p.open(t.Context(), all[0], [2]int64{0, -1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	p.trim()
	for i, want := range []bool{true, false, true} {
		if _, err := os.Stat(p.path(all[i])); (err == nil) != want {
			t.Errorf("blob %d: %v", i, err)
		}
	}
}
