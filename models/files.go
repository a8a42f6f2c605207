package models

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/blob"
	"berth.dev/berth/store"
)

// Datastore is the name of the store of files of a workspace, as version 2 of the SDK addresses it.
const Datastore = "workspaceblobstore"

// File is a file of a model or of a code.
type File struct {
	Path   string // where a pod has it
	Digest string // SHA-256 in hexadecimal digits
	Size   int64
	Unpack bool // it is an archive, and is unpacked at Path
}

// Sources is where the files of models and codes are found.
type Sources struct {
	Store *store.Store
	Files *blob.Store
}

// ModelFolder is where pods have a model's files: azureml-models/{name}/{version} (v1/how-to-deploy-advanced-entry-script).
func ModelFolder(version berth.ID) string {
	return path.Join("azureml-models", version.Parent().Name(), version.Name())
}

// ModelFiles are the files of a version of a model, which either version of the SDK has registered. Their paths begin with ModelFolder.
// CodeNotFound when the model or one of its files is gone.
func (s Sources) ModelFiles(ctx context.Context, id berth.ID) (out []File, err error) {
	r, container, err := s.version(ctx, id, "model")
	if err != nil {
		return nil, err
	}
	m := r.Body.(*berth.ModelVersion)
	parts := m.Files
	if !m.V2 {
		if parts, err = s.assetFiles(ctx, id, m.Asset); err != nil {
			return nil, err
		}
	}
	for _, part := range parts {
		found, err := FilesOf(ctx, s.Files, container, []berth.AssetFiles{part})
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			out = append(out, File{Path: path.Join(ModelFolder(id), relative(f.Name, part)), Digest: f.Digest, Size: f.Size})
		}
	}
	if m.Unpack && len(out) == 1 {
		out[0].Path, out[0].Unpack = ModelFolder(id), true
	}
	return out, nil
}

func (s Sources) assetFiles(ctx context.Context, model berth.ID, name string) ([]berth.AssetFiles, error) {
	asset, err := s.Store.Get(ctx, model.Parent().Parent().Child("assets", name))
	if err != nil {
		return nil, fmt.Errorf("the asset of the model %s: %w", model, err)
	}
	if asset.Unreadable {
		return nil, asset.Fault
	}
	return asset.Body.(*berth.Asset).Files, nil
}

// IsMLflow reports whether a version of a model is a folder that MLflow has saved, as version 2 of the SDK says it.
func IsMLflow(m *berth.ModelVersion) bool {
	var says struct {
		Type string `json:"modelType"`
	}
	return m.V2 && json.Unmarshal(m.Request, &says) == nil && strings.EqualFold(says.Type, "mlflow_model")
}

