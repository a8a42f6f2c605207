package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"

	"berth.dev/berth/app/apptest"
)

func (s *site) edge(name string) string {
	return s.Group(jobGroup) + "/providers/Microsoft.Kubernetes/connectedClusters/" + name
}

func siteFor(t *testing.T) *site {
	t.Helper()
	s := &site{Server: apptest.New(t), t: t, ctx: t.Context()}
	s.workspace = s.MakeWorkspace(jobGroup, jobWorkspace)
	return s
}

// ended is how an accepted or refused request ended.
func (s *site) ended(r *apptest.Response) string {
	if r.Status >= 300 {
		return apptest.At(r.Body, "error.code").(string)
	}
	return fmt.Sprint(s.WaitOperation(r)["status"])
}

// TestOneOwner: a hundred attaches of one cluster over two servers, and exactly one of them wins.
func TestOneOwner(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	f := startForeign(t)
	f.settled()
	sites := []*site{siteFor(t), siteFor(t)}
	count := func(each int, do func(s *site, i int) *apptest.Response) (won []int) {
		t.Helper()
		won = make([]int, len(sites))
		var mu sync.Mutex
		var all sync.WaitGroup
		for n, s := range sites {
			for i := range each {
				all.Go(func() {
					if s.ended(do(s, i)) == "Succeeded" {
						mu.Lock()
						won[n]++
						mu.Unlock()
					}
				})
			}
		}
		all.Wait()
		return won
	}
	connected := count(5, func(s *site, i int) *apptest.Response {
		return s.Do(http.MethodPut, s.edge(fmt.Sprint("edge", i)), connecting(string(f.config)))
	})
	if connected[0]+connected[1] != 1 {
		t.Fatalf("%v connections of one cluster", connected)
	}
	attached := count(50, func(s *site, i int) *apptest.Response {
		return s.Do(http.MethodPut, s.compute(fmt.Sprintf("far%dx", i)), apptest.AttachTo(s.edge(fmt.Sprint("edge", i%5)), "DevTest"))
	})
	if attached[0]+attached[1] != 1 {
		t.Errorf("%v attaches of one cluster succeeded", attached)
	}
}

// TestTakeOver: by force, and only by force, a cluster changes hands: within a server, and between two.
func TestTakeOver(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	f := startForeign(t)
	before := f.settled()
	one, two := siteFor(t), siteFor(t)
	one.put(one.edge("edge"), connecting(string(f.config)))
	one.put(one.compute("first"), apptest.AttachTo(one.edge("edge"), "DevTest"))
	second := apptest.AttachTo(one.edge("edge"), "DevTest")
	one.Refused(one.Do(http.MethodPut, one.compute("second"), second), http.StatusConflict,
		"ClusterAlreadyAttached", "'first'", "--force", "by '")
	one.put(one.compute("second")+"?force=true", second)
	lost := one.get(one.compute("first"))
	one.equal(lost, "properties.provisioningState", "Failed")
	why := fmt.Sprint(apptest.At(lost, "properties.provisioningErrors.0.message"))
	if !strings.Contains(why, "taken over by compute 'second'") || !strings.Contains(why, "Detach") {
		t.Errorf("the loser reports %s", why)
	}
	one.Succeed(one.Do(http.MethodDelete, one.compute("first")+"?underlyingResourceAction=Detach", nil))
	one.equal(one.get(one.compute("second")), "properties.provisioningState", "Succeeded")
	if !strings.Contains(f.contents()["/api/v1/configmaps kube-system/berth-attachment"], "/computes/second") {
		t.Error("the record does not name the winner")
	}

	two.Fails(two.Do(http.MethodPut, two.edge("mine"), connecting(string(f.config))), "Conflict", "connected already", "--force")
	two.put(two.edge("mine")+"?force=true", connecting(string(f.config)))
	third := apptest.AttachTo(two.edge("mine"), "DevTest")
	two.Fails(two.Do(http.MethodPut, two.compute("third"), third), "ClusterAlreadyAttached", "'second'", "another Berth")
	two.put(two.compute("third")+"?force=true", third)
	two.equal(two.get(two.compute("third")), "properties.provisioningState", "Succeeded")
	two.Succeed(two.Do(http.MethodDelete, two.compute("third")+"?underlyingResourceAction=Detach", nil))
	two.Succeed(two.Do(http.MethodDelete, two.edge("mine"), nil))
	f.clean(before)
}

