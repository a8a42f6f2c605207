// Package access decides what a caller may do: the role assignments and role definitions of Microsoft.Authorization, with the meaning
// that they have in Azure. A role has actions with wildcards, less its notActions; an assignment gives a role to a principal at a scope
// and everywhere inside it; what any assignment permits is permitted.
package access

import (
	"iter"
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

// Policy is all assignments of one moment. It never changes.
type Policy struct {
	// of is what each principal may do at each scope; all in lower case.
	of map[string]map[string][]catalog.Permissions
}

// NewPolicy makes a policy of assignments in any casing.
func NewPolicy(all []Assignment) *Policy {
	p := &Policy{of: map[string]map[string][]catalog.Permissions{}}
	for _, a := range all {
		who, scope := strings.ToLower(a.Principal), strings.TrimSuffix(strings.ToLower(a.Scope), "/")
		if p.of[who] == nil {
			p.of[who] = map[string][]catalog.Permissions{}
		}
		for _, r := range a.Role {
			p.of[who][scope] = append(p.of[who][scope],
				catalog.Permissions{Actions: lower(r.Actions), NotActions: lower(r.NotActions), DataActions: lower(r.DataActions),
					NotDataActions: lower(r.NotDataActions)})
		}
	}
	return p
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
	at, action := p.of[strings.ToLower(principal)], strings.ToLower(action)
	for s := range outward(strings.ToLower(scope)) {
		if allows(at[s], action, allowAction) {
			return true
		}
	}
	return false
}

// MayData reports the same of an action on the data of resources.
func (p *Policy) MayData(principal, action, scope string) bool {
	at, action := p.of[strings.ToLower(principal)], strings.ToLower(action)
	for s := range outward(strings.ToLower(scope)) {
		if allows(at[s], action, allowData) {
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
	for at, role := range p.of[strings.ToLower(principal)] {
		if within(at, scope) && allows(role, action, allowAction) {
			return true
		}
	}
	return false
}

// HasRole reports whether a principal has any role at a scope, above it or inside it.
func (p *Policy) HasRole(principal, scope string) bool {
	scope = strings.ToLower(scope)
	for at := range p.of[strings.ToLower(principal)] {
		if within(scope, at) || within(at, scope) {
			return true
		}
	}
	return false
}

// Of is what the roles of a principal permit at a scope, one entry for each assignment.
func (p *Policy) Of(principal, scope string) (out []catalog.Permissions) {
	at := p.of[strings.ToLower(principal)]
	for s := range outward(strings.ToLower(scope)) {
		out = append(out, at[s]...)
	}
	return out
}

// Givers are the principals that may give rights at a scope.
func (p *Policy) Givers(scope string) (out []string) {
	for who := range p.of {
		if p.May(who, GiveRoles, scope) {
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
