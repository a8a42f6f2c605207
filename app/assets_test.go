package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"berth.dev/berth"
	"berth.dev/berth/app/apptest"
	"berth.dev/berth/catalog"
)

// asset is an address of what version 2 of the SDK registers.
func (m modelWorld) asset(workspace, rest string) string {
	return strings.Split(m.Workspace("g", workspace), "?")[0] + rest
}

// put registers an asset.
func (m modelWorld) put(workspace, rest string, properties map[string]any) *apptest.Response {
	return m.Do(http.MethodPut, m.asset(workspace, rest), map[string]any{"properties": properties})
}

// got is what an asset answers.
func (m modelWorld) got(workspace, rest string) *apptest.Response {
	return m.Want(http.StatusOK, m.Do(http.MethodGet, m.asset(workspace, rest), nil))
}

// bad wants that an asset is refused with all these words.
func (m modelWorld) bad(rest string, properties map[string]any, words ...string) {
	m.Refused(m.put("one", rest, properties), http.StatusBadRequest, "BadRequest", words...)
}

// signed is the address of a file in the datastore of a workspace, with the signature that the datastore gives for it.
func (m modelWorld) signed(workspace, name string) string {
	at := apptest.At(m.got(workspace, "/datastores/workspaceblobstore").Body, "properties")
	secrets := m.Want(http.StatusOK, m.Do(http.MethodPost, m.asset(workspace, "/datastores/default/listSecrets"),
		map[string]any{"expirableSecret": true, "expireAfterHours": 1}))
	host := "https://" + apptest.At(at, "accountName").(string) + ".blob." + apptest.At(at, "endpoint").(string)
	return host + "/" + apptest.At(at, "containerName").(string) + "/" + name + "?" + apptest.At(secrets.Body, "sasToken").(string)
}

// path is the address of a file as the SDK names it in requests.
func (m modelWorld) path(workspace, name string) string {
	return "azureml://subscriptions/" + m.SubscriptionID + "/resourcegroups/g/workspaces/" + workspace + "/datastores/" +
		"workspaceblobstore/paths/" + name
}

func (m modelWorld) uploaded(t *testing.T, workspace, name string) {
	t.Helper()
	if status := m.file(t, http.MethodPut, m.signed(workspace, name), "weights"); status != http.StatusCreated {
		t.Fatalf("upload of %s: %d", name, status)
	}
}

// names are the names in a list.
func names(r *apptest.Response) string {
	var all []string
	for _, v := range apptest.At(r.Body, "value").([]any) {
		all = append(all, apptest.At(v, "name").(string))
	}
	return strings.Join(all, " ")
}

