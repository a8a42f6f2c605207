package arm

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// presetName is the usual name of a record that its parent has from the beginning.
const presetName = "default"

// startOfAuthority is that of a private DNS zone, as Azure makes it.
var startOfAuthority = map[string]any{"ttl": 3600, "soaRecord": map[string]any{"host": "azureprivatedns." + berth.CloudSuffix,
	"email": "azureprivatedns-host." + berth.CloudSuffix, "serialNumber": 1, "refreshTime": 3600, "retryTime": 300, "expireTime": 2419200,
	"minimumTtl": 10}}

// preset is a record that its parent has from the beginning and that no PUT has changed; nil for any other.
func (s *Server) preset(q *request, id berth.ID) (*berth.Resource, error) {
	k := kindOf(id.Type())
	if k == nil || k.record == nil || k.record.preset == nil || !strings.EqualFold(id.Name(), cmp.Or(k.record.presetName, presetName)) {
		return nil, nil
	}
	parent, err := s.load(q, id.Parent())
	if err != nil {
		return nil, err
	}
	return &berth.Resource{ID: id, Location: parent.Location, State: berth.StateSucceeded, Generation: parent.Generation,
		CreatedAt: parent.CreatedAt, CreatedBy: parent.CreatedBy, ModifiedAt: parent.CreatedAt, ModifiedBy: parent.CreatedBy,
		Body: &berth.Record{Type: k.typ, Fields: map[string]any{"properties": maps.Clone(k.record.preset)}}}, nil
}

// loadPreset reads a record, or the preset one.
func (s *Server) loadPreset(q *request, id berth.ID) (*berth.Resource, error) {
	r, err := s.Store.Get(q.Context(), id)
	if !errors.Is(err, store.ErrNotFound) {
		return r, err
	}
	if r, err = s.preset(q, id); err != nil || r != nil {
		return r, err
	}
	return nil, s.missing(q, id)
}

func (s *Server) getPreset(q *request, t target) (*response, error) {
	r, err := s.loadPreset(q, t.id)
	if err != nil {
		return nil, err
	}
	return ok(t.kind.encode(s, q, r)), nil
}

// keepPreset stores a preset record before a record is created inside it.
func (s *Server) keepPreset(q *request, id berth.ID) error {
	if _, err := s.Store.Get(q.Context(), id); id.IsZero() || !errors.Is(err, store.ErrNotFound) {
		return nil //nolint:nilerr // the store refuses the change that follows
	}
	r, err := s.preset(q, id)
	if r == nil || err != nil {
		return nil //nolint:nilerr // likewise
	}
	_, _, err = s.Store.Accept(q.Context(), store.Change{Verb: berth.VerbCreate, Resource: r, Settled: true, Caller: q.caller.AppID})
	if errors.Is(err, store.ErrMoved) {
		return nil // another request has just stored it
	}
	return err
}

// billingFeatures are those of a component that has not changed them.
var billingFeatures = map[string]any{
	"CurrentBillingFeatures": []any{"Basic"},
	"DataVolumeCap": map[string]any{"Cap": 100, "ResetTime": 0, "WarningThreshold": 90, "StopSendNotificationWhenHitThreshold": false,
		"StopSendNotificationWhenHitCap": false, "MaxHistoryCap": 100},
}

func (s *Server) getBilling(q *request, t target) (*response, error) {
	if _, err := s.load(q, t.id); err != nil {
		return nil, err
	}
	r, err := s.loadPreset(q, t.id.Child(wire.PartsName(berth.TypeBillingFeatures), presetName))
	if err != nil {
		return nil, err
	}
	return ok(r.Body.(*berth.Record).Properties()), nil
}