// clean waits until the cluster is byte for byte as it was.
func (f *foreign) clean(before map[string]string) {
	f.t.Helper()
	f.until("Kubernetes to remove the namespaces", func() bool { return maps.Equal(f.contents(), before) || noBerth(f.contents()) })
	after := f.contents()
	for _, key := range slices.Sorted(maps.Keys(after)) {
		if before[key] != after[key] {
			f.t.Errorf("%s is not as it was:\n%s\n%s", key, before[key], after[key])
		}
	}
	if len(after) != len(before) {
		f.t.Errorf("%d objects, and there were %d", len(after), len(before))
	}
}

// apply makes the objects of a manifest as the administrator, without any of Berth's own code.
func (f *foreign) apply(manifest string) {
	f.t.Helper()
	for _, text := range strings.Split(strings.TrimPrefix(manifest, "---\n"), "---\n") {
		var o struct {
			Kind     string
			Metadata struct{ Namespace string }
		}
		body, err := yaml.YAMLToJSON([]byte(text))
		if err != nil || json.Unmarshal(body, &o) != nil {
			f.t.Fatalf("%v: %s", err, text)
		}
		path := map[string]string{
			"Namespace":          "/api/v1/namespaces",
			"ServiceAccount":     "/api/v1/namespaces/" + o.Metadata.Namespace + "/serviceaccounts",
			"ClusterRole":        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
			"ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
		}[o.Kind]
		f.post(path, body)
	}
}

