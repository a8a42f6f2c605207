package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"berth.dev/berth"
)

// ModelRequest is a model to register.
type ModelRequest struct {
	Name, Description           string
	Path                        string // of a file, or of a folder
	Tags, Properties            map[string]string
	Framework, FrameworkVersion string
	Kind                        string // KindMLflow, or empty for files as they are
}

// KindMLflow is the kind of a model that MLflow has saved, as version 2 of the SDK names it.
const KindMLflow = "mlflow_model"

// registerTries is how often a version is asked for that somebody else has taken in the meantime.
const registerTries = 5

// artifact names files of an asset: one, or all whose names have a prefix.
type artifact struct {
	ID     string `json:"id,omitempty"`
	Prefix string `json:"prefix,omitempty"`
}

const assetURL = "aml://asset/"

// RegisterModel uploads the files of a model and gives it its next version.
func (c *Client) RegisterModel(ctx context.Context, w WorkspaceName, r ModelRequest) (Object, error) {
	files, _, err := FilesBelow(r.Path)
	if err != nil {
		return nil, fmt.Errorf("the files of the model cannot be read: %w", err)
	}
	prefix, err := c.Upload(ctx, w, files)
	if err != nil {
		return nil, err
	}
	paths := make([]string, 0, len(files))
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	return c.RegisterUploaded(ctx, w, r, Uploaded{prefix, paths})
}

// Uploaded names files in the store of a workspace.
type Uploaded struct {
	Prefix string // see Uploading.Prefix
	Paths  []string
}

// artifacts are the files with a plain path, and the folders of the others.
func (u Uploaded) artifacts() (out []artifact) {
	for _, p := range u.Paths {
		a := artifact{ID: u.Prefix + p}
		if folder, _, below := strings.Cut(p, "/"); below {
			a = artifact{Prefix: u.Prefix + folder}
		}
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// Address is that of the files for PutAsset: of their folder when they have one, and else of what holds them.
func (u Uploaded) Address() string {
	folder := ""
	for i, p := range u.Paths {
		above, _, below := strings.Cut(p, "/")
		if !below || i > 0 && above != folder {
			folder = ""
			break
		}
		folder = above
	}
	return "azureml://datastores/workspaceblobstore/paths/" + path.Join(u.Prefix, folder)
}

// registerKind gives a model of a kind its next version. Version 1 of the SDK has no kinds, and version 2 names the version itself.
func (c *Client) registerKind(ctx context.Context, w WorkspaceName, r ModelRequest, files Uploaded) (out Object, err error) {
	at := Path(c.ID(w.Group, berth.TypeWorkspace, w.Name).Child("models", r.Name))
	properties := Object{"modelUri": files.Address(), "modelType": r.Kind, "description": r.Description, "tags": r.Tags}
	for range registerTries {
		var model struct {
			Properties struct {
				NextVersion string `json:"nextVersion"`
			} `json:"properties"`
		}
		if err := c.Get(ctx, at, &model); err != nil && !IsNotFound(err) {
			return nil, err
		}
		version := cmp.Or(model.Properties.NextVersion, "1")
		_, err = c.PutAsset(ctx, w, Asset{Collection: "models", Name: r.Name, Version: version}, properties)
		if err == nil {
			return c.GetModel(ctx, w, r.Name+":"+version)
		}
		if berth.ErrorCode(err) != berth.CodeVersionExists {
			return nil, err
		}
	}
	return nil, err
}

// RegisterUploaded gives a model its next version, with files that were uploaded. The Path of the request is not read.
func (c *Client) RegisterUploaded(ctx context.Context, w WorkspaceName, r ModelRequest, files Uploaded) (Object, error) {
	if r.Kind != "" {
		return c.registerKind(ctx, w, r, files)
	}
	var asset struct {
		ID string `json:"id"`
	}
	err := c.Post(ctx, c.beside(modelsService, w, "assets"), Object{"name": r.Name, "artifacts": files.artifacts()}, &asset)
	if err != nil {
		return nil, err
	}
	body := Object{"name": r.Name, "url": assetURL + asset.ID, "mimeType": "application/x-python", "unpack": false}
	for field, value := range map[string]string{"description": r.Description, "framework": r.Framework,
		"frameworkVersion": r.FrameworkVersion} {
		if value != "" {
			body[field] = value
		}
	}
	for field, value := range map[string]map[string]string{"kvTags": r.Tags, "properties": r.Properties} {
		if len(value) > 0 {
			body[field] = value
		}
	}
	var out Object
	return out, c.Post(ctx, c.beside(modelsService, w, "models"), body, &out)
}

// ModelQuery selects models: all with a name, the newest version of each only, all with a tag ("name" or "name=value").
type ModelQuery struct {
	Name   string
	Newest bool
	Tags   []string
}

// ListModels lists versions of models, the newest first.
func (c *Client) ListModels(ctx context.Context, w WorkspaceName, q ModelQuery) ([]Object, error) {
	query := url.Values{}
	if q.Name != "" {
		query.Set("name", q.Name)
	}
	if q.Newest {
		query.Set("latestVersionOnly", "true")
	}
	if len(q.Tags) > 0 {
		query.Set("tags", strings.Join(q.Tags, ","))
	}
	return c.List(ctx, c.beside(modelsService, w, "models")+"?"+query.Encode())
}

// GetModel reads a version of a model by its id ("name:version"), or the newest by its name.
func (c *Client) GetModel(ctx context.Context, w WorkspaceName, id string) (Object, error) {
	return c.object(ctx, c.beside(modelsService, w, "models", id))
}

// DeleteModel deletes a version of a model.
func (c *Client) DeleteModel(ctx context.Context, w WorkspaceName, id string) error {
	_, err := c.Delete(ctx, c.beside(modelsService, w, "models", id))
	return err
}

// DownloadModel writes the files of a version of a model into a folder, and answers their paths there. A file that is there stays, and is
// an error, unless overwrite says otherwise.
func (c *Client) DownloadModel(ctx context.Context, w WorkspaceName, id, folder string, overwrite bool) (names []string, err error) {
	all, err := c.modelContents(ctx, w, id)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { // #nosec G301 -- a model is no secret of this user, as other downloads are none
		return nil, err
	}
	root, err := os.OpenRoot(folder) // nothing that the server names leaves it
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for _, one := range all {
		if err := c.download(ctx, root, one, overwrite); err != nil {
			return names, fmt.Errorf("the file %s could not be downloaded: %w", one.Path, err)
		}
		names = append(names, one.Path)
	}
	return names, nil
}

// ModelFile is a file of a version of a model.
type ModelFile struct {
	Path    string // in the model
	Size    int64  // in bytes; -1 when it was not asked for
	address string
}

// ModelFiles are the files of a version of a model, with the sizes of the first of them, at most so many.
func (c *Client) ModelFiles(ctx context.Context, w WorkspaceName, id string, sized int) (out []ModelFile, err error) {
	all, err := c.modelContents(ctx, w, id)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b content) int { return strings.Compare(a.Path, b.Path) })
	for i, one := range all {
		f := ModelFile{Path: one.Path, Size: -1, address: one.URI}
		if i < sized {
			res, err := c.file(ctx, fileRequest{method: http.MethodHead, address: one.URI})
			if err != nil {
				return nil, err
			}
			if f.Size, err = strconv.ParseInt(res.Header.Get("Content-Length"), 10, 64); err != nil {
				return nil, fmt.Errorf("the size of the file %s cannot be read: %w", one.Path, err)
			}
		}
		out = append(out, f)
	}
	return out, nil
}