// CodeFiles are the files of a version of a code. Their paths begin in its folder. CodeNotFound when the code or its files are gone.
func (s Sources) CodeFiles(ctx context.Context, id berth.ID) (out []File, err error) {
	r, container, err := s.version(ctx, id, "code")
	if err != nil {
		return nil, err
	}
	for _, part := range r.Body.(*berth.CodeVersion).Files {
		found, err := s.below(ctx, container, part)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// Folder are the files of a folder in the store of a workspace. Their paths begin in it. CodeNotFound when they are gone.
func (s Sources) Folder(ctx context.Context, workspace berth.ID, folder berth.AssetFiles) ([]File, error) {
	ws, err := s.Store.Get(ctx, workspace)
	if err != nil {
		return nil, err
	}
	if ws.Unreadable {
		return nil, ws.Fault
	}
	return s.below(ctx, Container(ws.Body.(*berth.Workspace)), folder)
}

// below are the files of a folder. Their paths begin in it.
func (s Sources) below(ctx context.Context, container string, folder berth.AssetFiles) (out []File, err error) {
	found, err := FilesOf(ctx, s.Files, container, []berth.AssetFiles{folder})
	for _, f := range found {
		name := strings.TrimPrefix(strings.TrimPrefix(f.Name, strings.TrimSuffix(folder.Prefix, "/")), "/")
		if name == "" { // it is one file
			name = path.Base(f.Name)
		}
		out = append(out, File{Path: name, Digest: f.Digest, Size: f.Size})
	}
	return out, err
}

// version reads a version, and the container of the files of its workspace.
func (s Sources) version(ctx context.Context, id berth.ID, what string) (r *berth.Resource, container string, err error) {
	r, err = s.Store.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, "", berth.Errorf(berth.CodeNotFound, "The %s '%s:%s' was deleted. Deploy with another one.", what, id.Parent().Name(),
			id.Name())
	}
	if err != nil {
		return nil, "", err
	}
	if r.Unreadable {
		return nil, "", r.Fault
	}
	ws, err := s.Store.Get(ctx, id.Parent().Parent())
	if err != nil {
		return nil, "", err
	}
	if ws.Unreadable {
		return nil, "", ws.Fault
	}
	return r, Container(ws.Body.(*berth.Workspace)), nil
}

// relative is the name of a file from the folder in which what was registered lies.
func relative(name string, of berth.AssetFiles) string {
	return strings.TrimPrefix(strings.TrimPrefix(name, path.Dir(strings.TrimSuffix(of.ID+of.Prefix, "/"))), "/")
}

// PathIn is the name in the workspace's container of what an address leads to: "azureml://…/datastores/workspaceblobstore/paths/{name}",
// with or without the workspace in it, or the https address of the file. Other addresses are refused in words, also those of other
// workspaces.
func PathIn(address string, ws *berth.Resource, filesURL string) (string, error) {
	refuse := func(why string) (string, error) {
		return "", berth.Errorf(berth.CodeBadRequest, "The address '%.300s' cannot be used: %s.", address, why)
	}
	u, err := url.Parse(address)
	if err != nil {
		return refuse("it is not a valid address")
	}
	name := ""
	switch {
	case strings.EqualFold(u.Scheme, "azureml"):
		_, rest, _ := strings.Cut(address, ":") // of the scheme
		place, after, _ := strings.Cut(strings.TrimLeft(rest, "/"), "/paths/")
		if why := inWorkspace(place, ws.ID); why != "" {
			return refuse(why)
		}
		name = after
	case strings.EqualFold(u.Scheme, "runs"), strings.EqualFold(u.Scheme, "mlflow"):
		return refuse(ofJob)
	case strings.EqualFold(u.Scheme, "https") && strings.EqualFold(u.Scheme+"://"+u.Host, filesURL):
		rest, own := strings.CutPrefix(u.Path, "/"+Container(ws.Body.(*berth.Workspace))+"/")
		if !own {
			return refuse("it is not in the store of this workspace")
		}
		name = rest
	default:
		return refuse("upload the files to the datastore '" + Datastore + "' of the workspace, as the SDK does with a local path")
	}
	name = strings.TrimSuffix(name, "/")
	if !validArtifact(name) {
		return refuse("its path is not the path of a file or a folder")
	}
	return name, nil
}

// ofJob refuses what runs and jobs have made.
const ofJob = "Berth runs no jobs and keeps nothing that they have made. Download the files, then register them by their local path"

// inWorkspace says what is wrong with the part before /paths/ of an address; empty when it names the store of the workspace.
func inWorkspace(place string, ws berth.ID) string {
	place = strings.ToLower(place)
	if strings.HasPrefix(place, "jobs/") || strings.Contains(place, "/jobs/") {
		return ofJob
	}
	before, datastore, _ := cutLast(place, "datastores/")
	if datastore != Datastore {
		return "it names another datastore than '" + Datastore + "', the only one that Berth has"
	}
	before = strings.TrimSuffix(before, "/")
	long := "subscriptions/" + ws.Subscription + "/resourcegroups/" + ws.Group
	switch before {
	case "", strings.ToLower(long + "/workspaces/" + ws.Name()),
		strings.ToLower(long + "/providers/microsoft.machinelearningservices/workspaces/" + ws.Name()):
		return ""
	}
	return "it is in another workspace. Register the asset in that one, or upload the files to this one"
}

// cutLast is strings.Cut at the last place.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
