// Package access decides what a caller may do: the role assignments and role definitions of Microsoft.Authorization, with the meaning
// that they have in Azure. A role has actions with wildcards, less its notActions; an assignment gives a role to a principal at a scope
// and everywhere inside it; what any assignment permits is permitted.
package access

import (
	"iter"
	"reflect"
	"slices"
	"strings"

	"berth.dev/berth/catalog"
)

// allow reports whether an action, in lower case, is among those that permissions have, and not among those that they take away.
func allow(have, not []string, action string) bool {
	return slices.ContainsFunc(have, func(pattern string) bool { return matches(pattern, action) }) &&
		!slices.ContainsFunc(not, func(pattern string) bool { return matches(pattern, action) })
}

// allowAction is about an action of Resource Manager.
func allowAction(p *catalog.Permissions, action string) bool {
	return allow(p.Actions, p.NotActions, action)
}

// allowData is about an action on the data of a resource.
func allowData(p *catalog.Permissions, action string) bool {
	return allow(p.DataActions, p.NotDataActions, action)
}

// GiveRoles is the right to assign roles. With it a principal may give itself every other right.
const GiveRoles = "Microsoft.Authorization/roleAssignments/write"

// Assignment gives a principal a role at a scope.
type Assignment struct {
	Principal string // object id
	Scope     string // id of a resource, of a group, of the subscription
	Role      []catalog.Permissions
}

// Policy is all assignments of one moment, and who is in which group. It never changes.
type Policy struct {
	// own is what is assigned to each principal at each scope; all in lower case.
	own map[string]scopes
	// of is what those may do who are in a group that has an assignment: their own and that of all their groups in one, so that a
	// decision takes as long for somebody in a thousand groups.
	of map[string]scopes
}

// scopes is what is permitted at each scope.
type scopes map[string][]catalog.Permissions

// NewPolicy makes a policy of assignments in any casing. members are the groups of each principal, in lower case.
func NewPolicy(all []Assignment, members map[string][]string) *Policy {
	p := &Policy{own: map[string]scopes{}, of: map[string]scopes{}}
	for _, a := range all {
		who, scope := strings.ToLower(a.Principal), strings.TrimSuffix(strings.ToLower(a.Scope), "/")
		if p.own[who] == nil {
			p.own[who] = scopes{}
		}
		for _, r := range a.Role {
			p.own[who][scope] = append(p.own[who][scope],
				catalog.Permissions{Actions: lower(r.Actions), NotActions: lower(r.NotActions), DataActions: lower(r.DataActions),
					NotDataActions: lower(r.NotDataActions)})
		}
	}
	for who, groups := range members {
		p.join(who, groups)
	}
	return p
}

// join adds what is assigned to the groups of a principal to its own. The same role at the same scope counts once.
func (p *Policy) join(who string, groups []string) {
	var together scopes
	for _, group := range groups {
		for scope, roles := range p.own[group] {
			if together == nil {
				together = scopes{}
				for scope, own := range p.own[who] {
					together[scope] = slices.Clone(own)
				}
			}
			for _, r := range roles {
				same := func(o catalog.Permissions) bool { return reflect.DeepEqual(o, r) }
				if !slices.ContainsFunc(together[scope], same) {
					together[scope] = append(together[scope], r)
				}
			}
		}
	}
	if together != nil {
		p.of[who] = together
	}
}

// at is what a principal may do at each scope.
func (p *Policy) at(principal string) scopes {
	principal = strings.ToLower(principal)
	if all, joined := p.of[principal]; joined {
		return all
	}
	return p.own[principal]
}

// lower is a list of actions in lower case. In the middle of an action, /*/ also stands for one slash: the role AzureML Data Scientist
// permits workspaces/*/write, and takes workspaces/write and computes/*/write away, by which nobody is to create a compute.
func lower(actions []string) []string {
	out := make([]string, 0, len(actions))
	for _, a := range actions {
		a = strings.ToLower(a)
		out = append(out, a)
		if strings.Contains(a, "/*/") {
			out = append(out, strings.Replace(a, "/*/", "/", 1))
		}
	}
	return out
}

// May reports whether a principal may do an action at a scope, all in any casing.
func (p *Policy) May(principal, action, scope string) bool {
	return p.at(principal).allow(action, scope, allowAction)
}

// MayData reports the same of an action on the data of resources.
func (p *Policy) MayData(principal, action, scope string) bool {
	return p.at(principal).allow(action, scope, allowData)
}

// allow reports whether an action is permitted at a scope, or at one that it is inside of.
func (at scopes) allow(action, scope string, by func(*catalog.Permissions, string) bool) bool {
	action = strings.ToLower(action)
	for s := range outward(strings.ToLower(scope)) {
		if allows(at[s], action, by) {
			return true
		}
	}
	return false
}

// MayInside reports whether a principal may do an action at a scope or somewhere inside it.
func (p *Policy) MayInside(principal, action, scope string) bool {
	if p.May(principal, action, scope) {
		return true
	}
	action, scope = strings.ToLower(action), strings.ToLower(scope)
	for at, role := range p.at(principal) {
		if within(at, scope) && allows(role, action, allowAction) {
			return true
		}
	}
	return false
}

// HasRole reports whether a principal has any role at a scope, above it or inside it.
func (p *Policy) HasRole(principal, scope string) bool {
	scope = strings.ToLower(scope)
	for at := range p.at(principal) {
		if within(scope, at) || within(at, scope) {
			return true
		}
	}
	return false
}

// Of is what the roles of a principal permit at a scope, one entry for each assignment.
func (p *Policy) Of(principal, scope string) (out []catalog.Permissions) {
	at := p.at(principal)
	for s := range outward(strings.ToLower(scope)) {
		out = append(out, at[s]...)
	}
	return out
}

// Givers are the principals to which the right to give rights at a scope is assigned: a group counts, and not who is in it.
func (p *Policy) Givers(scope string) (out []string) {
	for who, own := range p.own {
		if own.allow(GiveRoles, scope, allowAction) {
			out = append(out, who)
		}
	}
	return out
}

// outward are a scope and all that it may be inside of: what remains of it at each slash, down to "".
func outward(scope string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for yield(scope) && scope != "" {
			scope = scope[:max(0, strings.LastIndexByte(scope, '/'))]
		}
	}
}

func allows(role []catalog.Permissions, action string, allow func(*catalog.Permissions, string) bool) bool {
	for i := range role {
		if allow(&role[i], action) {
			return true
		}
	}
	return false
}

// within reports whether a scope is another one or inside it. The outermost scope is "".
func within(scope, outer string) bool {
	return len(scope) >= len(outer) && scope[:len(outer)] == outer && (len(scope) == len(outer) || scope[len(outer)] == '/')
}

// matches reports whether a text has the form of a pattern, both in lower case.
func matches(pattern, text string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	text, fits := strings.CutPrefix(text, first)
	if !fits {
		return false
	}
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, rest)
		}
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text, rest = text[at+len(part):], after
	}
}
