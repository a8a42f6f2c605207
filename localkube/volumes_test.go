package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// claimsGetVolumes: a claim without a class gets a folder that a pod can write to; the folder goes with the claim.
func claimsGetVolumes(t *testing.T, r *running) {
	claims, pods := r.client().CoreV1().PersistentVolumeClaims("default"), r.client().CoreV1().Pods("default")
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data"}, Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}}}}
	if _, err := claims.Create(t.Context(), claim, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "writes"}, Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever,
		Containers: []corev1.Container{{Name: "c", Image: "berth.dev/hello:1", Command: []string{"/hello", "write", "/data/file"},
			VolumeMounts: []corev1.VolumeMount{{Name: "v", MountPath: "/data"}}}},
		Volumes: []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}}}
	if _, err := pods.Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		p, err := pods.Get(ctx, "writes", metav1.GetOptions{})
		if err == nil && p.Status.Phase != corev1.PodSucceeded {
			err = fmt.Errorf("%+v", p.Status)
		}
		return err
	})
	bound, err := claims.Get(t.Context(), "data", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(r.dir, nodesDir, "volumes", bound.Spec.VolumeName)
	if text, err := os.ReadFile(filepath.Join(folder, "file")); err != nil || len(text) == 0 {
		t.Errorf("%q, %v", text, err)
	}
	if err := errors.Join(pods.Delete(t.Context(), "writes", metav1.DeleteOptions{}),
		claims.Delete(t.Context(), "data", metav1.DeleteOptions{})); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(context.Context) error {
		if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("the folder: %v", err)
		}
		return nil
	})
}
