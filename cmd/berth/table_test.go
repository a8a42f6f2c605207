package main

import (
	"context"
	"strings"
	"testing"
)

const (
	orchestrators = `{"id":"/o","name":"default","type":"t","properties":{"orchestrators":[
		{"orchestratorType":"Kubernetes","orchestratorVersion":"1.36.0","default":true,"isPreview":null,` +
		`"upgrades":[{"orchestratorVersion":"1.37.2","isPreview":true}]},
		{"orchestratorType":"Kubernetes","orchestratorVersion":"1.37.2","default":null,"isPreview":true,"upgrades":null},
		{"orchestratorType":"Kubernetes","orchestratorVersion":"1.9.0","default":null,"isPreview":null,` +
		`"upgrades":[{"orchestratorVersion":"1.36.0"},{"orchestratorVersion":"1.10.0"}]}]}}`
	compute = `{"id":"` + computePath + `","name":"c","location":"westeurope","tags":{},"etag":"x","systemData":{},` +
		`"properties":{"computeType":"AKS","computeLocation":"westeurope",
		"description":null,"createdOn":"2026-01-01","resourceId":"` + clusterPath + `","isAttachedCompute":true,` +
		`"provisioningState":"Succeeded","provisioningErrors":null,
		"properties":{"agentCount":3,"agentVmSize":"Standard_D3_v2","clusterPurpose":"FastProd","clusterFqdn":"c.example",` +
		`"systemServices":null,"sslConfiguration":null,"loadBalancerType":"PublicIp","loadBalancerSubnet":null}}}`
	cluster = `{"id":"` + clusterPath + `","name":"k","type":"Microsoft.ContainerService/managedClusters","location":"westeurope","tags":{},
		"properties":{"provisioningState":"Succeeded","kubernetesVersion":"1.36.0","currentKubernetesVersion":"1.36.0",` +
		`"fqdn":"k.example","agentPoolProfiles":[{"name":"nodepool1","count":1}]}}`
	pool = `{"id":"` + clusterPath +
		`/agentPools/nodepool1","name":"nodepool1","properties":{"count":1,"vmSize":"S","mode":"System","osType":"Linux",` +
		`"maxPods":110,"orchestratorVersion":"1.36.0","provisioningState":"Succeeded"}}`
	upgrade = `{"id":"` + clusterPath +
		`/upgradeProfiles/default","name":"default","properties":{"controlPlaneProfile":{"kubernetesVersion":"1.36.0",` +
		`"upgrades":[{"kubernetesVersion":"1.37.2","isPreview":true}]},"agentPoolProfiles":[]}}`
	group = `{"id":"/subscriptions/s/resourceGroups/g","name":"g","type":"Microsoft.Resources/resourceGroups",` +
		`"location":"westeurope","tags":{},"properties":{"provisioningState":"Succeeded"}}`
	space = `{"id":"` + inGroup +
		`Microsoft.MachineLearningServices/workspaces/w","name":"w","location":"westeurope",` +
		`"properties":{"provisioningState":"Succeeded","friendlyName":"w"}}`
	ended = `{"id":"/op","name":"op-1","status":"Succeeded","resourceId":"` + computePath + `","properties":{"verb":"create"}}`
)

// fill puts one of each into the world.
func (w *world) fill() *world {
	w.on("GET /subscriptions/"+testSubscription+"/resourceGroups", `{"value":[`+group+`]}`)
	w.on("GET /subscriptions/"+testSubscription+"/resourceGroups/g", group)
	w.on("GET "+strings.TrimSuffix(computePath, "/computes/c"), space)
	w.on("GET "+inGroup+"Microsoft.MachineLearningServices/workspaces", `{"value":[`+space+`]}`)
	w.on("GET "+computePath, compute)
	w.on("GET "+strings.TrimSuffix(computePath, "/c"), `{"value":[`+compute+`]}`)
	w.on("GET "+clusterPath, cluster)
	w.on("GET "+inGroup+"Microsoft.ContainerService/managedClusters", `{"value":[`+cluster+`]}`)
	w.on("GET "+clusterPath+"/agentPools", `{"value":[`+pool+`]}`)
	w.on("GET "+clusterPath+"/upgradeProfiles/default", upgrade)
	w.on("GET /subscriptions/"+testSubscription+"/providers/Microsoft.ContainerService/locations/westus/orchestrators", orchestrators)
	w.on("GET "+operationPath, ended)
	return w
}