// TestAssets: what one version of the SDK has registered, the other one reads, changes and removes.
func TestAssets(t *testing.T) {
	m := newModelWorld(t)
	m.uploaded(t, "one", "LocalUpload/h/model.pkl")
	uri := m.path("one", "LocalUpload/h/model.pkl")
	properties := map[string]any{"modelUri": uri, "description": "d", "tags": map[string]any{"a": "b"}, "modelType": "custom_model"}
	made := m.Want(http.StatusCreated, m.put("one", "/models/m/versions/7", properties))
	if apptest.At(made.Body, "properties.flavors") == nil || apptest.At(made.Body, "properties.isArchived") != false {
		t.Errorf("%v", made.Body)
	}
	properties["modelUri"] = "azureml://datastores/workspaceblobstore/paths/LocalUpload/h/model.pkl" // another word for it
	m.Want(http.StatusOK, m.put("one", "/models/m/versions/7", properties))
	properties["modelType"] = "mlflow_model"
	changed := m.put("one", "/models/m/versions/7", properties)
	m.Refused(changed, http.StatusConflict, "VersionExists", "modelType")
	if again := changed.Header.Get("Retry-After"); again != "" {
		t.Errorf("clients repeat what never succeeds, after %s s", again)
	}
	if c := m.got("one", "/models/m"); apptest.At(c.Body, "properties.nextVersion") != "8" ||
		apptest.At(c.Body, "properties.latestVersion") != "7" {
		t.Errorf("%v", c.Body)
	}
	old := m.Want(http.StatusOK, m.call(http.MethodGet, m.v1("one", "/models/m:7"), nil))
	if apptest.At(old.Body, "kvTags.a") != "b" || apptest.At(old.Body, "version") != 7.0 || apptest.At(old.Body, "description") != "d" {
		t.Errorf("%v", old.Body)
	}
	asset := m.Want(http.StatusOK, m.call(http.MethodGet, m.v1("one", "/assets/"+
		strings.TrimPrefix(apptest.At(old.Body, "url").(string), "aml://asset/")), nil))
	if files := apptest.At(asset.Body, "artifacts").([]any); apptest.At(files[0], "prefix") != "LocalUpload/h/model.pkl" {
		t.Errorf("%v", asset.Body)
	}
	m.Want(http.StatusOK, m.call(http.MethodPatch, m.v1("one", "/models/m:7"), []any{
		map[string]any{"op": "add", "path": "/kvTags/c", "value": "d"}, map[string]any{"op": "replace", "path": "/description", "value": "e"}}))
	got := m.got("one", "/models/m/versions/7")
	if apptest.At(got.Body, "properties.tags.c") != "d" || apptest.At(got.Body, "properties.description") != "e" ||
		apptest.At(got.Body, "properties.modelUri") != uri {
		t.Errorf("%v", got.Body)
	}
	m.ofV1(t)
	m.Want(http.StatusOK, m.Do(http.MethodDelete, m.asset("one", "/models/m/versions/7"), nil))
	m.Refused(m.Do(http.MethodGet, m.asset("one", "/models/m/versions/7"), nil), http.StatusNotFound, "ResourceNotFound")
	if c := m.got("one", "/models/m"); apptest.At(c.Body, "properties.nextVersion") != "9" {
		t.Errorf("a number is given twice: %v", c.Body)
	}
	m.Refused(m.Do(http.MethodGet, m.asset("two", "/models/m/versions/8"), nil), http.StatusNotFound, "ResourceNotFound")
}

// ofV1: version 1 of the SDK registers the next version of the same model.
func (m modelWorld) ofV1(t *testing.T) {
	t.Helper()
	name, _ := m.upload(t, "one", "model.pkl", "weights")
	asset := m.Want(http.StatusOK, m.call(http.MethodPost, m.v1("one", "/assets"), map[string]any{"name": "a",
		"artifacts": []any{map[string]any{"prefix": name}}}))
	id := apptest.At(asset.Body, "id").(string)
	r := m.Want(http.StatusOK, m.call(http.MethodPost, m.v1("one", "/models"), map[string]any{"name": "m", "url": "aml://asset/" + id,
		"description": "of v1"}))
	if apptest.At(r.Body, "id") != "m:8" {
		t.Errorf("%v", r.Body)
	}
	at := "/models/m/versions/8"
	v2 := m.got("one", at)
	properties := apptest.At(v2.Body, "properties").(map[string]any)
	if properties["modelUri"] != m.path("one", name) || properties["description"] != "of v1" {
		t.Errorf("%v", v2.Body)
	}
	properties["isArchived"] = true // as ml.models.archive does
	m.Want(http.StatusOK, m.put("one", at, properties))
	for view, want := range map[string]string{"": "7", "ActiveOnly": "7", "ArchivedOnly": "8", "All": "8 7"} {
		list := m.got("one", "/models/m/versions?listViewType="+view)
		if names(list) != want {
			t.Errorf("%q: %s", view, names(list))
		}
	}
	first := m.got("one", "/models/m/versions?listViewType=All&$top=1&$orderBy=createdtime%20asc")
	next, _ := first.Body["nextLink"].(string)
	if second := m.Want(http.StatusOK, m.Do(http.MethodGet, next, nil)); names(first)+names(second) != "78" || second.Body["nextLink"] != nil {
		t.Errorf("%s, then %s", first.Text, second.Text)
	}
	m.Refused(m.Do(http.MethodDelete, m.asset("one", "/assets/"+id), nil), http.StatusConflict, "Conflict", "m:8")
	again := m.Want(http.StatusOK, m.call(http.MethodGet, m.v1("one", "/models/m:8"), nil))
	if apptest.At(again.Body, "url") != "aml://asset/"+id {
		t.Errorf("%v", again.Body)
	}
}

