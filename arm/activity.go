package arm

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// plainActions are the actions that change nothing and answer no secret. Clients ask for some of them every few seconds, so the activity
// log does not have them; it has every other action. In lower case.
var plainActions = []string{"check", "exporttemplate", "getlogs", "listlog", "listnodes", "listtraffic", "listworkloads", "validate",
	"whatif"}

// isLogged reports whether the activity log has the requests that need a right: those that change something, or answer a secret.
func isLogged(right, path string) bool {
	right = strings.ToLower(right)
	if before, isAction := strings.CutSuffix(right, "/action"); isAction {
		return !slices.Contains(plainActions, before[strings.LastIndexByte(before, '/')+1:])
	}
	// Version 1 of the SDK asks for the right to write services also before it writes one.
	return !strings.HasSuffix(right, "/read") && !strings.Contains(strings.ToLower(path), "/services/validate")
}

// begin notes who requests what, for the activity log.
func (q *request) begin(right, scope string) {
	if !isLogged(right, q.URL.Path) {
		return
	}
	o := q.caller.Origin(q.Request)
	o.Correlation = q.correlation
	if q.inside { // a part of a template deployment: the rest is that of its request
		of := store.RequestOf(q.Context()).Origin
		o.Correlation, o.Address = of.Correlation, of.Address
		o.Via, o.Trace = of.Via, of.Trace
	}
	if trace := plainID(q.Header.Get("traceparent")); trace != "" {
		o.Trace = trace
	}
	o.Right, o.Scope = right, scope
	o.Request = q.id
	o.ClientRequest = plainID(q.Header.Get("x-ms-client-request-id"))
	q.logs = &store.Request{Origin: o}
	q.Request = q.WithContext(store.For(q.Context(), q.logs))
}

// log writes into the activity log what Accept has not written: what was refused, what has changed nothing, and who got a secret. The
// answer waits for it, so that no secret leaves without an event. The error is the one to answer instead.
func (s *Server) log(q *request, res *response, failed error) error {
	if q.logs == nil || q.logs.Logged() && failed == nil {
		return failed
	}
	o := q.logs.Origin
	a := berth.Activity{Origin: o, Resource: o.Scope, Status: berth.StateSucceeded}
	switch {
	case failed != nil && (q.inside || errors.Is(failed, context.Canceled)): // the template deployment says why it fails
		return failed
	case failed != nil:
		e := s.told(q, failed)
		a.Status, a.HTTP = berth.StateFailed, statusOf(e.Code)
		a.Code, a.Message = e.Code, e.Message
		failed = e
	case q.inside && !strings.HasSuffix(o.Right, "/action"): // what a template deployment asks for again at each step
		return nil
	default:
		a.HTTP = res.status
	}
	if err := s.Store.Log(q.Context(), a); err != nil {
		s.Log.Error("the activity log does not have a request", "right", o.Right, "scope", o.Scope, "caller", o.Called(), "error", err)
		if failed == nil {
			return err
		}
	}
	return failed
}

// readActivity is the right to read the activity log; a caller sees the events of what it has the right for.
const readActivity = "Microsoft.Insights/eventtypes/values/read"

const (
	activityPage = 200
	// activityScan is how many events one request reads at most: to a caller who may see few of them it answers a short page, and the next
	// one goes on from there.
	activityScan = 10 * activityPage
)

// listActivity answers the activity log, the newest event first.
func (s *Server) listActivity(q *request, _ target) (*response, error) {
	query, err := activityFilter(q.param("$filter"))
	if err != nil {
		return nil, err
	}
	fields, err := activityFields(q.param("$select"))
	if err != nil {
		return nil, err
	}
	after, limit, err := paging(q)
	if err != nil {
		return nil, err
	}
	if limit == 0 || limit > activityPage {
		limit = activityPage
	}
	query.After, query.Limit = after, limit
	value, next := []any{}, ""
	for read := 0; read < activityScan && len(value) < limit; read += limit {
		all, err := s.Store.Activities(q.Context(), s.Subscription, query)
		if err != nil {
			return nil, err
		}
		next = ""
		for i := range all {
			query.After = all[i].ID
			if q.partly && !q.policy.May(q.caller.ObjectID, readActivity, all[i].Resource) {
				continue
			}
			value = append(value, selected(wire.Activity(&all[i], s.Subscription), fields))
			if len(value) == limit {
				break
			}
		}
		if len(all) < query.Limit && (len(all) == 0 || query.After == all[len(all)-1].ID) {
			break
		}
		next = query.After
	}
	return ok(withNext(q, value, next)), nil
}

// selected is an event with the fields that the client wants; all with none.
func selected(event wire.Object, fields []string) wire.Object {
	if len(fields) == 0 {
		return event
	}
	out := wire.Object{}
	for _, f := range fields {
		if v, has := event[f]; has {
			out[f] = v
		}
	}
	return out
}

// activityFields reads $select: names of properties, separated by commas.
func activityFields(text string) (out []string, err error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	for name := range strings.SplitSeq(text, ",") {
		at := slices.IndexFunc(wire.ActivityFields, func(f string) bool { return strings.EqualFold(f, strings.TrimSpace(name)) })
		if at < 0 {
			return nil, berth.Errorf(berth.CodeInvalidRequest, "$select names '%.60s'. Events of the activity log have %s.",
				strings.TrimSpace(name), strings.Join(wire.ActivityFields, ", "))
		}
		out = append(out, wire.ActivityFields[at])
	}
	return out, nil
}

var activityRow = service{path: "subscriptions/{}/providers/Microsoft.Insights/eventtypes/management/values", name: "activity",
	method: http.MethodGet, right: readActivity, serve: (*Server).listActivity}
