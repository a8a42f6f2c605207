package reconcile

import (
	"context"
	"errors"

	"berth.dev/berth"
	"berth.dev/berth/clusters"
	"berth.dev/berth/kube"
	"berth.dev/berth/serving"
	"berth.dev/berth/store"
)

// givePulls brings to the cluster what nodes sign in with at registries: the server's own, and what all that is served in the namespace
// needs. One at a time does it for each cluster: of two at once, the slower might write what is older.
func (s *scope) givePulls(ctx context.Context, conn *kube.Conn, compute *berth.Resource) error {
	body := compute.Body.(*berth.Compute)
	done, err := s.pulling.take(ctx, body.Spec.ClusterID.Key())
	if err != nil {
		return err
	}
	defer done()
	var logins []serving.Login
	if s.served().Pods().Environment.Login != nil {
		if logins, err = s.logins(ctx, compute); err != nil {
			return err
		}
	}
	return clusters.Unreachable(body.Spec.ClusterID, s.Serving.GivePulls(ctx, conn, clusters.NamespaceOf(compute.ID, body), logins))
}

// loginsGone removes what users gave to sign in with, when nothing in the namespace of a compute needs it any more.
func (s *scope) loginsGone(ctx context.Context, conn *kube.Conn, compute *berth.Resource) error {
	body := compute.Body.(*berth.Compute)
	done, err := s.pulling.take(ctx, body.Spec.ClusterID.Key())
	if err != nil {
		return err
	}
	defer done()
	logins, err := s.logins(ctx, compute)
	if err != nil || len(logins) > 0 {
		return err
	}
	return s.Serving.DropLogins(ctx, conn, clusters.NamespaceOf(compute.ID, body))
}

// logins are those of all services and deployments in the namespace of a compute.
func (s *scope) logins(ctx context.Context, compute *berth.Resource) (out []serving.Login, err error) {
	spec := compute.Body.(*berth.Compute).Spec
	namespace := clusters.NamespaceOf(compute.ID, compute.Body.(*berth.Compute))
	for _, typ := range []string{berth.TypeService, berth.TypeDeployment} {
		all, err := s.known(ctx, store.Query{Type: typ})
		if err != nil {
			return nil, err
		}
		for _, r := range all {
			login := r.Body.(berth.Served).Pods().Environment.Login
			if login == nil {
				continue
			}
			at, err := s.Clusters.ComputeOf(ctx, r)
			if lasting(err) {
				continue // its compute is gone
			}
			if err != nil {
				return nil, err
			}
			other := at.Body.(*berth.Compute)
			if other.Spec.ClusterID.Key() != spec.ClusterID.Key() || clusters.NamespaceOf(at.ID, other) != namespace {
				continue
			}
			password, err := s.registryPassword(ctx, r, login)
			if err != nil {
				return nil, err
			}
			out = append(out, serving.Login{Repository: login.Repository, Username: login.Username, Password: string(password)})
		}
	}
	return out, nil
}

// registryPassword is a secret of a service, or of a deployment's endpoint (an AksEndpoint) or environment.
func (s *scope) registryPassword(ctx context.Context, r *berth.Resource, login *berth.ImageLogin) ([]byte, error) {
	at := []berth.ID{r.ID}
	if d, is := r.Body.(*berth.Deployment); is {
		at = []berth.ID{r.ID.Parent(), d.Spec.EnvironmentID}
	}
	err := store.ErrNotFound
	for _, id := range at {
		if id.IsZero() || !errors.Is(err, store.ErrNotFound) {
			continue
		}
		var password []byte
		if password, err = s.Store.Secret(ctx, id, berth.SecretRegistry+login.Repository); err == nil {
			return password, nil
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, berth.Errorf(berth.CodeBadRequest, "There is no password any more with which the images of %s can be pulled. Register the "+
			"environment again with docker.base_image_registry, then deploy with it.", login.Repository)
	}
	return nil, err
}
