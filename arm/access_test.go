package arm_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"berth.dev/berth/app/apptest"
)

// The built-in roles of these tests.
const (
	owner           = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	contributor     = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	reader          = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	accessAdmin     = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
	computeOperator = "e503ece1-11d0-4e8e-8e2c-7a6c3bf38815"
	dataScientist   = "f6c7c914-8db3-469d-8ca1-694a8f32e121"
	keyOperator     = "81a9662b-bebf-436f-a333-f67b29880f12"
)

// team is a server with a storage account in one group, and another group.
type team struct {
	*front
	account, other string
}

func newTeam(t *testing.T) *team {
	f := newFront(t)
	m := &team{front: f, account: f.group + "/providers/Microsoft.Storage/storageAccounts/stuff"}
	m.other = m.makeGroup("Other-RG")
	f.Want(http.StatusOK, f.Do(http.MethodPut, m.account, object{"location": "westeurope", "sku": object{"name": "Standard_LRS"},
		"kind": "StorageV2"}))
	return m
}

func (m *team) makeGroup(name string) string {
	m.t.Helper()
	id := m.Group(name)
	m.Want(http.StatusCreated, m.Do(http.MethodPut, id, object{"location": "westeurope"}))
	return id
}

// with is a new caller with a role at a scope.
func (m *team) with(role, scope string) *apptest.Caller {
	m.t.Helper()
	c := m.NewCaller("caller")
	m.Assign(c.ObjectID, role, scope)
	return c
}

// refuses checks a refusal: its code, and that it says who may not do what and where.
func refuses(t *testing.T, c *apptest.Caller, method, path, right string, body any) {
	t.Helper()
	r := c.Do(method, path, body)
	scope := strings.TrimSuffix(path, "/listKeys")
	if !strings.Contains(path, "/resourceGroups/") {
		scope, _, _ = strings.Cut(path, "/providers/")
	}
	if r.Status != http.StatusForbidden || apptest.At(r.Body, "error.code") != "AuthorizationFailed" ||
		!strings.Contains(r.Text, "'"+c.ClientID+"'") || !strings.Contains(r.Text, c.ObjectID) || !strings.Contains(r.Text, "'"+right+"'") ||
		!strings.Contains(r.Text, "'"+scope+"'") {
		t.Errorf("%s %s: %d %s", method, path, r.Status, r.Text)
	}
}

