package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"strconv"

	"berth.dev/berth"
)

// ValidateService reports, as an error, everything for which DeployService would refuse a request, before anything is uploaded for it.
func (c *Client) ValidateService(ctx context.Context, w WorkspaceName, body Object) error {
	addresses := []string{c.beside(modelsService, w, "services", "validate", "resource")}
	if name, _ := body["name"].(string); name != "" && body["overwrite"] != true {
		addresses = append(addresses, c.beside(modelsService, w, "services", "validate", "name", name))
	}
	for _, address := range addresses {
		var out struct {
			Error *berth.Error `json:"error"`
		}
		if err := c.Post(ctx, address, body, &out); err != nil {
			return err
		}
		if out.Error != nil {
			return &StatusError{Status: http.StatusBadRequest, Err: out.Error}
		}
	}
	return nil
}

// ValidatePatch reports, as an error, everything for which PatchService would refuse a patch of an AksEndpoint.
func (c *Client) ValidatePatch(ctx context.Context, w WorkspaceName, name string, patch []Object) error {
	var out struct {
		Error *berth.Error `json:"error"`
	}
	body := Object{"type": "Update", "serviceName": name, "updateRequest": patch}
	if err := c.Post(ctx, c.beside(modelsService, w, "services", "validate"), body, &out); err != nil || out.Error == nil {
		return err
	}
	return &StatusError{Status: http.StatusBadRequest, Err: out.Error}
}

// DeployService creates a web service, or replaces one if the body has "overwrite".
func (c *Client) DeployService(ctx context.Context, w WorkspaceName, body Object) (*Operation, error) {
	return c.change(ctx, http.MethodPost, c.beside(modelsService, w, "services"), body)
}

// PatchService changes a web service by a JSON Patch.
func (c *Client) PatchService(ctx context.Context, w WorkspaceName, name string, patch []Object) (*Operation, error) {
	return c.change(ctx, http.MethodPatch, c.beside(modelsService, w, "services", name), patch)
}

// DeleteService deletes a web service. If it does not exist, there is no error and the operation is nil.
func (c *Client) DeleteService(ctx context.Context, w WorkspaceName, name string) (*Operation, error) {
	return c.change(ctx, http.MethodDelete, c.beside(modelsService, w, "services", name), nil)
}

// change sends a request whose answer names the operation in a header of its own.
func (c *Client) change(ctx context.Context, method, address string, body any) (*Operation, error) {
	res, err := c.Do(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	where, err := url.Parse(res.Header.Get("Operation-Location"))
	if err != nil || where.Path == "" {
		return nil, err
	}
	op, err := c.OperationByID(path.Base(where.Path))
	if err == nil {
		op.Status = "InProgress"
	}
	return op, err
}

// GetService reads a web service.
func (c *Client) GetService(ctx context.Context, w WorkspaceName, name string) (Object, error) {
	return c.object(ctx, c.beside(modelsService, w, "services", name))
}

// ListServices lists the web services of a workspace; those with a model ("name" or "name:version") when model is not empty.
func (c *Client) ListServices(ctx context.Context, w WorkspaceName, query url.Values) ([]Object, error) {
	return c.List(ctx, c.beside(modelsService, w, "services")+"?"+query.Encode())
}

// ServiceKeys are the keys of a web service. They are secrets.
func (c *Client) ServiceKeys(ctx context.Context, w WorkspaceName, name string) (keys struct {
	Primary   string `json:"primaryKey"`
	Secondary string `json:"secondaryKey"`
}, err error) {
	err = c.Post(ctx, c.beside(modelsService, w, "services", name, "listkeys"), nil, &keys)
	return keys, err
}

// ServiceToken is a token for a web service that takes tokens. It is a secret.
func (c *Client) ServiceToken(ctx context.Context, w WorkspaceName, name string) (token struct {
	Value        string `json:"accessToken"`
	Type         string `json:"tokenType"`
	RefreshAfter int64  `json:"refreshAfter"`
	Expires      int64  `json:"expiryOn"`
}, err error) {
	err = c.Post(ctx, c.beside(modelsService, w, "services", name, "token"), nil, &token)
	return token, err
}

// RegenerateKey replaces a key (Primary or Secondary) of a web service: by a new one when value is empty.
func (c *Client) RegenerateKey(ctx context.Context, w WorkspaceName, name string, key Object) (*Operation, error) {
	return c.change(ctx, http.MethodPost, c.beside(modelsService, w, "services", name, "regenerateKeys"), key)
}

// LogQuery says which part of the log of a service is asked for.
type LogQuery struct {
	Init  bool   // of what prepares the container, instead of its own
	Lines int    // of each pod; the usual number when 0
	Pod   string // of one pod only; of all when empty
}

// ServiceLogs is the end of the log of a web service.
func (c *Client) ServiceLogs(ctx context.Context, w WorkspaceName, name string, q LogQuery) (string, error) {
	query := url.Values{}
	if q.Init {
		query.Set("init", "true")
	}
	if q.Lines > 0 {
		query.Set("tail", strconv.Itoa(q.Lines))
	}
	if q.Pod != "" {
		query.Set("pod", q.Pod)
	}
	var out struct {
		Content string `json:"content"`
	}
	err := c.Get(ctx, c.beside(modelsService, w, "services", name, "logs")+"?"+query.Encode(), &out)
	return out.Content, err
}

// RegisterEnvironment keeps an environment under its next version, or under one that is named.
func (c *Client) RegisterEnvironment(ctx context.Context, w WorkspaceName, name, version string, body json.RawMessage) (Object, error) {
	var out Object
	_, err := c.Put(ctx, c.environmentPath(w, name, version), body, &out)
	return out, err
}

// GetEnvironment reads a version of an environment; the newest when version is empty.
func (c *Client) GetEnvironment(ctx context.Context, w WorkspaceName, name, version string) (Object, error) {
	return c.object(ctx, c.environmentPath(w, name, version))
}

// ListEnvironments lists the newest version of each environment.
func (c *Client) ListEnvironments(ctx context.Context, w WorkspaceName) ([]Object, error) {
	return c.List(ctx, c.beside(environmentsService, w, "environments"))
}

func (c *Client) environmentPath(w WorkspaceName, name, version string) string {
	if version == "" {
		return c.beside(environmentsService, w, "environments", name)
	}
	return c.beside(environmentsService, w, "environments", name, "versions", version)
}
