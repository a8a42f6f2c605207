package serving

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"berth.dev/berth/bundle"
	"berth.dev/berth/kube"
	"berth.dev/berth/router/route"
)

// Remove removes a deployment; gone is true when nothing of it is left. Environments stay for the next one, see Sweep.
func (s *Serving) Remove(ctx context.Context, conn *kube.Conn, namespace, name string) (gone bool, err error) {
	d := &Deployment{Namespace: namespace, Name: name}
	if err := errors.Join(conn.Delete(ctx, d.ref("Deployment")), conn.Delete(ctx, d.ref("Service"))); err != nil {
		return false, err
	}
	type object struct{ Metadata kube.Meta }
	maps, err := kube.Objects[object](ctx, conn, kube.Ref{Kind: "ConfigMap", Namespace: namespace}, d.selector())
	if err != nil {
		return false, err
	}
	for _, m := range maps {
		if err := conn.Delete(ctx, kube.Ref{Kind: "ConfigMap", Namespace: namespace, Name: m.Metadata.Name}); err != nil {
			return false, err
		}
	}
	sets, err := kube.Objects[object](ctx, conn, kube.Ref{Kind: "ReplicaSet", Namespace: namespace}, d.selector())
	if err != nil {
		return false, err
	}
	pods, err := conn.Replicas(ctx, namespace, d.selector())
	return len(sets)+len(pods)+len(maps) == 0, err
}

// SweepFiles tells the store of files of a cluster which files are used; it removes others after an hour.
func (s *Serving) SweepFiles(ctx context.Context, conn *kube.Conn) error {
	a := &advance{Serving: s, ctx: ctx, conn: conn, d: &Deployment{}, p: &Progress{}}
	store := kube.Ref{Kind: "Deployment", Namespace: route.Namespace, Name: filesName}
	if found, err := conn.Read(ctx, store, nil); err != nil || !found {
		return err
	}
	type list struct{ Data map[string]string }
	all, err := kube.Objects[list](ctx, conn, kube.Ref{Kind: "ConfigMap"}, labelServing+","+labelPart+"=files")
	if err != nil {
		return err
	}
	used := []string{}
	for _, l := range all {
		var files bundle.List
		if err := json.Unmarshal([]byte(l.Data[listKey]), &files); err != nil {
			return fmt.Errorf("the list of the files of a deployment cannot be read: %w", err)
		}
		for _, f := range files.Files {
			used = append(used, f.Digest)
		}
	}
	u := &upload{advance: a}
	if u.token, err = a.token(kube.Ref{Kind: "Secret", Namespace: route.Namespace, Name: filesName}); err != nil {
		return err
	}
	body, err := json.Marshal(used)
	if err != nil {
		return err
	}
	_, err = u.call(http.MethodPost, "/keep", nil, body)
	return err
}

// Sweep removes environments that no deployment of a namespace uses, besides the newest of them, and what nothing there needs to pull.
func (s *Serving) Sweep(ctx context.Context, conn *kube.Conn, namespace string, keep int) error {
	type deployment struct {
		Spec struct {
			Template struct {
				Spec struct {
					Volumes []struct {
						PersistentVolumeClaim struct{ ClaimName string }
					}
				}
			}
		}
	}
	type object struct{ Metadata kube.Meta }
	all, err := kube.Objects[deployment](ctx, conn, kube.Ref{Kind: "Deployment", Namespace: namespace}, labelServing)
	if err != nil {
		return err
	}
	if len(all) == 0 || len(s.pull()) == 0 {
		if err := dropPull(ctx, conn, pullRef(namespace, pullName)); err != nil {
			return err
		}
	}
	used := map[string]bool{}
	for _, d := range all {
		for _, v := range d.Spec.Template.Spec.Volumes {
			used[v.PersistentVolumeClaim.ClaimName] = true
		}
	}
	if err := s.sweepImages(ctx, conn, namespace); err != nil {
		return err
	}
	claims, err := kube.Objects[object](ctx, conn, kube.Ref{Kind: "PersistentVolumeClaim", Namespace: namespace}, labelPart+"=environment")
	if err != nil {
		return err
	}
	slices.SortFunc(claims, func(x, y object) int { return y.Metadata.Created().Compare(x.Metadata.Created()) })
	for _, c := range claims {
		built := c.Metadata.Annotations[annotationBuilt] != ""
		if used[c.Metadata.Name] || !built && s.o.Clock.Since(c.Metadata.Created()) < buildRest { // in use, or being built
			continue
		}
		if built {
			if keep--; keep >= 0 {
				continue
			}
		}
		if err := dropEnvironment(ctx, conn, namespace, c.Metadata.Name); err != nil {
			return err
		}
	}
	return nil
}

// sweepImages removes builds of images that nobody awaits.
func (s *Serving) sweepImages(ctx context.Context, conn *kube.Conn, namespace string) error {
	jobs, err := kube.Objects[job](ctx, conn, kube.Ref{Kind: "Job", Namespace: namespace}, labelPart+"=image")
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if s.o.Clock.Since(j.Metadata.Created()) < buildRest {
			continue
		}
		if err := dropEnvironment(ctx, conn, namespace, j.Metadata.Name); err != nil {
			return err
		}
	}
	return nil
}

// buildRest is after what time nobody awaits a build any more.
const buildRest = 4 * buildSeconds * time.Second

// dropEnvironment removes an environment and what built it. The Job goes first: its pod has the volume.
func dropEnvironment(ctx context.Context, conn *kube.Conn, namespace, name string) error {
	for _, kind := range []string{"Job", "PersistentVolumeClaim", "ConfigMap"} {
		if err := conn.Delete(ctx, kube.Ref{Kind: kind, Namespace: namespace, Name: name}); err != nil {
			return err
		}
	}
	return nil
}