// ReadModelFile writes what is in a file.
func (c *Client) ReadModelFile(ctx context.Context, f ModelFile, to io.Writer) error {
	return c.downloadFile(ctx, f.address, to)
}

// modelContents are the files of a model, each with its path in the model.
func (c *Client) modelContents(ctx context.Context, w WorkspaceName, id string) (all []content, err error) {
	model, err := c.GetModel(ctx, w, id)
	if err != nil {
		return nil, err
	}
	address, _ := model["url"].(string)
	var asset struct {
		Artifacts []artifact `json:"artifacts"`
	}
	if err := c.Get(ctx, c.beside(modelsService, w, "assets", strings.TrimPrefix(address, assetURL)), &asset); err != nil {
		return nil, err
	}
	for _, a := range asset.Artifacts {
		found, err := c.contents(ctx, w, a)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (c *Client) contents(ctx context.Context, w WorkspaceName, a artifact) (found []content, err error) {
	name := a.ID + a.Prefix
	words := strings.Split(strings.TrimSuffix(name, "/"), "/")
	if a.ID != "" {
		found = make([]content, 1)
		err = c.Get(ctx, c.beside(artifactsService, w, append([]string{"artifacts", "contentinfo"}, words...)...), &found[0])
	} else {
		var page struct {
			Value []content `json:"value"`
		}
		err = c.Get(ctx, c.beside(artifactsService, w, append([]string{"artifacts", "prefix", "contentinfo"}, words...)...), &page)
		found = page.Value
	}
	above := path.Dir(strings.Join(words[min(2, len(words)):], "/")) // behind origin and container
	for i := range found {
		if above != "." {
			found[i].Path = strings.TrimPrefix(found[i].Path, above+"/")
		}
	}
	return found, err
}

// download writes one file. Half a file does not stay.
func (c *Client) download(ctx context.Context, root *os.Root, of content, overwrite bool) error {
	if err := root.MkdirAll(path.Dir(of.Path), 0o755); err != nil {
		return err
	}
	how := os.O_CREATE | os.O_WRONLY | os.O_EXCL
	if overwrite {
		how = os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	}
	f, err := root.OpenFile(of.Path, how, 0o644)
	if err != nil {
		return err
	}
	if err = errors.Join(c.downloadFile(ctx, of.URI, f), f.Close()); err != nil {
		return errors.Join(err, root.Remove(of.Path))
	}
	return nil
}
