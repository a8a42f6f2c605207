package clusters

import (
	"context"
	"errors"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/store"
)

// NamespaceOf is the namespace of a compute: azureml-<workspace> as in the original service, or the one that a Kubernetes compute
// names.
func NamespaceOf(id berth.ID, c *berth.Compute) string {
	if c.Spec.Type == berth.ComputeKubernetes {
		return c.Spec.Namespace
	}
	return kube.NamespaceName("azureml-" + id.Parent().Name())
}

// ComputeOf is the compute of a service, of an endpoint, or of a deployment of one. CodeNotFound when it is gone.
func (c *Clusters) ComputeOf(ctx context.Context, r *berth.Resource) (*berth.Resource, error) {
	name, err := c.computeName(ctx, r)
	if err != nil {
		return nil, err
	}
	r, err = c.Store.Get(ctx, r.ID.Top().Child("computes", name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, berth.Errorf(berth.CodeNotFound, "There is no compute with the name '%s' in the workspace any more. Deploy the service to "+
			"another compute, or delete it.", name)
	}
	if err == nil && r.Unreadable {
		return nil, r.Fault
	}
	return r, err
}

func (c *Clusters) computeName(ctx context.Context, r *berth.Resource) (string, error) {
	switch body := r.Body.(type) {
	case *berth.Service:
		return body.Spec.Compute, nil
	case *berth.Endpoint:
		return body.Spec.Compute, nil
	}
	endpoint, err := c.Store.Get(ctx, r.ID.Parent())
	if errors.Is(err, store.ErrNotFound) {
		return "", berth.Errorf(berth.CodeNotFound, "The endpoint '%s' of the deployment is gone.", r.ID.Parent().Name())
	}
	if err != nil {
		return "", err
	}
	if endpoint.Unreadable {
		return "", endpoint.Fault
	}
	return endpoint.Body.(*berth.Endpoint).Spec.Compute, nil
}

// ServedName is the name of what pods serve, which no other in the namespace of its compute has. That of a deployment has the name of its
// endpoint before a slash, which names of services cannot have.
func ServedName(id berth.ID) string {
	if id.Is(berth.TypeDeployment) {
		return strings.ToLower(id.Parent().Name() + "/" + id.Name())
	}
	return id.Name()
}
