package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// importedImagesRun: a pod runs an image that came as an archive after the nodes did. One that comes damaged harms nobody.
func importedImagesRun(t *testing.T, r *running, dir string) {
	const name = "example.com/imported:1"
	damaged := []byte("this is no archive")
	for file, text := range map[string][]byte{"damaged.tar": damaged, "good.tar": archiveOf(t, name)} {
		unfinished := filepath.Join(dir, ".new")
		if err := os.WriteFile(unfinished, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(unfinished, filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "imported"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{
		Name: "c", Image: name, ImagePullPolicy: corev1.PullIfNotPresent}}}}
	if _, err := r.client().CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		p, err := r.client().CoreV1().Pods("default").Get(ctx, "imported", metav1.GetOptions{})
		if err == nil && p.Status.Phase != corev1.PodRunning {
			err = fmt.Errorf("%+v", p.Status)
		}
		return err
	})
}

// archiveOf is an archive as docker save writes it, of an image with one program.
func archiveOf(t *testing.T, name string) []byte {
	t.Helper()
	program, err := os.ReadFile(filepath.Join(filepath.Dir(binary(t)), "nodes", "hello"))
	if err != nil {
		t.Fatal(err)
	}
	layer := tarOf(t, map[string][]byte{"hello": program})
	config, err := json.Marshal(map[string]any{"os": "linux", "architecture": runtime.GOARCH,
		"config": map[string]any{"Entrypoint": []string{"/hello"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}}})
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{name}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		t.Fatal(err)
	}
	return tarOf(t, map[string][]byte{"layer.tar": layer, "config.json": config, "manifest.json": manifest})
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
