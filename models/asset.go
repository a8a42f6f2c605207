package models

import (
	"net/url"
	"strings"

	"github.com/google/uuid"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// escaped is a name in the path of an address.
func escaped(name string) string {
	words := strings.Split(name, "/")
	for i := range words {
		words[i] = url.PathEscape(words[i])
	}
	return strings.Join(words, "/")
}

// createAsset keeps a list of files under an id of its own.
func (s *Server) createAsset(q *Request) (*Answer, error) {
	var in struct {
		KVTags    map[string]string  `json:"kvTags"`
		Artifacts []berth.AssetFiles `json:"artifacts"`
	}
	request := object{}
	if err := decode(q.Body, &in); err != nil {
		return nil, err
	}
	if err := decode(q.Body, &request); err != nil {
		return nil, err
	}
	if len(in.Artifacts) == 0 || len(in.Artifacts) > maxArtifacts {
		return nil, berth.Errorf(berth.CodeBadRequest, "An asset has 1 to %d artifacts, and the request has %d.", maxArtifacts, len(in.Artifacts))
	}
	if _, err := FilesOf(q.Context, s.Files, q.container(), in.Artifacts); err != nil {
		return nil, err
	}
	stored, err := encode(request)
	if err != nil {
		return nil, err
	}
	r, _, err := s.Store.Accept(q.Context, store.Change{Verb: berth.VerbCreate, Settled: true, Caller: q.Caller, Resource: &berth.Resource{
		ID: q.workspace.ID.Child("assets", uuid.NewString()), Location: q.workspace.Location, Tags: in.KVTags,
		Body: &berth.Asset{Request: stored, Files: in.Artifacts},
	}})
	if err != nil {
		return nil, err
	}
	return ok(assetAnswer(r)), nil
}

// renew marks an asset as one that is about to be named: Collector leaves it for a while.
func (s *Server) renew(q *Request, name string) error {
	_, _, err := s.accept(q.Context, func() (store.Change, error) {
		r, err := s.child(q, berth.TypeAsset, "asset", name)
		if err != nil {
			return store.Change{}, err
		}
		return store.Change{Verb: berth.VerbUpdate, Settled: true, Resource: r, Base: r.Generation, Caller: q.Caller}, nil
	})
	return err
}

func assetAnswer(r *berth.Resource) object {
	out := fields(r.Body.(*berth.Asset).Request)
	out["id"] = r.ID.Name()
	out["createdTime"], out["modifiedTime"] = clockTime(r.CreatedAt), clockTime(r.ModifiedAt)
	return out
}

func (s *Server) getAsset(q *Request) (*Answer, error) {
	if strings.Contains(q.words[0], ":") {
		return s.assetOfV2(q)
	}
	r, err := s.child(q, berth.TypeAsset, "asset", q.words[0])
	if err != nil {
		return nil, err
	}
	return ok(assetAnswer(r)), nil
}

// assetOfV2 answers the files of a model of version 2 of the SDK, which has no asset of its own, as those of an asset.
func (s *Server) assetOfV2(q *Request) (*Answer, error) {
	r, err := s.model(q, q.words[0])
	if err != nil {
		return nil, err
	}
	return ok(object{"id": q.words[0], "name": r.ID.Parent().Name(), "artifacts": r.Body.(*berth.ModelVersion).Files, "kvTags": object{},
		"createdTime": clockTime(r.CreatedAt), "modifiedTime": clockTime(r.ModifiedAt)}), nil
}

func (s *Server) listAssets(q *Request) (*Answer, error) {
	all, err := s.Store.All(q.Context, store.Query{Type: berth.TypeAsset, Parent: q.workspace.ID})
	if err != nil {
		return nil, err
	}
	value := []object{}
	for _, r := range all {
		if a, readable := r.Body.(*berth.Asset); readable && !r.Unreadable && a != nil {
			value = append(value, assetAnswer(r))
		}
	}
	return ok(object{"value": value}), nil
}

func (s *Server) removeAsset(q *Request) (*Answer, error) {
	r, err := s.child(q, berth.TypeAsset, "asset", q.words[0])
	if err != nil {
		return nil, err
	}
	if err := s.Unused(q.Context, r.ID); err != nil {
		return nil, err
	}
	_, _, err = s.Store.Accept(q.Context, store.Change{Verb: berth.VerbDelete, Settled: true, Resource: r, Caller: q.Caller})
	if err != nil {
		return nil, missing(err, "asset", q.words[0])
	}
	return ok(nil), nil
}

// child is a resource of the workspace that can be read.
func (s *Server) child(q *Request, typ, what, name string) (*berth.Resource, error) {
	id, err := childID(q.workspace.ID, typ, name)
	if err != nil {
		return nil, missing(store.ErrNotFound, what, name)
	}
	r, err := s.Store.Get(q.Context, id)
	if err != nil {
		return nil, missing(err, what, name)
	}
	if r.Unreadable {
		return nil, r.Fault
	}
	return r, nil
}

// childID is the id of a resource with a name that a client sent.
func childID(parent berth.ID, typ, name string) (berth.ID, error) {
	return berth.ParseID(parent.Child(typ[strings.LastIndexByte(typ, '/')+1:], name).String())
}
