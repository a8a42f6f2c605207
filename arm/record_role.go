package arm

import (
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"berth.dev/berth"
	"berth.dev/berth/access"
	"berth.dev/berth/catalog"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// Codes of Microsoft.Authorization.
const (
	codeNoRole           berth.Code = "RoleDefinitionDoesNotExist"
	codeAssignmentExists berth.Code = "RoleAssignmentExists"
	codeAssignmentID     berth.Code = "InvalidRoleAssignmentId"
	codeAssignmentUpdate berth.Code = "RoleAssignmentUpdateNotPermitted"
	codeNoPrincipal      berth.Code = "InvalidPrincipalId"
	codeRoleID           berth.Code = "InvalidRoleDefinitionId"
	codeLastOwner        berth.Code = "RoleAssignmentDeletionNotAllowed"
)

// checkRoleAssignment refuses an assignment of a role that does not exist, and a second one of the same role to the same principal at
// the same scope.
func checkRoleAssignment(s *Server, q *request, id berth.ID, body, old *berth.Record) error {
	role, principal := text(body, "roleDefinitionId"), text(body, "principalId")
	if uuid.Validate(id.Name()) != nil {
		return berth.Errorf(codeAssignmentID, "The role assignment ID '%s' is not valid. The role assignment ID must be a GUID.", id.Name())
	}
	if uuid.Validate(principal) != nil {
		return &berth.Error{Code: codeNoPrincipal, Target: "properties.principalId",
			Message: "The principalId '" + principal + "' is not valid. It must be the object id of a principal: a GUID."}
	}
	if text(body, "condition") != "" {
		return &berth.Error{Code: berth.CodeInvalidRequest, Target: "properties.condition", Message: "Berth does not evaluate conditions of " +
			"role assignments, and without its condition the assignment would permit more than you ask for. Use a narrower role or scope."}
	}
	if old != nil {
		same := strings.EqualFold(text(old, "principalId"), principal) &&
			strings.EqualFold(lastWord(text(old, "roleDefinitionId")), lastWord(role))
		if !same {
			return berth.Errorf(codeAssignmentUpdate, "Tenant ID, application ID, principal ID, role and scope of a role assignment cannot be "+
				"changed. Create another one, and delete this one.")
		}
		return nil
	}
	found, err := s.customRole(q, lastWord(role))
	if err != nil {
		return err
	}
	if _, builtIn := catalog.RoleByID(lastWord(role)); !builtIn && found == nil {
		return &berth.Error{Code: codeNoRole, Target: "properties.roleDefinitionId", Message: "The specified role definition with ID '" +
			lastWord(role) + "' does not exist. GET …/providers/Microsoft.Authorization/roleDefinitions lists those that do."}
	}
	all, err := s.Store.All(q.Context(), store.Query{Type: berth.TypeRoleAssignment, Subscription: s.Subscription})
	if err != nil {
		return err
	}
	for _, r := range all {
		has := r.Body.(*berth.Record)
		if r.ID.Extended().Key() == id.Extended().Key() && strings.EqualFold(text(has, "principalId"), principal) &&
			strings.EqualFold(lastWord(text(has, "roleDefinitionId")), lastWord(role)) {
			return berth.Errorf(codeAssignmentExists, "The role assignment already exists. The ID of the existing role assignment is %s.",
				strings.ReplaceAll(r.ID.Name(), "-", ""))
		}
	}
	return nil
}

func checkRoleDefinition(s *Server, q *request, id berth.ID, body, _ *berth.Record) error {
	if uuid.Validate(id.Name()) != nil {
		return berth.Errorf(codeRoleID, "The role definition ID '%s' is not valid. It must be a GUID.", id.Name())
	}
	if r, builtIn := catalog.RoleByID(id.Name()); builtIn {
		return berth.Errorf(codeRoleID, "'%s' is the id of the built-in role '%s', which cannot be changed. Use a new GUID.", id.Name(), r.Name)
	}
	if text(body, "roleName") == "" {
		return &berth.Error{Code: berth.CodeInvalidRequest, Target: "properties.roleName", Message: "A role needs properties.roleName."}
	}
	if err := checkPermissions(body); err != nil {
		return err
	}
	there, err := s.customRole(q, id.Name())
	if err == nil && there != nil && there.ID.Key() != id.Key() {
		return berth.Errorf(berth.CodeConflict, "There is a role with the id '%s' already, at another scope. Change it there, or use a new GUID.",
			id.Name())
	}
	return err
}

// checkPermissions refuses permissions that are not lists of actions: a role of which a part is not understood would permit too much, such
// as an action whose exception was not read.
func checkPermissions(body *berth.Record) error {
	wrong := func(target string) error {
		return &berth.Error{Code: berth.CodeInvalidRequest, Target: "properties.permissions", Message: "The permissions of a role are objects " +
			"with actions, notActions, dataActions and notDataActions, each a list of strings; '" + target + "' is not."}
	}
	sent, has := body.Properties()["permissions"]
	list, isList := sent.([]any)
	if has && sent != nil && !isList {
		return wrong("permissions")
	}
	for _, entry := range list {
		fields, isObject := entry.(map[string]any)
		if !isObject {
			return wrong("permissions")
		}
		for name, v := range fields {
			actions, isList := v.([]any)
			known := slices.Contains([]string{"actions", "notActions", "dataActions", "notDataActions"}, name)
			texts := !slices.ContainsFunc(actions, func(a any) bool { _, isText := a.(string); return !isText })
			if v != nil && (!isList || !known || !texts) {
				return wrong(name)
			}
		}
	}
	return nil
}

// keepAnOwner refuses to remove the last assignment with which somebody may assign roles in the subscription: nobody could afterwards.
func (s *Server) keepAnOwner(q *request, r *berth.Resource) error {
	givers, who := q.policy.Givers(s.root()), text(r.Body.(*berth.Record), "principalId")
	if !strings.EqualFold(access.ScopeOf(r.ID), s.root()) || len(givers) > 1 || !slices.Contains(givers, strings.ToLower(who)) {
		return nil
	}
	return berth.Errorf(codeLastOwner, "This is the last assignment with which anybody may assign roles in the subscription. Make another "+
		"principal Owner first.")
}

func madeRoleAssignment(s *Server, q *request, id berth.ID, body *berth.Record) map[string]any {
	made := access.Made(id, q.caller.AppID, wire.Time(s.Clock.Now()))
	if text(body, "principalType") == "" {
		made["principalType"] = s.Authority.TypeOf(text(body, "principalId"))
	}
	return made
}

// text is a property of a record that must be a string; empty when it is not one.
func text(r *berth.Record, name string) string {
	s, _ := r.Properties()[name].(string)
	return s
}

func lastWord(id string) string { return id[strings.LastIndex(id, "/")+1:] }

// collectionScope is the scope of a collection of extension resources: that of the id of its target, or the subscription.
func (s *Server) collectionScope(q *request, t target) (string, error) {
	if t.id.IsZero() {
		return s.root(), nil
	}
	return t.id.String(), s.exists(q, t.id)
}

// listRoleAssignments answers the assignments at a scope, above and below it.
func (s *Server) listRoleAssignments(q *request, t target) (*response, error) {
	scope, err := s.collectionScope(q, t)
	if err != nil {
		return nil, err
	}
	f, err := readRoleFilter(q.param("$filter"), "principalId", "assignedTo")
	if err != nil {
		return nil, err
	}
	all, err := s.Store.All(q.Context(), store.Query{Type: berth.TypeRoleAssignment, Subscription: s.Subscription})
	if err != nil {
		return nil, err
	}
	value := []any{}
	for _, r := range all {
		at := access.ScopeOf(r.ID)
		above, below := within(scope, at), within(at, scope)
		principal := text(r.Body.(*berth.Record), "principalId")
		if (above || below && !f.here) && q.visible(r) {
			if (f.of("principalId") == "" || strings.EqualFold(f.of("principalId"), principal)) &&
				(f.of("assignedTo") == "" || strings.EqualFold(f.of("assignedTo"), principal)) {
				value = append(value, t.kind.encode(s, q, r))
			}
		}
	}
	return ok(wire.Object{"value": value}), nil
}

// within reports whether an id is another one, or is inside it.
func within(id, outer string) bool {
	id, outer = strings.ToLower(id), strings.ToLower(outer)
	return id == outer || strings.HasPrefix(id, outer+"/")
}

// roleFilter is the part of OData that Microsoft.Authorization has.
type roleFilter struct {
	here   bool // atScope(): not below the scope
	values map[string]string
}

func (f roleFilter) of(name string) string { return f.values[strings.ToLower(name)] }

var (
	filterAnd   = regexp.MustCompile(`(?i)\s+and\s+`)
	filterEq    = regexp.MustCompile(`(?i)^\(?\s*(\w+)\s+eq\s+'((?:[^']|'')*)'\s*\)?$`)
	filterCall  = regexp.MustCompile(`(?i)^(\w+)\(\s*'?([^')]*)'?\s*\)$`)
	roleFilters = "atScope(), atScopeAndBelow(), "
)

func readRoleFilter(filter string, names ...string) (roleFilter, error) {
	f := roleFilter{values: map[string]string{}}
	if strings.TrimSpace(filter) == "" {
		return f, nil
	}
	for _, term := range filterAnd.Split(strings.TrimSpace(filter), -1) {
		m := filterEq.FindStringSubmatch(term)
		if m == nil {
			m = filterCall.FindStringSubmatch(term)
		}
		known := false
		if m != nil {
			switch name := strings.ToLower(m[1]); name {
			case "atscope":
				f.here, known = true, true
			case "atscopeandbelow":
				known = true
			default:
				for _, n := range names {
					if strings.EqualFold(n, name) {
						f.values[name], known = unquote(m[2]), true
					}
				}
			}
		}
		if !known {
			return f, berth.Errorf(berth.CodeInvalidFilter, "The $filter cannot be read at %q. Use %s, joined by and.", term,
				roleFilters+strings.Join(names, ", "))
		}
	}
	return f, nil
}

// listRoles answers the role definitions at a scope: the built-in ones, and those that were defined.
func (s *Server) listRoles(q *request, t target) (*response, error) {
	root := ""
	if t.service == nil {
		if _, err := s.collectionScope(q, t); err != nil {
			return nil, err
		}
		root = s.root()
	}
	f, err := readRoleFilter(q.param("$filter"), "roleName", "type")
	if err != nil {
		return nil, err
	}
	fits := func(name, typ string) bool {
		return (f.of("roleName") == "" || strings.EqualFold(f.of("roleName"), name)) &&
			(f.of("type") == "" || strings.EqualFold(f.of("type"), typ))
	}
	value := []any{}
	for _, r := range catalog.Roles() {
		if fits(r.Name, "BuiltInRole") {
			value = append(value, wire.Role(root, r))
		}
	}
	all, err := s.Store.All(q.Context(), store.Query{Type: berth.TypeRoleDefinition, Subscription: s.Subscription})
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if fits(text(r.Body.(*berth.Record), "roleName"), "CustomRole") {
			value = append(value, kindOf(berth.TypeRoleDefinition).encode(s, q, r))
		}
	}
	return ok(wire.Object{"value": value}), nil
}

// getRole answers one role definition. It can be read at every scope.
func (s *Server) getRole(q *request, t target) (*response, error) {
	root, name := s.root(), ""
	if t.service != nil {
		root, name = "", t.words[0]
	} else {
		name = t.id.Name()
	}
	if r, builtIn := catalog.RoleByID(name); builtIn {
		return ok(wire.Role(root, r)), nil
	}
	r, err := s.customRole(q, name)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, berth.Errorf(berth.CodeNotFound, "The specified role definition with ID '%.60s' does not exist.", name)
	}
	return ok(kindOf(berth.TypeRoleDefinition).encode(s, q, r)), nil
}

// customRole finds a role that was defined, at any scope; nil when there is none.
func (s *Server) customRole(q *request, id string) (*berth.Resource, error) {
	all, err := s.Store.All(q.Context(), store.Query{Type: berth.TypeRoleDefinition, Subscription: s.Subscription, Name: id})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}
