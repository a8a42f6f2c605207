package browser

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"

	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
)

const script = `<script>document.title='owned'</script><img src=x onerror="document.title='owned'">`

// filled is a server with content on every page, none of which needs the start of a cluster.
func filled(t *testing.T) *apptest.Server {
	t.Helper()
	s := server(t, func(c *app.Config) { c.ClusterRanges = []string{"127.0.0.0/8"} })
	s.MakeWorkspace("rg", "vision")
	s.Want(http.StatusOK, s.Do(http.MethodPut, s.Workspace("rg", "tagged"), apptest.Object{
		"location": "westeurope", "tags": apptest.Object{"note": script},
	}))
	// A cluster that is not Kubernetes: its connection fails. Another one answers, but an attach to it fails.
	connected := s.Group("rg") + "/providers/Microsoft.Kubernetes/connectedClusters/"
	connect := func(name, kubeconfig string) *apptest.Response {
		return s.Do(http.MethodPut, connected+name, apptest.Object{
			"location": "westeurope", "properties": apptest.Object{"keepCredential": true, "kubeconfig": kubeconfig},
		})
	}
	h, refused := apptest.StartHostile(t, time.Now().AddDate(1, 0, 0), "node")
	h.Be(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<html>"+strings.Repeat("not_Kubernetes", 20))
	})
	s.WaitOperation(connect("refused", refused))
	_, answers := apptest.StartHostile(t, time.Now().AddDate(1, 0, 0), "node")
	s.Succeed(connect("answers", answers))
	s.Do(http.MethodPut, s.Workspace("rg", "vision")+"/computes/far", apptest.AttachTo(connected+"answers", "DevTest"))
	const config = "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: c}}]\n" +
		"clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: c, user: {token: x}}]\n"
	connect("silent", config)
	registerModel(t, s, "digits", map[string]string{"weights.bin": "123", "labels/a.txt": "a"})
	return s
}

// TestAccessible: axe-core finds nothing, on any page, in both languages and both themes.
func TestAccessible(t *testing.T) {
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("axe-core is not installed (make test-browser installs it): %v", err)
	}
	b := open(t, filled(t))
	pages := everyPage(b.s)
	for _, lang := range []string{"en", "ko"} {
		for _, theme := range []string{"light", "dark"} {
			b.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}),
				network.SetExtraHTTPHeaders(network.Headers{"Accept-Language": lang}))
			b.run(storage.ClearCookies())
			b.visit("/studio/")
			b.accessible(string(axe), lang+" "+theme+" sign-in")
			b.fill("client", b.s.ClientID)
			b.fill("secret", b.s.ClientSecret)
			b.run(submit("form[action='/studio/sign-in']"))
			b.sees(map[string]string{"en": "Overview", "ko": "개요"}[lang])
			for _, path := range pages {
				b.visit(path)
				b.accessible(string(axe), lang+" "+theme+" "+path)
			}
			b.visit("/studio/w/rg/vision/new")
			b.run(press(`button[name=go][value=next]`), visible(`[name=purpose]`))
			b.run(chromedp.Evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })", nil))
			b.accessible(string(axe), lang+" "+theme+" second step")
			if lang == "ko" {
				b.picture("wizard-ko-" + theme)
			}
		}
	}
}

func (b *tab) accessible(axe, where string) {
	b.t.Helper()
	var found string
	b.run(chromedp.Evaluate(axe, nil), chromedp.Evaluate(`
		axe.run(document, {runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']})
			.then(r => JSON.stringify(r.violations.map(v => [v.id, v.help, v.nodes.map(n => n.html).slice(0, 3)])))`,
		&found, awaitPromise))
	var violations []any
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range violations {
		b.t.Errorf("%s: %v", where, v)
	}
}

// TestScripts: pages show untrusted names and tags as text and never run them.
func TestScripts(t *testing.T) {
	s := filled(t)
	_, config := apptest.StartHostile(t, time.Now().AddDate(1, 0, 0), script)
	s.Succeed(s.Do(http.MethodPut, s.Group("rg")+"/providers/Microsoft.Kubernetes/connectedClusters/hostile", apptest.Object{
		"location": "westeurope", "properties": apptest.Object{"keepCredential": true, "kubeconfig": config},
	}))
	b := open(t, s)
	b.signIn()
	b.visit("/studio/k/rg/connected/hostile")
	b.sees("<script>document.title") // the name of its node
	for _, path := range []string{
		"/studio/workspaces", "/studio/k/rg/connected/hostile", "/studio/k/rg/connected/hostile/workloads",
		"/studio/k/rg/connected/hostile/pods/default/runs",
		"/studio/w/rg/vision", "/studio/w/rg/vision?q=%3Cscript%3Edocument.title='owned'%3C/script%3E",
		"/studio/w/rg/%3Cscript%3E", "/studio/operations", "/studio/clusters",
	} {
		b.visit(path)
		b.sees("Berth")
		var title string
		b.run(chromedp.Title(&title))
		if strings.Contains(title, "owned") {
			t.Errorf("%s ran an untrusted script", path)
		}
	}
	b.visit("/studio/workspaces")
	b.sees("note=<script>")
	b.fill("name", script)
	b.click("Create")
	b.sees("is not valid")
	b.visit("/studio/w/rg/vision/new")
	b.click("Next")
	b.fill("name", script)
	b.sees("is not valid")
	var title string
	b.run(chromedp.Title(&title))
	if strings.Contains(title, "owned") {
		t.Error("the wizard ran what was typed")
	}
}

