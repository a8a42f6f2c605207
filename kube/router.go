package kube

import (
	"context"
	"net/http"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// What Azure ML's router leaves in the namespace "default" of a cluster after a detach; the next attach there fails on it
// (how-to-create-attach-kubernetes, "Delete the azureml-fe").
const (
	routerNamespace = "default"
	routerRole      = "azureml-fe-role"
	routerBinding   = "azureml-fe-binding"
	routerSecret    = "azuremlfessl" // #nosec G101 -- a name
)

var routerNames = []string{"azureml-fe", "azureml-fe-int-http", routerSecret, "azuremlfeconfig"}

var (
	services    = resource{"/api/v1", "services"}
	secrets     = resource{"/api/v1", "secrets"}
	deployments = resource{"/apis/apps/v1", "deployments"}
)

// routerObjects are those objects, what starts pods first.
var routerObjects = []place{
	deployments.in(routerNamespace, "azureml-fe"), services.in(routerNamespace, "azureml-fe"),
	services.in(routerNamespace, "azureml-fe-int-http"),
	configMaps.in(routerNamespace, "azuremlfeconfig"), secrets.in(routerNamespace, routerSecret),
	clusterBindings.in("", routerBinding), clusterRoles.in("", routerRole), serviceAccounts.in(routerNamespace, "azureml-fe"),
}

func (p place) text() string { return p.resource.name + "/" + p.name }

// RouterObjects names what Azure ML's router left in the cluster: "deployments/azureml-fe". Berth may not
// list secrets, because that is to read them: the router's secret is named when any other of its objects exists.
func (c *Conn) RouterObjects(ctx context.Context) (found []string, err error) {
	for _, kind := range []resource{deployments, services, configMaps, serviceAccounts} {
		var names []string
		if err := c.names(ctx, kind.in(routerNamespace, ""), func(name string) { names = append(names, name) }); err != nil {
			return nil, err
		}
		for _, p := range routerObjects {
			if p.resource == kind && slices.Contains(names, p.name) {
				found = append(found, p.text())
			}
		}
	}
	for _, p := range []place{clusterRoles.in("", routerRole), clusterBindings.in("", routerBinding)} {
		err := c.object(ctx, p.call(http.MethodGet), nil)
		switch {
		case err == nil:
			found = append(found, p.text())
		case !apierrors.IsNotFound(err):
			return nil, err
		}
	}
	return found, nil
}

// RemoveRouterObjects deletes the router objects, and returns those that existed.
func (c *Conn) RemoveRouterObjects(ctx context.Context) (removed []string, err error) {
	for _, p := range routerObjects {
		err := c.object(ctx, p.call(http.MethodDelete), nil)
		switch {
		case err == nil:
			removed = append(removed, p.text())
		case !apierrors.IsNotFound(err):
			return removed, err
		}
	}
	return removed, nil
}
