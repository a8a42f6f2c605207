package main

import (
	"strings"
	"testing"
)

// TestCompletion: the shell completes values that the server knows, by what is typed so far, by the other options and the defaults.
func TestCompletion(t *testing.T) {
	w := newWorld(t).fill()
	in := "/subscriptions/" + testSubscription
	w.on("GET "+in+"/resourceGroups", `{"value":[{"name":"red"},{"name":"rose"},{"name":"blue"}]}`)
	w.on("GET "+in+"/resourceGroups/red/providers/Microsoft.MachineLearningServices/workspaces", `{"value":[{"name":"sea"},{"name":"sky"}]}`)
	w.on("GET "+in+"/resourceGroups/red/providers/Microsoft.MachineLearningServices/workspaces/sea/computes", `{"value":[{"name":"fish"}]}`)
	w.on("GET "+in+"/resourceGroups/red/providers/Microsoft.ContainerService/managedClusters", `{"value":[{"name":"kite"}]}`)
	w.on("GET "+in+"/providers/Microsoft.Compute/locations/westeurope/vmSizes", `{"value":[{"name":"Standard_D3_v2"},{"name":"Standard_E2"}]}`)
	w.on("GET "+in+"/providers/Microsoft.ContainerService/locations/westeurope/orchestrators",
		`{"orchestrators":[{"orchestratorVersion":"1.36.0"},{"orchestratorVersion":"1.37.0"}]}`)
	models := "/modelmanagement/v1.0" + in + "/resourceGroups/red/providers/Microsoft.MachineLearningServices/workspaces/sea/"
	w.on("GET "+models+"models", `{"value":[{"name":"cod","id":"cod:2"},{"name":"eel","id":"eel:1"}]}`)
	w.on("GET "+models+"services", `{"value":[{"name":"net"}]}`)
	w.on("GET "+strings.Replace(models, "modelmanagement", "environment", 1)+"environments", `{"value":[{"name":"salt"}]}`)
	w.ok("configure", "--defaults", "group=red")
	for line, want := range map[string]string{
		"aks show -g r":                                    "red rose",
		"ml computetarget list -w s":                       "sea sky",
		"ml computetarget show -w sea -n ":                 "fish",
		"ml computetarget attach aks -w sea -n ":           "fish",
		"ml model show -w sea -n c":                        "cod",
		"ml model delete -w sea -i ":                       "cod:2 eel:1",
		"ml model deploy -w sea -n ":                       "",
		"ml model deploy -w sea -m e":                      "eel:1",
		"ml model deploy -w sea --compute-target ":         "fish",
		"ml model deploy -w sea -e ":                       "salt",
		"ml service run -w sea -n ":                        "net",
		"ml service regen-key -n net -k ":                  "Primary Secondary",
		"aks show -n k":                                    "kite",
		"aks nodepool list --cluster-name ":                "",
		"ml computetarget create aks --vm-size standard_d": "Standard_D3_v2",
		"aks create -k ":                                   "1.36.0 1.37.0",
		"ml computetarget list -g nowhere -w ":             "", // a refusal is no value
	} {
		words := strings.Split(line, " ")
		out := offTerminal(append([]string{"__complete"}, words...)...).out
		got := strings.Fields(strings.Split("\n"+out, "\n:")[0])
		if strings.Join(got, " ") != want {
			t.Errorf("berth %s completes to %v, want %s", line, got, want)
		}
	}
}
