package studio

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// aksKind is the kind of an AksEndpoint among online endpoints.
const aksKind = "AksEndpoint"

// versions adds to the deployments of an AksEndpoint what only version 1 of the SDK says of them.
func (v *visit) versions(e *endpointView) error {
	if !e.Aks {
		return nil
	}
	o, err := v.arm.GetService(v.r.Context(), v.space(), e.Name)
	if err != nil {
		return err
	}
	for i := range e.Deployments {
		d := &e.Deployments[i]
		one := objectsOf(at(o, "versions", d.Name))
		d.Share = strconv.Itoa(number(one, "trafficPercentile"))
		d.CPU, _ = at(one, "containerResourceRequirements", "cpu").(float64)
		d.MemoryGB, _ = at(one, "containerResourceRequirements", "memoryInGB").(float64)
		if at(one, "isDefault") == true {
			e.Default = d.Name
		}
		if text(one, "type") == "Control" {
			e.Control = d.Name
		}
	}
	e.DefaultTyped, e.ControlTyped = e.Default, e.Control
	return nil
}

// versionPath is a field of a version in the request of its endpoint.
func versionPath(name, field string) string {
	return "/versions/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name) + field
}

// moveVersions changes how the requests of an AksEndpoint are divided among its versions, and which one is the default and the control one.
func (v *visit) moveVersions(name string) (wrong []berth.Error, err error) {
	patch := []client.Object{}
	add := func(of, field string, value any) {
		patch = append(patch, client.Object{"op": "add", "path": versionPath(of, field), "value": value})
	}
	percents, wrong := v.shares(shareField)
	for _, of := range slices.Sorted(maps.Keys(percents)) {
		add(of, "/trafficPercentile", percents[of])
		add(of, "/isDefault", of == v.r.PostFormValue("default"))
		add(of, "/type", map[bool]string{true: "Control", false: "Treatment"}[of == v.r.PostFormValue("control")])
	}
	if wrong != nil {
		return wrong, nil
	}
	_, err = v.arm.PatchService(v.r.Context(), v.space(), name, patch)
	return nil, err
}

// isAks reports whether the online endpoint of the address is an AksEndpoint, whose versions are changed by another API.
func (v *visit) isAks() (bool, error) {
	o, err := v.arm.GetEndpoint(v.r.Context(), v.space(), v.r.PathValue("name"))
	return text(o, "kind") == aksKind, err
}

// resizeDeployment changes the number of replicas of a deployment; of a version of an AksEndpoint, their size too.
func (v *visit) resizeDeployment(name string, d *endpointData) (wrong []berth.Error, err error) {
	aks, err := v.isAks()
	if err != nil {
		return nil, err
	}
	if aks {
		patch, wrong := d.Size.patch(v)
		if wrong != nil {
			return wrong, nil
		}
		for _, one := range patch {
			one["path"] = versionPath(d.Of, text(one, "path"))
		}
		_, err = v.arm.PatchService(v.r.Context(), v.space(), name, patch)
		return nil, err
	}
	sku, scale, wrong := d.Size.scale(v)
	if wrong != nil {
		return wrong, nil
	}
	body := client.Object{"properties": client.Object{"scaleSettings": scale}}
	if sku != nil {
		body["sku"] = sku
	}
	_, err = v.arm.PatchDeployment(v.r.Context(), v.space(), name, d.Of, body)
	return nil, err
}

// deleteDeployment deletes a deployment, or a version of an AksEndpoint.
func (v *visit) deleteDeployment(name, of string) error {
	aks, err := v.isAks()
	switch {
	case err != nil:
		return err
	case aks:
		_, err = v.arm.PatchService(v.r.Context(), v.space(), name, []client.Object{{"op": "remove", "path": versionPath(of, "")}})
	default:
		_, err = v.arm.DeleteDeployment(v.r.Context(), v.space(), name, of)
	}
	return err
}

// Rest is the percentage of the requests that the sum leaves to the default version, as it stands in the form.
func (e endpointView) Rest() int { return max(0, 100-e.Total()) }

// AtMost reports whether the sum of the percentages of an AksEndpoint is possible.
func (e endpointView) AtMost() bool { return e.Total() <= 100 }
