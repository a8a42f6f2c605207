package arm

import (
	"maps"
	"net/http"
	"strings"

	"berth.dev/berth"
)

// target is what the address of a request names: one row of the routing table (kinds.go, services.go), and the resource.
type target struct {
	kind       *kind    // of the resource, or of the members of the collection; nil for a service
	part       *part    // set for a part of the resource
	action     *action  // set for POST …/{resource}/{action}
	service    *service // set for an address that is not a resource
	collection bool     // all resources of the kind, or all parts
	id         berth.ID // of the resource or part; for a collection, of its parent: zero for the subscription
	words      []string // for a service: the word in the place of each {} in its path
}

// handler answers requests for one row of the table.
type handler = func(s *Server, q *request, t target) (*response, error)

// methods are handlers by HTTP method. HEAD is answered as GET.
type methods map[string]handler

// existing is the handler of an action whose resource must exist.
func existing(do func(s *Server, q *request, r *berth.Resource) (*response, error)) handler {
	return func(s *Server, q *request, t target) (*response, error) {
		r, err := s.load(q, t.id)
		switch {
		case err != nil:
			return nil, err
		case r.Unreadable:
			return nil, r.Fault
		}
		return do(s, q, r)
	}
}

// typ is the resource type, with the part if there is one, or the name of a service. It is from the table and never from the
// request, so that it can be a label of a metric.
func (t target) typ() string {
	switch {
	case t.service != nil:
		return t.service.name
	case t.part != nil:
		return t.kind.typ + "/" + t.part.name
	}
	return t.kind.typ
}

// right is the name of the ARM action that a caller needs for a method on the target, such as
// "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action".
func (t target) right(method string) string {
	if t.service != nil {
		return t.service.right
	}
	of := t.kind.rights
	if of == "" {
		of = t.kind.typ
	}
	if t.part != nil {
		of += "/" + t.part.name
	}
	switch {
	case t.action != nil:
		return of + "/" + t.action.name + "/action"
	case method == http.MethodGet || method == http.MethodHead:
		return of + "/read"
	case method == http.MethodDelete:
		return of + "/delete"
	}
	return of + "/write"
}

func (t target) methods() methods {
	switch {
	case t.service != nil:
		return methods{t.service.method: t.service.serve}
	case t.action != nil:
		return methods{http.MethodPost: t.action.serve}
	case t.part != nil && t.part.single != nil:
		return t.part.single
	case t.part != nil && t.collection:
		return methods{http.MethodGet: t.part.list}
	case t.part != nil:
		return t.part.methods
	case t.collection && t.kind.list != nil:
		return methods{http.MethodGet: t.kind.list}
	case t.collection:
		return collectionMethods
	case t.kind.get != nil:
		own := maps.Clone(resourceMethods)
		own[http.MethodGet] = t.kind.get
		return own
	}
	return resourceMethods
}

// allowed are the methods that can succeed, in the order of the header Allow.
func (t target) allowed() (out []string) {
	all := t.methods()
	for _, m := range []string{http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodDelete} {
		if all[m] != nil && !(m == http.MethodDelete && t.part != nil && t.part.permanent) {
			out = append(out, m)
		}
	}
	return out
}

// parse finds the target of an address. It uses nothing but the table: every path gives one target or one *berth.Error. As in Azure, a
// last word without a name is an action for POST, and a collection for every other method.
func parse(method, path, subscription string) (target, error) {
	words := strings.Split(strings.TrimPrefix(path, "/"), "/")
	inside := len(words) > 1 && strings.EqualFold(words[0], "subscriptions")
	if inside && !strings.EqualFold(words[1], subscription) {
		return target{}, berth.Errorf(berth.CodeSubscriptionNotFound, "The subscription '%.60s' could not be found.", words[1])
	}
	if t, found := parseAuthorization(words); found && inside {
		return t, nil
	}
	if t, found := parseService(words); found {
		if t.service.namesNamespace() && !knownNamespace(t.words[0]) {
			return target{}, unknownNamespace(t.words[0])
		}
		return t, nil
	}
	if inside && len(words) > 2 && strings.EqualFold(words[2], "resourceGroups") {
		return parseGroup(method, path, subscription, words[3:])
	}
	if inside && len(words) > 3 && strings.EqualFold(words[2], "providers") {
		return parseProvider(method, path, subscription, words[3:])
	}
	return target{}, notThere(path)
}

