package app_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"berth.dev/berth"
	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
	"berth.dev/berth/client"
)

// registryClient is how a client of a registry signs in at a server.
func registryClient(s *apptest.Server, id, secret string) []remote.Option {
	return []remote.Option{remote.WithTransport(s.Plain().Transport), remote.WithAuth(&authn.Basic{Username: id, Password: secret})}
}

// reference is the name of an image in the registry of a server.
func reference(t *testing.T, s *apptest.Server, text string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(strings.TrimPrefix(s.Endpoint, "https://") + "/" + text)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// TestRegistry: what a client pushes with the client id and secret, it can pull, list and remove; `berth image list` has it.
func TestRegistry(t *testing.T) {
	s := apptest.New(t)
	as := registryClient(s, s.ClientID, s.ClientSecret)
	image, err := random.Image(3<<20, 2)
	if err != nil {
		t.Fatal(err)
	}
	ref := reference(t, s, "team/model:1")
	if err := remote.Write(ref, image, as...); err != nil {
		t.Fatal(err)
	}
	want, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	samePulled(t, ref, image, as)
	samePulled(t, ref.Context().Digest(want.String()), image, as)
	if tags, err := remote.List(ref.Context(), as...); err != nil || !slices.Equal(tags, []string{"1"}) {
		t.Errorf("tags %v, %v", tags, err)
	}
	all, err := app.ListImages(s.Dir)
	if err != nil || len(all) != 1 || !slices.Equal(all[0].Names, []string{"berth.dev/team/model:1"}) || all[0].Digest != want.String() ||
		all[0].Size < 3<<20 {
		t.Errorf("%+v, %v", all, err)
	}
	if err := remote.Delete(ref, as...); err != nil {
		t.Error(err)
	}
	if _, err := remote.Get(ref, as...); err == nil || !strings.Contains(err.Error(), "MANIFEST_UNKNOWN") {
		t.Errorf("it is still there: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(s.Dir, "images", "blobs", "sha256")); err != nil || len(left) > 0 {
		t.Errorf("%d blobs of nobody stay, %v", len(left), err)
	}
}

func samePulled(t *testing.T, ref name.Reference, want v1.Image, as []remote.Option) {
	t.Helper()
	got, err := remote.Image(ref, as...)
	if err != nil {
		t.Fatalf("%s: %v", ref, err)
	}
	layers, err := got.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		r, err := l.Compressed() // which compares digests
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Error(err)
		}
		_ = r.Close()
	}
	a, err1 := got.Digest()
	b, err2 := want.Digest()
	if a != b || err1 != nil || err2 != nil {
		t.Errorf("%s is %v, %v; want %v, %v", ref, a, err1, b, err2)
	}
}

