package arm

import (
	"net/http"

	"berth.dev/berth"
	"berth.dev/berth/wire"
)

// check makes a compute or a cluster due for a check now. The check is done when checkedAt in properties.health of the resource is
// not before the requestedAt of the answer.
func (s *Server) check(q *request, r *berth.Resource) (*response, error) {
	if !r.State.Terminal() {
		return nil, berth.Errorf(berth.CodeConflict, "'%s' is %s. Wait until that has ended; Berth checks it then.", r.ID.Name(), r.State)
	}
	asked, err := s.Store.CheckNow(q.Context(), r.ID)
	if err != nil {
		return nil, err
	}
	return &response{status: http.StatusAccepted, body: wire.Object{"requestedAt": wire.Time(asked)},
		header: map[string]string{"Retry-After": "1"}}, nil
}
