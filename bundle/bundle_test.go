package bundle_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth/bundle"
)

const token = "sixteen characters"

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// serve starts a store in a folder.
func serve(t *testing.T, dir string) *httptest.Server {
	t.Helper()
	return serveAt(t, dir, clockwork.NewRealClock())
}

func serveAt(t *testing.T, dir string, clock clockwork.Clock) *httptest.Server {
	t.Helper()
	s, err := bundle.OpenStore(dir, token, clock)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return server
}

// call sends a request with the token, and returns the status and the body.
func call(t *testing.T, method, address, with string, body []byte) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(bundle.HeaderToken, with)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var out bytes.Buffer
	if _, err := out.ReadFrom(answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, out.String()
}

func put(t *testing.T, s *httptest.Server, name string, offset, size int, part []byte) int {
	t.Helper()
	status, _ := call(t, http.MethodPut, fmt.Sprintf("%s/files/%s?offset=%d&size=%d", s.URL, name, offset, size), token, part)
	return status
}

// missing is what the store says of files.
func missing(t *testing.T, s *httptest.Server, digests ...string) (out []bundle.Part) {
	t.Helper()
	text, err := json.Marshal(digests)
	if err != nil {
		t.Fatal(err)
	}
	status, answer := call(t, http.MethodPost, s.URL+"/missing", token, text)
	if err := json.Unmarshal([]byte(answer), &out); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	return out
}

// TestStore: a file comes in parts, also when the store is started anew in between, and is there when its digest is right.
func TestStore(t *testing.T) {
	dir, content := t.TempDir(), []byte("the bytes of a model")
	name := digest(content)
	s := serve(t, dir)
	if got := missing(t, s, name); len(got) != 1 || got[0].Offset != 0 {
		t.Errorf("before: %+v", got)
	}
	if status := put(t, s, name, 0, len(content), content[:5]); status != http.StatusOK {
		t.Errorf("the first part: %d", status)
	}
	if status, _ := call(t, http.MethodGet, s.URL+"/files/"+name, "", nil); status != http.StatusNotFound {
		t.Errorf("half a file is answered with %d", status)
	}
	s = serve(t, dir)
	if got := missing(t, s, name); len(got) != 1 || got[0].Offset != 5 {
		t.Errorf("half way: %+v", got)
	}
	if status := put(t, s, name, 0, len(content), content); status != http.StatusConflict {
		t.Errorf("a part at another offset: %d", status)
	}
	if status := put(t, s, name, 5, len(content), content[5:]); status != http.StatusOK {
		t.Errorf("the last part: %d", status)
	}
	if got := missing(t, s, name); len(got) != 0 {
		t.Errorf("at the end: %+v", got)
	}
	if status, text := call(t, http.MethodGet, s.URL+"/files/"+name, "", nil); status != http.StatusOK || text != string(content) {
		t.Errorf("%d %s", status, text)
	}
}

// TestKeep: what nothing uses goes after an hour.
func TestKeep(t *testing.T) {
	clock, dir := clockwork.NewFakeClockAt(time.Now()), t.TempDir()
	s := serveAt(t, dir, clock)
	one, two := []byte("one"), []byte("two")
	for _, content := range [][]byte{one, two} {
		if status := put(t, s, digest(content), 0, 3, content); status != http.StatusOK {
			t.Fatal(status)
		}
	}
	keep := func() {
		t.Helper()
		if status, answer := call(t, http.MethodPost, s.URL+"/keep", token, []byte(`["`+digest(one)+`"]`)); status != http.StatusOK {
			t.Fatal(status, answer)
		}
	}
	if keep(); len(missing(t, s, digest(one), digest(two))) != 0 {
		t.Error("a new file was removed")
	}
	clock.Advance(2 * time.Hour)
	if keep(); len(missing(t, s, digest(one), digest(two))) != 1 || len(missing(t, s, digest(one))) != 0 {
		t.Error("the unused file was not removed, or the used one was")
	}
}

// TestStoreRefuses: nothing comes in by a wrong token, under a wrong digest, or beyond its size, and nothing leads out of the folder.
func TestStoreRefuses(t *testing.T) {
	dir, content := t.TempDir(), []byte("bytes")
	s := serve(t, dir)
	name := digest(content)
	address := s.URL + "/files/" + name + "?offset=0&size=5"
	for what, with := range map[string]string{"no token": "", "another token": "sixteen letters: no"} {
		if status, _ := call(t, http.MethodPut, address, with, content); status != http.StatusForbidden {
			t.Errorf("%s: %d", what, status)
		}
	}
	if status := put(t, s, digest([]byte("others")), 0, 5, content); status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong digest: %d", status)
	}
	if status := put(t, s, name, 0, 3, content); status == http.StatusOK {
		t.Error("more bytes than the size were taken")
	}
	for _, path := range []string{"..%2f..%2fetc%2fpasswd", strings.ToUpper(name), name[:60]} {
		if status, _ := call(t, http.MethodGet, s.URL+"/files/"+path, "", nil); status != http.StatusBadRequest {
			t.Errorf("%s: %d", path, status)
		}
	}
	if _, err := bundle.OpenStore(dir, "short", clockwork.NewRealClock()); err == nil {
		t.Error("a short token is taken")
	}
}

