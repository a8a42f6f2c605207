package access

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/store"
)

// namespace is in the key of every resource that a policy is made of.
const namespace = "/microsoft.authorization/role"

// OwnerRole is the id of the built-in role Owner.
const OwnerRole = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"

// Guard has the policy of a store. It reads it again when a role assignment or a role definition has changed.
type Guard struct {
	store        *store.Store
	subscription string
	members      func() map[string][]string
	changes      atomic.Uint64
	kept         atomic.Pointer[kept]
}

type kept struct {
	changes uint64
	policy  *Policy
}

// NewGuard makes the guard of a subscription. It lives as long as its store. members are the groups of each principal, by object ids in
// lower case; call Changed after they have changed.
func NewGuard(s *store.Store, subscription string, members func() map[string][]string) *Guard {
	g := &Guard{store: s, subscription: subscription, members: members}
	s.Subscribe(func(e store.Event) {
		// With a resource go the assignments at it, and an event without a key stands for any.
		if e.Gone || e.Key == "" || e.Key == store.PeopleChanged || strings.Contains(e.Key, namespace) {
			g.changes.Add(1)
		}
	})
	return g
}

// Changed makes the next request read the policy again.
func (g *Guard) Changed() { g.changes.Add(1) }

// Policy is the present policy.
func (g *Guard) Policy(ctx context.Context) (*Policy, error) {
	changes := g.changes.Load()
	if k := g.kept.Load(); k != nil && k.changes == changes {
		return k.policy, nil
	}
	all, err := g.assignments(ctx)
	if err != nil {
		return nil, err
	}
	p := NewPolicy(all, g.members())
	g.kept.Store(&kept{changes, p})
	return p, nil
}

// May reports whether a principal may do an action on the whole subscription.
func (g *Guard) May(ctx context.Context, principal, action string) (bool, error) {
	p, err := g.Policy(ctx)
	return err == nil && p.May(principal, action, "/subscriptions/"+g.subscription), err
}

func (g *Guard) assignments(ctx context.Context) ([]Assignment, error) {
	custom, err := g.store.All(ctx, store.Query{Type: berth.TypeRoleDefinition, Subscription: g.subscription})
	if err != nil {
		return nil, err
	}
	roles := map[string][]catalog.Permissions{}
	for _, r := range custom {
		id := strings.ToLower(r.ID.Name())
		if body, isRecord := r.Body.(*berth.Record); isRecord && roles[id] == nil {
			roles[id] = PermissionsOf(body)
		} else {
			roles[id] = []catalog.Permissions{} // two roles with one id, which Resource Manager refuses: neither permits anything
		}
	}
	rows, err := g.store.All(ctx, store.Query{Type: berth.TypeRoleAssignment, Subscription: g.subscription})
	if err != nil {
		return nil, err
	}
	var all []Assignment
	for _, r := range rows {
		body, isRecord := r.Body.(*berth.Record)
		if !isRecord {
			continue // what cannot be read permits nothing
		}
		principal, _ := body.Properties()["principalId"].(string)
		role, _ := body.Properties()["roleDefinitionId"].(string)
		id := strings.ToLower(role[strings.LastIndex(role, "/")+1:])
		permissions, isCustom := roles[id]
		if !isCustom {
			permissions = BuiltIn(id)
		}
		all = append(all, Assignment{Principal: principal, Scope: ScopeOf(r.ID), Role: permissions})
	}
	return all, nil
}

// ScopeOf is the scope of an assignment or another resource that extends one: the id of what it extends.
func ScopeOf(id berth.ID) string {
	if of := id.Extended(); of.Group != "" || !of.IsGroup() {
		return of.String()
	}
	return "/subscriptions/" + id.Subscription
}

// PermissionsOf are the permissions in the properties of a role definition. What is not a list of strings permits nothing.
func PermissionsOf(role *berth.Record) (out []catalog.Permissions) {
	list, _ := role.Properties()["permissions"].([]any)
	for _, entry := range list {
		var p catalog.Permissions
		if text, err := json.Marshal(entry); err == nil && json.Unmarshal(text, &p) == nil {
			out = append(out, p)
		}
	}
	return out
}

// BuiltIn is what a built-in role permits; nothing when Berth does not know it.
func BuiltIn(id string) []catalog.Permissions {
	role, known := catalog.RoleByID(id)
	if !known || role.Permissions == nil {
		return nil
	}
	return []catalog.Permissions{*role.Permissions}
}

// ServicePrincipal is the type of Berth's principals, which are applications and identities.
const ServicePrincipal = "ServicePrincipal"

// Made are the read-only properties of an assignment that a caller makes at a time.
func Made(id berth.ID, caller, at string) map[string]any {
	return map[string]any{"scope": ScopeOf(id), "createdOn": at, "updatedOn": at, "createdBy": caller, "updatedBy": caller}
}

// Own makes a principal Owner of the subscription. What is there already stays.
func (g *Guard) Own(ctx context.Context, principal, caller string, now time.Time) error {
	id := berth.ID{Subscription: g.subscription, Namespace: "Microsoft.Authorization", Types: []string{"roleAssignments"},
		Names: []string{uuid.NewSHA1(uuid.MustParse(g.subscription), []byte("owner:"+strings.ToLower(principal))).String()}}
	if _, err := g.store.Get(ctx, id); err == nil || !errors.Is(err, store.ErrNotFound) {
		return err
	}
	values := Made(id, caller, now.UTC().Format(time.RFC3339Nano))
	values["principalType"] = ServicePrincipal
	body := &berth.Record{Type: berth.TypeRoleAssignment,
		Fields: map[string]any{"properties": map[string]any{"principalId": principal,
			"roleDefinitionId": ScopeOf(id) + "/providers/" + berth.TypeRoleDefinition + "/" + OwnerRole}},
		Values: values}
	_, _, err := g.store.Accept(ctx, store.Change{Verb: berth.VerbCreate, Settled: true, Caller: caller,
		Resource: &berth.Resource{ID: id, Location: "global", Body: body}})
	if errors.Is(err, store.ErrMoved) { // another server on the database has started at the same moment
		return nil
	}
	return err
}
