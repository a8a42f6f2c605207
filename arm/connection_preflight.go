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
	old, err := s.Store.Get(q.Context(), t.id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	var violations []rules.Violation
	var checks []berth.Check
	p, err := putConnected(s, q, t.id, old)
	if err != nil {
		isOurs := false
		if violations, isOurs = rules.Of(err); !isOurs {
			return nil, err
		}
	} else {
		violations = p.violations
		kubeconfig := p.change.Secrets[berth.SecretSubmitted]
		if kubeconfig != nil && len(rules.Reported(violations, false)) == 0 {
			checks = s.Clusters.PreflightConnection(q.Context(), p.change.Resource, kubeconfig)
		}
	}
	return ok(wire.Validation(rules.Reported(violations, false), rules.Reported(violations, true), checks)), nil
}