func (f *foreign) post(path string, body []byte) []byte {
	f.t.Helper()
	res, err := f.http.Post(f.url+path, "application/json", bytes.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	answer, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || res.StatusCode >= 300 {
		f.t.Fatalf("POST %s: %s %s", path, res.Status, answer)
	}
	return answer
}

// withToken is the cluster's kubeconfig with a token in the place of the administrator's certificate.
func (f *foreign) withToken(token string) string {
	f.t.Helper()
	var config map[string]any
	if err := yaml.Unmarshal(f.config, &config); err != nil {
		f.t.Fatal(err)
	}
	config["users"].([]any)[0].(map[string]any)["user"] = map[string]any{"token": token}
	text, err := yaml.Marshal(config)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}

// TestManifest: an administrator applies the manifest by hand and sends a token; Berth gets no other credential.
func TestManifest(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	f, s := startForeign(t), siteFor(t)
	before := f.settled()
	m := s.Want(http.StatusOK, s.Do(http.MethodPost, s.edge("edge")+"/manifest", nil)).Body["manifest"].(string)
	f.apply(m)
	var token struct{ Status struct{ Token string } }
	text := f.post("/api/v1/namespaces/berth-system/serviceaccounts/berth-connection/token",
		[]byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":604800}}`))
	if err := json.Unmarshal(text, &token); err != nil {
		t.Fatal(err)
	}
	s.put(s.edge("edge"), connecting(f.withToken(token.Status.Token)))
	got := s.get(s.edge("edge"))
	s.equal(got, "properties.connectivityStatus", "Connected")
	if rights := fmt.Sprint(apptest.At(got, "properties.rights")); !strings.Contains(rights, "get, list nodes: The size of the cluster") {
		t.Errorf("the rights are reported as %s", rights)
	}
	s.put(s.compute("far"), apptest.AttachTo(s.edge("edge"), "FastProd"))
	s.Succeed(s.Do(http.MethodDelete, s.compute("far")+"?underlyingResourceAction=Detach", nil))
	s.Succeed(s.Do(http.MethodDelete, s.edge("edge"), nil))
	f.clean(before)
}

// TestKeptCredential: on request Berth works with the credential itself and creates no account.
func TestKeptCredential(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	f, s := startForeign(t), siteFor(t)
	before := f.settled()
	body := connecting(string(f.config))
	body["properties"].(apptest.Object)["keepCredential"] = true
	s.put(s.edge("edge"), body)
	if !maps.Equal(f.contents(), before) {
		t.Error("something was made in the cluster")
	}
	s.put(s.compute("far"), apptest.AttachTo(s.edge("edge"), "FastProd"))
	onDisk(t, s.Dir, strings.Split(string(f.config), "client-key-data: ")[1][:64])
	s.routerObjects(f)
	s.Succeed(s.Do(http.MethodDelete, s.compute("far")+"?underlyingResourceAction=Detach", nil))
	s.Succeed(s.Do(http.MethodDelete, s.edge("edge"), nil))
	f.clean(before)
}

// routerObjects creates the objects of Azure ML's router, and has them found, reported and removed.
func (s *site) routerObjects(f *foreign) {
	s.t.Helper()
	object := func(path, version, kind, name, more string) {
		f.post(path, []byte(`{"apiVersion":"`+version+`","kind":"`+kind+`","metadata":{"name":"`+name+`"}`+more+`}`))
	}
	object("/api/v1/namespaces/default/serviceaccounts", "v1", "ServiceAccount", "azureml-fe", "")
	object("/api/v1/namespaces/default/secrets", "v1", "Secret", "azuremlfessl", "")
	object("/api/v1/namespaces/default/configmaps", "v1", "ConfigMap", "azuremlfeconfig", "")
	object("/apis/rbac.authorization.k8s.io/v1/clusterroles", "rbac.authorization.k8s.io/v1", "ClusterRole", "azureml-fe-role", "")
	checked := s.Want(http.StatusOK,
		s.Do(http.MethodPost, s.compute("far")+"/validate?preflight=true", apptest.AttachTo(s.edge("edge"), "FastProd"))).Text
	if !strings.Contains(checked, "configmaps/azuremlfeconfig") || !strings.Contains(checked, `"egress"`) {
		s.t.Errorf("the pre-flight does not report it: %s", checked)
	}
	found := s.Want(http.StatusOK, s.Do(http.MethodPost, s.edge("edge")+"/leftovers", nil)).Text
	if !strings.Contains(found, "clusterroles/azureml-fe-role") || !strings.Contains(found, "serviceaccounts/azureml-fe") {
		s.t.Errorf("found %s", found)
	}
	begun := s.Want(http.StatusAccepted, s.Do(http.MethodPost, s.edge("edge")+"/leftovers?clean=true", nil))
	if removed := fmt.Sprint(s.Succeed(begun)); !strings.Contains(removed, "secrets/azuremlfessl") {
		s.t.Errorf("removed %s", removed)
	}
}

// TestEnableInference: the account gets the rights to serve models when that is asked for, and only with a credential that may give them.
func TestEnableInference(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	f, s := startForeign(t), siteFor(t)
	before := f.settled()
	s.put(s.edge("edge"), connecting(string(f.config)))
	asked := apptest.Object{"properties": apptest.Object{"enableInference": true}}
	refused := s.Do(http.MethodPut, s.edge("edge"), asked)
	if refused.Status != http.StatusBadRequest || !strings.Contains(refused.Text, "Send the kubeconfig of an administrator too") {
		t.Errorf("without a credential: %d %s", refused.Status, refused.Text)
	}
	body := connecting(string(f.config))
	body["properties"].(apptest.Object)["enableInference"] = true
	s.put(s.edge("edge"), body)
	got := s.get(s.edge("edge"))
	s.equal(got, "properties.enableInference", true)
	if rights := fmt.Sprint(apptest.At(got, "properties.rights")); !strings.Contains(rights, "get pods/log: Why a model does not start") {
		t.Errorf("the rights are reported as %s", rights)
	}
	for _, c := range []struct {
		asked any
		has   bool
	}{{nil, false}, {asked, true}} {
		m := s.Want(http.StatusOK, s.Do(http.MethodPost, s.edge("edge")+"/manifest", c.asked)).Body["manifest"].(string)
		if strings.Contains(m, "pods/log") != c.has {
			t.Errorf("the manifest for %v: %s", c.asked, m)
		}
	}
	s.put(s.edge("edge"), apptest.Object{"tags": apptest.Object{"a": "b"}}) // what is not named stays
	s.equal(s.get(s.edge("edge")), "properties.enableInference", true)
	s.Succeed(s.Do(http.MethodDelete, s.edge("edge"), nil))
	f.clean(before)
}
