package arm

import (
	"berth.dev/berth"
	"berth.dev/berth/rules"
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
	p, found, err := s.planned(q, t)
	if err != nil {
		return nil, err
	}
	var checked []berth.Check
	if p != nil {
		checked = checks(p)
	}
	return ok(wire.Validation(rules.Reported(found, false), rules.Reported(found, true), checked)), nil
}
