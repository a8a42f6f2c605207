package arm_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

// deployed is the body of a template deployment with resources.
func deployed(resources ...any) object {
	template := object{"contentVersion": "1.0.0.0", "resources": append([]any{}, resources...)}
	return object{"properties": object{"mode": "Incremental", "template": template}}
}

func item(typ, name string, more object) object {
	out := object{"type": typ, "apiVersion": "2024-04-01", "name": name, "location": "westeurope"}
	for k, v := range more {
		out[k] = v
	}
	return out
}

func nestedIn(name string, parameters object, resources ...any) object {
	declared := object{}
	for k := range parameters {
		declared[k] = object{"type": "string"}
	}
	return object{"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": name, "properties": object{
		"mode": "Incremental", "expressionEvaluationOptions": object{"scope": "inner"}, "parameters": parameters,
		"template": object{"parameters": declared, "resources": append([]any{}, resources...)},
	}}
}

const (
	computes    = "Microsoft.MachineLearningServices/workspaces/computes"
	managed     = "Microsoft.ContainerService/managedClusters"
	deployments = "/providers/Microsoft.Resources/deployments/"
)

// TestValidateRunsTheRules: what the PUT of a resource would refuse at once, validate and whatIf refuse, with the resource as target.
func TestValidateRunsTheRules(t *testing.T) {
	f := newFront(t)
	small := object{"properties": object{"computeType": "AKS", "properties": object{"agentCount": -1, "agentVmSize": "Standard_Nothing"}}}
	for name, body := range map[string]object{
		"at the top": deployed(item(computes, workspace+"/small", small)),
		"nested":     deployed(nestedIn("network", nil, item(computes, workspace+"/small", small))),
		"in a workspace of the template": deployed(
			item("Microsoft.MachineLearningServices/workspaces", "fresh", nil),
			item(computes, "fresh/small", object{"dependsOn": []any{"fresh"}, "properties": small["properties"]})),
	} {
		for _, action := range []string{"validate", "whatIf"} {
			r := f.Do(http.MethodPost, f.group+deployments+"d/"+action, body)
			text := r.Text
			words := []string{"Standard_Nothing", "/computes/small", "properties.properties.agentVmSize", "properties.properties.agentCount"}
			if name == "nested" {
				words = append(words, "In the nested deployment 'network'")
			}
			for _, word := range words {
				if r.Status != http.StatusBadRequest || !strings.Contains(text, word) {
					t.Errorf("%s, %s: %d %s, want %q", name, action, r.Status, text, word)
				}
			}
		}
	}
}

// TestValidateKnowsWhatTheTemplateCreates: a resource may need others of the same template.
func TestValidateKnowsWhatTheTemplateCreates(t *testing.T) {
	f := newFront(t)
	pool := object{"name": "pool", "count": 1, "vmSize": "Standard_D3_v2", "mode": "System"}
	whole := deployed(
		item("Microsoft.MachineLearningServices/workspaces", "fresh", nil),
		item(managed, "cluster", object{"properties": object{"dnsPrefix": "c", "agentPoolProfiles": []any{pool}}}),
		item(computes, "fresh/inference", object{"dependsOn": []any{"fresh", "cluster"}, "properties": object{
			"computeType": "AKS", "resourceId": "[resourceId('" + managed + "', 'cluster')]", "properties": object{"clusterPurpose": "DevTest"}}}))
	f.Want(http.StatusOK, f.Do(http.MethodPost, f.group+deployments+"d/validate", whole))
	alone := deployed(whole["properties"].(object)["template"].(object)["resources"].([]any)[2])
	alone["properties"].(object)["template"].(object)["resources"].([]any)[0].(object)["dependsOn"] = []any{}
	f.Refused(f.Do(http.MethodPost, f.group+deployments+"d/validate", alone), http.StatusBadRequest, "InvalidTemplate", "fresh")
}

