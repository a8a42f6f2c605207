package client

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"path"
	"strings"

	"github.com/google/uuid"

	"berth.dev/berth"
)

func (c *Client) endpointPath(w WorkspaceName, name string) string {
	return Path(c.ID(w.Group, berth.TypeEndpoint, w.Name, name))
}

func (c *Client) deploymentPath(w WorkspaceName, endpoint, name string) string {
	return Path(c.ID(w.Group, berth.TypeDeployment, w.Name, endpoint, name))
}

// PutEndpoint creates an online endpoint, or changes one.
func (c *Client) PutEndpoint(ctx context.Context, w WorkspaceName, name string, body Object) (*Operation, error) {
	_, op, err := c.put(ctx, c.endpointPath(w, name), body)
	return op, err
}

// PatchEndpoint changes what the body names.
func (c *Client) PatchEndpoint(ctx context.Context, w WorkspaceName, name string, body Object) (*Operation, error) {
	return c.Patch(ctx, c.endpointPath(w, name), body, nil)
}

// GetEndpoint reads an online endpoint.
func (c *Client) GetEndpoint(ctx context.Context, w WorkspaceName, name string) (Object, error) {
	return c.object(ctx, c.endpointPath(w, name))
}

// ListEndpoints lists the online endpoints of a workspace.
func (c *Client) ListEndpoints(ctx context.Context, w WorkspaceName) ([]Object, error) {
	return c.List(ctx, c.escapedWorkspace(w)+"/onlineEndpoints")
}

// DeleteEndpoint deletes an online endpoint with its deployments.
func (c *Client) DeleteEndpoint(ctx context.Context, w WorkspaceName, name string) (*Operation, error) {
	return c.Delete(ctx, c.endpointPath(w, name))
}

// EndpointKeys are the keys of an endpoint, by the names primaryKey and secondaryKey. They are secrets.
func (c *Client) EndpointKeys(ctx context.Context, w WorkspaceName, name string) (Object, error) {
	var out Object
	return out, c.Post(ctx, c.endpointPath(w, name)+"/listKeys", nil, &out)
}

// EndpointToken is a token for an endpoint that takes tokens (accessToken). It is a secret.
func (c *Client) EndpointToken(ctx context.Context, w WorkspaceName, name string) (Object, error) {
	var out Object
	return out, c.Post(ctx, c.endpointPath(w, name)+"/token", nil, &out)
}

// RegenerateEndpointKey replaces a key (Primary or Secondary) by a new one.
func (c *Client) RegenerateEndpointKey(ctx context.Context, w WorkspaceName, name, key string) (*Operation, error) {
	res, err := c.Do(ctx, http.MethodPost, c.endpointPath(w, name)+"/regenerateKeys", Object{"keyType": key})
	if err != nil {
		return nil, err
	}
	return newOperation(res.Header), nil
}

// PutDeployment creates a deployment of an endpoint, or replaces one.
func (c *Client) PutDeployment(ctx context.Context, w WorkspaceName, endpoint, name string, body Object) (*Operation, error) {
	_, op, err := c.put(ctx, c.deploymentPath(w, endpoint, name), body)
	return op, err
}

// PatchDeployment changes what the body names.
func (c *Client) PatchDeployment(ctx context.Context, w WorkspaceName, endpoint, name string, body Object) (*Operation, error) {
	return c.Patch(ctx, c.deploymentPath(w, endpoint, name), body, nil)
}

// Given is a resource that is to be made before another one.
type Given struct {
	ID   string `json:"id"`
	Body Object `json:"body"`
}

// CheckDeployment reports every violation and warning of the PUT of a deployment, by its id, and changes nothing. The given resources are
// judged too, and assumed to exist: their targets begin with "given[0].".
func (c *Client) CheckDeployment(ctx context.Context, id berth.ID, body Object, before ...Given) (out Validation, err error) {
	asked := Object{"given": before}
	maps.Copy(asked, body)
	return out, c.Post(ctx, Path(id)+"/validate", asked, &out)
}

