package arm

import (
	"net/http"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/wire"
)

// kind is one row of the table: what a resource type does differently from all others.
type kind struct {
	typ     string
	created int // status of a PUT that makes one
	put     func(s *Server, q *request, id berth.ID, old *berth.Resource) (*plan, error)
	patch   func(s *Server, q *request, old *berth.Resource) (*plan, error)
	remove  func(s *Server, q *request, old *berth.Resource) (berth.Verb, error)
	encode  func(s *Server, q *request, r *berth.Resource) wire.Object
	actions map[string]func(s *Server, q *request, r *berth.Resource) (*response, error)
}

// kinds is filled by init: its handlers refer to it.
var kinds map[string]*kind

func init() {
	kinds = map[string]*kind{}
	for _, k := range append(recordKinds(), []*kind{
		{typ: berth.TypeResourceGroup, created: http.StatusCreated, put: putGroup, patch: patchTags, remove: removeAlways, encode: encodeGroup},
		// 200 and never 201: Terraform and the Go SDK take a workspace's PUT for failed otherwise.
		{typ: berth.TypeWorkspace, created: http.StatusOK, put: putWorkspace, patch: patchWorkspace, remove: removeAlways, encode: encodeWorkspace},
		{typ: berth.TypeCompute, created: http.StatusCreated, put: putCompute, patch: patchTags, remove: removeCompute, encode: encodeCompute,
			actions: actions{"listKeys": computeKeys}},
		{typ: berth.TypeCluster, created: http.StatusCreated, put: putCluster, patch: patchTags, remove: removeCluster, encode: encodeCluster,
			actions: actions{"listClusterUserCredential": clusterUser, "listClusterAdminCredential": clusterAdmin}},
		{typ: berth.TypeConnected, created: http.StatusCreated, put: putConnected, patch: patchTags, remove: removeCluster, encode: encodeConnected},
		{typ: berth.TypeTemplateDeployment, created: http.StatusCreated, put: putDeployment, patch: patchTags, remove: removeAlways, encode: encodeDeployment},
	}...) {
		kinds[strings.ToLower(k.typ)] = k
	}
}

type actions = map[string]func(s *Server, q *request, r *berth.Resource) (*response, error)

func kindOf(typ string) *kind { return kinds[strings.ToLower(typ)] }

func encodeGroup(_ *Server, _ *request, r *berth.Resource) wire.Object { return wire.Group(r) }
func encodeCompute(_ *Server, _ *request, r *berth.Resource) wire.Object {
	return wire.Compute(r, faultStatus(r.Fault))
}
func encodeCluster(_ *Server, _ *request, r *berth.Resource) wire.Object { return wire.Cluster(r) }
func encodeDeployment(_ *Server, _ *request, r *berth.Resource) wire.Object {
	return wire.TemplateDeployment(r)
}
func encodeWorkspace(s *Server, q *request, r *berth.Resource) wire.Object {
	return wire.Workspace(r, q.base, s.Authority.TenantID())
}

func removeAlways(*Server, *request, *berth.Resource) (berth.Verb, error) {
	return berth.VerbDelete, nil
}
