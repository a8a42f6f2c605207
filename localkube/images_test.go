package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// importedImagesRun: a pod runs an image that came after the nodes did. One that comes damaged harms nobody. A later image with the same
// name is what the next pod runs, and when that is removed, the nodes forget the image.
func importedImagesRun(t *testing.T, r *running, dir string) {
	const name = "example.com/imported:1"
	storeImages(t, dir, storedImage{name: "example.com/damaged:1", layer: []byte("this is no layer"), damaged: true})
	storeImages(t, dir, imageSaying(t, name, "first"))
	importedSays(t, r, name, "first")
	second := storeImages(t, dir, imageSaying(t, name, "second"))
	nodesHave(t, r, second)
	importedSays(t, r, name, "second")
	storeImages(t, dir, storedImage{name: name, removed: true})
	eventually(t, func(ctx context.Context) error {
		records, err := imageRecords(r)
		if err == nil && strings.Contains(records, name) {
			err = fmt.Errorf("the nodes still have it: %s", records)
		}
		return err
	})
	if found, err := filepath.Glob(filepath.Join(r.dir, "nodes", "layers", "snapshots", "*", "fs", "pause")); err != nil || len(found) != 1 {
		t.Errorf("a layer that both nodes have is there %d times: %v, %v", len(found), found, err)
	}
	runImported(t, r, name, "third")
	eventually(t, func(ctx context.Context) error { // nobody has it any more, and its registry does not answer
		p, err := r.client().CoreV1().Pods("default").Get(ctx, "third", metav1.GetOptions{})
		if err == nil && (len(p.Status.ContainerStatuses) == 0 || p.Status.ContainerStatuses[0].State.Waiting == nil ||
			!strings.Contains(p.Status.ContainerStatuses[0].State.Waiting.Reason, "ImagePull")) {
			err = fmt.Errorf("%+v", p.Status)
		}
		return err
	})
}

// imageRecords are what both nodes write down of their images.
func imageRecords(r *running) (string, error) {
	all := ""
	for _, node := range []string{"n0", "n1"} {
		text, err := os.ReadFile(filepath.Join(r.dir, "nodes", "nodes", node, "images.json"))
		if err != nil {
			return "", err
		}
		all += string(text)
	}
	return all, nil
}

// nodesHave waits until both nodes have imported an image.
func nodesHave(t *testing.T, r *running, digest string) {
	eventually(t, func(context.Context) error {
		records, err := imageRecords(r)
		if err == nil && strings.Count(records, `"stamp": "`+digest+`"`) != 2 {
			err = fmt.Errorf("not all nodes have it: %s", records)
		}
		return err
	})
}

func runImported(t *testing.T, r *running, image, pod string) {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: pod}, Spec: corev1.PodSpec{Containers: []corev1.Container{{
		Name: "c", Image: image, ImagePullPolicy: corev1.PullIfNotPresent}}}}
	if _, err := r.client().CoreV1().Pods("default").Create(t.Context(), p, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// importedSays runs the image in a pod and reads which one it is.
func importedSays(t *testing.T, r *running, image, want string) {
	runImported(t, r, image, want)
	eventually(t, func(ctx context.Context) error {
		text, err := r.client().RESTClient().Get().AbsPath("/api/v1/namespaces/default/pods/" + want + ":8080/proxy/").DoRaw(ctx)
		if err == nil && !strings.Contains(string(text), "on the node "+want+".") {
			err = fmt.Errorf("%q", text)
		}
		return err
	})
}

// imageSaying is an image of the program of berth.dev/hello, which says that it is on a node of this name.
func imageSaying(t *testing.T, name, node string) storedImage {
	t.Helper()
	return storedImage{name: name, layer: tarOf(t, map[string][]byte{"hello": helloProgram(t)}), env: []string{"NODE_NAME=" + node}}
}

func helloProgram(t *testing.T) []byte {
	t.Helper()
	program, err := os.ReadFile(filepath.Join(filepath.Dir(binary(t)), "nodes", "hello"))
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// imageOf is an image with these files. Its program is /hello.
func imageOf(t *testing.T, name string, files map[string][]byte) storedImage {
	t.Helper()
	return storedImage{name: name, layer: tarOf(t, files)}
}

// storedImage is an image of one layer in the folder of a server's images.
type storedImage struct {
	name, architecture string // of this machine when empty
	layer              []byte
	env                []string
	damaged            bool // the layer is not what the manifest says
	removed            bool // only its name goes
}

// storeImages adds images to the folder of a server, as images/ of the main module does, and answers the digest of the last.
func storeImages(t *testing.T, dir string, all ...storedImage) (digest string) {
	t.Helper()
	blobs, index := filepath.Join(dir, "blobs", "sha256"), filepath.Join(dir, "index.json")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		t.Fatal(err)
	}
	var have struct {
		SchemaVersion int              `json:"schemaVersion"`
		Manifests     []map[string]any `json:"manifests"`
	}
	if text, err := os.ReadFile(index); err == nil && json.Unmarshal(text, &have) != nil {
		t.Fatalf("%s", text)
	}
	have.SchemaVersion = 2
	blob := func(kind string, text []byte) map[string]any {
		sum := fmt.Sprintf("%x", sha256.Sum256(text))
		if err := os.WriteFile(filepath.Join(blobs, sum), text, 0o644); err != nil {
			t.Fatal(err)
		}
		return map[string]any{"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + sum, "size": len(text)}
	}
	for _, i := range all {
		have.Manifests = slices.DeleteFunc(have.Manifests, func(m map[string]any) bool {
			return m["annotations"].(map[string]any)["org.opencontainers.image.ref.name"] == i.name
		})
		if i.removed {
			continue
		}
		layer := blob("layer.v1.tar", i.layer)
		config, err := json.Marshal(map[string]any{"os": "linux", "architecture": cmp.Or(i.architecture, runtime.GOARCH),
			"config": map[string]any{"Entrypoint": []string{"/hello"}, "Env": i.env},
			"rootfs": map[string]any{"type": "layers", "diff_ids": []any{layer["digest"]}}})
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
			"config": blob("config.v1+json", config), "layers": []any{layer}})
		if err != nil {
			t.Fatal(err)
		}
		if i.damaged {
			sum := strings.TrimPrefix(layer["digest"].(string), "sha256:")
			if err := os.WriteFile(filepath.Join(blobs, sum), bytes.ToUpper(i.layer), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		entry := blob("manifest.v1+json", manifest)
		entry["annotations"] = map[string]any{"org.opencontainers.image.ref.name": i.name}
		have.Manifests, digest = append(have.Manifests, entry), entry["digest"].(string)
	}
	text, err := json.Marshal(have)
	if err == nil {
		err = os.WriteFile(index+".new", text, 0o644)
	}
	if err = errors.Join(err, os.Rename(index+".new", index)); err != nil {
		t.Fatal(err)
	}
	return digest
}

func tarOf(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
