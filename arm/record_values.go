package arm

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/google/uuid"

	"berth.dev/berth"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// The read-only properties of records. Host names end in berth.CloudSuffix, so that no client reaches a service of Azure.

func madeGUID(*Server, *request, berth.ID, *berth.Record) map[string]any {
	return map[string]any{"resourceGuid": uuid.NewString()}
}

func madeIdentity(s *Server, _ *request, _ berth.ID, _ *berth.Record) map[string]any {
	return map[string]any{"principalId": uuid.NewString(), "clientId": uuid.NewString(), "tenantId": s.Authority.TenantID()}
}

func madeComponent(s *Server, _ *request, _ berth.ID, _ *berth.Record) map[string]any {
	id := uuid.NewString()
	return map[string]any{"InstrumentationKey": uuid.NewString(), "AppId": id, "ApplicationId": id, "TenantId": s.Authority.TenantID(),
		"CreationDate": wire.Time(s.Clock.Now())}
}

func componentValues(base string, r *berth.Resource) wire.Object {
	values := r.Body.(*berth.Record).Values
	if values["InstrumentationKey"] == nil {
		return nil
	}
	return wire.Object{"Name": r.ID.Name(), "ConnectionString": fmt.Sprintf("InstrumentationKey=%v;IngestionEndpoint=%s/;ApplicationId=%v",
		values["InstrumentationKey"], base, values["AppId"])}
}

func madeLogWorkspace(s *Server, _ *request, _ berth.ID, _ *berth.Record) map[string]any {
	now := wire.Time(s.Clock.Now())
	return map[string]any{"customerId": uuid.NewString(), "createdDate": now, "modifiedDate": now}
}

func madeCollectionRule(*Server, *request, berth.ID, *berth.Record) map[string]any {
	return map[string]any{"immutableId": "dcr-" + strings.ReplaceAll(uuid.NewString(), "-", "")}
}

// madePublicIP chooses an address of the range that is reserved for measurements (RFC 2544): no client reaches anything there.
func madePublicIP(*Server, *request, berth.ID, *berth.Record) map[string]any {
	id := uuid.New()
	return map[string]any{"resourceGuid": id.String(), "ipAddress": fmt.Sprintf("198.%d.%d.%d", 18+id[0]&1, id[1], 1+id[2]%254)}
}

func madePublicPrefix(*Server, *request, berth.ID, *berth.Record) map[string]any {
	id := uuid.New()
	return map[string]any{"resourceGuid": id.String(), "ipPrefix": fmt.Sprintf("198.%d.%d.%d/28", 18+id[0]&1, id[1], id[2]&0xf0)}
}

func vaultValues(base string, r *berth.Resource) wire.Object {
	return wire.Object{"vaultUri": base + vaults + r.ID.Name() + "/"}
}

func registryValues(_ string, r *berth.Resource) wire.Object {
	return wire.Object{"loginServer": strings.ToLower(r.ID.Name()) + ".registry." + berth.CloudSuffix, "creationDate": wire.Time(r.CreatedAt)}
}

func storageValues(_ string, r *berth.Resource) wire.Object {
	endpoints := wire.Object{}
	for _, service := range []string{"blob", "file", "queue", "table", "dfs", "web"} {
		endpoints[service] = "https://" + r.ID.Name() + "." + service + "." + berth.CloudSuffix + "/"
	}
	return wire.Object{"primaryEndpoints": endpoints, "primaryLocation": r.Location, "statusOfPrimary": "available",
		"creationTime": wire.Time(r.CreatedAt)}
}

// storageTier completes the SKU of a storage account: its tier is the first word of its name, as in Standard_LRS.
func storageTier(answer wire.Object) {
	if sent, isObject := answer["sku"].(map[string]any); isObject {
		sku := maps.Clone(sent)
		name, _ := sku["name"].(string)
		sku["tier"], _, _ = strings.Cut(name, "_")
		answer["sku"] = sku
	}
}

// callbackConfig answers where a webhook of a registry sends.
func callbackConfig(_ *Server, _ *request, r *berth.Resource) (*response, error) {
	hook := r.Body.(*berth.Record).Properties()
	return secretAnswer(wire.Object{"serviceUri": hook["serviceUri"], "customHeaders": hook["customHeaders"]}), nil
}

// noLocation takes away the location of what is nowhere: a policy assignment has one only when it was sent.
func noLocation(answer wire.Object) {
	if answer["location"] == "global" {
		delete(answer, "location")
	}
}

func linkValues(string, *berth.Resource) wire.Object {
	return wire.Object{"virtualNetworkLinkState": "Completed"}
}

func dnsValues(_ string, r *berth.Resource) wire.Object {
	name := r.ID.Parent().Name() + "."
	if r.ID.Name() != "@" {
		name = r.ID.Name() + "." + name
	}
	return wire.Object{"fqdn": name, "isAutoRegistered": false}
}

// codeNoIdentity is the code for an identity that does not exist.
const codeNoIdentity berth.Code = "InvalidIdentityReference"

