package arm

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/wire"
)

const codeLinkedNotAuthorized berth.Code = "LinkedAuthorizationFailed"

// ofAnyRole are the rights that come with any role in the subscription: what they show is the same for all, or only what the caller may
// read.
var ofAnyRole = []string{
	"Microsoft.Resources/subscriptions/read", "Microsoft.Resources/subscriptions/locations/read",
	"Microsoft.Resources/subscriptions/operationResults/read", "Microsoft.Resources/subscriptions/operations/read",
	"Microsoft.Resources/subscriptions/residues/read", "Microsoft.Resources/subscriptions/providers/read",
	"Microsoft.Resources/subscriptions/resources/read", "Microsoft.ContainerService/locations/orchestrators/read",
	"Microsoft.ContainerService/locations/kubernetesVersions/read", "Microsoft.Compute/locations/vmSizes/read",
	"Microsoft.Features/features/read", "Microsoft.Features/providers/features/read", berth.TypeRoleDefinition + "/read",
	permissionsRow.right, "Microsoft.Storage/checkNameAvailability/read", "Microsoft.KeyVault/checkNameAvailability/read",
	"Microsoft.ContainerRegistry/checkNameAvailability/read", readActivity,
}

// authorize decides whether the caller may do what it requests, before anything is read but the roles. A list of which the caller may
// see a part only has that part; see visible.
func (s *Server) authorize(q *request, right, scope string, list bool) (err error) {
	if q.caller.AppID == "" {
		return berth.Errorf(berth.CodeAuthenticationFailed, "Authentication failed. Sign in: the request needs the right '%s'.", right)
	}
	if q.policy, err = s.Access.Policy(q.Context()); err != nil {
		return err
	}
	who := q.caller.ObjectID
	q.right = right
	q.begin(right, scope)
	switch {
	case scope == "/", q.policy.May(who, right, scope): // what is outside of the subscription is for everybody
		q.partly = scope == "/" || strings.HasSuffix(right, "/resources/read") // a list of many types, each with a right of its own
		return nil
	case slices.Contains(ofAnyRole, right) && q.policy.HasRole(who, s.root()), list && q.policy.HasRole(who, scope):
		q.partly = true
		return nil
	}
	return q.denied(right, scope)
}

// denied is the refusal in the words of Azure, which clients look for.
func (q *request) denied(right, scope string) error {
	return berth.Errorf(berth.CodeForbidden, "The client '%s' with object id '%s' does not have authorization to perform action '%s' over "+
		"scope '%s' or the scope is invalid. If access was recently granted, please refresh your credentials.", q.caller.Called(),
		q.caller.ObjectID, right, scope)
}

// linked refuses a request that names a resource with which the caller may not do what the request needs: who may write one resource must
// not reach others through it. It is asked before the other resource is read.
func (s *Server) linked(q *request, id berth.ID, right string) error {
	if q.policy == nil || !strings.EqualFold(id.Subscription, s.Subscription) || q.policy.May(q.caller.ObjectID, right, id.String()) {
		return nil
	}
	return berth.Errorf(codeLinkedNotAuthorized, "The client '%s' with object id '%s' has permission to perform action '%s' on scope '%s'; "+
		"however, it does not have permission to perform action(s) '%s' on the linked scope(s) '%s' (respectively) or the linked scope(s) are "+
		"invalid.", q.caller.Called(), q.caller.ObjectID, q.right, q.path, right, id)
}

// visible reports whether a list shows a resource to the caller.
func (q *request) visible(r *berth.Resource) bool { return q.mayRead(r.ID) }

// mayRead reports whether the caller may read a resource that an answer is about.
func (q *request) mayRead(id berth.ID) bool {
	return !q.partly || q.policy.May(q.caller.ObjectID, readOf(id), id.String())
}

// readOf is the right to read a resource.
func readOf(id berth.ID) string {
	if k := kindOf(id.Type()); k != nil && k.rights != "" {
		return k.rights + "/read"
	}
	return id.Type() + "/read"
}

// lists reports whether a target is a list of resources, of which a caller may see some only. The parts of a resource are seen with it.
func (t target) lists() bool {
	return t.collection && (t.part == nil || t.kind.typ == berth.TypeResourceGroup)
}