func notThere(path string) error {
	return berth.Errorf(berth.CodeInvalidResourceType, "There is nothing at '%.200s'. Berth serves Microsoft.Resources, "+
		"Microsoft.MachineLearningServices and Microsoft.ContainerService below /subscriptions/{id}.", path)
}

func parseService(words []string) (target, bool) {
	for i := range services {
		if into, fits := services[i].match(words); fits {
			return target{service: &services[i], words: into}, true
		}
	}
	return target{}, false
}

// parseGroup reads the words after …/resourceGroups/.
func parseGroup(method, path, subscription string, rest []string) (target, error) {
	if len(rest) == 0 {
		return target{kind: kindOf(berth.TypeResourceGroup), collection: true}, nil
	}
	group := berth.GroupID(subscription, rest[0])
	switch {
	case len(rest) >= 4 && strings.EqualFold(rest[1], "providers"):
		return parseResource(method, group, rest[2:])
	case len(rest) >= 3 && olderAddresses[strings.ToLower(rest[1])] != "":
		namespace := olderAddresses[strings.ToLower(rest[1])]
		return parseResource(method, group, append([]string{namespace}, rest[1:]...))
	}
	groups := kindOf(berth.TypeResourceGroup)
	if err := checkID(group); err != nil {
		return target{}, err
	}
	if len(rest) == 1 {
		return target{kind: groups, id: group}, nil
	}
	if p := groups.part(rest[1]); p != nil && len(rest) == 2 {
		return target{kind: groups, part: p, id: group, collection: true}, nil
	}
	return target{}, notThere(path)
}

// parseProvider reads the words after …/providers/ of the subscription: all resources of a type, or one resource at the scope of the
// subscription.
func parseProvider(method, path, subscription string, rest []string) (target, error) {
	if !knownNamespace(rest[0]) {
		return target{}, unknownNamespace(rest[0])
	}
	if len(rest) > 2 && berth.OfSubscription(rest[0]+"/"+rest[1]) {
		return parseResource(method, berth.ID{Subscription: subscription}, rest)
	}
	if len(rest) != 2 {
		return target{}, notThere(path)
	}
	k := kindOf(rest[0] + "/" + rest[1])
	if k == nil {
		return target{}, unknownType(rest[0] + "/" + rest[1])
	}
	return target{kind: k, collection: true}, nil
}

// parseResource reads {namespace}/{type}/{name}[/…] in a group or in the subscription.
func parseResource(method string, id berth.ID, rest []string) (target, error) {
	id.Namespace = rest[0]
	words := rest[1:]
	for ; len(words) >= 2; words = words[2:] {
		if strings.EqualFold(words[0], "providers") && len(id.Names) > 0 {
			id = id.Extend(words[1])
			continue
		}
		id = id.Child(words[0], words[1])
	}
	whole := id
	if len(words) == 1 {
		whole = id.Child(words[0], "x")
	}
	if err := checkID(whole); err != nil {
		return target{}, err
	}
	if len(words) == 1 && method == http.MethodPost && len(id.Names) > 0 {
		return parseAction(id, words[0])
	}
	k, p, err := rowOf(whole)
	switch {
	case err != nil:
		return target{}, err
	case len(words) == 0 && (p == nil || p.methods != nil) && (id.Scope == "" || k.record != nil && k.record.extends):
		return target{kind: k, part: p, id: id}, nil
	case id.Scope != "" && (k.record == nil || !k.record.extends):
	case len(words) == 1 && p != nil && p.single != nil:
		return target{kind: k, part: p, id: id}, nil
	case len(words) == 1 && p == nil:
		return target{kind: k, id: whole.Parent(), collection: true}, nil
	case len(words) == 1 && p.list != nil:
		return target{kind: k, part: p, id: id, collection: true}, nil
	}
	return target{}, unknownType(whole.Type())
}

