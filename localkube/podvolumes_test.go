package main

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// volumesAreProjected: of a ConfigMap, a Secret, the pod's own data and a token, in one folder.
func volumesAreProjected(t *testing.T, s space) {
	of := s.client().CoreV1()
	plain := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "plain"}, Data: map[string]string{"plain": "plain "}}
	hidden := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "hidden"}, StringData: map[string]string{"hidden": "hidden "}}
	if _, err := of.ConfigMaps(s.name).Create(t.Context(), plain, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := of.Secrets(s.name).Create(t.Context(), hidden, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	p := probe("projected", "cat", "/all/plain", "/all/hidden", "/all/name")
	p.Spec.Volumes = []corev1.Volume{{Name: "all", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		Sources: []corev1.VolumeProjection{
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "plain"}}},
			{Secret: &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "hidden"}}},
			{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{
				{Path: "name", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}}},
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}},
		}}}}}
	p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "all", MountPath: "/all"}}
	s.run(t, p, succeeded)
	if out, err := s.logs(t.Context(), p.Name); err != nil || out != "plain hidden projected" {
		t.Errorf("%q, %v", out, err)
	}
}

// imagesAreVolumes: the files of an image in a folder of a container.
func imagesAreVolumes(t *testing.T, s space) {
	p := probe("imagevolume", "cat", "/image/word")
	p.Spec.Volumes = []corev1.Volume{{Name: "image", VolumeSource: corev1.VolumeSource{
		Image: &corev1.ImageVolumeSource{Reference: probeImage, PullPolicy: corev1.PullIfNotPresent}}}}
	p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "image", MountPath: "/image"}}
	s.run(t, p, succeeded)
	if out, err := s.logs(t.Context(), p.Name); err != nil || out != "read me" {
		t.Errorf("%q, %v", out, err)
	}
}
