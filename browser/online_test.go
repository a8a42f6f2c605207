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

	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
)

// onlineForm is a form of an online endpoint that is fine but for its compute, which has simulated nodes.
func onlineForm() map[string]string {
	form := deployForm()
	for field, value := range map[string]string{"kind": "online", "endpoint": "", "name": "numbers", "deployment": "blue", "serve": "1"} {
		form[field] = value
	}
	return form
}

// onlineRefusals are forms of an online endpoint that are refused: what differs from a form that is fine, the field at which the reason is,
// and a word of it.
func onlineRefusals() map[string]struct {
	form        map[string]string
	field, says string
} {
	type form = map[string]string
	type refusal = struct {
		form        map[string]string
		field, says string
	}
	return map[string]refusal{
		"no name": {form{"name": ""}, "name", "3 to 32 letters"}, "a name with a slash": {form{"name": "a/b"}, "name", "3 to 32 letters"},
		"no deployment":                         {form{"deployment": ""}, "deployment", "3 to 32 letters"},
		"no model":                              {form{"model": ""}, "model", "no registered model"},
		"another model":                         {form{"model": "none:1"}, "model", "has no version"},
		"no script":                             {form{"script": " "}, "script", "entry script is needed"},
		"a model that brings no script":         {form{"scriptfrom": "none", "packagesfrom": "none"}, "script", "has no code"},
		"an environment that is not registered": {form{"packagesfrom": "registered", "environment": "none"}, "environment", "none"},
		"no compute":                            {form{"compute": ""}, "compute", "names no compute"},
		"simulated nodes":                       {form{}, "compute", "no model can run"},
		"no replicas":                           {form{"replicas": "0"}, "replicas", "between 1 and"},
		"a range that is none":                  {form{"scaling": "auto", "least": "5", "most": "2"}, "least", "minInstances is greater"},
		"half a replica":                        {form{"replicas": "1.5"}, "replicas", "1.5"},
		"an instance type that is not there":    {form{"instancetype": "huge"}, "instancetype", "It has defaultinstancetype"},
		"a long request":                        {form{"timeout": "400000"}, "timeout", "between"},
		"no access":                             {form{"auth": "none"}, "auth", "AMLToken"},
		"an endpoint that is gone":              {form{"endpoint": "gone"}, "endpoint", "gone does not exist"},
	}
}

// TestOnlineRefused: everything that is wrong with an online endpoint is told at its field, in both languages, while it is typed and when
// it is sent, and nothing is made.
func TestOnlineRefused(t *testing.T) {
	s := simulated(t)
	b := open(t, s)
	b.signIn()
	b.visit("/studio/w/rg/vision/deploy")
	b.run(press("input[name=kind][value=online]"), visible("select[name=endpoint]"), keys("[name=name]", "x"))
	b.sees("3 to 32 letters", "no model can run", "Instance type")
	b.seesNot("vCPUs of a replica")
	b.click("The same as code")
	b.sees("KubernetesOnlineDeployment(", `endpoint.traffic = {"blue": 100}`, "az ml online-deployment create -f blue.yml --all-traffic",
		"berth ml online-endpoint create -f endpoint.yml", "onlineEndpoints/x/deployments/blue")
	b.seesNot("AksWebservice")
	b.picture("online-form")
	b.run(press("input[name=kind][value=service]"))
	b.sees("AksWebservice", "vCPUs of a replica")
	b.seesNot("KubernetesOnlineDeployment(")
	for what, c := range onlineRefusals() {
		form := onlineForm()
		for field, value := range c.form {
			form[field] = value
		}
		b.speak("en")
		text := b.sentAt("/studio/w/rg/vision/deploy", form, "say-"+c.field)
		if !strings.HasPrefix(text, "400 ") || !strings.Contains(text, c.says) {
			t.Errorf("%s: %.160q does not say %q", what, text, c.says)
		}
		b.speak("ko")
		b.post("/studio/w/rg/vision/deploy", form)
		b.refused("deploy with " + what)
	}
	b.speak("en")
	b.needsNoScript()
	if r := s.Do(http.MethodGet, s.Workspace("rg", "vision")+"/onlineEndpoints", nil); !strings.Contains(r.Text, `"value":[]`) {
		t.Errorf("a refused form made something: %s", r.Text)
	}
	if found := s.Log.String(); strings.Contains(found, "level=ERROR") {
		t.Error(found)
	}
}