func (s *Server) putBilling(q *request, t target) (*response, error) {
	var in map[string]any
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	id := t.id.Child(wire.PartsName(berth.TypeBillingFeatures), presetName)
	k := *kindOf(berth.TypeBillingFeatures)
	k.polled = false
	k.encode = func(_ *Server, _ *request, r *berth.Resource) wire.Object { return r.Body.(*berth.Record).Properties() }
	return s.change(q, id, func(old *berth.Resource) (*plan, error) {
		component, err := s.load(q, t.id)
		if err != nil {
			return nil, err
		}
		now := maps.Clone(billingFeatures)
		if old != nil {
			now = maps.Clone(old.Body.(*berth.Record).Properties())
		}
		if limit, sent := in["DataVolumeCap"].(map[string]any); sent { // a limit that is not sent stays
			was, _ := now["DataVolumeCap"].(map[string]any)
			in["DataVolumeCap"] = merged(was, limit)
		}
		r := &berth.Resource{ID: id, Location: component.Location,
			Body: &berth.Record{Type: k.typ, Fields: map[string]any{"properties": merged(now, in)}}}
		return &plan{change: store.Change{Resource: r, Settled: true}}, nil
	}, &k)
}

func merged(was, sent map[string]any) map[string]any {
	out := maps.Clone(was)
	if out == nil {
		out = map[string]any{}
	}
	maps.Copy(out, sent)
	return out
}

// Vaults are deleted softly: a deleted vault can be read until it is purged.

// vaults is the path below which vaults answer, without data.
const vaults = "/vaults/"

// vaultRetention is how long a deleted vault can be read.
const vaultRetention = 90 * 24 * time.Hour

func deletedVaultID(vault *berth.Resource) berth.ID {
	id := berth.ID{Subscription: vault.ID.Subscription, Namespace: vault.ID.Namespace}
	return id.Child("locations", vault.Location).Child("deletedVaults", vault.ID.Name())
}

// keepDeletedVault stores that a vault is deleted, and forgets those that were deleted too long ago.
func (s *Server) keepDeletedVault(q *request, vault *berth.Resource) error {
	now := s.Clock.Now().UTC()
	all, err := s.Store.All(q.Context(), store.Query{Type: berth.TypeDeletedVault, Subscription: s.Subscription})
	if err != nil {
		return err
	}
	for _, r := range all {
		if now.Sub(r.ModifiedAt) > vaultRetention {
			if err := s.drop(q, r.ID); err != nil {
				return err
			}
		}
	}
	id := deletedVaultID(vault)
	if err := s.drop(q, id); err != nil {
		return err
	}
	properties := map[string]any{"vaultId": vault.ID.String(), "location": vault.Location, "tags": vault.Tags, "deletionDate": wire.Time(now),
		"scheduledPurgeDate": wire.Time(now.Add(vaultRetention)), "purgeProtectionEnabled": false}
	_, _, err = s.Store.Accept(q.Context(), store.Change{Verb: berth.VerbCreate, Settled: true, Caller: q.caller.AppID,
		Resource: &berth.Resource{ID: id, Location: vault.Location,
			Body: &berth.Record{Type: berth.TypeDeletedVault, Fields: map[string]any{"properties": properties}}}})
	return err
}

