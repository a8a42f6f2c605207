package models

import (
	"context"
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// Unused refuses the removal of an asset that a service or a deployment needs, and of what has a version that one needs.
func (s *Server) Unused(ctx context.Context, id berth.ID) error {
	workspace := id.Top()
	for _, typ := range []string{berth.TypeService, berth.TypeEndpoint, berth.TypeDeployment} {
		all, err := s.Store.All(ctx, store.Query{Type: typ, Group: berth.GroupID(id.Subscription, id.Group)})
		if err != nil {
			return err
		}
		for _, r := range all {
			if !below(r.ID, workspace) {
				continue
			}
			if r.Unreadable { // it may need anything
				return r.Fault
			}
			if used := needs(r, id); used != nil {
				return berth.Errorf(berth.CodeConflict, "'%s' uses '%s:%s'. Delete it first.", r.ID.Name(), used.Parent().Name(), used.Name())
			}
		}
	}
	if id.Is(berth.TypeAsset) {
		return s.assetUnused(ctx, id, workspace)
	}
	return nil
}

// needs finds the version that a service or a deployment needs: this one, or one of this model or other asset. While it is updated, it
// needs what is served too.
func needs(r *berth.Resource, asset berth.ID) *berth.ID {
	var all []berth.ID
	switch b := r.Body.(type) {
	case *berth.Service:
		all = b.Spec.Models
		if b.Good != nil {
			all = slices.Concat(all, b.Good.Spec.Models)
		}
	case *berth.Endpoint:
		for _, spec := range []*berth.EndpointSpec{&b.Spec, b.Good} {
			if spec != nil && spec.Aks != nil {
				all = slices.Concat(all, spec.Aks.Models())
			}
		}
	case *berth.Deployment:
		for _, spec := range []*berth.DeploymentSpec{&b.Spec, b.Good} {
			if spec != nil {
				all = slices.Concat(all, spec.Models, []berth.ID{spec.Code, spec.EnvironmentID})
			}
		}
	}
	for _, id := range all {
		if !id.IsZero() && (id.Key() == asset.Key() || strings.HasPrefix(id.Key(), asset.Key()+"/")) {
			return &id
		}
	}
	return nil
}

// assetUnused refuses the removal of the files of a model.
func (s *Server) assetUnused(ctx context.Context, id, workspace berth.ID) error {
	all, err := s.Store.All(ctx, store.Query{Type: berth.TypeModelVersion, Group: berth.GroupID(id.Subscription, id.Group)})
	if err != nil {
		return err
	}
	for _, m := range all {
		if !m.Unreadable && below(m.ID, workspace) && strings.EqualFold(m.Body.(*berth.ModelVersion).Asset, id.Name()) {
			return berth.Errorf(berth.CodeConflict, "The model '%s' has the files of this asset. Delete the model first.", modelID(m.ID))
		}
	}
	return nil
}