// needsNoScript: a model of MLflow that is uploaded needs no entry script, which is known while the form is typed and when its files have
// come. It is registered only when the deployment is accepted.
func (b *tab) needsNoScript() {
	for file, want := range map[string]string{"MLmodel": "", "model.pkl": "has no code"} {
		form := onlineForm()
		for field, value := range map[string]string{"source": "upload", "modelfile": file, "scriptfrom": "none", "packagesfrom": "none"} {
			form[field] = value
		}
		var said string
		b.run(chromedp.Evaluate(fmt.Sprintf(`fetch("/studio/w/rg/vision/deploy/check", {method: 'POST', body: new URLSearchParams(%s)}).then(
			async r => (await r.json()).findings.filter(f => f.field === 'script').map(f => f.field + ': ' + f.message).join(' '))`,
			toJSON(form)), &said, awaitPromise))
		if want == "" && said != "" || !strings.Contains(said, want) {
			b.t.Errorf("a deployment of %s: %q", file, said)
		}
	}
	folder := filepath.Join(b.t.TempDir(), "ridge")
	writeFile(b.t, filepath.Join(folder, "MLmodel"), "flavors: {python_function: {loader_module: x}}")
	writeFile(b.t, filepath.Join(folder, "model.pkl"), "weights")
	b.visit("/studio/w/rg/vision/deploy?kind=online")
	b.run(keys("[name=name]", "ridge"), press("[name=source][value=upload]"), upload("[name=modelfile][webkitdirectory]", folder),
		press("[name=scriptfrom][value=none]"), press("[name=packagesfrom][value=none]"))
	b.loads(press("button[name=go][value=create]"))
	b.sees("Received and kept (2)", "no model can run")
	text := b.text()
	for _, no := range []string{"has no code", "no artifact", "There is no"} {
		if strings.Contains(text, no) {
			b.t.Errorf("the form says %q: %.1500s", no, text)
		}
	}
	b.picture("online-mlflow")
	b.click("The same as code")
	b.sees(`type="mlflow_model"`, "type: mlflow_model")
	if r := b.s.Do(http.MethodGet, b.s.Workspace("rg", "vision")+"/models/ridge/versions", nil); strings.Contains(r.Text, `"ridge"`) {
		b.t.Errorf("the refused form has registered a model: %s", r.Text)
	}
}

// sentAt is the answer to a form: its status, and what stands at a place of the page.
func (b *tab) sentAt(address string, form map[string]string, id string) (text string) {
	b.t.Helper()
	b.run(chromedp.Evaluate(fmt.Sprintf(`fetch(%q, {method: 'POST', body: new URLSearchParams(%s)}).then(
		async r => r.status + ' ' + (new DOMParser().parseFromString(await r.text(), 'text/html').getElementById(%q)?.textContent ?? ''))`,
		address, toJSON(form), id), &text, awaitPromise))
	return text
}

// adder is an entry script that adds the number in its model.
const adder = `import json, os
def init():
    global factor
    factor = json.load(open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.json")))["factor"]
def run(raw_data):
    print("to add", raw_data, flush=True)
    return [factor + x for x in json.loads(raw_data)["data"]]
`