// drop removes a record at once, if it exists.
func (s *Server) drop(q *request, id berth.ID) error {
	_, _, err := s.Store.Accept(q.Context(), store.Change{Verb: berth.VerbDelete, Settled: true, Caller: q.caller.AppID,
		Resource: &berth.Resource{ID: id, Body: &berth.Record{Type: id.Type()}}})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// dropDeletedVault forgets the deleted vault whose name a new one takes: Berth stores nothing in vaults that could be recovered.
func dropDeletedVault(s *Server, q *request, id berth.ID, _, old *berth.Record) error {
	if old != nil {
		return nil
	}
	all, err := s.Store.All(q.Context(), store.Query{Type: berth.TypeDeletedVault, Subscription: s.Subscription, Name: id.Name()})
	for _, r := range all {
		err = errors.Join(err, s.drop(q, r.ID))
	}
	return err
}

// deletedVault finds the deleted vault that a service address names.
func (s *Server) deletedVault(q *request, t target) (*berth.Resource, error) {
	id := berth.ID{Subscription: s.Subscription, Namespace: "Microsoft.KeyVault"}
	id = id.Child("locations", t.words[0]).Child("deletedVaults", t.words[1])
	if err := checkID(id); err != nil {
		return nil, err
	}
	r, err := s.Store.Get(q.Context(), id)
	if errors.Is(err, store.ErrNotFound) || err == nil && s.Clock.Now().Sub(r.ModifiedAt) > vaultRetention {
		return nil, berth.Errorf(codeNoDeletedVault, "The specified deleted vault '%s' does not exist.", t.words[1])
	}
	return r, err
}

const codeNoDeletedVault berth.Code = "DeletedVaultNotFound"

func (s *Server) getDeletedVault(q *request, t target) (*response, error) {
	r, err := s.deletedVault(q, t)
	if err != nil {
		return nil, err
	}
	return ok(kindOf(berth.TypeDeletedVault).encode(s, q, r)), nil
}

func (s *Server) listDeletedVaults(q *request, _ target) (*response, error) {
	return s.page(q, store.Query{Type: berth.TypeDeletedVault, Subscription: s.Subscription}, func(r *berth.Resource) any {
		return kindOf(berth.TypeDeletedVault).encode(s, q, r)
	})
}

func (s *Server) purgeVault(q *request, t target) (*response, error) {
	r, err := s.deletedVault(q, t)
	if err != nil {
		return nil, err
	}
	return &response{status: http.StatusOK}, s.drop(q, r.ID)
}

// vaultData answers below the address of a vault, where a vault has its keys and certificates: Berth has none.
func vaultData() *response {
	return &response{status: http.StatusNotFound, body: wire.Object{"error": wire.Object{"code": "NotFound",
		"message": "Berth stores vaults as records: they contain no secrets, keys, certificates or contacts."}}}
}

// none answers a collection that is always empty: Berth deletes a Log Analytics workspace at once.
func (s *Server) none(*request, target) (*response, error) {
	return ok(wire.Object{"value": []any{}}), nil
}

// Features of a namespace are stored when they are registered, and change nothing.

func (s *Server) feature(q *request, namespace, name string) (berth.ID, *berth.Resource, error) {
	id := berth.ID{Subscription: s.Subscription, Namespace: "Microsoft.Features"}
	id = id.Child("providers", namespace).Child("features", name)
	if err := checkID(id); err != nil {
		return id, nil, err
	}
	r, err := s.Store.Get(q.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return id, nil, nil
	}
	return id, r, err
}

func encodeFeature(id berth.ID, registered bool) wire.Object {
	state := "NotRegistered"
	if registered {
		state = "Registered"
	}
	return wire.Object{"id": id.String(), "name": strings.Join(id.Names, "/"), "type": berth.TypeFeature, "properties": wire.Object{
		"state": state, "berthNote": "Berth stores that a feature is registered, and nothing depends on it."}}
}

func (s *Server) getFeature(q *request, t target) (*response, error) {
	id, r, err := s.feature(q, t.words[0], t.words[1])
	if err != nil {
		return nil, err
	}
	return ok(encodeFeature(id, r != nil)), nil
}

func (s *Server) registerFeature(q *request, t target) (*response, error) {
	id, r, err := s.feature(q, t.words[0], t.words[1])
	if err == nil && r == nil {
		_, _, err = s.Store.Accept(q.Context(), store.Change{Verb: berth.VerbCreate, Settled: true, Caller: q.caller.AppID,
			Resource: &berth.Resource{ID: id, Location: "global", Body: &berth.Record{Type: berth.TypeFeature}}})
	}
	if err != nil && !errors.Is(err, store.ErrMoved) {
		return nil, err
	}
	return ok(encodeFeature(id, true)), nil
}

func (s *Server) unregisterFeature(q *request, t target) (*response, error) {
	id, _, err := s.feature(q, t.words[0], t.words[1])
	if err != nil {
		return nil, err
	}
	return ok(encodeFeature(id, false)), s.drop(q, id)
}

// listFeatures answers the features that are registered, of one namespace or of all.
func (s *Server) listFeatures(q *request, t target) (*response, error) {
	all, err := s.Store.All(q.Context(), store.Query{Type: berth.TypeFeature, Subscription: s.Subscription})
	if err != nil {
		return nil, err
	}
	value := []any{}
	for _, r := range all {
		if len(t.words) == 0 || strings.EqualFold(t.words[0], r.ID.Names[0]) {
			value = append(value, encodeFeature(r.ID, true))
		}
	}
	return ok(wire.Object{"value": value}), nil
}
