package browser

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"berth.dev/berth/app/apptest"
	"berth.dev/berth/client"
)

// vision is the workspace of the tests.
var vision = client.WorkspaceName{Group: "rg", Name: "vision"}

// asClient is a client of a server, as the command line has one.
func asClient(t *testing.T, s *apptest.Server) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{Credentials: client.Credentials{Endpoint: s.Endpoint, TenantID: s.TenantID,
		SubscriptionID: s.SubscriptionID, ClientID: s.ClientID, ClientSecret: s.ClientSecret, CAFile: s.Info.CAFile}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// registerModel registers a model with files as the command line does.
func registerModel(t *testing.T, s *apptest.Server, name string, files map[string]string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	for file, text := range files {
		writeFile(t, filepath.Join(dir, file), text)
	}
	_, err := asClient(t, s).RegisterModel(t.Context(), vision,
		client.ModelRequest{Name: name, Path: dir, Description: "123", Tags: map[string]string{"note": script}})
	if err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// fetched is what a link answers to the browser.
func (b *tab) fetched(address string) (text string) {
	b.t.Helper()
	b.run(chromedp.Evaluate(fmt.Sprintf("fetch(%q).then(async r => r.status + ' ' + await r.text())", address), &text, awaitPromise))
	return text
}

// sent is the answer to a form.
func (b *tab) sent(address string, form map[string]string) (text string) {
	b.t.Helper()
	b.run(chromedp.Evaluate(fmt.Sprintf(`fetch(%q, {method: 'POST', body: new URLSearchParams(%s)}).then(
		async r => r.status + ' ' + new DOMParser().parseFromString(await r.text(), 'text/html').querySelector('main').textContent)`,
		address, toJSON(form)), &text, awaitPromise))
	return text
}

// TestModels: files are uploaded and registered with and without scripts; a refused form keeps them; versions are listed with their sizes,
// downloaded and deleted.
func TestModels(t *testing.T) {
	s := server(t)
	s.MakeWorkspace("rg", "vision")
	b := open(t, s)
	b.signIn()
	b.visit("/studio/w/rg/vision/models")
	b.sees("No model yet")
	b.click("Register the first")
	dir := t.TempDir()
	one, two := writeFile(t, filepath.Join(dir, "one.bin"), strings.Repeat("x", 2048)), writeFile(t, filepath.Join(dir, "two.txt"), "second")
	b.fill("name", "..")
	b.fill("tags", "stage=dev")
	b.run(upload("[name=file][multiple]", one, two))
	b.loads(press("form.wizard button.main"))
	b.sees("is not possible", "Received and kept (2):", "one.bin, two.txt")
	b.fits("register")
	b.picture("models-register")
	b.fill("name", "pair")
	b.loads(chromedp.Evaluate("document.querySelector('form.wizard button.main').click()", nil)) // the widths have moved the button
	b.sees("version 1", "one.bin", "2.0 KiB", "6 B", "stage=dev", "nothing")
	b.fits("model")
	b.picture("models-model")
	if text := b.fetched("/studio/w/rg/vision/models/pair/1/files/two.txt"); text != "200 second" {
		t.Errorf("the file is %q", text)
	}
	text := b.fetched("/studio/w/rg/vision/models/pair/1/download")
	if !strings.HasPrefix(text, "200 PK") || !strings.Contains(text, "second") {
		t.Errorf("all files are %.100q", text)
	}
	if text := b.fetched("/studio/w/rg/vision/models/pair/1/files/other"); !strings.HasPrefix(text, "404") {
		t.Errorf("a file that is not there: %.100q", text)
	}

	b.run(emulation.SetScriptExecutionDisabled(true))
	b.visit("/studio/w/rg/vision/register?name=pair")
	b.run(upload("[name=file][multiple]", two))
	b.loads(press("form.wizard button.main"))
	b.sees("version 2")
	b.visit("/studio/w/rg/vision/models?q=pair")
	b.sees("pair", "2")
	b.visit("/studio/w/rg/vision/models/pair/2/delete")
	b.loads(keys("[name=confirm]", "other"), press("section.ask button.danger"))
	b.sees("To confirm, type pair")
	b.loads(keys("[name=confirm]", "pair"), press("section.ask button.danger"))
	b.visit("/studio/w/rg/vision/models/pair")
	b.sees("version 1")
	b.run(emulation.SetScriptExecutionDisabled(false))
	b.mlflow()
	if found := s.Log.String(); strings.Contains(found, "level=ERROR") {
		t.Error(found)
	}
}

// mlflow registers the folder that MLflow has saved, by its kind or by what its files are. What cannot be one is refused.
func (b *tab) mlflow() {
	folder := filepath.Join(b.t.TempDir(), "ridge")
	writeFile(b.t, filepath.Join(folder, "MLmodel"), "flavors: {python_function: {loader_module: x}}")
	writeFile(b.t, filepath.Join(folder, "data", "model.pkl"), "weights")
	packed := writeFile(b.t, filepath.Join(b.t.TempDir(), "ridge.zip"), "PK")
	b.visit("/studio/w/rg/vision/register?name=ridge")
	b.run(upload("[name=file][multiple]", packed), set("[name=modelkind]", client.KindMLflow))
	b.loads(press("form.wizard button.main"))
	b.sees("with the file MLmodel in it", "ridge.zip")
	b.visit("/studio/w/rg/vision/register?name=ridge")
	b.run(upload("[name=file][webkitdirectory]", folder))
	b.loads(press("form.wizard button.main"))
	b.sees("version 1", "ridge/MLmodel", "ridge/data/model.pkl")
	r := b.s.Want(http.StatusOK, b.s.Do(http.MethodGet, b.s.Workspace("rg", "vision")+"/models/ridge/versions/1", nil))
	if got := apptest.At(r.Body, "properties.modelType"); got != client.KindMLflow {
		b.t.Errorf("the model is of the type %v", got)
	}
	for kind, want := range map[string]any{client.KindMLflow: client.KindMLflow, "custom_model": "custom_model"} {
		b.visit("/studio/w/rg/vision/register?name=" + strings.TrimSuffix(kind, "_model"))
		b.run(upload("[name=file][multiple]", filepath.Join(folder, "MLmodel")), set("[name=modelkind]", kind))
		b.loads(press("form.wizard button.main"))
		b.sees("version 1", "MLmodel")
		r := b.s.Do(http.MethodGet, b.s.Workspace("rg", "vision")+"/models/"+strings.TrimSuffix(kind, "_model")+"/versions/1", nil)
		if got := apptest.At(r.Body, "properties.modelType"); got != want {
			b.t.Errorf("the model that was to be a %s is a %v", kind, got)
		}
	}
}

// deployRefusals are forms of a deployment that are refused, and a word of the reason: what differs from a form that is fine but for its
// compute.
func deployRefusals() map[string]struct {
	form map[string]string
	says string
} {
	type form = map[string]string
	type refusal = struct {
		form map[string]string
		says string
	}
	return map[string]refusal{
		"no name": {form{"name": ""}, "service name is invalid"}, "a name with a slash": {form{"name": "a/b"}, "service name is invalid"},
		"no model": {form{"model": ""}, "no registered model"}, "another model": {form{"model": "none:1"}, "none:1"},
		"no file of a model": {form{"source": "upload"}, "at least one file"},
		"no script":          {form{"script": " "}, "entry script is needed"},
		"no script file":     {form{"scriptfrom": "file"}, "entry script is needed"},
		"a script that did not come": {form{"scriptfrom": "file", "scriptfile-kept": `{"Prefix":"LocalUpload/x/","Paths":["s.py"]}`},
			"LocalUpload/x/s.py"},
		"an environment that is not registered": {form{"packagesfrom": "registered", "environment": "none"}, "none"},
		"no compute":                            {form{"compute": ""}, "names no compute"}, "another compute": {form{"compute": "none"}, "none"},
		"cores that are no number": {form{"cpu": "many"}, "many"}, "no memory": {form{"memory": "0"}, "memory_gb"},
		"no replicas": {form{"replicas": "0"}, "num_replicas"}, "half a replica": {form{"replicas": "1.5"}, "1.5"},
		"a range that is none": {form{"scaling": "auto", "least": "5", "most": "2"}, "autoscale_min_replicas"},
		"a long request":       {form{"timeout": "400000"}, "300000"},
	}
}

// deployForm is a form that is fine but for its compute, which has simulated nodes.
func deployForm() map[string]string {
	return map[string]string{"name": "fine", "source": "registered", "model": "digits:1", "scriptfrom": "text", "script": "def run(x): pass",
		"packagesfrom": "typed", "packages": "numpy", "compute": "sim", "cpu": "0.1", "memory": "0.5", "scaling": "fixed", "replicas": "1",
		"least": "1", "most": "10", "occupied": "70", "auth": "key", "timeout": "60000", "go": "create"}
}

// simulated is the server that filled makes, with a compute on simulated nodes.
func simulated(t *testing.T) *apptest.Server {
	t.Helper()
	s := filled(t)
	s.Succeed(s.Do(http.MethodPut, s.Cluster("rg", "small"), apptest.ClusterOf(1, "Standard_D3_v2")))
	s.Succeed(s.Do(http.MethodPut, s.Workspace("rg", "vision")+"/computes/sim", apptest.AttachTo(s.Cluster("rg", "small"), "DevTest")))
	return s
}

// TestDeployRefused: everything that is wrong is told at once, at its field, in both languages, and nothing is made; the rules are asked
// while the user types; what was typed stays, also without scripts.
func TestDeployRefused(t *testing.T) {
	s := simulated(t)
	b := open(t, s)
	b.signIn()
	b.visit("/studio/w/rg/vision/models/digits/1")
	b.click("Deploy")
	b.sees("Deploy a model", "score.py")
	b.fill("name", "Bad_Name")
	b.sees("service name is invalid", "no model can run")
	b.fill("memory", "0")
	b.sees("memory_gb must be greater than zero")
	b.choose("scaling", "auto")
	b.fill("least", "12")
	b.sees("autoscale_min_replicas cannot be greater")
	b.click("The same as code")
	b.sees("autoscale_min_replicas=12", "--autoscale-min-replicas 12", `Model(ws, name="digits", version=1)`)
	b.fits("deploy")
	b.picture("deploy-refused")
	b.loads(chromedp.Evaluate("document.querySelector('button[name=go][value=create]').click()", nil)) // the widths have moved the button
	b.sees("service name is invalid", "no model can run", "memory_gb must be greater than zero")
	var name string
	b.run(read("[name=name]", "value", &name))
	if name != "Bad_Name" {
		t.Errorf("the name is %q after the refusal", name)
	}
	file := writeFile(t, filepath.Join(t.TempDir(), "entry.py"), "def init(): pass")
	b.run(emulation.SetScriptExecutionDisabled(true))
	b.visit("/studio/w/rg/vision/deploy")
	b.run(press("[name=scriptfrom][value=file]"),
		upload("[name=scriptfile]", file))
	b.loads(press("button[value=check]"))
	b.sees("Received and kept (1):", "entry.py", "service name is invalid")
	b.run(emulation.SetScriptExecutionDisabled(false))
	b.visit("/studio/w/rg/vision/deploy")
	for what, c := range deployRefusals() {
		form := deployForm()
		for field, value := range c.form {
			form[field] = value
		}
		b.speak("en")
		if text := b.sent("/studio/w/rg/vision/deploy", form); !strings.HasPrefix(text, "400 ") || !strings.Contains(text, c.says) {
			t.Errorf("%s: %.60s does not say %q", what, text, c.says)
		}
		b.speak("ko")
		b.post("/studio/w/rg/vision/deploy", form)
		b.refused("deploy with " + what)
	}
	if r := s.Do(http.MethodGet, s.Workspace("rg", "vision")+"/services", nil); !strings.Contains(r.Text, `"value":[]`) {
		t.Errorf("a refused form made something: %s", r.Text)
	}
	if found := s.Log.String(); strings.Contains(found, "level=ERROR") {
		t.Error(found)
	}
}

// entry is an entry script that multiplies by the number in its model, and writes down what it was asked.
const entry = `import json, os
def init():
    global factor
    factor = json.load(open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.json")))["factor"]
def run(raw_data):
    print("asked for", raw_data, flush=True)
    return [factor * x for x in json.loads(raw_data)["data"]]
`

// deploy sends the form of a deployment with a typed entry script and without packages.
func (b *tab) deploy(name, script string) {
	b.t.Helper()
	b.fill("name", name)
	b.write(map[string]string{"script": script, "packages": ""})
	b.loads(press("button[name=go][value=create]"))
}

// write replaces the texts of fields.
func (b *tab) write(texts map[string]string) {
	b.t.Helper()
	b.run(chromedp.Evaluate(fmt.Sprintf(`for (const [name, text] of Object.entries(%s))
		document.querySelector('[name=' + name + ']').value = text`,
		toJSON(texts)), nil))
}

// test sends a request with the form of an endpoint's page.
func (b *tab) test(input string) {
	b.t.Helper()
	b.write(map[string]string{"input": input})
	b.loads(press("#test button.main"))
}

// serves goes through the life of an endpoint in the cluster box: an upload, a deployment, requests, logs, keys, another size, deletion.
func (b *tab) serves() {
	t, s := b.t, b.s
	givePython(t, s)
	s.Succeed(s.Do(http.MethodPut, s.Workspace("rg", "vision")+"/computes/nearby", apptest.AttachTo(s.Cluster("rg", "box"), "DevTest")))
	b.visit("/studio/w/rg/vision/endpoints")
	b.sees("No endpoint yet")
	b.click("Deploy the first model")
	model := writeFile(t, filepath.Join(t.TempDir(), "model.json"), `{"factor": 3}`)
	b.run(visible("[name=modelfile]"),
		upload("[name=modelfile]", model))
	b.deploy("triple", entry)
	b.seesOne("In transition", "Healthy")
	b.sees("triple:1", "nearby", "Create")
	b.picture("endpoint-deploying")
	b.sees("Healthy", "/api/v1/service/triple/score", "1 / 1")
	b.test(`{"data": [2, 5]}`)
	b.sees("200 OK", "6,", "15", "asked for", "New lines appear here")
	b.test("nonsense")
	b.sees("500 Internal Server Error", "raised an exception", "Expecting value")

	keys := s.Want(http.StatusOK, s.Send(apptest.Request{Method: http.MethodPost, Raw: true,
		Path: "/modelmanagement/v1.0" + s.Workspace("rg", "vision") + "/services/triple/listkeys"}))
	primary, _ := keys.Body["primaryKey"].(string)
	b.hides(primary)
	b.loads(press("#keys form button"))
	b.sees("Primary key", primary)
	b.visit("/studio/w/rg/vision/endpoints/triple/regenerate?key=Primary")
	b.loads(press("section.ask button.danger"))
	b.visit("/studio/w/rg/vision/endpoints/triple")
	b.sees("Healthy")
	b.loads(press("#keys form button"))
	b.sees("Primary key")
	b.seesNot(primary)
	b.visit("/studio/w/rg/vision/endpoints/triple/size")
	b.fill("replicas", "0")
	b.loads(press("section.ask button.main"))
	b.sees("num_replicas must be greater than zero")
	b.fill("replicas", "2")
	b.loads(press("section.ask button.main"))
	b.sees("2 / 2")
	b.serveShown()

	b.visit("/studio/w/rg/vision/models/triple/1/delete")
	b.sees("triple", "Healthy")
	b.fill("confirm", "triple")
	b.loads(press("section.ask button.danger"))
	b.sees("uses 'triple:1'")
	b.visit("/studio/w/rg/vision/deploy?model=triple:1")
	b.deploy("broken", "1/0")
	b.sees("Failed", "ZeroDivisionError", "Traceback")
	b.picture("endpoint-failed")
	b.visit("/studio/w/rg/vision/endpoints/triple")
	b.sees("Requests a minute", "Errors a minute") // the router was asked
	b.picture("endpoint-traffic")
	for _, name := range []string{"broken", "triple"} {
		b.visit("/studio/w/rg/vision/endpoints/" + name + "/delete")
		b.fill("confirm", name)
		b.loads(press("section.ask button.danger"))
	}
	b.sees("No endpoint yet")
	if found := s.Log.String(); strings.Contains(found, primary) {
		t.Error("a key is in the log")
	}
}

// serveShown looks at the pages of an endpoint as they are shown: in both languages and themes, on narrow windows.
func (b *tab) serveShown() {
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		b.t.Fatal(err)
	}
	const list = "/studio/w/rg/vision/endpoints"
	for _, path := range []string{list, list + "/triple", list + "/triple/size"} {
		for _, lang := range []string{"en", "ko"} {
			b.speak(lang)
			theme := map[string]string{"en": "light", "ko": "dark"}[lang]
			b.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}))
			b.visit(path)
			b.run(chromedp.Evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })", nil))
			b.accessible(string(axe), lang+" "+path)
			b.fits(lang + path)
			b.picture("endpoint-" + lang + strings.ReplaceAll(strings.TrimPrefix(path, "/studio/w/rg/vision"), "/", "-"))
			if lang == "ko" {
				b.noEnglish(path)
			}
		}
	}
	b.speak("en")
	b.run(emulation.SetEmulatedMedia())
}