// entry is one entry of an archive.
type entry struct {
	name, content string
	kind          byte
}

func tarGz(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Mode: 0o755, Size: int64(len(e.content))}
		if e.kind == tar.TypeSymlink || e.kind == tar.TypeLink {
			h.Linkname, h.Size = e.content, 0
			e.content = ""
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// fetch fetches one file from a store that has it.
func fetch(t *testing.T, f bundle.File, content []byte) (dir string, err error) {
	t.Helper()
	s := serve(t, t.TempDir())
	name := digest(content)
	if status := put(t, s, name, 0, len(content), content); status != http.StatusOK {
		t.Fatal(status)
	}
	f.Digest, f.Size = name, int64(len(content))
	dir = filepath.Join(t.TempDir(), "app")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir, bundle.Fetch(t.Context(), &bundle.List{From: s.URL, Files: []bundle.File{f}}, dir)
}

func TestFetch(t *testing.T) {
	dir, err := fetch(t, bundle.File{Path: "models/a/1/model.pkl"}, []byte("model"))
	if text, _ := os.ReadFile(filepath.Join(dir, "models/a/1/model.pkl")); err != nil || string(text) != "model" {
		t.Errorf("%s, %v", text, err)
	}
	dir, err = fetch(t, bundle.File{Path: "src", Unpack: true}, tarGz(t, entry{"./", "", tar.TypeDir}, entry{"a/b.py", "code", tar.TypeReg}))
	if text, _ := os.ReadFile(filepath.Join(dir, "src/a/b.py")); err != nil || string(text) != "code" {
		t.Errorf("%s, %v", text, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("besides what was unpacked there is %v, %v", left, err)
	}
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	w, err := z.Create("c.txt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("text")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	dir, err = fetch(t, bundle.File{Path: ".", Unpack: true}, archive.Bytes())
	if text, _ := os.ReadFile(filepath.Join(dir, "c.txt")); err != nil || string(text) != "text" {
		t.Errorf("%s, %v", text, err)
	}
}

// TestHostile: no archive and no list writes out of its folder, makes a link, or fills the disk.
func TestHostile(t *testing.T) {
	reg := byte(tar.TypeReg)
	for name, content := range map[string][]byte{
		"a path upwards":      tarGz(t, entry{"../out", "x", reg}),
		"a hidden path":       tarGz(t, entry{"a/../../out", "x", reg}),
		"an absolute path":    tarGz(t, entry{"/out", "x", reg}),
		"a symbolic link":     tarGz(t, entry{"link", "..", tar.TypeSymlink}, entry{"link/out", "x", reg}),
		"a hard link":         tarGz(t, entry{"link", "/etc/passwd", tar.TypeLink}),
		"a device":            tarGz(t, entry{"null", "", tar.TypeChar}),
		"a bomb":              tarGz(t, entry{"zeros", strings.Repeat("\x00", 80<<20), reg}),
		"half an archive":     tarGz(t, entry{"a", strings.Repeat("text", 100), reg})[:40],
		"no archive":          []byte(strings.Repeat("no archive at all", 100)),
		"a path of Windows":   tarGz(t, entry{`..\out`, "x", reg}),
		"a zip without a end": []byte("PK\x03\x04 and no more"),
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := fetch(t, bundle.File{Path: "src", Unpack: true}, content)
			if err == nil {
				t.Error("it was unpacked")
			}
			if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 1 {
				t.Errorf("outside of the folder there is %v, %v", left, err)
			}
		})
	}
	for _, path := range []string{"../out", "/out", "a/../../out", "", `a\..\out`} {
		if _, err := fetch(t, bundle.File{Path: path}, []byte("x")); err == nil {
			t.Errorf("a file came to %q", path)
		}
	}
}

// TestFetchAbsent: a file that the store does not have is told at once, and one with other bytes is not taken.
func TestFetchAbsent(t *testing.T) {
	s := serve(t, t.TempDir())
	err := bundle.Fetch(t.Context(), &bundle.List{From: s.URL, Files: []bundle.File{{Path: "a", Digest: digest(nil), Size: 1}}}, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "deploy again") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	wrong := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, _ = w.Write([]byte("others")); tries == 2 {
			cancel()
		}
		tries++
	}))
	defer wrong.Close()
	files := []bundle.File{{Path: "a", Digest: digest([]byte("right")), Size: 6}}
	err = bundle.Fetch(ctx, &bundle.List{From: wrong.URL, Files: files}, t.TempDir())
	if err == nil {
		t.Error("other bytes were taken")
	}
}
