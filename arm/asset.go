package arm

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/models"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// assetKinds are the rows of what both versions of the SDK register: models and environments, codes and data assets, with their versions.
func assetKinds() (all []*kind) {
	for _, typ := range []string{berth.TypeModel, berth.TypeEnvironment, berth.TypeCode, berth.TypeData} {
		version := &kind{
			typ: typ + "/versions", created: http.StatusCreated, atOnce: true, get: (*Server).getVersion, list: (*Server).listVersions,
			put: putVersion, patch: noPatch, remove: removeUnused, encode: encodeAsset,
		}
		if typ == berth.TypeCode || typ == berth.TypeModel {
			version.actions = []action{{"startPendingUpload", (*Server).startPendingUpload}}
		}
		all = append(all, version, &kind{
			typ: typ, created: http.StatusCreated, atOnce: true, get: (*Server).getAsset, list: (*Server).listAssets, put: putAsset, patch: noPatch,
			remove: removeUnused, encode: encodeAsset,
		})
	}
	return all
}

// assets are those of the workspace of an id, whose last type but one or two it names.
func (s *Server) assets(q *request, id berth.ID) (models.Assets, error) {
	if s.Models == nil {
		return models.Assets{}, berth.Errorf(berth.CodeServiceUnavailable, "This server has no store of files, so it has no assets.")
	}
	workspace := id
	for len(workspace.Names) > 1 {
		workspace = workspace.Parent()
	}
	ws, err := s.load(q, workspace)
	if err != nil {
		return models.Assets{}, err
	}
	if ws.Unreadable {
		return models.Assets{}, ws.Fault
	}
	a := models.Assets{Server: s.Models, Context: q.Context(), Workspace: ws}
	if len(id.Names) > 1 {
		a.Type = kindOf(strings.Join([]string{id.Namespace, id.Types[0], id.Types[1]}, "/")).typ + "/versions"
	}
	return a, nil
}

// sentAsset is the body of a PUT.
type sentAsset struct {
	Properties json.RawMessage `json:"properties"`
}

func putVersion(s *Server, q *request, id berth.ID, old *berth.Resource) (*plan, error) {
	return s.planAsset(q, id, old, models.Assets.Version)
}

func putAsset(s *Server, q *request, id berth.ID, old *berth.Resource) (*plan, error) {
	return s.planAsset(q, id, old, models.Assets.Container)
}

type planner = func(a models.Assets, id berth.ID, old *berth.Resource, properties json.RawMessage) (models.Planned, error)

func (s *Server) planAsset(q *request, id berth.ID, old *berth.Resource, with planner) (*plan, error) {
	var in sentAsset
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	a, err := s.assets(q, id)
	if err != nil {
		return nil, err
	}
	p, err := with(a, id, old, in.Properties)
	if err != nil {
		return nil, err
	}
	r := &berth.Resource{ID: id, Location: a.Workspace.Location, Tags: p.Tags, Body: p.Body}
	out := &plan{change: store.Change{Resource: r, Settled: true}, violations: p.Violations}
	if len(id.Names) > 2 && old == nil {
		out.before = func() error { return a.Count(id, q.caller.AppID) }
	}
	return out, nil
}

// encodeAsset encodes a version, or what has versions, as version 2 of the SDK reads it.
func encodeAsset(s *Server, q *request, r *berth.Resource) wire.Object {
	a, err := s.assets(q, r.ID)
	if err != nil || r.Unreadable {
		return wire.Models(r)
	}
	properties := wire.Object(a.Properties(r))
	if v, isContainer := r.Body.(*berth.Versions); isContainer {
		properties["latestVersion"], properties["nextVersion"] = nil, nextVersion(v)
		if newest, err := a.Newest(r.ID); err == nil && newest != nil {
			properties["latestVersion"] = newest.ID.Name()
		}
	}
	return wire.Asset(r, properties)
}

// loadAsset is load, also for Azure ML's own environments, which are not stored.
func (s *Server) loadAsset(q *request, k *kind, id berth.ID) (*berth.Resource, error) {
	r, err := s.load(q, id)
	if berth.ErrorCode(err) != berth.CodeNotFound || s.Models == nil {
		return r, err
	}
	var own *berth.Resource
	switch k.typ {
	case berth.TypeEnvironment:
		own = models.CuratedVersions(id)
	case berth.TypeEnvironmentVersion:
		own = models.CuratedVersion(id)
	}
	if own == nil {
		return nil, err
	}
	_, err = s.assets(q, id) // the workspace is there
	return own, err
}

// getVersion answers a version.
func (s *Server) getVersion(q *request, t target) (*response, error) {
	r, err := s.loadAsset(q, t.kind, t.id)
	if err != nil {
		return nil, err
	}
	if r.Generation == 0 { // one of Azure ML's own
		return ok(encodeAsset(s, q, r)), nil
	}
	return s.get(q, t)
}

// getAsset answers what has versions. What has none, and was not made by itself, is not there: the SDK begins with version 1 then.
func (s *Server) getAsset(q *request, t target) (*response, error) {
	r, err := s.loadAsset(q, t.kind, t.id)
	if err != nil {
		return nil, err
	}
	if r.Unreadable {
		return s.get(q, t)
	}
	a, err := s.assets(q, t.id)
	if err != nil {
		return nil, err
	}
	newest, err := a.Newest(t.id)
	if err != nil {
		return nil, err
	}
	if newest == nil && len(r.Body.(*berth.Versions).Request) == 0 {
		return nil, s.missing(q, t.id)
	}
	return s.getVersion(q, t)
}

// removeUnused removes what no service needs.
func removeUnused(s *Server, q *request, old *berth.Resource) (berth.Verb, error) {
	if s.Models == nil {
		return berth.VerbDelete, nil
	}
	return berth.VerbDelete, s.Models.Unused(q.Context(), old.ID)
}

// startPendingUpload answers where the files of a version can be uploaded before it is registered.
func (s *Server) startPendingUpload(q *request, t target) (*response, error) {
	var in struct {
		Type string `json:"pendingUploadType"`
	}
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	if typ := cmp.Or(in.Type, "None"); !slices.ContainsFunc([]string{"None", "TemporaryBlobReference"}, func(known string) bool {
		return strings.EqualFold(known, typ)
	}) {
		return nil, berth.Errorf(berth.CodeBadRequest, "The pendingUploadType '%.60s' is not known; it is TemporaryBlobReference.", in.Type)
	}
	a, err := s.assets(q, t.id)
	if err != nil {
		return nil, err
	}
	out, err := a.PendingUpload()
	if err != nil {
		return nil, err
	}
	return ok(out), nil
}