// TestAssetEnvironments: an environment of either version of the SDK is one of the other.
func TestAssetEnvironments(t *testing.T) {
	m := newModelWorld(t)
	conda := "dependencies:\n- python=3.11\n- pip:\n  - numpy\n"
	v2 := map[string]any{"image": "mcr.microsoft.com/azureml/x", "condaFile": conda}
	m.Want(http.StatusCreated, m.put("one", "/environments/e/versions/1", v2))
	v1 := func(method, rest string, body any) *apptest.Response {
		return m.call(method, strings.Replace(m.v1("one", rest), "/modelmanagement/", "/environment/", 1), body)
	}
	got := m.Want(http.StatusOK, v1(http.MethodGet, "/environments/e/versions/1", nil))
	if list := apptest.At(got.Body, "python.condaDependencies.dependencies").([]any); list[0] != "python=3.11" {
		t.Errorf("%v", got.Body)
	}
	m.Want(http.StatusOK, v1(http.MethodPut, "/environments/e", map[string]any{"name": "e", "docker": map[string]any{"baseImage": "own"},
		"python": map[string]any{"userManagedDependencies": true}}))
	if r := m.got("one", "/environments/e/versions/2"); apptest.At(r.Body,
		"properties.image") != "own" || apptest.At(r.Body, "properties.condaFile") != nil {
		t.Errorf("%v", r.Body)
	}
	v2["condaFile"] = conda + "- scipy\n"
	m.Refused(m.put("one", "/environments/e/versions/1", v2), http.StatusConflict, "VersionExists", "condaFile")
	route := map[string]any{"port": 0, "path": "x"}
	m.bad("/environments/e/versions/3", map[string]any{"image": "a b", "osType": "Windows", "build": map[string]any{},
		"condaFile": "dependencies: [1, {conda: []}]", "inferenceConfig": map[string]any{"scoringRoute": route}},
		"and an image or a conda file besides", "upload the files to the datastore", "Windows", "port 0", "neither a name")
	m.bad("/environments/e/versions/3", map[string]any{"image": "a", "condaFile": "a: [b"}, "not valid YAML")
	m.dockerfiles(t)
	m.curated(t)
}

// dockerfiles: an environment may be a folder with a Dockerfile, which must be there, and does not change.
func (m modelWorld) dockerfiles(t *testing.T) {
	t.Helper()
	m.uploaded(t, "one", "LocalUpload/context/docker/Dockerfile")
	build := map[string]any{"contextUri": m.path("one", "LocalUpload/context"), "dockerfilePath": "docker/Dockerfile"}
	m.Want(http.StatusCreated, m.put("one", "/environments/built/versions/1", map[string]any{"build": build}))
	if r := m.got("one", "/environments/built/versions/1"); apptest.At(r.Body, "properties.build.dockerfilePath") != "docker/Dockerfile" {
		t.Errorf("%s", r.Text)
	}
	if v1 := m.Want(http.StatusOK, m.call(http.MethodGet, m.v1("one", "/environments/built"), nil)); apptest.At(v1.Body,
		"docker.baseImage") != nil {
		t.Errorf("%s", v1.Text)
	}
	other := map[string]any{"contextUri": m.path("one", "LocalUpload/context")}
	m.bad("/environments/built/versions/2", map[string]any{"build": other}, "LocalUpload/context/Dockerfile", "upload it first")
	m.uploaded(t, "one", "LocalUpload/other/Dockerfile")
	other["contextUri"] = m.path("one", "LocalUpload/other")
	m.Refused(m.put("one", "/environments/built/versions/1", map[string]any{"build": other}), http.StatusConflict, "VersionExists", "build")
	for _, path := range []string{"../Dockerfile", "/etc/passwd"} {
		m.bad("/environments/built/versions/2", map[string]any{"build": map[string]any{"contextUri": build["contextUri"],
			"dockerfilePath": path}}, "leads out of the folder")
	}
	m.bad("/environments/built/versions/2", map[string]any{"build": map[string]any{"contextUri": "https://github.com/a/b"}},
		"upload the files")
}