// TestNoChangeAfterADeployment: whatIf sees no change right after the deployment, with arrays, defaults and secure values.
func TestNoChangeAfterADeployment(t *testing.T) {
	f := newFront(t)
	subnet := object{"name": "nodes", "properties": object{"addressPrefix": "10.0.0.0/24"}}
	body := deployed(
		item("Microsoft.Network/virtualNetworks", "net", object{"properties": object{
			"addressSpace": object{"addressPrefixes": []any{"10.0.0.0/16"}}, "subnets": []any{subnet}}}),
		item("Microsoft.Storage/storageAccounts", "models", object{"kind": "StorageV2", "sku": object{"name": "Standard_LRS"},
			"tags": object{"key": "[parameters('secret')]"}}),
		item(managed, "cluster", object{"properties": object{"agentPoolProfiles": []any{
			object{"name": "pool", "count": 1, "vmSize": "standard_d3_v2", "mode": "System"}}}}))
	properties := body["properties"].(object)
	properties["template"].(object)["parameters"] = object{"secret": object{"type": "securestring"}}
	properties["parameters"] = object{"secret": object{"value": "s3cr3t"}}
	f.Succeed(f.Do(http.MethodPut, f.group+deployments+"d", body))
	changes := func() (kinds []string, text string) {
		r := f.Want(http.StatusOK, f.Do(http.MethodPost, f.group+deployments+"d/whatIf", body))
		for _, c := range apptest.At(r.Body, "properties.changes").([]any) {
			kinds = append(kinds, c.(object)["changeType"].(string))
		}
		return kinds, r.Text
	}
	if kinds, text := changes(); strings.Join(kinds, " ") != "NoChange NoChange NoChange" {
		t.Errorf("right after the deployment: %s\n%s", kinds, text)
	}
	subnet["properties"].(object)["addressPrefix"] = "10.0.1.0/24"
	if kinds, text := changes(); strings.Join(kinds, " ") != "Modify NoChange NoChange" ||
		!strings.Contains(strings.ReplaceAll(text, " ", ""), `"propertyChangeType":"Array"`) {
		t.Errorf("with another subnet: %s\n%s", kinds, text)
	}
}

// TestFaultsNameTheNestedDeployment: before the deployment, also in a module that waits for outputs, and after it.
func TestFaultsNameTheNestedDeployment(t *testing.T) {
	f := newFront(t)
	vm := item("Microsoft.Compute/virtualMachines", "vm", nil)
	first := nestedIn("first", nil)
	waits := nestedIn("waits", object{"p": object{"value": "[reference('first').outputs.o.value]"}}, nestedIn("inner", nil, vm))
	r := f.Do(http.MethodPost, f.group+deployments+"d/validate", deployed(first, waits, nestedIn("machine", nil, vm)))
	var got struct {
		Error struct {
			Details []struct{ Target, Message string }
		}
	}
	if err := json.Unmarshal([]byte(r.Text), &got); err != nil {
		t.Fatal(err)
	}
	const where = "properties.template.resources[0]"
	want := map[string]string{
		"resources[1]." + where + "." + where + ".type": "In the nested deployment 'waits': In the nested deployment 'inner': Berth does not",
		"resources[2]." + where + ".type":               "In the nested deployment 'machine': Berth does not serve",
	}
	for _, d := range got.Error.Details {
		if words, there := want[d.Target]; !there || !strings.HasPrefix(d.Message, words) {
			t.Errorf("%s: %s", d.Target, d.Message)
		}
		delete(want, d.Target)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
	bad := item(computes, workspace+"/small", object{"properties": object{"computeType": "AKS",
		"properties": object{"agentVmSize": "Standard_Nothing"}}})
	f.Fails(f.Do(http.MethodPut, f.group+deployments+"d", deployed(nestedIn("network", nil, bad))), "DeploymentFailed")
	for _, word := range []string{"In the nested deployment 'network'", "Standard_Nothing"} {
		if text := f.Do(http.MethodGet, f.group+deployments+"d", nil).Text; !strings.Contains(text, word) {
			t.Errorf("the failed deployment does not say %q: %s", word, text)
		}
	}
	link := object{"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "linked", "properties": object{
		"mode": "Incremental", "templateLink": object{"uri": "https://templates.example/a.json"}}}
	f.Refused(f.Do(http.MethodPost, f.group+deployments+"d/validate", deployed(link)), http.StatusBadRequest, "InvalidTemplate",
		"--template-host", "templates.example", "nested deployment 'linked'")
}

// TestEnvironmentOfATemplate: Azure's keys, and suffixes that can stand straight after a name.
func TestEnvironmentOfATemplate(t *testing.T) {
	f := newFront(t)
	body := deployed()
	outputs := object{}
	for name, expression := range map[string]string{
		"name": "[environment().name]", "acr": "[concat('r', environment().suffixes.acrLoginServer)]",
		"storage": "[environment().suffixes.storage]", "vault": "[environment().suffixes.keyVaultDns]",
		"sql": "[environment().suffixes.sqlServerHostname]", "caller": "[deployer().objectId]",
		"version": "[string(length(providers('Microsoft.KeyVault', 'vaults').apiVersions))]",
	} {
		outputs[name] = object{"type": "string", "value": expression}
	}
	body["properties"].(object)["template"].(object)["outputs"] = outputs
	f.Succeed(f.Do(http.MethodPut, f.group+deployments+"d", body))
	got := f.get(f.group + deployments + "d")
	for name, want := range map[string]string{
		"name": "AzureCloud", "acr": "r.registry.berth.internal", "storage": "berth.internal", "vault": ".vault.berth.internal",
		"sql": ".database.berth.internal",
	} {
		f.equal(got, "properties.outputs."+name+".value", want)
	}
	for _, name := range []string{"caller", "version"} {
		if v, _ := apptest.At(got, "properties.outputs."+name+".value").(string); v == "" || v == "0" {
			t.Errorf("%s is empty", name)
		}
	}
}