// TestRegistryOfPlatforms: an image of several platforms, and one that is pushed under a whole name.
func TestRegistryOfPlatforms(t *testing.T) {
	s := apptest.New(t)
	as := registryClient(s, s.ClientID, s.ClientSecret)
	index := v1.ImageIndex(empty.Index)
	for _, architecture := range []string{"amd64", "arm64"} {
		image, err := random.Image(1000, 1)
		if err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}}})
	}
	ref := reference(t, s, "example.com/both:1")
	if err := remote.WriteIndex(ref, index, as...); err != nil {
		t.Fatal(err)
	}
	for _, architecture := range []string{"amd64", "arm64"} {
		of := append(slices.Clone(as), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: architecture}))
		if _, err := remote.Image(ref, of...); err != nil {
			t.Errorf("%s: %v", architecture, err)
		}
	}
	all, err := app.ListImages(s.Dir)
	if err != nil || len(all) != 1 || !slices.Equal(all[0].Names, []string{"example.com/both:1"}) {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestRegistryRefuses what nobody may do, and what is not whole.
func TestRegistryRefuses(t *testing.T) {
	s := apptest.New(t)
	image, err := random.Image(1000, 1)
	if err != nil {
		t.Fatal(err)
	}
	ref := reference(t, s, "team/model:1")
	err = remote.Write(ref, image, registryClient(s, s.ClientID, "wrong")...)
	if err == nil || !strings.Contains(err.Error(), "Invalid client secret") {
		t.Errorf("a wrong secret: %v", err)
	}
	get := func(token string) (status int, signIn string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Endpoint+"/v2/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := s.Plain().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode, res.Header.Get("WWW-Authenticate")
	}
	for _, token := range []string{"", s.Token} { // the second is for Resource Manager
		if status, signIn := get(token); status != http.StatusUnauthorized || !strings.Contains(signIn, "/v2/token") {
			t.Errorf("%d %v", status, signIn)
		}
	}
	token := s.NewToken(s.Endpoint + "/v2/.default")
	if status, _ := get(token); status != http.StatusOK {
		t.Errorf("a token for the registry: %d", status)
	}
	send := func(method, path, kind string, body []byte) *apptest.Response {
		req, err := http.NewRequestWithContext(t.Context(), method, s.Endpoint+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", kind)
		with := *s
		with.Token = token
		return with.SendRaw(req)
	}
	const oci, sum = "application/vnd.oci.image.manifest.v1+json", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	begun := send(http.MethodPost, "/v2/team/model/blobs/uploads/", "", nil).Header.Get("Location")
	if res := send(http.MethodPatch, begun, "", []byte("content")); res.Status != http.StatusAccepted {
		t.Errorf("%d %s", res.Status, res.Text)
	}
	for _, c := range []struct {
		method, path, kind string
		body               []byte
		status             int
		want               string
	}{
		{http.MethodPatch, begun, "", []byte("again from the start"), 416, "RANGE_INVALID"},
		{http.MethodPut, begun + "?digest=" + sum, "", nil, 400, "DIGEST_INVALID"}, // it is another one's
		{http.MethodPut, begun + "?digest=" + sum, "", nil, 404, "BLOB_UPLOAD_UNKNOWN"},
		{http.MethodPost, "/v2/team/model/blobs/uploads/?digest=" + sum, "", []byte("content"), 400, "DIGEST_INVALID"},
		{http.MethodPatch, "/v2/team/model/blobs/uploads/..%2F..%2Findex.json", "", []byte("content"), 404, ""},
		{http.MethodPut, "/v2/team/model/manifests/1", oci, []byte(`{"config":{"digest":"` + sum + `","size":0},"layers":[]}`), 404,
			"MANIFEST_BLOB_UNKNOWN"},
		{http.MethodPut, "/v2/team/model/manifests/1", oci, []byte(`{"layers":[]}`), 400, "MANIFEST_INVALID"},
		{http.MethodPut, "/v2/team/model/manifests/1", oci, []byte(`{"config":{"digest":"sha256:../../x"},"layers":[]}`), 400,
			"MANIFEST_INVALID"},
		{http.MethodPut, "/v2/team/model/manifests/1", "text/plain", []byte(`hello`), 400, "MANIFEST_INVALID"},
		{http.MethodPut, "/v2/team/model/manifests/1", oci, bytes.Repeat([]byte(" "), 5<<20), 400, "SIZE_INVALID"},
		{http.MethodGet, "/v2/team/model/blobs/" + sum, "", nil, 404, "BLOB_UNKNOWN"},
		{http.MethodGet, "/v2/team/model/manifests/1", "", nil, 404, "MANIFEST_UNKNOWN"},
	} {
		if res := send(c.method, c.path, c.kind, c.body); res.Status != c.status || !strings.Contains(res.Text, c.want) {
			t.Errorf("%s %s: %d %s; want %d %s", c.method, c.path, res.Status, res.Text, c.status, c.want)
		}
	}
	if all, err := app.ListImages(s.Dir); err != nil || len(all) > 0 {
		t.Errorf("%+v, %v", all, err)
	}
	if strings.Contains(s.Log.String(), "level=ERROR") {
		t.Errorf("what a client does wrong is no error of the server:\n%s", s.Log)
	}
}

// TestRegistryOfNodes: pods run images that were pushed, imported ones, and those of a mirror, with imagePullPolicy Always too: then the
// node asks each time. The mirror is asked once for a layer that two clusters need.
func TestRegistryOfNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts nodes")
	}
	realNodes(t)
	mirror, fetched := mirrorOf(t, pauseImage(t, "mirrored"))
	s := apptest.New(t, func(c *app.Config) {
		c.Nodes, c.RegistryMirrors = berth.NodesReal, []string{"registry.example=" + mirror}
	})
	as := registryClient(s, s.ClientID, s.ClientSecret)
	image := pauseImage(t)
	pushed := reference(t, s, "team/pause:1")
	if err := remote.Write(pushed, image, as...); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := tarball.WriteToFile(file, name.MustParseReference("example.com/pause:1"), image); err != nil {
		t.Fatal(err)
	}
	if _, err := app.ImportImage(s.Dir, file); err != nil {
		t.Fatal(err)
	}
	s.MakeWorkspace("rg", "wspace")
	s.Succeed(s.Do(http.MethodPut, s.Cluster("rg", "other"), apptest.ClusterOf(1, size)))
	runPod(t, s, apiOf(t, s, "other"), client.Object{"name": "mirrored", "image": mirrored, "args": []any{"check"}})
	s.Succeed(s.Do(http.MethodDelete, s.Cluster("rg", "other"), nil))
	s.Succeed(s.Do(http.MethodPut, s.Cluster("rg", "k"), apptest.ClusterOf(1, size)))
	api := apiOf(t, s, "k")
	for pod, image := range map[string]string{"host": pushed.Name(), "own": "berth.dev/team/pause:1", "imported": "example.com/pause:1",
		"mirrored": mirrored} {
		runPod(t, s, api, client.Object{"name": pod, "image": image, "imagePullPolicy": "Always", "args": []any{"check"}})
	}
	if n := fetched(); n != 1 {
		t.Errorf("the mirror was asked %d times for the layer", n)
	}
	s.Until("the node to have both", func() bool {
		all, err := app.ListImages(s.Dir)
		return err == nil && len(all) == 2 && len(all[0].Nodes) == 1 && len(all[1].Nodes) == 1
	})
	layersAreShared(t, s)
	if err := remote.Delete(pushed, as...); err != nil {
		t.Fatal(err)
	}
	pod := client.Object{"metadata": client.Object{"name": "gone"}, "spec": client.Object{"containers": []any{
		client.Object{"name": "c", "image": pushed.Name(), "imagePullPolicy": "Always", "args": []any{"check"}}}}}
	if _, _, err := api.Call(t.Context(), http.MethodPost, "/api/v1/namespaces/default/pods", pod); err != nil {
		t.Fatal(err)
	}
	s.Until("the pod to say that its image is gone", func() bool {
		text, _, err := api.Call(t.Context(), http.MethodGet, "/api/v1/namespaces/default/pods/gone", nil)
		return err == nil && strings.Contains(string(text), "ErrImagePull") && strings.Contains(string(text), "not found")
	})
}

