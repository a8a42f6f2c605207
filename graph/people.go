package graph

import (
	"net/http"
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/identity"
)

// peopleRoutes are the addresses of users and groups. Users who sign in at an outside provider and groups come from there: they are read
// here, and only their sign-ins are ended.
func (s *server) peopleRoutes() map[string]handler {
	return map[string]handler{
		"GET " + Path + "users":                            s.listUsers,
		"POST " + Path + "users":                           s.createUser,
		"GET " + Path + "users/{id}":                       s.showUser,
		"PATCH " + Path + "users/{id}":                     s.changeUser,
		"DELETE " + Path + "users/{id}":                    s.removeUser,
		"GET " + Path + "users/{id}/memberOf":              s.memberOf,
		"POST " + Path + "users/{id}/getMemberGroups":      s.memberGroups,
		"POST " + Path + "users/{id}/revokeSignInSessions": s.endSignIns,
		"GET " + Path + "me":                               s.me,
		"GET " + Path + "groups":                           s.listGroups,
		"GET " + Path + "groups/{id}":                      s.showGroup,
		"GET " + Path + "groups/{id}/members":              s.members,
		"POST " + Path + "directoryObjects/getByIds":       s.byIDs,
	}
}

// readsOnly are the requests that change nothing though they are POSTs.
func readsOnly(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/getByIds") || strings.HasSuffix(r.URL.Path, "/getMemberGroups")
}

func (s *server) userView(p berth.Person) map[string]any {
	v := map[string]any{"@odata.type": "#microsoft.graph.user", "id": p.ID, "displayName": p.Name, "userPrincipalName": p.UPN,
		"mail": null(p.Mail), "accountEnabled": !p.Disabled, "createdDateTime": p.CreatedAt, "identities": []any{}}
	if p.Issuer != "" {
		v["identities"] = []any{map[string]any{"signInType": "federated", "issuer": p.Issuer, "issuerAssignedId": p.Subject}}
	}
	if !p.SignedInAt.IsZero() {
		v["signInActivity"] = map[string]any{"lastSignInDateTime": p.SignedInAt}
	}
	return v
}

func groupView(g berth.UserGroup) map[string]any {
	return map[string]any{"@odata.type": "#microsoft.graph.group", "id": g.ID, "displayName": g.Name, "securityEnabled": true,
		"mailEnabled": false, "description": "Group of " + g.Issuer, "groupTypes": []string{}}
}

func (s *server) collection(of string, value []any) answer {
	return answer{http.StatusOK, map[string]any{"@odata.context": s.Endpoint + Path + "$metadata#" + of, "value": value}}
}

// named are the filters by which users and groups are found.
func named(filter string, fields map[string]func(string) bool, prefix func(string) bool) (bool, error) {
	if filter == "" {
		return true, nil
	}
	for name, test := range fields {
		if value, found := strings.CutPrefix(filter, name+" eq '"); found && strings.HasSuffix(value, "'") {
			return test(unquoted(value)), nil
		}
	}
	if value, found := strings.CutPrefix(filter, "startswith(displayName,"); found {
		value = strings.TrimSpace(strings.TrimSuffix(value, ")"))
		return prefix(unquoted(strings.TrimPrefix(value, "'"))), nil
	}
	return false, berth.Errorf(berth.CodeBadRequest, "The $filter '%.120s' is not supported. Use displayName eq '…', "+
		"startswith(displayName,'…'), userPrincipalName eq '…' or mail eq '…'.", filter)
}

// unquoted is a text of a filter without its closing quote.
func unquoted(value string) string {
	return strings.ReplaceAll(strings.TrimSuffix(value, "'"), "''", "'")
}

func is(of string) func(string) bool {
	return func(value string) bool { return strings.EqualFold(of, value) }
}

func begins(of string) func(string) bool {
	return func(value string) bool { return strings.HasPrefix(strings.ToLower(of), strings.ToLower(value)) }
}

