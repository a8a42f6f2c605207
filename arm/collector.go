package arm

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// observed sets what is kept of requests.
func (d *onlineDeployment) observed() error {
	in := d.in.Properties
	d.spec.LogRequests = in.AppInsights
	if len(in.Collector) == 0 || string(in.Collector) == "null" {
		return nil
	}
	var plain any
	var c rules.Collector
	if err := errors.Join(json.Unmarshal(in.Collector, &plain), wire.Decode(in.Collector, &c)); err != nil {
		return err
	}
	for name, one := range c.Collections {
		own, err := d.ownFolder(name, one.DataID)
		if err != nil {
			return err
		}
		if own { // the SDK registers it before it deploys
			one.DataID = ""
			c.Collections[name] = one
		}
	}
	collect, violations := c.Judge("properties.dataCollector")
	d.spec.Collect, d.violations = collect, append(d.violations, violations...)
	var err error
	d.spec.Collector, err = json.Marshal(plain) // the same request is the same text
	return err
}

// ownFolder reports whether a data asset is the folder into which Berth collects.
func (d *onlineDeployment) ownFolder(collection, dataID string) (bool, error) {
	id, err := berth.ParseID(strings.TrimPrefix(dataID, "azureml:"))
	if dataID == "" || err != nil || !id.Is(berth.TypeDataVersion) || id.Top().Key() != d.id.Top().Key() {
		return false, nil
	}
	r, err := d.Store.Get(d.q.Context(), id)
	if errors.Is(err, store.ErrNotFound) || err == nil && r.Unreadable {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	folder := strings.Join([]string{berth.CollectFolder, d.id.Parent().Name(), d.id.Name(), collection}, "/")
	return slices.ContainsFunc(r.Body.(*berth.DataVersion).Files, func(f berth.AssetFiles) bool {
		return strings.EqualFold(strings.TrimSuffix(f.Prefix, "/"), folder)
	}), nil
}