// mirrored is the image of the mirror, by the host that it mirrors.
const mirrored = "registry.example/team/mirrored:1"

// mirrorOf is a registry with that image, and how often it was asked for its layer.
func mirrorOf(t *testing.T, image v1.Image) (address string, fetched func() int) {
	t.Helper()
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	layer, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	have := memory.New(memory.Logger(log.New(io.Discard, "", 0)))
	var n atomic.Int32
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, layer.String()) {
			n.Add(1)
		}
		have.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	to, err := name.ParseReference(strings.Replace(mirrored, "registry.example", strings.TrimPrefix(web.URL, "http://"), 1))
	if err == nil {
		err = remote.Write(to, image)
	}
	if err != nil {
		t.Fatal(err)
	}
	return web.URL, func() int { return int(n.Load()) }
}

// apiOf is the API of a cluster.
func apiOf(t *testing.T, s *apptest.Server, cluster string) *client.Kubernetes {
	t.Helper()
	api, err := client.OpenKubernetes(s.ClusterKeys(s.Cluster("rg", cluster)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	return api
}

// layersAreShared: the files of the image are on the machine once, and the cluster has a link to them.
func layersAreShared(t *testing.T, s *apptest.Server) {
	t.Helper()
	const files = "snapshots/*/fs"
	once, err1 := filepath.Glob(filepath.Join(s.Dir, "images", "layers", files, "pause"))
	links, err2 := filepath.Glob(filepath.Join(s.Dir, "clusters", "*", "kube", "nodes", "layers", files))
	links = slices.DeleteFunc(links, func(path string) bool {
		to, err := os.Readlink(path)
		return err != nil || !strings.HasPrefix(to, "/opt/layers/chains/")
	})
	if err := errors.Join(err1, err2); err != nil || len(once) != 1 || len(links) != 1 {
		t.Errorf("unpacked: %v, links: %v, %v\n%s", once, links, err, s.Log)
	}
}

// pauseImage is an image of a program that ends at once when its argument is "check". Files that have no content make it another one.
func pauseImage(t *testing.T, more ...string) v1.Image {
	t.Helper()
	program, err := os.ReadFile(filepath.Join(filepath.Dir(apptest.KubeBinary(t)), "nodes", "pause"))
	if err != nil {
		t.Fatal(err)
	}
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	if err := w.WriteHeader(&tar.Header{Name: "pause", Mode: 0o755, Size: int64(len(program)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(program); err != nil {
		t.Fatal(err)
	}
	for _, name := range more {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config.Entrypoint = []string{"/pause"}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	return image
}
