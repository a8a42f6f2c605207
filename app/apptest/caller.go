package apptest

import (
	"net/http"

	"github.com/google/uuid"
)

// Caller is the server as another caller sees it, and the object id of that caller.
type Caller struct {
	*Server
	ObjectID string
}

// NewCaller creates an application with a secret, which has no role, and signs in as it.
func (s *Server) NewCaller(name string) *Caller {
	s.t.Helper()
	graph := *s
	graph.Token = s.NewToken(s.Endpoint + "/graph/.default")
	send := func(status int, path string, body any) Object {
		s.t.Helper()
		return graph.Want(status, graph.Send(Request{Method: http.MethodPost, Path: "/graph/v1.0/" + path, Body: body, Raw: true})).Body
	}
	application := send(http.StatusCreated, "applications", Object{"displayName": name})
	principal := send(http.StatusCreated, "servicePrincipals", Object{"appId": application["appId"]})
	id, _ := principal["id"].(string)
	password := send(http.StatusOK, "servicePrincipals/"+id+"/addPassword", Object{})
	other := *s
	other.ClientID, _ = application["appId"].(string)
	other.ClientSecret, _ = password["secretText"].(string)
	other.Token = other.NewToken(s.Endpoint + "/.default")
	return &Caller{&other, id}
}

// Assign gives a principal a role at a scope, and returns the address of the assignment.
func (s *Server) Assign(principal, role, scope string) string {
	s.t.Helper()
	path := scope + "/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString()
	s.Want(http.StatusCreated, s.Do(http.MethodPut, path, Object{"properties": Object{"principalId": principal,
		"roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + role}}))
	return path
}
