package main

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// provisioner makes the volumes of real nodes; it is in localnodes/volumes.go.
const provisioner = "berth.dev/local"

// The client that the provisioner is, and its name in the API.
const (
	volumesIdentity = "volumes"
	volumesUser     = "berth-volumes"
)

// storageClasses are those of AKS that many manifests name. Behind each is a folder of this machine.
var storageClasses = []string{"default", "managed-csi", "azurefile-csi"}

// offerVolumes makes the storage classes and lets the provisioner work.
func (c *cluster) offerVolumes(ctx context.Context, client *kubernetes.Clientset) error {
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: volumesUser},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:persistent-volume-provisioner"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: volumesUser}}}
	return c.until(ctx, func(ctx context.Context) error {
		_, err := client.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
		for _, name := range storageClasses {
			_, err := client.StorageV1().StorageClasses().Create(ctx, storageClass(name), metav1.CreateOptions{})
			if err != nil && !apierrors.IsAlreadyExists(err) { // or the users' own
				return err
			}
		}
		return nil
	})
}

func storageClass(name string) *storagev1.StorageClass {
	remove, expand := corev1.PersistentVolumeReclaimDelete, false
	out := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: provisioner, ReclaimPolicy: &remove,
		AllowVolumeExpansion: &expand}
	if name == "default" {
		out.Annotations = map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}
	}
	return out
}
