package reconcile

import (
	"fmt"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// lifecycle is what the engine does for a resource of one kind, as phases in their order.
type lifecycle struct {
	apply  []phase // create and update; none when there is nothing to bring about
	remove []phase // delete and detach
	clean  []phase // see berth.VerbClean
	// check is the periodic check of a settled resource. A kind has none unless it is listed here: what has ended is not changed again.
	check []phase
}

// phases are those that a claim asks for.
func (l lifecycle) phases(c *store.Claim) []phase {
	switch {
	case c.Operation == nil:
		return l.check
	case c.Operation.Verb.Removes():
		return l.remove
	case c.Operation.Verb == berth.VerbClean:
		return l.clean
	}
	return l.apply
}

// lifecycleOf is the one list of the kinds that the engine works on.
func lifecycleOf(c *store.Claim) (lifecycle, error) {
	if c.Resource.Unreadable {
		return unreadableLifecycle(c.Resource), nil
	}
	switch body := c.Resource.Body.(type) {
	case *berth.Compute:
		return computeLifecycle(c, body.Spec), nil
	case *berth.Cluster:
		if body.Spec.Connected {
			return connectedLifecycle(), nil
		}
		return clusterLifecycle(), nil
	case *berth.TemplateDeployment:
		return templateLifecycle(), nil
	case *berth.Service:
		return serviceLifecycle(), nil
	case *berth.Endpoint:
		return endpointLifecycle(), nil
	case *berth.Deployment:
		return deploymentLifecycle(), nil
	case *berth.Workspace, *berth.Group, *berth.Record, *berth.Versions, *berth.ModelVersion, *berth.EnvironmentVersion,
		*berth.CodeVersion, *berth.DataVersion, *berth.Asset:
		return containerLifecycle(), nil
	}
	return lifecycle{}, fmt.Errorf("the engine has no phases for %s", c.Resource.ID.Type())
}