func (s *server) listUsers(r *http.Request) (answer, error) {
	value, filter := []any{}, strings.TrimSpace(r.URL.Query().Get("$filter"))
	if _, err := named(filter, map[string]func(string) bool{"displayName": is(""), "userPrincipalName": is(""), "mail": is(""), "id": is("")},
		begins("")); err != nil {
		return answer{}, err // also when there is nobody
	}
	for _, p := range s.People.List() {
		fields := map[string]func(string) bool{"displayName": is(p.Name), "userPrincipalName": is(p.UPN), "mail": is(p.Mail), "id": is(p.ID)}
		if fits, _ := named(filter, fields, begins(p.Name)); fits {
			value = append(value, s.userView(p))
		}
	}
	return s.collection("users", value), nil
}

// user is the one that an address names, by object id or user principal name.
func (s *server) user(r *http.Request) (berth.Person, error) {
	id := r.PathValue("id")
	p, known := s.People.Find(id)
	if !known {
		return p, berth.Errorf(berth.CodeNotFound,
			"Resource '%.64s' does not exist or one of its queried reference-property objects are not present.", id)
	}
	return p, nil
}

func (s *server) showUser(r *http.Request) (answer, error) {
	p, err := s.user(r)
	return answer{http.StatusOK, s.userView(p)}, err
}

func (s *server) me(r *http.Request) (answer, error) {
	caller, _ := identity.CallerFrom(r.Context())
	p, known := s.People.Find(caller.ObjectID)
	if !known || caller.UPN == "" {
		return answer{}, berth.Errorf(berth.CodeBadRequest, "/me request is only valid with delegated authentication flow.")
	}
	return answer{http.StatusOK, s.userView(p)}, nil
}

func (s *server) createUser(r *http.Request) (answer, error) {
	var w userFields
	if err := readInto(r, &w, "Berth stores the displayName, userPrincipalName, accountEnabled and passwordProfile of a user."); err != nil {
		return answer{}, err
	}
	if err := w.check(); err != nil {
		return answer{}, err
	}
	if w.Password == nil {
		return answer{}, berth.Errorf(berth.CodeBadRequest, "A user that is made here needs a passwordProfile. Who signs in at a provider is "+
			"made by the first sign-in.")
	}
	name := ""
	if w.DisplayName != nil {
		name = *w.DisplayName
	}
	p, err := s.People.Create(r.Context(), w.UPN, name, w.Password.Password)
	if err == nil && w.Enabled != nil && !*w.Enabled {
		err = s.People.Enable(r.Context(), p.ID, false)
		p.Disabled = true
	}
	return answer{http.StatusCreated, s.userView(p)}, err
}

// userFields are all that a request may set of a user.
type userFields struct {
	DisplayName *string `json:"displayName"`
	UPN         string  `json:"userPrincipalName"`
	Nickname    string  `json:"mailNickname"` // az sends it; Berth has no mail
	Enabled     *bool   `json:"accountEnabled"`
	Password    *struct {
		Password string `json:"password"`
		Force    bool   `json:"forceChangePasswordNextSignIn"`
		ForceMFA bool   `json:"forceChangePasswordNextSignInWithMfa"`
	} `json:"passwordProfile"`
}

func (w userFields) check() error {
	if w.Password != nil && (w.Password.Force || w.Password.ForceMFA) {
		return berth.Errorf(berth.CodeBadRequest, "Berth does not ask users to change their password at the next sign-in. Leave "+
			"forceChangePasswordNextSignIn out.")
	}
	return nil
}

func (s *server) changeUser(r *http.Request) (answer, error) {
	p, err := s.user(r)
	if err != nil {
		return answer{}, err
	}
	var w userFields
	if err := readInto(r, &w, "Berth changes the displayName, accountEnabled and passwordProfile of a user."); err != nil {
		return answer{}, err
	}
	if err := w.check(); err != nil {
		return answer{}, err
	}
	if w.UPN != "" && !strings.EqualFold(w.UPN, p.UPN) {
		return answer{}, berth.Errorf(berth.CodeBadRequest, "The userPrincipalName of a user cannot be changed.")
	}
	if w.DisplayName != nil {
		err = s.People.SetName(r.Context(), p.ID, *w.DisplayName)
	}
	if err == nil && w.Password != nil {
		err = s.People.SetPassword(r.Context(), p.ID, w.Password.Password)
	}
	if err == nil && w.Enabled != nil && *w.Enabled == p.Disabled {
		if err = s.notSelf(r, p); err == nil {
			err = s.People.Enable(r.Context(), p.ID, *w.Enabled)
		}
	}
	return answer{status: http.StatusNoContent}, err
}