// TestRoles: what the built-in roles permit, at the front door.
func TestRoles(t *testing.T) {
	m := newTeam(t)
	const read, write = "Microsoft.Storage/storageAccounts/read", "Microsoft.Storage/storageAccounts/write"
	const secret = "Microsoft.Storage/storageAccounts/listKeys/action"
	keys := m.account + "/listKeys"

	nobody := m.NewCaller("nobody")
	refuses(t, nobody, "GET", m.account, read, nil)
	refuses(t, nobody, "GET", m.account+"x", read, nil) // whether it exists is not told
	refuses(t, nobody, "GET", m.provider("Microsoft.Storage", "/storageAccounts"), read, nil)
	if got := nobody.Want(http.StatusOK, nobody.Do("GET", "/subscriptions", nil)); names(got.Body) != "" {
		t.Errorf("who has no role sees %s", got.Text)
	}

	m.get(m.account) // an answer that is in memory is for those that may read it
	m.get(m.account)
	refuses(t, nobody, "GET", m.account, read, nil)

	one := m.with(reader, m.group)
	one.Want(http.StatusOK, one.Do("GET", m.account, nil))
	refuses(t, one, "POST", keys, secret, nil)
	refuses(t, one, "PATCH", m.account, write, object{"tags": object{"a": "b"}})
	refuses(t, one, "DELETE", m.account, "Microsoft.Storage/storageAccounts/delete", nil)
	refuses(t, one, "GET", m.other, "Microsoft.Resources/subscriptions/resourceGroups/read", nil)

	operatorOfKeys := m.with(keyOperator, m.account)
	operatorOfKeys.Want(http.StatusOK, operatorOfKeys.Do("POST", keys, nil))
	refuses(t, operatorOfKeys, "GET", m.account, read, nil)
	refuses(t, operatorOfKeys, "GET", m.workspace, "Microsoft.MachineLearningServices/workspaces/read", nil)

	writer := m.with(contributor, m.group)
	writer.Want(http.StatusOK, writer.Do("PATCH", m.account, object{"tags": object{"a": "b"}}))
	refuses(t, writer, "PUT", m.group+"/providers/Microsoft.Authorization/roleAssignments/"+uuid.NewString(),
		"Microsoft.Authorization/roleAssignments/write", object{"properties": object{"principalId": writer.ObjectID,
			"roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + owner}})
	refuses(t, writer, "PUT", m.other+"2", "Microsoft.Resources/subscriptions/resourceGroups/write", object{"location": "westeurope"})

	operator := m.with(computeOperator, m.workspace)
	refuses(t, operator, "PUT", m.workspace, "Microsoft.MachineLearningServices/workspaces/write", object{"location": "westeurope"})
	operator.Want(http.StatusOK, operator.Do("GET", m.workspace+"/computes", nil))
	scientist := m.with(dataScientist, m.workspace)
	refuses(t, scientist, "PUT", m.compute("c"), "Microsoft.MachineLearningServices/workspaces/computes/write", object{})
	for _, path := range []string{"/modelmanagement/v1.0" + m.workspace + "/models", "/modelmanagement/v1.0" + m.workspace + "/services"} {
		get := func(c *apptest.Caller) *apptest.Response {
			return c.Send(apptest.Request{Method: "GET", Path: path, Raw: true})
		}
		scientist.Want(http.StatusOK, get(scientist))
		if got := get(operator); got.Status != http.StatusForbidden || !strings.Contains(got.Text, "/workspaces/") {
			t.Errorf("an operator of computes reads %s: %d %s", path, got.Status, got.Text)
		}
	}
}

// TestListsByRole: lists show what the caller may read, and nothing else; operations likewise.
func TestListsByRole(t *testing.T) {
	m := newTeam(t)
	one := m.with(reader, m.account)
	accounts := m.provider("Microsoft.Storage", "/storageAccounts")
	for path, want := range map[string]string{
		"/subscriptions": m.SubscriptionID, accounts: "stuff", m.group + "/resources": "stuff",
		"/subscriptions/" + m.SubscriptionID + "/resources":            "stuff",
		m.provider("Microsoft.MachineLearningServices", "/workspaces"): "", "/subscriptions/" + m.SubscriptionID + "/resourceGroups": "",
	} {
		got := one.Want(http.StatusOK, one.Do("GET", path, nil))
		found := names(got.Body)
		if path == "/subscriptions" {
			found, _ = apptest.At(got.Body, "value.0.subscriptionId").(string)
		}
		if found != want {
			t.Errorf("GET %s shows %q, want %q", path, found, want)
		}
	}
	gone := m.makeGroup("Gone-RG")
	ended := m.Do("DELETE", gone, nil)
	m.WaitOperation(ended)
	operations := "/subscriptions/" + m.SubscriptionID + "/operations"
	all, few := m.get(operations), one.Want(http.StatusOK, one.Do("GET", operations, nil)).Body
	if a, b := len(all["value"].([]any)), len(few["value"].([]any)); a == 0 || b != 0 {
		t.Errorf("of %d operations %d are shown", a, b)
	}
	if r := one.Do("GET", ended.Header.Get("Azure-AsyncOperation"), nil); r.Status != http.StatusForbidden {
		t.Errorf("an operation of another group: %d %s", r.Status, r.Text)
	}
	reads := m.get(m.group + "/providers/Microsoft.Authorization/permissions")
	m.equal(reads, "value.0.actions.0", "*")
	got := one.Want(http.StatusOK, one.Do("GET", m.account+"/providers/Microsoft.Authorization/permissions", nil))
	m.equal(got.Body, "value.0.actions.0", "*/read")
	got = one.Want(http.StatusOK, one.Do("GET", m.group+"/providers/Microsoft.Authorization/permissions", nil))
	if len(got.Body["value"].([]any)) != 0 {
		t.Errorf("at the group: %s", got.Text)
	}
	m.get(m.account + "/providers/Microsoft.Authorization/denyAssignments")
}

// TestCheckAccess: who has a role may ask what it may do, and who may read assignments what others may do.
func TestCheckAccess(t *testing.T) {
	m := newTeam(t)
	one := m.with(reader, m.account)
	const check = "/providers/Microsoft.Authorization/checkAccess"
	ask := func(about string) object {
		return object{"Subject": object{"Attributes": object{"ObjectId": about}}, "Actions": []any{
			object{"Id": "Microsoft.Storage/storageAccounts/read"}, object{"Id": "Microsoft.Storage/storageAccounts/write"},
			object{"Id": "Microsoft.Storage/storageAccounts/read", "IsDataAction": true}}}
	}
	decisions := func(c *apptest.Server, scope, about string) string {
		t.Helper()
		got := c.Want(http.StatusOK, c.Do("POST", scope+check, ask(about)))
		var out []string
		for i := range 3 {
			out = append(out, fmt.Sprint(apptest.At(got.Body, fmt.Sprintf("value.%d.accessDecision", i))))
		}
		return strings.Join(out, " ")
	}
	for _, about := range []string{"", one.ObjectID} {
		if got := decisions(one.Server, m.account, about); got != "Allowed NotAllowed NotAllowed" {
			t.Errorf("a reader about %q: %s", about, got)
		}
	}
	if got := decisions(one.Server, m.other, ""); got != "NotAllowed NotAllowed NotAllowed" {
		t.Errorf("elsewhere: %s", got)
	}
	if got := decisions(m.Server, m.account, one.ObjectID); got != "Allowed NotAllowed NotAllowed" {
		t.Errorf("the owner about the reader: %s", got)
	}
	two := m.with(keyOperator, m.account)
	if r := two.Do("POST", m.account+check, ask(one.ObjectID)); r.Status != http.StatusForbidden ||
		!strings.Contains(r.Text, "Microsoft.Authorization/roleAssignments/read") {
		t.Errorf("one about another: %d %s", r.Status, r.Text)
	}
	for _, wrong := range []object{{}, {"Actions": []any{}}, {"Actions": "all"}} {
		if r := one.Do("POST", m.account+check, wrong); r.Status != http.StatusBadRequest {
			t.Errorf("%v: %d %s", wrong, r.Status, r.Text)
		}
	}
}

// TestRolesTakenAway: what was assigned ends with the assignment, with the group that it was in, and with the role.
func TestRolesTakenAway(t *testing.T) {
	m := newTeam(t)
	one := m.NewCaller("one")
	assignment := m.Assign(one.ObjectID, reader, m.account)
	one.Want(http.StatusOK, one.Do("GET", m.account, nil))
	m.Want(http.StatusOK, m.Do("DELETE", assignment, nil))
	refuses(t, one, "GET", m.account, "Microsoft.Storage/storageAccounts/read", nil)

	m.Assign(one.ObjectID, reader, m.other)
	one.Want(http.StatusOK, one.Do("GET", m.other, nil))
	m.WaitOperation(m.Do("DELETE", m.other, nil))
	m.makeGroup("Other-RG")
	refuses(t, one, "GET", m.other, "Microsoft.Resources/subscriptions/resourceGroups/read", nil)

	role := uuid.NewString()
	at := "/subscriptions/" + m.SubscriptionID + "/providers/Microsoft.Authorization/roleDefinitions/" + role
	define := func(actions ...any) object {
		return object{"properties": object{"roleName": "Looker", "assignableScopes": []any{"/subscriptions/" + m.SubscriptionID},
			"permissions": []any{object{"actions": actions, "notActions": []any{"*/workspaces/read"}}}}}
	}
	m.Want(http.StatusCreated, m.Do("PUT", at, define("*/read")))
	m.Assign(one.ObjectID, role, m.group)
	one.Want(http.StatusOK, one.Do("GET", m.account, nil))
	refuses(t, one, "GET", m.workspace, "Microsoft.MachineLearningServices/workspaces/read", nil)
	if got := one.Want(http.StatusOK, one.Do("GET", m.group+"/resources", nil)); names(got.Body) != "stuff" {
		t.Errorf("the list of all types shows %s", names(got.Body))
	}
	m.Want(http.StatusCreated, m.Do("PUT", at, define("Microsoft.Network/*")))
	refuses(t, one, "GET", m.account, "Microsoft.Storage/storageAccounts/read", nil)
	for _, wrong := range []any{"*", []any{"*"}, []any{object{"actions": "*"}}, []any{object{"actions": []any{1}}},
		[]any{object{"Actions": []any{}}}} {
		body := define()
		body["properties"].(object)["permissions"] = wrong
		if got := m.Do("PUT", at, body); got.Status != http.StatusBadRequest {
			t.Errorf("the permissions %v: %d %s", wrong, got.Status, got.Text)
		}
	}
	if got := m.Do("PUT", m.group+strings.TrimPrefix(at, "/subscriptions/"+m.SubscriptionID), define("*")); got.Status != http.StatusConflict {
		t.Errorf("the id of a role at another scope: %d %s", got.Status, got.Text)
	}
}

// TestEscalations: no way around the roles. A caller with rights of its own in one group reaches for what it may not.
func TestEscalations(t *testing.T) {
	m := newTeam(t)
	mine := m.makeGroup("Mine-RG")
	cluster := m.Cluster(group, "c")
	c := m.with(contributor, mine)
	space := mine + "/providers/Microsoft.MachineLearningServices/workspaces/mine"
	c.Want(http.StatusOK, c.Do("PUT", space, object{"location": "westeurope"}))

	// By the id of a cluster.
	attach := object{"location": "westeurope", "properties": object{"computeType": "AKS", "resourceId": cluster}}
	linkedTo(t, c.Do("PUT", space+"/computes/deputy", attach), "listClusterAdminCredential/action", cluster)
	// By an identity.
	identity := m.group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
	m.Want(http.StatusCreated, m.Do("PUT", identity, object{"location": "westeurope"}))
	linkedTo(t, c.Do("PUT", mine+"/providers/Microsoft.ContainerService/managedClusters/d", object{"location": "westeurope",
		"identity":   object{"type": "UserAssigned", "userAssignedIdentities": object{identity: object{}}},
		"properties": object{"agentPoolProfiles": []any{object{"name": "pool", "count": 1, "vmSize": "Standard_D3_v2"}}}}),
		"assign/action", identity)
	// By a template: when it is validated, and when its resources are made, also by a nested one in another group.
	assignment := object{"type": "Microsoft.Authorization/roleAssignments", "apiVersion": "2022-04-01", "name": uuid.NewString(),
		"properties": object{"principalId": c.ObjectID, "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + owner}}
	template := func(resources ...any) object {
		return object{"properties": object{"mode": "Incremental", "template": object{"contentVersion": "1.0.0.0",
			"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "resources": resources}}}
	}
	deployments := mine + "/providers/Microsoft.Resources/deployments/"
	if got := c.Do("POST", deployments+"a/validate", template(assignment)); got.Status != http.StatusBadRequest ||
		!strings.Contains(got.Text, "Microsoft.Authorization/roleAssignments/write") {
		t.Errorf("a template with a role assignment is valid: %d %s", got.Status, got.Text)
	}
	if end := c.WaitOperation(c.Do("PUT", deployments+"a", template(assignment))); end["status"] != "Failed" ||
		!strings.Contains(fmt.Sprint(end), "Microsoft.Authorization/roleAssignments/write") {
		t.Errorf("a template with a role assignment: %v", end)
	}
	nested := object{"type": "Microsoft.Resources/deployments", "apiVersion": "2021-04-01", "name": "inner", "resourceGroup": "Team-RG",
		"properties": template(object{"type": "Microsoft.MachineLearningServices/workspaces", "apiVersion": "2024-04-01", "name": "x",
			"location": "westeurope"})["properties"]}
	got := c.Do("PUT", deployments+"b", template(nested))
	if got.Status < 300 {
		m.WaitOperation(got)
		got = m.Do("GET", deployments+"b", nil)
	}
	if !strings.Contains(got.Text, "AuthorizationFailed") {
		t.Errorf("a nested template in a foreign group: %d %s", got.Status, got.Text)
	}
	if r := m.Do("GET", m.group+"/providers/Microsoft.MachineLearningServices/workspaces/x", nil); r.Status != http.StatusNotFound {
		t.Errorf("it was made: %s", r.Text)
	}
	// By the directory: a secret of the Owner.
	token := c.NewToken(c.Endpoint + "/graph/.default")
	if r := c.Send(apptest.Request{Method: "POST", Raw: true, Path: "/graph/v1.0/applications", Body: object{"displayName": "x"},
		Header: map[string]string{"Authorization": "Bearer " + token}}); r.Status != http.StatusForbidden {
		t.Errorf("a new caller: %d %s", r.Status, r.Text)
	}
	// By conditions that nobody evaluates, and by leaving nobody who may give rights.
	admin := m.with(accessAdmin, mine)
	conditional := object{"properties": object{"principalId": c.ObjectID, "condition": "true", "conditionVersion": "2.0",
		"roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + owner}}
	if r := admin.Do("PUT", mine+"/providers/Microsoft.Authorization/roleAssignments/"+uuid.NewString(), conditional); r.Status != 400 {
		t.Errorf("an assignment with a condition: %d %s", r.Status, r.Text)
	}
	all := m.get("/subscriptions/" + m.SubscriptionID + "/providers/Microsoft.Authorization/roleAssignments?$filter=atScope()")
	first, _ := apptest.At(all, "value.0.id").(string)
	if r := m.Do("DELETE", first, nil); !strings.Contains(r.Text, "last assignment") {
		t.Errorf("the last Owner: %d %s", r.Status, r.Text)
	}
}

func linkedTo(t *testing.T, r *apptest.Response, right, scope string) {
	t.Helper()
	text, _ := json.Marshal(r.Body)
	if r.Status != http.StatusForbidden || apptest.At(r.Body, "error.code") != "LinkedAuthorizationFailed" ||
		!strings.Contains(string(text), right) || !strings.Contains(strings.ToLower(string(text)), strings.ToLower(fmt.Sprintf("'%s'", scope))) {
		t.Errorf("%d %s; want a refusal of %s at %s", r.Status, r.Text, right, scope)
	}
}
