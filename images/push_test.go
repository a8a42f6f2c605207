package images

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// TestPush: what is pushed can be pulled by the name that is answered, and is not sent twice.
func TestPush(t *testing.T) {
	sent := &requests{}
	web := httptest.NewServer(sent.recorded(memory.New(memory.Logger(log.New(io.Discard, "", 0)))))
	defer web.Close()
	to := strings.TrimPrefix(web.URL, "http://") + "/berth"
	s := open(t, t.TempDir())
	if _, err := s.Import(archiveOf(t, ociArchive("berth.dev/python:3.11")...)); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "berth-fe")
	if err := os.WriteFile(program, []byte("a program"), 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := s.Push(t.Context(), "berth.dev/python:3.11", to)
	if err != nil {
		t.Fatal(err)
	}
	fe, err := PushProgram(t.Context(), program, "berth.dev/fe:1", to)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{first, fe} {
		if !strings.HasPrefix(text, to) || !strings.Contains(text, "@sha256:") {
			t.Errorf("it is named %s", text)
		}
		ref, err := name.ParseReference(text)
		if err != nil {
			t.Fatal(err)
		}
		image, err := remote.Image(ref)
		if err != nil {
			t.Fatal(err)
		}
		if layers, err := image.Layers(); err != nil || len(layers) == 0 || mutate.Extract(image).Close() != nil {
			t.Errorf("%s has %d layers, %v", text, len(layers), err)
		}
	}
	sent.take()
	if again, err := s.Push(t.Context(), "berth.dev/python:3.11", to); err != nil || again != first {
		t.Errorf("again: %s, %v", again, err)
	}
	for _, p := range sent.take() {
		if strings.HasPrefix(p, "POST") {
			t.Errorf("again: %s", p)
		}
	}
	web.Close()
	if _, err := s.Push(t.Context(), "berth.dev/python:3.11", to); err == nil || !strings.Contains(err.Error(), "could not be pushed to "+to) {
		t.Errorf("to a registry that does not answer: %v", err)
	}
	if _, err := s.Push(t.Context(), "berth.dev/other:1", to); err == nil || !strings.Contains(err.Error(), "no image 'berth.dev/other:1'") {
		t.Errorf("of an image that is not there: %v", err)
	}
	for where, fine := range map[string]bool{"registry.example.com/berth": true, "localhost:5000/a/b": true, "": false,
		"registry.example.com": false, "https://registry.example.com/berth": false, "registry.example.com/Berth": false} {
		if err := JudgeRegistry(where); (err == nil) != fine {
			t.Errorf("%q: %v", where, err)
		}
	}
}

// requests are those that a registry got.
type requests struct {
	mu  sync.Mutex
	all []string
}

func (r *requests) recorded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		r.mu.Lock()
		r.all = append(r.all, in.Method+" "+in.URL.Path)
		r.mu.Unlock()
		h.ServeHTTP(w, in)
	})
}

// take answers the requests since the last call.
func (r *requests) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return all
}