// notSelf refuses what would lock out who asks for it.
func (s *server) notSelf(r *http.Request, p berth.Person) error {
	if caller, _ := identity.CallerFrom(r.Context()); caller.ObjectID == p.ID {
		return berth.Errorf(berth.CodeConflict, "You are signed in as '%s', and nobody can delete or disable the own account.", p.UPN)
	}
	return nil
}

func (s *server) removeUser(r *http.Request) (answer, error) {
	p, err := s.user(r)
	if err == nil {
		err = s.notSelf(r, p)
	}
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, s.People.Remove(r.Context(), p.ID)
}

func (s *server) endSignIns(r *http.Request) (answer, error) {
	p, err := s.user(r)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, map[string]any{"value": true}}, s.People.EndSignIns(r.Context(), p.ID)
}

func (s *server) memberOf(r *http.Request) (answer, error) {
	p, err := s.user(r)
	value := []any{}
	for _, id := range p.Groups {
		if g, known := s.People.Group(id); known {
			value = append(value, groupView(g))
		}
	}
	return s.collection("directoryObjects", value), err
}

func (s *server) memberGroups(r *http.Request) (answer, error) {
	p, err := s.user(r)
	value := []any{}
	for _, id := range p.Groups {
		value = append(value, id)
	}
	return s.collection("Collection(Edm.String)", value), err
}

func (s *server) listGroups(r *http.Request) (answer, error) {
	value, filter := []any{}, strings.TrimSpace(r.URL.Query().Get("$filter"))
	if _, err := named(filter, map[string]func(string) bool{"displayName": is(""), "id": is("")}, begins("")); err != nil {
		return answer{}, err
	}
	for _, g := range s.People.Groups() {
		fields := map[string]func(string) bool{"displayName": is(g.Name), "id": is(g.ID)}
		if fits, _ := named(filter, fields, begins(g.Name)); fits {
			value = append(value, groupView(g))
		}
	}
	return s.collection("groups", value), nil
}

func (s *server) group(r *http.Request) (berth.UserGroup, error) {
	g, known := s.People.Group(r.PathValue("id"))
	if !known {
		return g, berth.Errorf(berth.CodeNotFound,
			"Resource '%.64s' does not exist or one of its queried reference-property objects are not present.", r.PathValue("id"))
	}
	return g, nil
}

func (s *server) showGroup(r *http.Request) (answer, error) {
	g, err := s.group(r)
	return answer{http.StatusOK, groupView(g)}, err
}

// members are the persons in whose last sign-in the provider named the group.
func (s *server) members(r *http.Request) (answer, error) {
	g, err := s.group(r)
	value := []any{}
	for _, p := range s.People.List() {
		if _, in := slices.BinarySearch(p.Groups, g.ID); in {
			value = append(value, s.userView(p))
		}
	}
	return s.collection("directoryObjects", value), err
}

// maxIDs is how many objects one request may ask for, as in Graph.
const maxIDs = 1000

// byIDs answers what is known about object ids, of any type: az shows the names in role assignments by it.
func (s *server) byIDs(r *http.Request) (answer, error) {
	var w struct {
		IDs   []string `json:"ids"`
		Types []string `json:"types"` // which are meant; Berth's ids are of one type each
	}
	if err := readInto(r, &w, "Berth reads ids and types."); err != nil {
		return answer{}, err
	}
	if len(w.IDs) > maxIDs {
		return answer{}, berth.Errorf(berth.CodeBadRequest, "At most %d ids can be asked for at once.", maxIDs)
	}
	value := []any{}
	applications := s.Directory.List()
	for _, id := range w.IDs {
		if p, known := s.People.Find(id); known && strings.EqualFold(p.ID, id) {
			value = append(value, s.userView(p))
		} else if g, known := s.People.Group(id); known {
			value = append(value, groupView(g))
		}
		for _, a := range applications {
			if strings.EqualFold(a.ObjectID, id) {
				v := s.principal(a)
				v["@odata.type"] = "#microsoft.graph.servicePrincipal"
				value = append(value, v)
			}
		}
	}
	return s.collection("directoryObjects", value), nil
}