func TestListings(t *testing.T) {
	w := newWorld(t).fill()
	var all strings.Builder
	for _, args := range [][]string{
		{"group", "list"}, {"group", "show", "-n", "g"}, {"group", "exists", "-n", "g"}, {"group", "exists", "-n", "other"},
		{"ml", "workspace", "list", "-g", "g"}, {"ml", "workspace", "show", "-g", "g", "-w", "w"},
		{"ml", "computetarget", "list", "-g", "g", "-w", "w"}, {"ml", "computetarget", "show", "-n", "c", "-g", "g", "-w", "w"},
		{"aks", "list", "-g", "g"}, {"aks", "show", "-n", "k", "-g", "g"}, {"aks", "get-versions", "-l", "westus"},
		{"aks", "get-upgrades", "-n", "k", "-g", "g"}, {
			"aks", "nodepool", "list", "--cluster-name", "k", "-g", "g",
		}, {"operation", "show", "--id", "op-1"},
	} {
		for _, format := range []string{"table", "json"} {
			all.WriteString("$ berth " + strings.Join(args, " ") + " -o " + format + "\n" + w.ok(append(args, "-o", format)...) + "\n")
		}
	}
	golden(t, "listings.txt", all.String())
}

func TestQueriesAndFormats(t *testing.T) {
	w := newWorld(t).fill()
	versions := []string{"aks", "get-versions", "-l", "westus", "--query"}
	show := []string{"aks", "show", "-n", "k", "-g", "g", "--query"}
	list := []string{"ml", "computetarget", "list", "-g", "g", "-w", "w", "--query"}
	var all strings.Builder
	for _, c := range []struct {
		args          []string
		query, format string
	}{
		{versions, "orchestrators[?default == `true`].orchestratorVersion", "table"}, {versions, "orchestrators[].orchestratorVersion", "tsv"},
		{show, "id", "json"}, {show, "id", "tsv"}, {show, "agentPoolProfiles[0]", "table"}, {show, "nothing", "json"},
		{show, "{fqdn:fqdn, a:tags, none:nope}", "tsv"},
		{list, "[].{State:properties.provisioningState, Name:name, Attached:properties.isAttachedCompute}", "table"},
		{
			list, "[].[name, properties.isAttachedCompute]", "tsv",
		}, {list, "[].[name, location]", "table"}, {list, "[0].properties.properties", "yaml"}, {list, "[]", "none"},
	} {
		args := append(append([]string{}, c.args...), c.query, "-o", c.format)
		all.WriteString("$ berth " + strings.Join(args, " ") + "\n" + w.ok(args...) + "\n")
	}
	golden(t, "queries.txt", all.String())
}

func TestJSONCIsColouredOnATerminalOnly(t *testing.T) {
	w := newWorld(t).fill()
	args := []string{"group", "show", "-n", "g", "-o", "jsonc"}
	if out := w.ok(args...); strings.Contains(out, "\x1b") {
		t.Errorf("coloured in a pipe: %q", out)
	}
	r := atTerminal(context.Background(), "", args...)
	if !strings.Contains(r.out, "\x1b[34m\"name\":\x1b[0m \x1b[32m\"g\"\x1b[0m") {
		t.Errorf("not coloured: %q", r.out)
	}
	t.Setenv("NO_COLOR", "1")
	if r := atTerminal(context.Background(), "", args...); strings.Contains(r.out, "\x1b") {
		t.Errorf("coloured against NO_COLOR: %q", r.out)
	}
}