// curated: Azure ML's own environments that Berth knows are read as versions, and nobody registers under their names.
func (m modelWorld) curated(t *testing.T) {
	t.Helper()
	own := catalog.CuratedEnvironments()[0].Name
	latest := m.got("one", "/environments/"+own+"/versions?$orderBy=createdtime%20desc&$top=1")
	at := "/environments/" + own + "/versions/" + names(latest)
	if names(latest) != catalog.CuratedVersion || !strings.Contains(m.got("one", at).Text, "azureml-defaults") ||
		apptest.At(m.got("one", "/environments/"+own).Body, "properties.latestVersion") != catalog.CuratedVersion {
		t.Errorf("%s", latest.Text)
	}
	m.Refused(m.put("one", at, map[string]any{"image": "x"}), http.StatusBadRequest, "InvalidResourceName", "own environments")
	m.Refused(m.Do(http.MethodGet, m.asset("none", at), nil), http.StatusNotFound, "ResourceNotFound")
	m.Refused(m.Do(http.MethodGet, m.asset("one", "/environments/AzureML-none/versions/1"), nil), http.StatusNotFound, "ResourceNotFound")
}

// TestAssetsRefused: all that is wrong with an asset is told at once, nothing remains of it, and no address leads out of the workspace.
func TestAssetsRefused(t *testing.T) {
	m := newModelWorld(t)
	m.uploaded(t, "two", "LocalUpload/h/model.pkl")
	m.bad("/models/a~b/versions/latest", map[string]any{"modelUri": "runs:/x/model", "modelType": "onnx",
		"tags": map[string]any{"a/b": "c"}, "properties": map[string]any{"deep": map[string]any{}}},
		"a~b", "label", "no jobs", "onnx", "a/b", "deep")
	other, err := url.Parse(m.signed("two", "LocalUpload/h/model.pkl"))
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		m.path("two", "LocalUpload/h/model.pkl"): "another workspace", "https://" + other.Host + other.Path: "not in the store of this workspace",
		m.path("one", "../azureml-x/model.pkl"): "not the path", m.path("one", "LocalUpload//x"): "not the path",
		m.path("one", ""):                                               "not the path",
		m.path("one", "LocalUpload/h/model.pkl"):                        "upload it first",
		"azureml://datastores/mine/paths/x":                             "another datastore",
		"azureml://jobs/j/outputs/artifacts/paths/model":                "no jobs",
		"https://example.com/model.pkl":                                 "upload the files",
		"file:///etc/passwd":                                            "upload the files",
		"azureml://datastores/workspaceblobstore/paths/%zz":             "",
		"azureml://datastores/workspaceblobstore/paths/LocalUpload/\\x": "",
		"": "no address",
	} {
		m.bad("/models/m/versions/1", map[string]any{"modelUri": address}, want)
	}
	large := strings.Repeat("x", 600<<10)
	m.bad("/models/m/versions/1", map[string]any{"modelUri": "x", "description": large}, "bytes")
	m.Refused(m.put("one", "/models/m/versions/1", map[string]any{"description": strings.Repeat(large, 8)}), http.StatusRequestEntityTooLarge,
		"RequestEntityTooLarge")
	m.Refused(m.Do(http.MethodPut, m.asset("one", "/models/m/versions/1"), map[string]any{}), http.StatusBadRequest, "InvalidRequestContent")
	m.Refused(m.put("none", "/models/m/versions/1", map[string]any{"modelUri": "x"}), http.StatusNotFound, "ResourceNotFound", "none")
	m.bad("/data/d/versions/1", map[string]any{"dataUri": "here", "dataType": "table"}, "not an address", "table")
	m.Refused(m.put("one", "/components/c/versions/1", map[string]any{}), http.StatusNotFound, "InvalidResourceType", "no pipelines")
	m.bad("/datastores/mine", map[string]any{}, "one datastore")
	m.Refused(m.Do(http.MethodPost, m.asset("one", "/datastores/mine/listSecrets"), map[string]any{}), http.StatusNotFound, "ResourceNotFound")
	for _, kind := range []string{"models", "environments", "data", "codes"} {
		if list := m.got("one", "/"+kind); names(list) != "" {
			t.Errorf("%s: %s remain", kind, names(list))
		}
	}
	order := m.Do(http.MethodGet, m.asset("one", "/models?$orderBy=name"), nil)
	m.Refused(order, http.StatusBadRequest, string(berth.CodeInvalidFilter), "name")
	m.Refused(m.Do(http.MethodGet, m.asset("one", "/models?$skip=x"), nil), http.StatusBadRequest, "InvalidRequestContent")
}

