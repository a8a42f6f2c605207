package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// provisionerName is the provisioner of the storage classes that berth-kube makes.
const provisionerName = "berth.dev/local"

// volumesDir holds a folder for each volume. All nodes of the cluster see it, and it outlasts them.
const volumesDir = insideDir + "/volumes"

// keepVolumes makes a folder for each claim of one of those classes, and removes it with its volume.
func keepVolumes(ctx context.Context) error {
	if err := os.MkdirAll(volumesDir, 0o755); err != nil { // #nosec: containers of any user go into the folders below
		return err
	}
	client, err := signIn("volumes")
	if err != nil {
		return err
	}
	c := controller.NewProvisionController(ctx, client, provisionerName, folders{}, controller.LeaderElection(false))
	go c.Run(ctx)
	return nil
}

// folders implements controller.Provisioner.
type folders struct{}

// Provision implements controller.Provisioner.
func (folders) Provision(_ context.Context, o controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	if o.PVC.Spec.VolumeMode != nil && *o.PVC.Spec.VolumeMode == corev1.PersistentVolumeBlock {
		return nil, controller.ProvisioningFinished, fmt.Errorf("volumes here are folders; volumeMode %s is not possible", *o.PVC.Spec.VolumeMode)
	}
	path, err := folder(o.PVName)
	if err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	if err := os.MkdirAll(path, 0o777); err != nil { // #nosec: for containers of any user
		return nil, controller.ProvisioningFinished, err
	}
	if err := os.Chmod(path, 0o777); err != nil { // #nosec: whatever the mask of this process is
		return nil, controller.ProvisioningFinished, err
	}
	kind := corev1.HostPathDirectory
	return &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: o.PVName}, Spec: corev1.PersistentVolumeSpec{
		PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
		AccessModes:                   o.PVC.Spec.AccessModes, MountOptions: o.StorageClass.MountOptions,
		Capacity:               corev1.ResourceList{corev1.ResourceStorage: o.PVC.Spec.Resources.Requests[corev1.ResourceStorage]},
		PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path, Type: &kind}},
	}}, controller.ProvisioningFinished, nil
}

// Delete implements controller.Provisioner.
func (folders) Delete(_ context.Context, v *corev1.PersistentVolume) error {
	path, err := folder(v.Name)
	if err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// folder is the folder of a volume. Names come from the cluster, so none leads elsewhere.
func folder(name string) (string, error) {
	if name == "" || strings.ContainsAny(name, "/\\") || strings.HasPrefix(name, ".") {
		return "", fmt.Errorf("%q is no name of a volume", name)
	}
	return filepath.Join(volumesDir, name), nil
}