// root is the scope of the subscription.
func (s *Server) root() string { return "/subscriptions/" + s.Subscription }

// scope is where a caller needs the right for a target: the resource, what a collection is in, and of a service its address.
func (s *Server) scope(t target, path string) string {
	switch {
	case t.service != nil && !strings.HasPrefix(t.service.path, "subscriptions/"):
		return "/"
	case t.service == &permissionsRow || t.service == &denialsRow || t.service == &checkRow:
		return scopeBefore(path)
	case t.service != nil:
		return path
	case t.id.IsZero():
		return s.root()
	}
	return t.id.String()
}

// What Microsoft.Authorization answers at every scope: what the caller may do there, what is denied to some, which Berth does not have,
// and whether a principal may do something.
var (
	permissionsRow = service{path: "subscriptions/{}/…/permissions", name: "permissions", method: http.MethodGet,
		right: "Microsoft.Authorization/permissions/read"}
	denialsRow = service{path: "subscriptions/{}/…/denyAssignments", name: "denyassignments", method: http.MethodGet,
		right: "Microsoft.Authorization/denyAssignments/read", serve: (*Server).none}
	checkRow = service{path: "subscriptions/{}/…/checkAccess", name: "checkaccess", method: http.MethodPost, right: permissionsRow.right}
)

func init() { permissionsRow.serve, checkRow.serve = (*Server).listPermissions, (*Server).checkAccess }

// parseAuthorization finds these.
func parseAuthorization(words []string) (t target, found bool) {
	n := len(words)
	if n < 5 || !strings.EqualFold(words[n-3], "providers") || !strings.EqualFold(words[n-2], "Microsoft.Authorization") {
		return target{}, false
	}
	for _, row := range []*service{&permissionsRow, &denialsRow, &checkRow} {
		if strings.EqualFold(words[n-1], row.path[strings.LastIndex(row.path, "/")+1:]) {
			return target{service: row}, true
		}
	}
	return target{}, false
}

// scopeBefore is the scope in the address of one of them.
func scopeBefore(path string) string {
	words := strings.Split(path, "/")
	return strings.Join(words[:len(words)-3], "/")
}

// listPermissions answers what the caller may do at a scope.
func (s *Server) listPermissions(q *request, _ target) (*response, error) {
	value := []any{}
	for _, p := range q.policy.Of(q.caller.ObjectID, scopeBefore(q.path)) {
		value = append(value, wire.Permissions(p))
	}
	return ok(wire.Object{"value": value}), nil
}

// maxChecks is how many actions one request may ask about.
const maxChecks = 100

// checkAccess answers which of some actions a principal may do at a scope. About oneself everybody may ask who has a role; about others
// who may read role assignments there.
func (s *Server) checkAccess(q *request, _ target) (*response, error) {
	var in struct {
		Subject struct {
			Attributes struct{ ObjectID string }
		}
		Actions []struct {
			ID           string
			IsDataAction bool
		}
	}
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	if len(in.Actions) == 0 || len(in.Actions) > maxChecks {
		return nil, berth.Errorf(berth.CodeInvalidRequest, "Name 1 to %d actions to check: {\"actions\": [{\"id\": "+
			"\"Microsoft.Compute/virtualMachines/read\"}]}.", maxChecks)
	}
	scope, who := scopeBefore(q.path), cmp.Or(in.Subject.Attributes.ObjectID, q.caller.ObjectID)
	const others = berth.TypeRoleAssignment + "/read"
	if !strings.EqualFold(who, q.caller.ObjectID) && !q.policy.May(q.caller.ObjectID, others, scope) {
		return nil, q.denied(others, scope)
	}
	value := []any{}
	for _, a := range in.Actions {
		may := q.policy.May
		if a.IsDataAction {
			may = q.policy.MayData
		}
		decision := "NotAllowed"
		if may(who, a.ID, scope) {
			decision = "Allowed"
		}
		value = append(value, wire.Object{"actionId": a.ID, "isDataAction": a.IsDataAction, "accessDecision": decision})
	}
	return ok(wire.Object{"value": value}), nil
}
