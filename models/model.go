package models

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// modelName is the rule for names of models (v1/how-to-deploy-and-where).
var modelName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}$`)

// assetURL is how a model names its asset.
const assetURL = "aml://asset/"

// modelID is the id of a version for the SDK: "name:version".
func modelID(id berth.ID) string { return id.Parent().Name() + ":" + id.Name() }

// registerModel gives a model its next version.
func (s *Server) registerModel(q *Request) (*Answer, error) {
	var in struct {
		Name   string            `json:"name"`
		URL    string            `json:"url"`
		Unpack bool              `json:"unpack"`
		KVTags map[string]string `json:"kvTags"`
	}
	request := object{}
	if err := decode(q.Body, &in); err != nil {
		return nil, err
	}
	if err := decode(q.Body, &request); err != nil {
		return nil, err
	}
	if !modelName.MatchString(in.Name) {
		return nil, berth.Errorf(berth.CodeInvalidName, "The name '%.300s' of the model is not possible. It begins with a letter or a number, "+
			"has only letters, numbers, '-', '.' and '_', and at most 255 characters.", in.Name)
	}
	asset, isAsset := strings.CutPrefix(in.URL, assetURL)
	if !isAsset {
		return nil, berth.Errorf(berth.CodeBadRequest, "The url of the model is '%.300s'; only that of an asset (%s…) is possible.", in.URL,
			assetURL)
	}
	if err := s.renew(q, asset); err != nil {
		return nil, err
	}
	stored, err := encode(request)
	if err != nil {
		return nil, err
	}
	parent, err := s.nextVersion(q, berth.TypeModel, in.Name)
	if err != nil {
		return nil, err
	}
	r, _, err := s.Store.Accept(q.Context, store.Change{Verb: berth.VerbCreate, Settled: true, Caller: q.Caller, Resource: &berth.Resource{
		ID:       parent.ID.Child("versions", strconv.Itoa(parent.Body.(*berth.Versions).Newest)),
		Location: q.workspace.Location, Tags: in.KVTags, Body: &berth.ModelVersion{Request: stored, Asset: asset, Unpack: in.Unpack},
	}})
	if err != nil {
		return nil, err
	}
	return ok(modelAnswer(r)), nil
}

// nextVersion counts a version of a model or an environment before it is made, so that no number is given twice.
func (s *Server) nextVersion(q *Request, typ, name string) (*berth.Resource, error) {
	id, err := childID(q.workspace.ID, typ, name)
	if err != nil {
		return nil, err
	}
	return s.count(counted{ctx: q.Context, workspace: q.workspace, id: id, typ: typ, caller: q.Caller},
		func(newest int) int { return newest + 1 })
}

// counted is what has versions.
type counted struct {
	ctx       context.Context
	workspace *berth.Resource
	id        berth.ID
	typ       string
	caller    string
}

// count sets the highest number of a version, and makes what has the versions when it is missing.
func (s *Server) count(of counted, number func(newest int) int) (*berth.Resource, error) {
	r, _, err := s.accept(of.ctx, func() (store.Change, error) {
		c := store.Change{Verb: berth.VerbCreate, Settled: true, Caller: of.caller,
			Resource: &berth.Resource{ID: of.id, Location: of.workspace.Location, Body: &berth.Versions{Type: of.typ, Newest: number(0)}}}
		old, err := s.Store.Get(of.ctx, of.id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return c, nil
		case err != nil:
			return c, err
		case old.Unreadable:
			return c, old.Fault
		}
		c.Verb, c.Base = berth.VerbUpdate, old.Generation
		c.Resource = old
		counted := *old.Body.(*berth.Versions)
		counted.Newest = number(counted.Newest)
		old.Body = &counted
		return c, nil
	})
	return r, err
}

func modelAnswer(r *berth.Resource) object {
	m := r.Body.(*berth.ModelVersion)
	out := fields(m.Request)
	if m.V2 {
		out = object{"description": out["description"], "properties": out["properties"], "url": assetURL + modelID(r.ID),
			"mimeType": "application/json", "framework": "Custom"}
	}
	var version any = r.ID.Name() // version 2 of the SDK may choose a word
	if number, err := strconv.Atoi(r.ID.Name()); err == nil {
		version = number
	}
	for name, value := range map[string]any{
		"id": modelID(r.ID), "name": r.ID.Parent().Name(), "version": version, "createdTime": clockTime(r.CreatedAt),
		"modifiedTime": clockTime(r.ModifiedAt), "unpack": m.Unpack,
		"createdBy": object{"userObjectId": r.CreatedBy, "userName": r.CreatedBy},
	} {
		out[name] = value
	}
	if out["kvTags"] = r.Tags; r.Tags == nil {
		out["kvTags"] = object{}
	}
	for _, field := range []string{"description", "mimeType", "framework", "frameworkVersion", "experimentName", "runId", "url"} {
		if _, there := out[field]; !there { // the SDK demands each
			out[field] = nil
		}
	}
	if out["properties"] == nil {
		out["properties"] = object{}
	}
	if out["datasets"] == nil {
		out["datasets"] = []any{}
	}
	return out
}

// model finds a version by what the SDK calls its id. Without a version it is the newest.
func (s *Server) model(q *Request, id string) (*berth.Resource, error) {
	all, err := s.modelsOf(q)
	if err != nil {
		return nil, err
	}
	if r := among(all, id); r != nil {
		return r, nil
	}
	return nil, berth.Errorf(berth.CodeNotFound, "There is no model with the id '%s'.", id)
}

// among finds a version in a list that begins with the newest; nil when it is not there.
func among(all []*berth.Resource, id string) *berth.Resource {
	name, version, hasVersion := strings.Cut(id, ":")
	for _, r := range all {
		if strings.EqualFold(r.ID.Parent().Name(), name) && (!hasVersion || r.ID.Name() == version) {
			return r
		}
	}
	return nil
}

// modelsOf are all versions of all models of the workspace that can be read, the newest first.
func (s *Server) modelsOf(q *Request) (all []*berth.Resource, err error) {
	return s.versions(q, berth.TypeModelVersion)
}

// versions are all versions of a type in the workspace that can be read, the newest first.
func (s *Server) versions(q *Request, typ string) (all []*berth.Resource, err error) {
	ws := q.workspace.ID
	found, err := s.Store.All(q.Context, store.Query{Type: typ, Group: berth.GroupID(ws.Subscription, ws.Group)})
	for _, r := range found {
		if !r.Unreadable && r.ID.Parent().Parent().Key() == ws.Key() {
			all = append(all, r)
		}
	}
	slices.SortStableFunc(all, func(a, b *berth.Resource) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return all, err
}

func (s *Server) getModel(q *Request) (*Answer, error) {
	r, err := s.model(q, q.words[0])
	if err != nil {
		return nil, err
	}
	return ok(modelAnswer(r)), nil
}

// listModels answers the versions that the filters of the query leave.
func (s *Server) listModels(q *Request) (*Answer, error) {
	all, err := s.modelsOf(q)
	if err != nil {
		return nil, err
	}
	value, seen := []object{}, map[string]bool{}
	for _, r := range all {
		name := strings.ToLower(r.ID.Parent().Name())
		a := modelAnswer(r)
		text := func(field string) string { t, _ := a[field].(string); return t }
		fits := (q.Query.Get("name") == "" || strings.EqualFold(q.Query.Get("name"), name)) &&
			(q.Query.Get("runId") == "" || q.Query.Get("runId") == text("runId")) &&
			(q.Query.Get("framework") == "" || strings.EqualFold(q.Query.Get("framework"), text("framework"))) &&
			tagFilter(cmp.Or(q.Query.Get("tags"), q.Query.Get("tag")), r.Tags) && tagFilter(q.Query.Get("properties"), texts(a["properties"]))
		if !fits || seen[name] && strings.EqualFold(q.Query.Get("latestVersionOnly"), "true") {
			continue
		}
		seen[name] = true
		value = append(value, a)
	}
	if strings.HasSuffix(strings.ToLower(q.Query.Get("orderBy")), "asc") {
		slices.Reverse(value)
	}
	return ok(object{"value": value}), nil
}

// fixed are the fields of a model that no patch changes.
var fixed = []string{"/id", "/name", "/version", "/url", "/createdTime", "/modifiedTime", "/unpack", "/createdBy"}

// patchModel changes tags, properties and descriptions.
func (s *Server) patchModel(q *Request) (*Answer, error) {
	patch, err := readPatch(q.Body, fixed)
	if err != nil {
		return nil, err
	}
	var answered object
	r, _, err := s.accept(q.Context, func() (c store.Change, err error) {
		old, err := s.model(q, q.words[0])
		if err != nil {
			return c, err
		}
		if answered, err = applyPatch(patch, modelAnswer(old)); err != nil {
			return c, err
		}
		m := *old.Body.(*berth.ModelVersion)
		old.Tags = texts(answered["kvTags"])
		if m.V2 {
			m.Request, err = described(m.Request, answered)
		} else {
			m.Request, err = encode(answered)
		}
		if err != nil {
			return c, err
		}
		old.Body = &m
		return store.Change{Verb: berth.VerbUpdate, Settled: true, Resource: old, Base: old.Generation, Caller: q.Caller}, nil
	})
	if err != nil {
		return nil, err
	}
	return ok(modelAnswer(r)), nil
}

// What a patch may do. Copies grow without an end, the empty path is the whole document, and a large index makes a large list.
const (
	maxPatch = 100  // operations
	maxPath  = 1000 // bytes
)

var (
	patchKinds = map[string]bool{"add": true, "remove": true, "replace": true, "test": true}
	patchPath  = regexp.MustCompile(`^(/(-|\d{1,3}|[^/\d-][^/]*|[\d-][^/]*[^/\d][^/]*)){1,10}$`)
)

// readPatch reads a JSON Patch (RFC 6902) that changes none of these fields.
func readPatch(body []byte, fixed []string) (jsonpatch.Patch, error) {
	patch, err := jsonpatch.DecodePatch(body)
	if err != nil {
		return nil, berth.Errorf(berth.CodeInvalidRequest, "The request body is no JSON Patch: %s.", err)
	}
	if len(patch) > maxPatch {
		return nil, berth.Errorf(berth.CodeBadRequest, "The patch has %d operations; at most %d are possible.", len(patch), maxPatch)
	}
	for _, op := range patch {
		path, err := op.Path()
		if err != nil {
			return nil, berth.Errorf(berth.CodeInvalidRequest, "The request body is no JSON Patch: %s.", err)
		}
		if !patchKinds[op.Kind()] || len(path) > maxPath || !patchPath.MatchString(path) {
			return nil, berth.Errorf(berth.CodeBadRequest, "The operation '%.20s' at '%.100s' is not possible: a patch adds, removes, replaces "+
				"or tests fields.", op.Kind(), path)
		}
		if op.Kind() != "test" && slices.ContainsFunc(fixed, func(f string) bool { return strings.EqualFold(f, path) }) {
			return nil, berth.Errorf(berth.CodeBadRequest, "'%s' does not change after the creation.", strings.TrimPrefix(path, "/"))
		}
	}
	return patch, nil
}

// applyPatch changes an object. Parents that are missing are made, as the original does.
func applyPatch(patch jsonpatch.Patch, o object) (object, error) {
	before, err := encode(o)
	if err != nil {
		return nil, err
	}
	options := jsonpatch.NewApplyOptions()
	options.EnsurePathExistsOnAdd, options.AllowMissingPathOnRemove = true, true
	after, err := patch.ApplyWithOptions(before, options)
	if err != nil {
		return nil, berth.Errorf(berth.CodeBadRequest, "The patch cannot be applied: %s.", err)
	}
	out := object{}
	if err := decode(after, &out); err != nil || len(after) > maxPatched {
		return nil, berth.Errorf(berth.CodeBadRequest, "What the patch makes is no object, or is larger than %d bytes.", maxPatched)
	}
	return out, nil
}

// maxPatched is how large a resource may become by patches, in bytes.
const maxPatched = 4 << 20

// removeModel removes a version, unless a service serves it.
func (s *Server) removeModel(q *Request) (*Answer, error) {
	r, err := s.model(q, q.words[0])
	if err != nil {
		return nil, err
	}
	if err := s.Unused(q.Context, r.ID); err != nil {
		return nil, err
	}
	_, _, err = s.Store.Accept(q.Context, store.Change{Verb: berth.VerbDelete, Settled: true, Resource: r, Caller: q.Caller})
	if err != nil {
		return nil, missing(err, "model", q.words[0])
	}
	return &Answer{Status: http.StatusOK}, nil
}