// TestWizardChecksEachField: a wrong value in a field is reported at this field.
func TestWizardChecksEachField(t *testing.T) {
	b := open(t, filled(t))
	b.signIn()
	b.visit("/studio/w/rg/vision/new")
	b.fill("size", "Standard_Nothing")
	b.sees("Standard_Nothing")
	b.fill("size", "Standard_D3_v2")
	b.click("Next")
	b.click("Advanced")
	b.run(press(`input[name=ssl][value=own]`))
	for name, value := range map[string]string{
		"name": "1", "nodes": "x", "subnet": "s", "servicecidr": "nonsense", "dns": "nonsense", "bridgecidr": "nonsense",
		"balancersubnet": "s", "cname": "*", "cert": "no PEM", "key": "no PEM",
	} {
		b.fill(name, value)
		if name == "nodes" { // a value that is not a number hides the findings at the other fields
			b.until(name, b.saying(name))
			b.fill(name, "1")
		}
	}
	for _, name := range []string{"name", "nodes", "subnet", "balancersubnet", "cert"} {
		b.until("something at "+name, b.saying(name))
	}
}

func (b *tab) saying(field string) func(string) bool {
	return func(string) bool {
		var said string
		b.run(chromedp.Evaluate(fmt.Sprintf("document.getElementById(%q)?.innerText ?? ''", "say-"+field), &said))
		return said != ""
	}
}

// TestSessionEnds in the middle of a form: the input is kept, and it is submitted only when the user submits it again.
func TestSessionEnds(t *testing.T) {
	b := open(t, filled(t))
	b.signIn()
	b.visit("/studio/workspaces")
	b.fill("name", "carefully-typed")
	b.run(storage.ClearCookies())
	b.click("Create")
	b.sees("Your session has ended")
	b.fill("client", b.s.ClientID)
	b.fill("secret", "wrong")
	b.run(submit("form[action='/studio/sign-in']"))
	b.sees("AADSTS")
	b.fill("secret", b.s.ClientSecret)
	b.run(submit("form[action='/studio/sign-in']"))
	b.sees("What you typed is kept")
	if r := b.s.Do(http.MethodGet, b.s.Workspace("rg", "carefully-typed"), nil); r.Status != http.StatusNotFound {
		t.Errorf("it was created without a confirmation: %d", r.Status)
	}
	b.click("Continue")
	b.sees("New workspace")
	var typed string
	b.run(read(`form[action='/studio/workspaces'] [name=name]`, "value", &typed))
	if typed != "carefully-typed" {
		t.Errorf("the form has %q instead of the typed name", typed)
	}
	b.click("Create")
	b.sees("No inference cluster yet")
}

// TestWithoutScripts: everything but the live progress works without them.
func TestWithoutScripts(t *testing.T) {
	b := open(t, filled(t))
	b.run(emulation.SetScriptExecutionDisabled(true))
	b.signIn()
	b.visit("/studio/w/rg/vision?sort=state&q=nothing-like-it")
	b.sees("New")
	b.visit("/studio/w/rg/vision/new")
	b.sees("Create new", "Use existing", "West Europe")
	b.run(press(`button[value=next]`))
	b.sees("Compute name", "= 12 of 12")
	b.run(keys(`[name=name]`, "a"), press(`button[value=check]`))
	b.sees("3 to 24")
	b.run(press(`button[value=back]`))
	b.sees("Use existing")
	b.visit("/studio/workspaces")
	b.run(keys(`form.row [name=name]`, "plain"), submit("form.row"))
	b.sees("No inference cluster yet")
}

// TestTwoWindows and a server that restarts: each page shows the present state without a reload.
func TestTwoWindows(t *testing.T) {
	dir := t.TempDir()
	var address string
	fixed := func(c *app.Config) {
		if address != "" {
			c.Listen = address
		}
	}
	s := apptest.In(t, dir, fixed)
	address = strings.TrimPrefix(s.Endpoint, "https://")
	s.MakeWorkspace("rg", "vision")
	one := open(t, s)
	one.signIn()
	one.visit("/studio/workspaces")
	two := one.another()
	two.visit("/studio/workspaces")
	two.sees("vision")
	one.fill("name", "second")
	one.click("Create")
	two.sees("second") // created in the other window
	s.Stop()
	two.sees("Not connected")
	s = apptest.In(t, dir, fixed)
	s.MakeWorkspace("rg", "third")
	two.seesNot("Not connected")
	two.sees("third")
	s.Do(http.MethodDelete, s.Workspace("rg", "second"), nil)
	two.seesNot("second")
	two.visit("/studio/w/rg/second")
	two.sees("Not found")
}
