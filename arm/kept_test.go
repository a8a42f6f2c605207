package arm_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

const richCluster = `{"location":"westeurope","sku":{"name":"Base","tier":"Standard"},"properties":{"dnsPrefix":"d",
	"agentPoolProfiles":[{"name":"np","count":3,"vmSize":"Standard_D3_v2","mode":"System","osSKU":"AzureLinux",
		"nodeLabels":{"team":"ml"},"enableAutoScaling":true,"minCount":1,"maxCount":5,"newField":{"a":[1]}}],
	"networkProfile":{"networkPolicy":"calico","serviceCidr":"10.9.0.0/16"},"oidcIssuerProfile":{"enabled":true},
	"newProfile":{"deep":{"er":true}}}}`

// TestAnswerSentBack: a client may send an answer back as it is, as az and Terraform do. Nothing changes by that.
func TestAnswerSentBack(t *testing.T) {
	s := newStage(t)
	compute := `{"properties":{"computeType":"AKS","description":"x","properties":{"clusterPurpose":"DevTest","agentCount":2,"newField":1}}}`
	cluster := s.record("Microsoft.ContainerService/managedClusters/rich")
	for path, body := range map[string]string{
		cluster: richCluster, s.workspace() + "/computes/rich": compute,
		s.record("Microsoft.MachineLearningServices/workspaces/rich"): `{"location":"westeurope","identity":{"type":"SystemAssigned"},
			"properties":{"hbiWorkspace":true,"newField":[1]}}`,
	} {
		created := s.send("PUT", path, nil, body)
		if created.status >= 300 {
			t.Fatal(created.text)
		}
		s.settle()
		before := s.send("GET", path, nil, "")
		if state := apptest.At(before.body(), "properties.provisioningState"); state != "Succeeded" {
			t.Fatalf("%s is %v: %s", path, state, before.text)
		}
		s.must(s.send("PUT", path, nil, before.text).is(http.StatusOK))
		if after := s.send("GET", path, nil, ""); after.text != before.text {
			t.Errorf("sent back, it became\n%s\nand was\n%s", after.text, before.text)
		}
	}
	issuer, _ := apptest.At(s.send("GET", cluster, nil, "").body(), "properties.oidcIssuerProfile.issuerURL").(string)
	if !strings.HasPrefix(issuer, s.url+"/oidc/"+tenantID+"/") || !strings.HasSuffix(issuer, "/") {
		t.Errorf("the issuer is %q", issuer)
	}
}

// TestPatch: a PATCH does what it asks for, or is refused; it never answers 200 and does nothing.
func TestPatch(t *testing.T) {
	s := newStage(t)
	cluster, compute := s.record("Microsoft.ContainerService/managedClusters/patched"), s.workspace()+"/computes/patched"
	s.must(s.send("PUT", cluster, nil, richCluster).is(http.StatusCreated))
	s.must(s.send("PUT", compute, nil,
		`{"properties":{"computeType":"AKS","properties":{"clusterPurpose":"DevTest","agentCount":1}}}`).is(http.StatusCreated))
	s.settle()
	for _, c := range []struct {
		at, body string
		status   int
		path     string
		want     any
	}{
		{compute, `{"properties":{"properties":{"agentCount":2}}}`, 200, "properties.properties.agentCount", 2.0},
		{compute, `{"properties":{"description":"y"},"tags":{"a":"b"}}`, 200, "properties.description", "y"},
		{compute, `{"properties":{"properties":{"scaleSettings":{"maxNodeCount":4}}}}`, 400, "properties.properties.agentCount", 2.0},
		{compute, `{"properties":{"properties":{"agentVmSize":"Standard_D14_v2"}}}`, 400, "properties.properties.agentVmSize",
			"Standard_D3_v2"},
		{cluster, `{"sku":{"tier":"Premium"}}`, 200, "sku.tier", "Premium"},
		{cluster, `{"properties":{"newProfile":{"deep":{"more":1}}}}`, 200, "properties.newProfile.deep.more", 1.0},
		{cluster, `{"properties":{"newProfile":{"deep":{"er":null}}}}`, 200, "properties.newProfile.deep.er", nil},
		{cluster, `{"properties":{"networkProfile":{"podCidr":"10.60.0.0/16"}}}`, 400, "properties.networkProfile.podCidr", "10.244.0.0/16"},
		{cluster, `{"properties":{"networkProfile":"x"}}`, 400, "properties.networkProfile.networkPolicy", "calico"},
	} {
		s.must(s.send("PATCH", c.at, nil, c.body).is(c.status))
		s.settle()
		if got := apptest.At(s.send("GET", c.at, nil, "").body(), c.path); got != c.want {
			t.Errorf("%s: %s is %v, want %v", c.body, c.path, got, c.want)
		}
	}
	if got := apptest.At(s.send("GET", compute, nil, "").body(), "tags.a"); got != "b" {
		t.Errorf("the tag is %v", got)
	}
}

// TestNoLocalAccounts: a cluster whose local accounts are disabled gives no credentials, nor does a compute that has it.
func TestNoLocalAccounts(t *testing.T) {
	s := newStage(t)
	cluster, compute := s.record("Microsoft.ContainerService/managedClusters/closed"), s.workspace()+"/computes/closed"
	s.must(s.send("PUT", cluster, nil, plainCluster).is(http.StatusCreated))
	s.settle()
	attach := fmt.Sprintf(`{"properties":{"computeType":"AKS","resourceId":%q,"properties":{"clusterPurpose":"DevTest"}}}`, cluster)
	s.must(s.send("PUT", compute, nil, attach).is(http.StatusCreated))
	s.settle()
	paths := []string{cluster + "/listClusterAdminCredential", cluster + "/listClusterUserCredential", compute + "/listKeys"}
	for _, path := range paths {
		s.must(s.send("POST", path, nil, "").is(http.StatusOK))
	}
	s.must(s.send("PATCH", cluster, nil, `{"properties":{"disableLocalAccounts":true}}`).is(http.StatusOK))
	s.settle()
	for _, path := range paths {
		refused := s.send("POST", path, nil, "")
		s.must(refused.is(http.StatusBadRequest))
		if !strings.Contains(refused.text, "disableLocalAccounts") {
			t.Error(refused.text)
		}
	}

	// With Microsoft Entra ID, users sign in themselves: their kubeconfig has no credential. azurerm reads it in every plan.
	s.must(s.send("PATCH", cluster, nil, `{"properties":{"aadProfile":{"managed":true,"enableAzureRBAC":true}}}`).is(http.StatusOK))
	s.settle()
	answer := s.send("POST", cluster+"/listClusterUserCredential", nil, "")
	s.must(answer.is(http.StatusOK))
	text, _ := apptest.At(answer.body(), "kubeconfigs.0.value").(string)
	config, err := base64.StdEncoding.DecodeString(text)
	if err != nil || !strings.Contains(string(config), "kubelogin") || !strings.Contains(string(config), "clusterUser_") ||
		strings.Contains(string(config), "client-key-data") || strings.Contains(string(config), "token:") {
		t.Errorf("%v: %s", err, config)
	}
	s.must(s.send("POST", cluster+"/listClusterAdminCredential", nil, "").is(http.StatusBadRequest))
	s.must(s.send("POST", cluster+"/resetAADProfile", nil, "{}").is(http.StatusAccepted))
	s.settle()
	s.must(s.send("POST", cluster+"/listClusterUserCredential", nil, "").is(http.StatusBadRequest))
}