// TestOnlineEndpoint: an online endpoint gets two deployments by the form, requests are divided between them, one is scaled and removed,
// and each says why it cannot be when it cannot.
func TestOnlineEndpoint(t *testing.T) {
	s := server(t, func(c *app.Config) { c.Nodes = "auto" })
	s.MakeWorkspace("rg", "vision")
	b := open(t, s)
	b.signIn()
	b.runs("box")
	givePython(t, s)
	s.Succeed(s.Do(http.MethodPut, s.Workspace("rg", "vision")+"/computes/nearby", apptest.AttachTo(s.Cluster("rg", "box"), "DevTest")))
	const page = "/studio/w/rg/vision/online/numbers"
	b.first(page)
	b.second(page)
	b.divides(page)
	b.onlineShown(page, page+"/d/blue/size", page+"/d/green/delete", page+"/delete", "/studio/w/rg/vision/deploy?endpoint=numbers",
		"/studio/w/rg/vision/endpoints")
	b.scales(page)
	b.removes(page)
	b.versioned()
	if found := s.Log.String(); strings.Contains(found, "level=ERROR") {
		t.Error(found)
	}
}

// first deploys an uploaded model to a new endpoint. All requests go to it as soon as it is ready.
func (b *tab) first(page string) {
	model := writeFile(b.t, filepath.Join(b.t.TempDir(), "model.json"), `{"factor": 3}`)
	b.visit("/studio/w/rg/vision/deploy")
	b.run(press("input[name=kind][value=online]"), keys("[name=name]", "numbers"), upload("[name=modelfile]", model))
	b.write(map[string]string{"script": entry, "packages": ""})
	b.loads(press("button[name=go][value=create]"))
	b.sees("numbers", "blue", "Create blue")
	b.seesOne("When blue is ready, it gets all requests", "Sum: 100 %")
	b.picture("online-deploying")
	b.sees("Healthy", "/api/v1/endpoint/numbers/score", "1 / 1", "Sum: 100 %")
	b.test(`{"data": [2, 5]}`)
	b.sees("200 OK", "6,", "15", "asked for", "New lines appear here")
}

// second adds a deployment of the same model to the endpoint. It gets no requests by itself, and those that name it.
func (b *tab) second(page string) {
	b.visit(page)
	b.click("Add a deployment")
	b.sees("Deploy a model")
	var offered string
	if b.run(read("[name=deployment]", "value", &offered)); offered != "green" {
		b.t.Errorf("the form offers the name %q", offered)
	}
	b.run(set("[name=deployment]", "blue"), keys("[name=deployment]", " "), visible("#say-deployment p"))
	b.sees("has a deployment blue already")
	b.write(map[string]string{"deployment": "green", "script": adder, "packages": ""})
	b.loads(press("button[name=go][value=create]"))
	b.until("green to be served", func(text string) bool { return strings.Count(text, "1 / 1") == 2 })
	b.sees("2 / 2")
	b.run(set("#test [name=deployment]", "green"))
	b.test(`{"data": [2, 5]}`)
	b.sees("200 OK", "5,", "8")
	b.click("Headers of the answer")
	b.sees("Azureml-Model-Deployment")
}

// divides moves requests from one deployment to the other.
func (b *tab) divides(page string) {
	b.visit(page)
	b.sees("Sum: 100 %", "Requests (%)", "Mirrored (%)")
	b.run(chromedp.Evaluate(`(() => { const s = document.querySelector('[data-of=share-green]'); s.value = 30;
		s.dispatchEvent(new Event('input', {bubbles: true})) })()`, nil)) // the slider: of two, the other one gets the rest
	var blue string
	b.run(read("[name=share-blue]", "value", &blue))
	if blue != "70" {
		b.t.Errorf("blue has %s per cent", blue)
	}
	b.loads(press("form[data-sum] button"))
	b.traffic(`"blue":70,"green":30`)
	b.visit(page)
	b.run(set("[name=share-blue]", ""), keys("[name=share-blue]", "50"))
	b.sees("Sum: 80 %", "It has to be 100")
	var disabled bool
	b.run(chromedp.Evaluate("document.querySelector('form[data-sum] button').disabled", &disabled))
	if !disabled {
		b.t.Error("a division of 80 percent can be saved")
	}
	text := b.sent(page+"/traffic", map[string]string{"share-blue": "50", "share-green": "30"})
	if !strings.HasPrefix(text, "400 ") || !strings.Contains(text, "are 80 in sum") || !strings.Contains(text, "Sum: 80 %") {
		b.t.Errorf("a wrong sum: %.200s", text)
	}
	text = b.sent(page+"/traffic", map[string]string{"share-blue": "all"})
	if !strings.HasPrefix(text, "400 ") || !strings.Contains(text, "“all”") {
		b.t.Errorf("no number: %.200s", text)
	}
	b.visit(page + "/d/green/delete")
	b.sees("It has 30 percent of the requests", "Move the requests")
	b.run(emulation.SetScriptExecutionDisabled(true)) // the form is enough
	b.visit(page)
	b.run(chromedp.Evaluate(`for (const [name, value] of [['share-blue', 100], ['share-green', 0], ['mirror-green', 20]])
		document.querySelector('[name=' + name + ']').value = value`, nil))
	b.loads(chromedp.Evaluate("document.querySelector('form[data-sum] button').click()", nil))
	b.run(emulation.SetScriptExecutionDisabled(false))
	b.traffic(`"mirrorTraffic":{"green":20}`)
	b.visit(page + "/d/green/delete")
	b.sees("It gets copies of 20 percent")
}

