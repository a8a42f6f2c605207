package serving_test

import (
	"archive/tar"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/jonboulle/clockwork"

	"berth.dev/berth/images"
	"berth.dev/berth/kube"
	"berth.dev/berth/provider/local"
	"berth.dev/berth/provider/providertest"
	"berth.dev/berth/serving"
)

// privateHost is the host of a registry that asks for sign-in.
const privateHost = "private.example"

// private serves it where nodes find the server's own, with the image team/hello:1 and team/other:1, for one user at a time.
type private struct {
	http.Handler
	password atomic.Pointer[string] // of the user "puller"
	refused  atomic.Int64
}

func newPrivate(t *testing.T, dir string) *private {
	t.Helper()
	p := &private{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	p.now("first")
	program := filepath.Join(filepath.Dir(providertest.Binary(t)), "nodes", "hello")
	open := httptest.NewServer(p.Handler)
	defer open.Close()
	var image v1.Image
	for _, tag := range []string{"team/hello:1", "team/other:1", "stored:1"} {
		image = helloImage(t, program, tag)
		ref, err := name.NewTag(strings.TrimPrefix(open.URL, "http://") + "/" + tag)
		if err == nil {
			err = remote.Write(ref, image)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, local.ImagesFolder, "registry.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil { // for the ids inside
		t.Fatal(err)
	}
	server := &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	// Nodes ask it for the images of a host of which there is one.
	archive := filepath.Join(t.TempDir(), "stored.tar")
	stored, err := name.NewTag(privateHost + "/stored:1")
	if err == nil {
		err = tarball.WriteToFile(archive, stored, image)
	}
	store, err2 := images.Open(filepath.Join(dir, local.ImagesFolder))
	if err = errors.Join(err, err2); err == nil {
		_, err = store.Import(archive)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// helloImage has one program, and is another one for each word.
func helloImage(t *testing.T, program, word string) v1.Image {
	t.Helper()
	layer, err := tarball.LayerFromFile(tarOf(t, program, word))
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err == nil {
		image, err = mutate.ConfigFile(image, &v1.ConfigFile{OS: "linux", Architecture: runtime.GOARCH,
			RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{must(t, layer.DiffID)}}, Config: v1.Config{Entrypoint: []string{"/hello"}}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func must[T any](t *testing.T, f func() (T, error)) T {
	t.Helper()
	v, err := f()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (p *private) now(password string) { p.password.Store(&password) }

func (p *private) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if user != "puller" || subtle.ConstantTimeCompare([]byte(password), []byte(*p.password.Load())) != 1 {
		p.refused.Add(1)
		w.Header().Set("WWW-Authenticate", `Basic realm="images"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	p.Handler.ServeHTTP(w, r)
}

func login(repository, password string) []serving.Login {
	return []serving.Login{{Repository: privateHost + "/" + repository, Username: "puller", Password: password}}
}

// TestPullSecrets: nodes sign in at a registry with what a user gave for an image, and with what the server has for all; both are written
// with the rights of the account in a connected cluster, renewed, and removed when nothing needs them.
func TestPullSecrets(t *testing.T) {
	w := newWorld(t, 1)
	p := newPrivate(t, w.dir)
	w.asConnected()
	hello := func(name, image string, generation int64) serving.Deployment {
		return serving.Deployment{Namespace: workspace, Name: name, Generation: generation, Replicas: 1, CPU: 0.1, MemoryGB: 0.1,
			Environment: serving.Environment{Image: privateHost + "/" + image, Port: 8080}}
	}
	fails := func(what string, d serving.Deployment) {
		t.Helper()
		f := w.deploy(d).Failure
		if f == nil || f.Code != serving.CodeImage || !strings.Contains(f.Message, "--image-pull-config") {
			t.Fatalf("%s: %v", what, f)
		}
		for _, word := range []string{"first", "second", "cHVsbGVy"} {
			if strings.Contains(f.Message, word) {
				t.Errorf("%s: the failure shows a password: %s", what, f.Message)
			}
		}
	}
	give := func(logins []serving.Login) {
		t.Helper()
		if err := w.s.GivePulls(t.Context(), w.conn, workspace, logins); err != nil {
			t.Fatal(err)
		}
	}
	generation := int64(0)
	w.until("the nodes to ask the registry", func() error { // they do when they have imported the image of its host
		generation++
		if f := w.deploy(hello("stored", "stored:1", generation)).Failure; f != nil {
			return f
		}
		return nil
	})
	fails("without a login", hello("own", "team/hello:1", 1))
	d := hello("own", "team/hello:1", 2)
	d.Logins = true
	give(login("team/hello", "wrong"))
	fails("with a wrong password", d)
	give(login("team/hello", "first"))
	d.Generation = 3
	w.serve(d)
	fails("of another repository", hello("other", "team/other:1", 1))

	config := must(t, func() ([]byte, error) { return pullConfigOf("first") })
	w.s = serving.New(serving.Options{Clock: clockwork.NewRealClock(), Pull: func() []byte { return config }})
	give(nil)
	w.serve(hello("other", "team/other:1", 2))
	if got := w.pullSecret(workspace, "image-pull"); got != string(config) || got != w.pullSecret("azureml", "image-pull") {
		t.Errorf("the nodes sign in with %q", got)
	}
	p.now("second")
	config = must(t, func() ([]byte, error) { return pullConfigOf("second") })
	give(nil)
	if got := w.pullSecret(workspace, "image-pull"); got != string(config) {
		t.Errorf("after a change the nodes sign in with %q", got)
	}
	w.route("other") // the router's pods name the secret, too
	w.scored("other", "{}")
	w.removes("stored")
	w.removes("own")
	w.removes("other")
	if err := errors.Join(w.s.Sweep(t.Context(), w.conn, workspace, 0), w.s.DropLogins(t.Context(), w.conn, workspace)); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"image-pull", "image-pull-users"} {
		if got := w.pullSecret(workspace, secret); got != "" {
			t.Errorf("%s stays: %q", secret, got)
		}
	}
	if p.refused.Load() == 0 {
		t.Error("the registry asked for no sign-in")
	}
}

func pullConfigOf(password string) ([]byte, error) {
	auth := base64.StdEncoding.EncodeToString([]byte("puller:" + password))
	return serving.ReadPullConfig([]byte(`{"auths": {"` + privateHost + `": {"auth": "` + auth + `", "email": "x"}}, "HttpHeaders": {}}`))
}

// pullSecret is what is in one; empty when there is none.
func (w *world) pullSecret(namespace, name string) string {
	w.Helper()
	var have struct {
		Type string
		Data map[string][]byte
	}
	found, err := w.conn.Read(w.Context(), kube.Ref{Kind: "Secret", Namespace: namespace, Name: name}, &have)
	if err != nil {
		w.Fatal(err)
	}
	if found && have.Type != "kubernetes.io/dockerconfigjson" {
		w.Errorf("the secret %s is of the type %s", name, have.Type)
	}
	return string(have.Data[".dockerconfigjson"])
}

// TestPullConfig: a configuration of docker that nodes cannot use is refused, in words that show nothing of it.
func TestPullConfig(t *testing.T) {
	const secret = "s3cr3t"
	for text, want := range map[string]string{
		`{"auths": {"a.example": {"auth": "` + secret + `"}}}`:                                      "",
		`{"auths": {"a.example": {"username": "u", "password": "` + secret + `"}}}`:                 "",
		`{"auths": {"a.example": {"auth": "` + secret + `"}, "b.example": {}}}`:                     "it has no password for b.example",
		`{"auths": {"a.example": {"auth": "` + secret + `"}}, "credsStore": "desktop"}`:             "credsStore",
		`{"auths": {"a.example": {"auth": "` + secret + `"}}, "credHelpers": {"gcr.io": "gcloud"}}`: "credHelpers",
		`{"auths": {"a.example": {"auth": "` + secret + `"`:                                         "not the JSON",
		`{"auths": {}}`: "no logins", `[]`: "not the JSON", ``: "not the JSON",
		`{"auths": {"a.example": {"auth": "` + strings.Repeat("x", 300<<10) + `"}}}`: "more than",
	} {
		got, err := serving.ReadPullConfig([]byte(text))
		if want == "" && (err != nil || !strings.Contains(string(got), secret)) {
			t.Errorf("%.60s: %s, %v", text, got, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret)) {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

// tarOf is an archive with a program as hello, and a word.
func tarOf(t *testing.T, program, word string) string {
	t.Helper()
	text := must(t, func() ([]byte, error) { return os.ReadFile(program) })
	path := filepath.Join(t.TempDir(), "layer.tar")
	f := must(t, func() (*os.File, error) { return os.Create(path) })
	w := tar.NewWriter(f)
	for name, content := range map[string][]byte{"hello": text, "word": []byte(word)} {
		err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg})
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}
