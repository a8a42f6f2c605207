package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"
)

// Scope is where and when a template is deployed. Functions such as resourceGroup() and utcNow() return it.
type Scope struct {
	SubscriptionID, TenantID string
	Group, GroupLocation     string // empty at the scope of the subscription
	GroupTags                map[string]string
	Deployment               string    // its name
	Location                 string    // of a deployment at the scope of the subscription
	Endpoint                 string    // https address of this server
	Now                      time.Time // when the deployment was requested
}

func (s Scope) subscription() map[string]any {
	return map[string]any{
		"id": "/subscriptions/" + s.SubscriptionID, "subscriptionId": s.SubscriptionID,
		"tenantId": s.TenantID, "displayName": "Berth",
	}
}

func (s Scope) group() map[string]any {
	tags := map[string]any{}
	for k, v := range s.GroupTags {
		tags[k] = v
	}
	return map[string]any{
		"id":   "/subscriptions/" + s.SubscriptionID + "/resourceGroups/" + s.Group,
		"name": s.Group, "type": "Microsoft.Resources/resourceGroups", "location": s.GroupLocation, "tags": tags,
		"properties": map[string]any{"provisioningState": "Succeeded"},
	}
}

func (s Scope) deployment() map[string]any {
	out := map[string]any{"name": s.Deployment, "properties": map[string]any{
		"template": map[string]any{}, "parameters": map[string]any{}, "mode": "Incremental", "provisioningState": "Accepted",
	}}
	if s.Group == "" {
		out["location"] = s.Location
	}
	return out
}

func (s Scope) environment() map[string]any {
	return map[string]any{"name": "Berth", "resourceManager": s.Endpoint, "authentication": map[string]any{
		"loginEndpoint": s.Endpoint, "tenant": s.TenantID, "audiences": []any{s.Endpoint},
	}}
}

// decode reads JSON as templates have it: whole numbers stay whole.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("the text is not JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the text continues after the end of the JSON value")
	}
	return Normal(v), nil
}

// Normal replaces the numbers of a decoded JSON value: whole ones by int64, all others by float64.
func Normal(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64() // of a decoder that has accepted it
		return f
	case float64:
		if n := int64(v); float64(n) == v && v > -1e15 && v < 1e15 {
			return n
		}
		return v
	case int:
		return int64(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = Normal(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = Normal(v[k])
		}
		return out
	}
	return v
}