func parseAction(id berth.ID, name string) (target, error) {
	k, p, err := rowOf(id)
	if err != nil {
		return target{}, err
	}
	if p != nil {
		return target{}, noAction(k.typ+"/"+p.name, name, nil)
	}
	for i := range k.actions {
		if strings.EqualFold(k.actions[i].name, name) {
			return target{kind: k, action: &k.actions[i], id: id}, nil
		}
	}
	return target{}, noAction(k.typ, name, k.actions)
}

// noAction refuses an action that a type does not have, and says which it has.
func noAction(typ, name string, has []action) error {
	rest := "It has no actions."
	if len(has) > 0 {
		var names []string
		for _, a := range has {
			names = append(names, a.name)
		}
		rest = "It has " + strings.Join(names, ", ") + "."
	}
	return berth.Errorf(berth.CodeInvalidResourceType, "Berth does not serve the action '%.60s' of '%s'. %s", name, typ, rest)
}

// checkID refuses an id that cannot exist, such as one with a forbidden character.
func checkID(id berth.ID) error {
	if _, err := berth.ParseID(id.String()); err != nil {
		return berth.Errorf(berth.CodeInvalidID, "%v.", err)
	}
	return nil
}

// rowOf finds the kind of an id, and the part if the id names one. A group has an address of its own and is never found below
// /providers/.
func rowOf(id berth.ID) (*kind, *part, error) {
	typ := id.Type()
	if r, found := rows[strings.ToLower(typ)]; found && r.kind.typ != berth.TypeResourceGroup {
		return r.kind, r.part, nil
	}
	if !knownNamespace(id.Namespace) {
		return nil, nil, unknownNamespace(id.Namespace)
	}
	return nil, nil, unknownType(typ)
}

const (
	components   = "microsoft.machinelearningservices/workspaces/components"
	noComponents = "Berth runs no pipelines, so it keeps no components."
)

// refusedTypes are the types that templates often have and that Berth does not serve on purpose, and what to do.
var refusedTypes = map[string]string{
	"microsoft.resources/deploymentscripts":           "Berth runs no scripts of templates. Run the script before or after the deployment.",
	"microsoft.compute/virtualmachines":               "Berth runs no virtual machines. Create a cluster instead.",
	"microsoft.compute/virtualmachinescalesets":       "Berth runs no virtual machines. Create a cluster instead.",
	"microsoft.maintenance/maintenanceconfigurations": "Berth maintains nothing by itself. Leave it out.",
	components:               noComponents,
	components + "/versions": noComponents,
	"microsoft.machinelearningservices/workspaces/jobs": "Berth runs no jobs. It serves models that are registered.",
	"microsoft.authorization/locks":                     "Berth would not protect anything by a lock. Leave it out.",
	"microsoft.kubernetesconfiguration/extensions":      "Berth installs nothing in clusters. Install the extension with kubectl or Helm.",
}

func unknownType(typ string) error {
	if why := refusedTypes[strings.ToLower(typ)]; why != "" {
		return berth.Errorf(berth.CodeInvalidResourceType, "Berth does not serve the resource type '%.120s': %s", typ, why)
	}
	return berth.Errorf(berth.CodeInvalidResourceType, "The resource type '%.120s' could not be found: Berth does not serve it.%s", typ,
		nearTypes(typ))
}

// nearTypes says which types Berth serves in the namespace of another one; empty for none.
func nearTypes(typ string) string {
	namespace, _, _ := strings.Cut(typ, "/")
	for ns, types := range served {
		if strings.EqualFold(ns, namespace) {
			return " Of " + ns + " it serves " + strings.Join(types, ", ") + "."
		}
	}
	return ""
}
