package arm

import (
	"net/http"
	"strings"

	"berth.dev/berth"
)

// route takes a clean path apart. Everything here is the grammar of ARM: ids, collections, actions.
func (s *Server) route(q *request, path string) (*response, error) {
	if err := q.checkVersion(); err != nil {
		return nil, err
	}
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	switch strings.ToLower(parts[0]) {
	case "subscriptions":
		q.kindName = "subscriptions"
		if len(parts) == 1 {
			return s.only(q, http.MethodGet, s.listSubscriptions)
		}
		if !strings.EqualFold(parts[1], s.Subscription) {
			return nil, berth.Errorf(berth.CodeSubscriptionNotFound, "The subscription '%.60s' could not be found.", parts[1])
		}
		return s.routeSubscription(q, parts[2:])
	case "tenants":
		q.kindName = "tenants"
		return s.only(q, http.MethodGet, s.listTenants)
	case "providers":
		if len(parts) == 1 {
			q.kindName = "providers"
			return s.only(q, http.MethodGet, s.listProviders)
		}
	}
	return nil, notThere(path)
}

func notThere(path string) error {
	return berth.Errorf(berth.CodeInvalidResourceType, "There is nothing at '%.200s'. Berth serves Microsoft.Resources, Microsoft.MachineLearningServices and Microsoft.ContainerService below /subscriptions/{id}.", path)
}

type handler func(*request) (*response, error)

// only lets one method through.
func (s *Server) only(q *request, method string, h handler) (*response, error) {
	if q.Method != method && (method != http.MethodGet || q.Method != http.MethodHead) {
		return nil, q.notAllowed(method)
	}
	return h(q)
}

// routeSubscription routes what stands behind /subscriptions/{id}.
func (s *Server) routeSubscription(q *request, rest []string) (*response, error) {
	if len(rest) == 0 {
		return s.only(q, http.MethodGet, s.getSubscription)
	}
	switch strings.ToLower(rest[0]) {
	case "locations":
		q.kindName = "locations"
		return s.only(q, http.MethodGet, s.listLocations)
	case "operations":
		q.kindName = "operations"
		return s.only(q, http.MethodGet, s.listOperations)
	case "residues":
		q.kindName = "residues"
		return s.only(q, http.MethodGet, s.listCleanups)
	case "resources":
		q.kindName = "resources"
		return s.only(q, http.MethodGet, func(q *request) (*response, error) { return s.listResources(q, berth.ID{}) })
	case "resourcegroups":
		return s.routeGroup(q, rest[1:])
	case "providers":
		return s.routeProvider(q, rest[1:])
	}
	return nil, notThere(q.URL.Path)
}

// routeGroup routes what stands behind …/resourceGroups.
func (s *Server) routeGroup(q *request, rest []string) (*response, error) {
	q.kindName = berth.TypeResourceGroup
	if len(rest) == 0 {
		return s.only(q, http.MethodGet, func(q *request) (*response, error) { return s.list(q, kindOf(berth.TypeResourceGroup), berth.ID{}) })
	}
	group := berth.GroupID(s.Subscription, rest[0])
	if _, err := berth.ParseID(group.String()); err != nil {
		return nil, berth.Errorf(berth.CodeInvalidID, "%v.", err)
	}
	if len(rest) == 1 {
		return s.resource(q, kindOf(berth.TypeResourceGroup), group)
	}
	switch strings.ToLower(rest[1]) {
	case "resources":
		return s.only(q, http.MethodGet, func(q *request) (*response, error) { return s.listResources(q, group) })
	case "deployments": // an older address of theirs, which az still uses for operations
		if len(rest) >= 3 {
			return s.routeResource(q, group, append([]string{"Microsoft.Resources"}, rest[1:]...))
		}
	case "providers":
		if len(rest) >= 4 {
			return s.routeResource(q, group, rest[2:])
		}
	}
	return nil, notThere(q.URL.Path)
}

