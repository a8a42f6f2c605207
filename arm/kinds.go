package arm

import (
	"net/http"
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/wire"
)

// kind is one row of the routing table: a resource type, its handlers, its parts and its actions. A new kind is one row; a new
// action is one line in the row of its kind.
type kind struct {
	typ     string
	rights  string     // what the names of its rights begin with; typ when empty
	older   string     // first word after the group in an older form of the address, besides …/providers/{namespace}/{type}
	created int        // status of a PUT that creates one
	updated int        // status of a PUT that changes one; 200 when 0
	polled  bool       // clients poll after a PUT, PATCH or DELETE: an answer that is complete has an operation too, which has succeeded
	atOnce  bool       // DELETE removes it, with what is in it, before it answers: the SDKs know no operation there
	record  *recordRow // of a record
	get     handler    // in place of that of all kinds; likewise list
	list    handler
	put     func(s *Server, q *request, id berth.ID, old *berth.Resource) (*plan, error)
	patch   func(s *Server, q *request, old *berth.Resource) (*plan, error)
	remove  func(s *Server, q *request, old *berth.Resource) (berth.Verb, error)
	encode  func(s *Server, q *request, r *berth.Resource) wire.Object
	parts   []part
	actions []action
}

// part has an address below a resource but is not a resource: it is stored in it, and a change of it is a change of the resource.
type part struct {
	name      string
	list      handler // answers GET of all of them; nil when they cannot be listed
	methods   methods // of one of them; nil when it has no address
	permanent bool    // DELETE always refuses, with the reason
	single    methods // of a part without a name, of which each resource has one
	// plan plans a PUT as the change of the resource that it is; nil when the part cannot be written.
	plan func(s *Server, q *request, id berth.ID, of *berth.Resource) (*plan, error)
}

// action is POST …/{resource}/{name}.
type action struct {
	name  string
	serve handler // existing(…) when the resource must exist
}

var (
	resourceMethods, collectionMethods methods
	kinds                              map[string]*kind  // by lower-case type
	rows                               map[string]row    // kinds and parts, by lower-case type
	olderAddresses                     map[string]string // namespace by the lower-case word of kind.older
)

type row struct {
	kind *kind
	part *part
}

// The table is filled by init: its handlers refer to it.
func init() {
	resourceMethods = methods{
		http.MethodGet: (*Server).get, http.MethodPut: (*Server).put, http.MethodPatch: (*Server).patch, http.MethodDelete: (*Server).remove,
	}
	collectionMethods = methods{http.MethodGet: (*Server).list}
	kinds, rows = map[string]*kind{}, map[string]row{}
	olderAddresses = map[string]string{}
	all := slices.Concat(resourceKinds(), machineLearningKinds(), assetKinds(), endpointKinds(), clusterKinds(), recordKinds())
	for _, k := range all {
		kinds[strings.ToLower(k.typ)] = k
		if _, isPart := rows[strings.ToLower(k.typ)]; !isPart { // a part may be stored as a record of its own
			rows[strings.ToLower(k.typ)] = row{kind: k}
		}
		for i := range k.parts {
			rows[strings.ToLower(k.typ+"/"+k.parts[i].name)] = row{k, &k.parts[i]}
		}
		if k.older != "" {
			olderAddresses[k.older], _, _ = strings.Cut(k.typ, "/")
		}
	}
	services = serviceRows()
	served = servedTypes(all)
}

// resourceKinds are the rows of Resource Manager's own types.
func resourceKinds() []*kind {
	return []*kind{
		{
			typ: berth.TypeResourceGroup, rights: "Microsoft.Resources/subscriptions/resourceGroups", created: http.StatusCreated,
			put: putGroup, patch: patchTags, remove: removeAlways, encode: encodeGroup,
			parts: []part{{name: "resources", list: (*Server).listResources}},
		},
		{
			typ: berth.TypeTemplateDeployment, older: "deployments", created: http.StatusCreated,
			put: putDeployment, patch: patchTags, remove: removeAlways, encode: encodeDeployment,
			parts: []part{{name: "operations", list: (*Server).deploymentOperations, methods: methods{
				http.MethodGet: (*Server).deploymentOperation,
			}}},
			actions: []action{
				{"validate", (*Server).validateDeployment},
				{"whatIf", (*Server).whatIf},
				{"cancel", existing((*Server).cancelDeployment)},
				{"exportTemplate", existing(exportTemplate)},
			},
		},
	}
}