// identities completes the identity of a request: the ids of the record's own, which stay what they were, and those of the identities
// that it names. It refuses one that does not exist.
func (s *Server) identities(q *request, fields map[string]any, old *berth.Resource) error {
	identity, _ := fields["identity"].(map[string]any)
	kind, _ := identity["type"].(string)
	if strings.Contains(strings.ToLower(kind), "systemassigned") {
		identity["principalId"], identity["tenantId"] = uuid.NewString(), s.Authority.TenantID()
		if old != nil {
			was, _ := old.Body.(*berth.Record).Fields["identity"].(map[string]any)
			if id, has := was["principalId"].(string); has {
				identity["principalId"] = id
			}
		}
	}
	named, _ := identity["userAssignedIdentities"].(map[string]any)
	for name := range named {
		id, err := berth.ParseID(name)
		if err != nil || !id.Is(berth.TypeIdentity) {
			return &berth.Error{Code: codeNoIdentity, Target: "identity.userAssignedIdentities",
				Message: "'" + name + "' is not the id of a user-assigned identity."}
		}
		r, err := s.Store.Get(q.Context(), id)
		if errors.Is(err, store.ErrNotFound) {
			return &berth.Error{Code: codeNoIdentity, Target: "identity.userAssignedIdentities",
				Message: "The user-assigned identity '" + name + "' could not be found. Create it first."}
		}
		if err != nil {
			return err
		}
		values := r.Body.(*berth.Record).Values
		named[name] = map[string]any{"principalId": values["principalId"], "clientId": values["clientId"]}
	}
	return nil
}

// keys are the two access keys of a record. They are made when they are first read.
func (s *Server) keys(q *request, r *berth.Resource) (map[string]string, error) {
	stored, err := s.Store.Secret(q.Context(), r.ID, berth.SecretKeys)
	if errors.Is(err, store.ErrNotFound) {
		return s.changeKeys(q, r, map[string]string{"key1": newKey(), "key2": newKey()})
	}
	if err != nil {
		return nil, err
	}
	keys := map[string]string{}
	return keys, json.Unmarshal(stored, &keys)
}

func (s *Server) changeKeys(q *request, r *berth.Resource, keys map[string]string) (map[string]string, error) {
	secret, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	_, _, err = s.Store.Accept(q.Context(), store.Change{Verb: berth.VerbUpdate, Resource: r, Base: r.Generation, Settled: true,
		Caller: q.caller.AppID, Secrets: map[string][]byte{berth.SecretKeys: secret}})
	if errors.Is(err, store.ErrMoved) { // another request has just made them, or has changed the record
		if r, err = s.load(q, r.ID); err == nil {
			return s.keys(q, r)
		}
	}
	return keys, err
}

// newKey is a key of 64 random bytes.
func newKey() string {
	key := make([]byte, 64)
	_, _ = rand.Read(key) // it never fails
	return base64.StdEncoding.EncodeToString(key)
}

func (s *Server) storageKeys(q *request, r *berth.Resource) (*response, error) {
	keys, err := s.keys(q, r)
	if err != nil {
		return nil, err
	}
	return storageKeysAnswer(r, keys), nil
}

func storageKeysAnswer(r *berth.Resource, keys map[string]string) *response {
	all := []any{}
	for _, name := range []string{"key1", "key2"} {
		all = append(all, wire.Object{"keyName": name, "value": keys[name], "permissions": "FULL", "creationTime": wire.Time(r.CreatedAt)})
	}
	return ok(wire.Object{"keys": all})
}

func (s *Server) regenerateStorageKey(q *request, r *berth.Resource) (*response, error) {
	var in struct {
		Name string `json:"keyName"`
	}
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	keys, err := s.keys(q, r)
	if err != nil {
		return nil, err
	}
	if keys[in.Name] == "" {
		return nil, &berth.Error{Code: berth.CodeInvalidRequest, Target: "keyName", Message: "The keyName is key1 or key2."}
	}
	if r, err = s.load(q, r.ID); err != nil {
		return nil, err
	}
	keys = maps.Clone(keys)
	keys[in.Name] = newKey()
	if keys, err = s.changeKeys(q, r, keys); err != nil {
		return nil, err
	}
	return storageKeysAnswer(r, keys), nil
}

func (s *Server) sharedKeys(q *request, r *berth.Resource) (*response, error) {
	keys, err := s.keys(q, r)
	if err != nil {
		return nil, err
	}
	return ok(wire.Object{"primarySharedKey": keys["key1"], "secondarySharedKey": keys["key2"]}), nil
}

func (s *Server) registryCredentials(q *request, r *berth.Resource) (*response, error) {
	if on, _ := r.Body.(*berth.Record).Properties()["adminUserEnabled"].(bool); !on {
		return nil, berth.Errorf(berth.CodeBadRequest, "The administrator of the registry '%s' is not enabled. Set adminUserEnabled to true "+
			"to get its credentials.", r.ID.Name())
	}
	keys, err := s.keys(q, r)
	if err != nil {
		return nil, err
	}
	password := func(key string) string { return hex.EncodeToString([]byte(keys[key])[:24]) }
	return ok(wire.Object{"username": r.ID.Name(), "passwords": []any{
		wire.Object{"name": "password", "value": password("key1")}, wire.Object{"name": "password2", "value": password("key2")},
	}}), nil
}