// traffic fails the test unless the endpoint has this.
func (b *tab) traffic(want string) {
	b.t.Helper()
	r := b.s.Do(http.MethodGet, b.s.Workspace("rg", "vision")+"/onlineEndpoints/numbers", nil)
	if !strings.Contains(r.Text, want) {
		b.t.Errorf("the endpoint has not %s: %s", want, r.Text)
	}
}

// scales changes the number of replicas of a deployment: to a fixed one, and to one by load.
func (b *tab) scales(page string) {
	b.visit(page + "/d/green/size")
	b.run(set("[name=replicas]", "0"))
	b.loads(press("section.ask button.main"))
	b.sees("between 1 and")
	b.run(set("[name=replicas]", "2"))
	b.loads(press("section.ask button.main"))
	b.sees("2 / 2", "3 / 3", "Update green")
	b.visit(page + "/d/green/size")
	b.run(press("[name=scaling][value=auto]"), set("[name=least]", "1"), set("[name=most]", "3"), set("[name=occupied]", "60"))
	b.loads(press("section.ask button.main"))
	b.sees("1–3")
	b.visit(page + "/d/green/size")
	var most string
	b.run(read("[name=most]", "value", &most))
	if most != "3" {
		b.t.Errorf("the form has %q at most", most)
	}
}

// removes shows the keys, and removes a deployment and the endpoint.
func (b *tab) removes(page string) {
	b.visit(page)
	b.loads(press("#keys form button"))
	b.sees("Primary key")
	b.sent(page+"/traffic", map[string]string{"share-blue": "0", "share-green": "0", "mirror-green": "0"})
	b.visit(page)
	b.sees("No deployment gets requests", "Give all requests to blue")
	b.loads(press("form.note button.main"))
	b.sees("Sum: 100 %")
	b.visit(page + "/d/green/delete")
	b.run(keys("[name=confirm]", "green"))
	b.loads(press("section.ask button.danger"))
	b.run(goes("[name=share-green]"))
	b.sees("Healthy")
	b.visit(page + "/delete")
	b.sees("Its deployments with their pods")
	b.run(keys("[name=confirm]", "numbers"))
	b.loads(press("section.ask button.danger"))
	b.sees("No endpoint yet")
}

// onlineShown looks at the pages of an online endpoint as they are shown: in both languages and themes, on narrow windows.
func (b *tab) onlineShown(pages ...string) {
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, path := range pages {
		for _, lang := range []string{"en", "ko"} {
			b.speak(lang)
			theme := map[string]string{"en": "light", "ko": "dark"}[lang]
			b.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}))
			b.visit(path)
			b.picture("online-" + lang + strings.NewReplacer("/", "-", "?", "-").Replace(strings.TrimPrefix(path, "/studio/w/rg/vision")))
			b.run(chromedp.Evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })", nil))
			b.accessible(string(axe), lang+" "+path)
			b.fits(lang + path)
			if lang == "ko" {
				b.noEnglish(path)
			}
		}
	}
	b.speak("en")
	b.run(emulation.SetEmulatedMedia())
}
