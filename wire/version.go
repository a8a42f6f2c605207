package wire

import (
	"berth.dev/berth"
	"berth.dev/berth/catalog"
)

// Orchestrators answers …/locations/{l}/orchestrators: the shape that `az aks get-versions` read until 2.47.
func Orchestrators(id string) Object {
	list := []Object{}
	for _, v := range catalog.Versions() {
		o := Object{"orchestratorType": "Kubernetes", "orchestratorVersion": v.Version, "default": nil, "isPreview": nil, "upgrades": nil}
		if v.Default {
			o["default"] = true
		}
		if v.Preview {
			o["isPreview"] = true
		}
		if up := upgrades(v, "orchestratorVersion"); len(up) > 0 {
			o["upgrades"] = up
		}
		list = append(list, o)
	}
	return Object{"id": id, "name": "default", "type": "Microsoft.ContainerService/locations/orchestrators",
		"properties": Object{"orchestrators": list}}
}

// upgrades lists the versions that a version can be upgraded to; versionKey is the key for a version in the answer.
func upgrades(v catalog.Version, versionKey string) []Object {
	out := []Object{}
	for _, to := range v.Upgrades {
		_, preview := catalog.Supported(to)
		o := Object{versionKey: to, "isPreview": nil}
		if versionKey == "orchestratorVersion" {
			o["orchestratorType"] = "Kubernetes"
		}
		if preview {
			o["isPreview"] = true
		}
		out = append(out, o)
	}
	return out
}

// KubernetesVersions answers …/locations/{l}/kubernetesVersions: the shape that current clients read.
func KubernetesVersions() Object {
	values := []Object{}
	for _, v := range catalog.Versions() {
		o := Object{
			"version": catalog.Minor(v.Version), "isPreview": nil, "isDefault": nil,
			"capabilities":  Object{"supportPlan": []string{"KubernetesOfficial"}},
			"patchVersions": Object{v.Version: Object{"upgrades": v.Upgrades}},
		}
		if v.Default {
			o["isDefault"] = true
		}
		if v.Preview {
			o["isPreview"] = true
		}
		values = append(values, o)
	}
	return Object{"values": values}
}

// UpgradeProfile answers …/upgradeProfiles/default of a cluster.
func UpgradeProfile(r *berth.Resource) Object {
	c := r.Body.(*berth.Cluster)
	up := []Object{}
	for _, v := range catalog.Versions() {
		if catalog.Minor(v.Version) == catalog.Minor(c.Spec.Version) {
			up = upgrades(v, "kubernetesVersion")
		}
	}
	profile := func(extra Object) Object {
		extra["kubernetesVersion"], extra["osType"] = c.Spec.Version, "Linux"
		extra["upgrades"] = up
		return extra
	}
	pools := []Object{}
	for _, p := range c.Spec.Pools {
		pools = append(pools, profile(Object{"name": p.Name}))
	}
	return Object{
		"id": r.ID.String() + "/upgradeProfiles/default", "name": "default", "type": berth.TypeCluster + "/upgradeProfiles",
		"properties": Object{"controlPlaneProfile": profile(Object{"name": nil}), "agentPoolProfiles": pools},
	}
}