// GetDeployment reads a deployment of an endpoint.
func (c *Client) GetDeployment(ctx context.Context, w WorkspaceName, endpoint, name string) (Object, error) {
	return c.object(ctx, c.deploymentPath(w, endpoint, name))
}

// ListDeployments lists the deployments of an endpoint.
func (c *Client) ListDeployments(ctx context.Context, w WorkspaceName, endpoint string) ([]Object, error) {
	return c.List(ctx, c.endpointPath(w, endpoint)+"/deployments")
}

// DeleteDeployment deletes a deployment of an endpoint.
func (c *Client) DeleteDeployment(ctx context.Context, w WorkspaceName, endpoint, name string) (*Operation, error) {
	return c.Delete(ctx, c.deploymentPath(w, endpoint, name))
}

// DeploymentLogs is the end of the log of a pod of a deployment; with prepares, of what runs before.
func (c *Client) DeploymentLogs(ctx context.Context, w WorkspaceName, at [2]string, prepares bool, lines int) (string, error) {
	body := Object{}
	if lines > 0 {
		body["tail"] = lines
	}
	if prepares {
		body["containerType"] = "StorageInitializer"
	}
	var out struct {
		Content string `json:"content"`
	}
	err := c.Post(ctx, c.deploymentPath(w, at[0], at[1])+"/getLogs", body, &out)
	return out.Content, err
}

// Asset is a version of a model, a code or an environment, by the names of Resource Manager: "models", "codes" or "environments". Without
// a name it is an anonymous one, as the SDK makes them for what a deployment has in it.
type Asset struct{ Collection, Name, Version string }

// AssetID is the id of a version.
func (c *Client) AssetID(w WorkspaceName, a Asset) string {
	ws := c.ID(w.Group, berth.TypeWorkspace, w.Name)
	return ws.Child(a.Collection, a.Name).Child("versions", a.Version).String()
}

// LatestVersion is the newest version of an asset.
func (c *Client) LatestVersion(ctx context.Context, w WorkspaceName, a Asset) (string, error) {
	at := Path(c.ID(w.Group, berth.TypeWorkspace, w.Name).Child(a.Collection, a.Name))
	var page struct {
		Value []struct {
			Name string `json:"name"`
		} `json:"value"`
	}
	if err := c.Get(ctx, at+"/versions?$orderBy=createdtime%20desc&$top=1", &page); err != nil {
		return "", err
	}
	if len(page.Value) == 0 {
		return "", berth.Errorf(berth.CodeNotFound, "There is no version of '%s' in the %s of the workspace.", a.Name, a.Collection)
	}
	return page.Value[0].Name, nil
}

// PutAsset registers a version and answers its id. The properties are those of Resource Manager.
func (c *Client) PutAsset(ctx context.Context, w WorkspaceName, a Asset, properties Object) (string, error) {
	if a.Name == "" {
		a.Name, a.Version = uuid.NewString(), "1"
		properties["isAnonymous"] = true
	}
	id, err := berth.ParseID(c.AssetID(w, a))
	if err != nil {
		return "", err
	}
	_, err = c.Put(ctx, Path(id), Object{"properties": properties}, nil)
	return id.String(), err
}

// UploadAsset uploads a file or a folder, and answers the address by which PutAsset names it.
func (c *Client) UploadAsset(ctx context.Context, w WorkspaceName, file string) (string, error) {
	files, folder, err := FilesBelow(file)
	if err != nil {
		return "", fmt.Errorf("the files cannot be read: %w", err)
	}
	prefix, err := c.Upload(ctx, w, files)
	if err != nil {
		return "", err
	}
	name := files[0].Path
	if folder {
		name, _, _ = strings.Cut(name, "/")
	}
	return "azureml://datastores/workspaceblobstore/paths/" + path.Join(prefix, name), nil
}
