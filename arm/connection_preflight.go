package arm

import (
	"errors"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// validateConnected reports every violation of a PUT of a connected cluster, and the checks of the cluster with the submitted
// kubeconfig. It changes and stores nothing.
func (s *Server) validateConnected(q *request, t target) (*response, error) {
	return s.validate(q, t, func(p *plan) []berth.Check {
		kubeconfig := p.change.Secrets[berth.SecretSubmitted]
		if kubeconfig == nil || len(rules.Reported(p.violations, false)) > 0 {
			return nil
		}
		return s.Clusters.PreflightConnection(q.Context(), p.change.Resource, kubeconfig)
	})
}

// validate plans a PUT and reports its violations and warnings, and what checks of the plan find.
func (s *Server) validate(q *request, t target, checks func(*plan) []berth.Check) (*response, error) {
	old, err := s.Store.Get(q.Context(), t.id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	p, err := t.kind.put(s, q, t.id, old)
	if err != nil {
		violations, isOurs := rules.Of(err)
		if !isOurs {
			return nil, err
		}
		return ok(wire.Validation(rules.Reported(violations, false), rules.Reported(violations, true), nil)), nil
	}
	return ok(wire.Validation(rules.Reported(p.violations, false), rules.Reported(p.violations, true), checks(p))), nil
}