// routeResource routes {namespace}/{type}/{name}[/…] in a group: an even rest names a collection or an action.
func (s *Server) routeResource(q *request, group berth.ID, rest []string) (*response, error) {
	id := group
	id.Namespace = rest[0]
	words := rest[1:]
	for len(words) >= 2 {
		id = id.Child(words[0], words[1])
		words = words[2:]
	}
	whole := id
	if len(words) == 1 {
		whole = id.Child(words[0], "x")
	}
	if _, err := berth.ParseID(whole.String()); err != nil { // whatever follows: what no id can have is told here
		return nil, berth.Errorf(berth.CodeInvalidID, "%v.", err)
	}
	if len(words) == 1 {
		return s.collectionOrAction(q, id, words[0])
	}
	if id.Is(berth.TypeNodePool) {
		q.kindName = berth.TypeNodePool
		return s.nodePool(q, id)
	}
	if id.Is(berth.TypeTemplateDeployment + "/operations") {
		q.kindName = berth.TypeTemplateDeployment
		return s.deploymentOperation(q, id)
	}
	if id.Is(berth.TypeSubnet) {
		q.kindName = berth.TypeSubnet
		return s.subnet(q, id)
	}
	if id.Is(berth.TypeCluster+"/upgradeProfiles") || id.Is(berth.TypeCluster+"/accessProfiles") {
		q.kindName = berth.TypeCluster
		return s.clusterProfile(q, id)
	}
	k, err := s.kind(q, id)
	if err != nil {
		return nil, err
	}
	return s.resource(q, k, id)
}

// kind finds the row of the table for an id.
func (s *Server) kind(q *request, id berth.ID) (*kind, error) {
	if k := kindOf(id.Type()); k != nil {
		q.kindName = k.typ
		return k, nil
	}
	if !knownNamespace(id.Namespace) {
		return nil, unknownNamespace(id.Namespace)
	}
	return nil, berth.Errorf(berth.CodeInvalidResourceType, "The resource type '%.120s' could not be found: Berth does not serve it.", id.Type())
}

func (s *Server) collectionOrAction(q *request, id berth.ID, word string) (*response, error) {
	if q.Method == http.MethodPost && id.Is(berth.TypeTemplateDeployment) {
		q.kindName = berth.TypeTemplateDeployment
		return s.deploymentAction(q, id, word)
	}
	if q.Method == http.MethodPost && strings.EqualFold(word, "listNodes") && (id.Is(berth.TypeCompute) || id.Is(berth.TypeCluster) || id.Is(berth.TypeConnected)) {
		q.kindName = id.Type()
		return s.listNodes(q, id)
	}
	if q.Method == http.MethodPost && id.Is(berth.TypeCompute) && strings.EqualFold(word, "validate") {
		q.kindName = berth.TypeCompute
		return s.validateCompute(q, id)
	}
	if q.Method == http.MethodPost && (id.Is(berth.TypeConnected) || id.Is(berth.TypeCluster)) {
		switch strings.ToLower(word) {
		case "manifest":
			q.kindName = id.Type()
			return s.manifest(id)
		case "leftovers":
			q.kindName = id.Type()
			return s.routerObjects(q, id)
		}
	}
	if q.Method == http.MethodPost && !id.IsGroup() && len(id.Names) > 0 {
		k, err := s.kind(q, id)
		if err != nil {
			return nil, err
		}
		return s.action(q, k, id, word)
	}
	member := id.Child(word, "x")
	if member.Is(berth.TypeNodePool) {
		q.kindName = berth.TypeNodePool
		return s.only(q, http.MethodGet, func(q *request) (*response, error) { return s.listNodePools(q, id) })
	}
	if member.Is(berth.TypeTemplateDeployment + "/operations") {
		q.kindName = berth.TypeTemplateDeployment
		return s.only(q, http.MethodGet, func(q *request) (*response, error) { return s.deploymentOperations(q, id) })
	}
	if member.Is(berth.TypeSubnet) {
		q.kindName = berth.TypeSubnet
		return s.only(q, http.MethodGet, func(q *request) (*response, error) { return s.listSubnets(q, id) })
	}
	k, err := s.kind(q, member)
	if err != nil {
		return nil, err
	}
	return s.only(q, http.MethodGet, func(q *request) (*response, error) { return s.list(q, k, member.Parent()) })
}

// resource answers the methods of one resource of any kind.
func (s *Server) resource(q *request, k *kind, id berth.ID) (*response, error) {
	switch q.Method {
	case http.MethodGet, http.MethodHead:
		return s.get(q, k, id)
	case http.MethodPut:
		return s.put(q, k, id)
	case http.MethodPatch:
		return s.patch(q, k, id)
	case http.MethodDelete:
		return s.remove(q, k, id)
	}
	return nil, q.notAllowed(http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete)
}