// machineLearningKinds are the rows of workspaces and what is in them.
func machineLearningKinds() []*kind {
	return []*kind{
		{
			// 200 and never 201: with a 201, Terraform and the Go SDK report that the PUT of a workspace failed.
			typ: berth.TypeWorkspace, created: http.StatusOK, polled: true,
			put: putWorkspace, patch: patchByPut(putWorkspace, encodeWorkspace), remove: removeAlways, encode: encodeWorkspace,
			parts: []part{datastorePart()},
		},
		{
			typ: berth.TypeCompute, created: http.StatusCreated, polled: true,
			put: putCompute, patch: patchByPut(putCompute, encodeCompute), remove: removeCompute, encode: encodeCompute,
			actions: []action{
				{"check", existing((*Server).check)},
				{"listKeys", existing(computeKeys)},
				{"listNodes", existing((*Server).listNodes)},
				{"listWorkloads", existing((*Server).listWorkloads)},
				{"listLog", existing((*Server).listLog)},
				{"listTraffic", existing((*Server).listTraffic)},
				{"validate", (*Server).validateCompute},
			},
		},
		modelKind(berth.TypeAsset), modelKind(berth.TypeService),
	}
}

// clusterKinds are the rows of clusters: managed and connected.
func clusterKinds() []*kind {
	return []*kind{
		{
			typ: berth.TypeCluster, created: http.StatusCreated, polled: true,
			put: putCluster, patch: patchByPut(putCluster, encodeCluster), remove: removeCluster, encode: encodeCluster,
			parts: []part{
				{name: "agentPools", list: (*Server).listNodePools, permanent: true, plan: (*Server).planNodePool, methods: methods{
					http.MethodGet: (*Server).getNodePool, http.MethodPut: (*Server).putNodePool, http.MethodDelete: (*Server).removeNodePool,
				}},
				{name: "upgradeProfiles", methods: methods{http.MethodGet: (*Server).upgradeProfile}},
				{name: "accessProfiles", methods: methods{http.MethodGet: (*Server).accessProfile}},
			},
			actions: append(clusterActions(),
				action{"listClusterUserCredential", existing(clusterUser)},
				action{"listClusterAdminCredential", existing(clusterAdmin)},
				action{"resetServicePrincipalProfile", existing(resetProfile("servicePrincipalProfile"))},
				action{"resetAADProfile", existing(resetProfile("aadProfile"))},
			),
		},
		{
			typ: berth.TypeConnected, created: http.StatusCreated, polled: true,
			put: putConnected, patch: patchByPut(putConnected, encodeConnected), remove: removeCluster, encode: encodeConnected,
			actions: append(clusterActions(), action{"validate", (*Server).validateConnected}),
		},
	}
}

// clusterActions are the actions of clusters of both types.
func clusterActions() []action {
	return []action{
		{"check", existing((*Server).check)},
		{"listNodes", existing((*Server).listNodes)},
		{"listWorkloads", existing((*Server).listWorkloads)},
		{"listLog", existing((*Server).listLog)},
		{"listTraffic", existing((*Server).listTraffic)},
		{"manifest", (*Server).manifest},
		{"leftovers", existing((*Server).routerObjects)},
	}
}

// kindOf finds a kind by its type in any casing; nil when there is none.
func kindOf(typ string) *kind { return kinds[strings.ToLower(typ)] }

func (k *kind) part(name string) *part { return rows[strings.ToLower(k.typ+"/"+name)].part }

// canDeploy reports whether a template may name a type: a kind, or a part that can be written.
func canDeploy(typ string) bool {
	if outer, last, isExtension := strings.Cut(typ, "/providers/"); isExtension && strings.Contains(outer, "/") {
		for _, k := range kinds { // the namespace is in the name: "Microsoft.X/y/providers/roleAssignments" of "y/Microsoft.Authorization/z"
			if k.record != nil && k.record.extends && strings.EqualFold(wire.PartsName(k.typ), last) {
				return true
			}
		}
	}
	r, found := rows[strings.ToLower(typ)]
	return found && typ != berth.TypeFeature && (r.part == nil || r.part.methods[http.MethodPut] != nil)
}

func removeAlways(*Server, *request, *berth.Resource) (berth.Verb, error) {
	return berth.VerbDelete, nil
}