// TestCode: code is uploaded to a folder of its own, and found again by its hash under any name. Signatures open what they are for.
func TestCode(t *testing.T) {
	m := newModelWorld(t)
	pending := func(workspace string) (address, query string) {
		r := m.Want(http.StatusOK, m.Do(http.MethodPost, m.asset(workspace, "/codes/c/versions/1/startPendingUpload"),
			map[string]any{"pendingUploadType": "TemporaryBlobReference"}))
		uri := apptest.At(r.Body, "blobReferenceForConsumption.credential.sasUri").(string)
		address, query, _ = strings.Cut(uri, "?")
		if address != apptest.At(r.Body, "blobReferenceForConsumption.blobUri") {
			t.Errorf("%v", r.Body)
		}
		return address, query
	}
	address, query := pending("one")
	if status := m.file(t, http.MethodPut, address+"/src/score.py?"+query, "def init(): pass"); status != http.StatusCreated {
		t.Fatalf("upload: %d", status)
	}
	m.uploaded(t, "two", "LocalUpload/h/secret.pkl")
	beside, _ := pending("one")
	secret := m.signed("two", "LocalUpload/h/secret.pkl")
	for what, where := range map[string]string{
		"beside the folder": beside + "/src/score.py?" + query, "above it": address[:strings.LastIndex(address, "/")] + "/x?" + query,
		"another workspace":             strings.Split(secret, "?")[0] + "?" + query,
		"the datastore of another":      strings.Split(secret, "?")[0] + "?" + strings.Split(m.signed("one", "x"), "?")[1],
		"no signature":                  address + "/src/score.py",
		"a shallower folder":            address + "/src/score.py?" + strings.Replace(query, "sdd=2", "sdd=1", 1),
		"a signature with more letters": address + "/src/score.py?" + strings.Replace(query, "sp=rcw", "sp=rcwdl", 1),
		"a signature with a later end":  address + "/src/score.py?" + strings.Replace(query, "se=20", "se=30", 1),
	} {
		for _, method := range []string{http.MethodGet, http.MethodPut} {
			if status := m.file(t, method, where, "x"); status != http.StatusForbidden && status != http.StatusUnauthorized {
				t.Errorf("%s %s: %d", method, what, status)
			}
		}
	}
	code := map[string]any{"codeUri": address + "/src", "isAnonymous": true,
		"properties": map[string]any{"hash_sha256": "abc", "hash_version": 202208}}
	m.Refused(m.put("two", "/codes/c/versions/1", code), http.StatusBadRequest, "BadRequest", "not in the store")
	m.Want(http.StatusCreated, m.put("one", "/codes/c/versions/1", code))
	for ask, want := range map[string]string{"hash=abc&hashVersion=202208": "1", "hash=abc": "1", "hash=abd&hashVersion=202208": "",
		"hash=abc&hashVersion=1": ""} {
		if r := m.got("one", "/codes/other/versions?"+ask); names(r) != want {
			t.Errorf("%s: %s", ask, r.Text)
		}
	}
	if r := m.got("two", "/codes/other/versions?hash=abc"); names(r) != "" {
		t.Errorf("code of another workspace: %s", r.Text)
	}
}
