package browser

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
)

// everyPage are the pages of the server that filled makes, each with content.
func everyPage(s *apptest.Server) []string {
	all := s.Do(http.MethodGet, "/subscriptions/"+s.SubscriptionID+"/operations", nil)
	failed := ""
	for _, op := range apptest.At(all.Body, "value").([]any) {
		if apptest.At(op, "status") == "Failed" {
			failed = apptest.At(op, "name").(string)
		}
	}
	return []string{
		"/studio/", "/studio/workspaces", "/studio/w/rg/vision", "/studio/w/rg/vision/new", "/studio/w/rg/vision/delete",
		"/studio/clusters", "/studio/clusters/connect", "/studio/k/rg/connected/silent", "/studio/k/rg/connected/silent/disconnect",
		"/studio/k/rg/connected/answers/workloads", "/studio/k/rg/connected/answers/workloads?namespace=default",
		"/studio/k/rg/connected/answers/workloads?node=node", "/studio/k/rg/connected/answers/pods/default/loops",
		"/studio/k/rg/connected/answers/pods/default/gone", "/studio/k/rg/connected/silent/workloads",
		"/studio/versions", "/studio/access", "/studio/operations", "/studio/operations/" + failed, "/studio/w/rg/nowhere", "/studio/nowhere",
		"/studio/operations/no-such-operation", "/studio/w/rg/vision/models", "/studio/w/rg/vision/models/digits",
		"/studio/w/rg/vision/models/digits/1/delete", "/studio/w/rg/vision/models/nowhere", "/studio/w/rg/vision/register",
		"/studio/w/rg/vision/endpoints", "/studio/w/rg/vision/endpoints/nowhere", "/studio/w/rg/vision/deploy",
		"/studio/w/rg/tagged/models", "/studio/w/rg/tagged/deploy",
	}
}

// speak makes the browser ask for pages in a language.
func (b *tab) speak(lang string) {
	b.t.Helper()
	b.run(network.SetExtraHTTPHeaders(network.Headers{"Accept-Language": lang}))
}

// TestNoOverflow: no page is wider than the window, from 320 pixels on. The second step of the wizard and the confirmations too.
func TestNoOverflow(t *testing.T) {
	s := filled(t)
	b := open(t, s)
	b.visit("/studio/")
	b.fits("sign-in")
	b.signIn()
	for _, lang := range []string{"en", "ko"} {
		b.speak(lang)
		for _, path := range everyPage(s) {
			b.visit(path)
			b.run(chromedp.Evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })", nil))
			b.fits(lang + path)
			b.picture("page-" + lang + strings.ReplaceAll(strings.TrimPrefix(path, "/studio"), "/", "-"))
		}
		b.visit("/studio/w/rg/vision/new")
		b.run(press(`button[name=go][value=next]`), visible(`[name=purpose]`))
		b.run(chromedp.Evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })", nil))
		b.fits(lang + " second step of the wizard")
	}
}

// fits fails the test when the page is wider than a window of these widths.
func (b *tab) fits(where string) {
	b.t.Helper()
	for _, width := range []int64{320, 390, 768} {
		b.run(emulation.SetDeviceMetricsOverride(width, 860, 1, width < 500))
		found := b.settles(`(() => {
			const over = document.documentElement.scrollWidth - window.innerWidth;
			const wide = [...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > window.innerWidth + 1
				&& !e.closest('.scroll, pre, .rail'));
			return window.innerWidth > ` + fmt.Sprint(width) + ` || over > 0 || wide.length
				? window.innerWidth + ' px, ' + over + ' px over: '
					+ wide.slice(0, 3).map((e) => e.outerHTML.slice(0, 120)).join(' … ') : '' })()`)
		b.run(emulation.ClearDeviceMetricsOverride())
		if found != "" {
			b.t.Errorf("%s at %d px: %s", where, width, found)
		}
	}
}

// settles evaluates a script until it finds nothing, and at most as often as a page needs to get its new layout. It returns what is found.
func (b *tab) settles(script string) (found string) {
	b.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range 200 {
		if b.run(chromedp.Evaluate(script, &found)); found == "" {
			break
		}
		<-tick.C
	}
	return found
}

// TestLinks follows every link of every page, in both languages, and gets 200 from each.
func TestLinks(t *testing.T) {
	s := filled(t)
	s.Want(http.StatusOK, s.Do(http.MethodPut, s.Workspace("rg", "gone"), apptest.Object{"location": "westeurope"}))
	s.Succeed(s.Do(http.MethodDelete, s.Workspace("rg", "gone"), nil)) // its operations stay in the list
	b := open(t, s)
	b.signIn()
	for _, lang := range []string{"en", "ko"} {
		b.speak(lang)
		b.visit("/studio/")
		var dead []string
		var visited int
		b.run(chromedp.Evaluate(`(async () => {
			window.dead = [];
			const seen = new Set(['/studio/']), todo = [['/studio/', 'the start']];
			while (todo.length) {
				const [at, from] = todo.shift();
				const answer = await fetch(at);
				if (answer.status !== 200) window.dead.push(at + ' on ' + from + ': ' + answer.status);
				if (!answer.headers.get('Content-Type').startsWith('text/html')) continue;
				const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
				for (const link of page.querySelectorAll('a[href]')) {
					const to = new URL(link.getAttribute('href'), new URL(at, location.href));
					const next = to.pathname + to.search;
					if (to.origin !== location.origin) window.dead.push(next + ' on ' + at + ': another server');
					else if (!seen.has(next)) { seen.add(next); todo.push([next, at]); }
				}
			}
			return seen.size })()`, &visited, awaitPromise), chromedp.Evaluate("window.dead", &dead))
		if visited < 15 || len(dead) > 0 {
			t.Errorf("%s: of %d addresses, these are dead: %v", lang, visited, dead)
		}
	}
}

// TestMissing: an address without a page has the studio's own page, in the visitor's language, with ways on; signed in or not.
func TestMissing(t *testing.T) {
	b := open(t, server(t))
	b.visit("/studio/no/such/page")
	b.sees("This page does not exist", "Overview")
	b.signIn()
	b.visit("/studio/nowhere")
	b.sees("This page does not exist", "Sign out")
	b.click("Clusters")
	b.sees("New managed cluster")
	b.speak("ko")
	b.visit("/studio/nowhere")
	b.sees("페이지가 없습니다", "개요")
	var status int
	b.run(chromedp.Evaluate("fetch('/studio/nowhere').then(r => r.status)", &status, awaitPromise))
	if status != http.StatusNotFound {
		t.Errorf("the page has the status %d", status)
	}
}

// TestSizes: a size that the rules refuse comes last and says so, and it is refused on the step where it is chosen.
func TestSizes(t *testing.T) {
	b := open(t, filled(t))
	b.signIn()
	b.visit("/studio/w/rg/vision/new")
	b.fill("size", "Standard_B")
	b.sees("burstable")
	b.fill("size", "Standard_D")
	b.until("the picker to list sizes", func(text string) bool { return strings.Contains(text, "Standard_D1") })
	var first, last string
	b.run(chromedp.Evaluate(`document.querySelector('.sizes tbody tr:first-child').innerText`, &first),
		chromedp.Evaluate(`fetch(document.querySelector('.picker').dataset.sizes).then(r => r.json()).then(all => {
			const refused = all.findIndex((z) => z[5]);
			return refused > 0 && all.slice(refused).every((z) => z[5]) ? all[all.length - 1][5] : 'not last' })`, &last, awaitPromise))
	if strings.Contains(first, "Refused") || !strings.Contains(last, "VM size") {
		t.Errorf("the first size is %q, the last one is refused for %q", first, last)
	}
	b.fill("size", "Standard_B2s")
	// The field says it too, a moment after the list, and moves the button: a click on its way would miss.
	b.until("the field to refuse the size", func(text string) bool { return strings.Count(text, "burstable B series") >= 2 })
	b.loads(press(`button[value=next]`))
	b.sees("burstable", "Use existing") // still on the first step
	b.run(emulation.SetScriptExecutionDisabled(true))
	b.visit("/studio/w/rg/vision/new")
	b.run(set(`[name=size]`, "Standard_A1_v2"), press(`button[value=next]`))
	b.sees("System pool", "Use existing")
}

// TestNothingMoves: the buttons below the picker stay where they are when the sizes arrive, and when a filter leaves none, so that no
// click misses.
func TestNothingMoves(t *testing.T) {
	b := open(t, filled(t))
	b.signIn()
	b.run(page.Enable(), chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(`(() => { const real = window.fetch; window.held = new Promise(go => window.release = go);
			window.fetch = async (...of) => { const answer = await real(...of); await window.held; return answer; }; })()`).Do(ctx)
		return err
	}))
	b.visit("/studio/w/rg/vision/new")
	place := func() (top float64) {
		b.run(chromedp.Evaluate(`document.querySelector('button[value=next]').getBoundingClientRect().top + scrollY`, &top))
		return top
	}
	before := place()
	b.run(chromedp.Evaluate("window.release()", nil))
	b.until("the sizes", func(text string) bool { return strings.Contains(text, "Standard_A2_v2") })
	if after := place(); after != before {
		t.Errorf("the button was at %v and is at %v after the sizes arrived", before, after)
	}
	b.run(keys(`[data-min="1"]`, "9999"))
	b.until("no sizes", func(text string) bool { return !strings.Contains(text, "Standard_A2_v2") })
	if after := place(); after != before {
		t.Errorf("the button was at %v and is at %v without sizes", before, after)
	}
}

// TestDeleteAsksForTheName: with scripts the button is disabled until the name is typed; without them the server refuses.
func TestDeleteAsksForTheName(t *testing.T) {
	s := filled(t)
	b := open(t, s)
	b.signIn()
	b.visit("/studio/w/rg/vision/c/far/delete")
	disabled := func() (is bool) {
		b.run(chromedp.Evaluate("document.querySelector('section.ask button.danger').disabled", &is))
		return is
	}
	if !disabled() {
		t.Error("the button is enabled before the name is typed")
	}
	b.fill("confirm", "far")
	if disabled() {
		t.Error("the button is disabled after the name was typed")
	}
	b.run(emulation.SetScriptExecutionDisabled(true))
	for _, page := range []string{"/studio/w/rg/vision/c/far/delete", "/studio/w/rg/tagged/delete"} {
		b.visit(page)
		b.loads(keys("[name=confirm]", "other"), press("main button.danger"))
		b.sees("To confirm, type")
	}
	for _, id := range []string{s.Workspace("rg", "vision") + "/computes/far", s.Workspace("rg", "tagged")} {
		s.Want(http.StatusOK, s.Do(http.MethodGet, id, nil))
	}
}

// TestConnect connects a real cluster from the page: what was found and what is created is shown first, by a pasted kubeconfig and by
// a file, and the kubeconfig is in no page, address or log.
func TestConnect(t *testing.T) {
	s := server(t, func(c *app.Config) { c.ClusterRanges = []string{"127.0.0.0/8"} })
	s.MakeWorkspace("rg", "vision")
	s.Succeed(s.Do(http.MethodPut, s.Cluster("rg", "source"), apptest.ClusterOf(1, "Standard_D3_v2")))
	config := string(s.ClusterKeys(s.Cluster("rg", "source")))
	secret := config[strings.LastIndex(config, ": ")+2:]
	secret = strings.TrimSpace(secret)[:40]
	b := open(t, s)
	b.signIn()
	b.visit("/studio/clusters/connect")
	b.run(set("[name=name]", "edge"), set("[name=kubeconfig]", config))
	b.click("Check the cluster")
	b.sees("What was found in edge", "1 of 1 nodes", "Namespace berth-system", "ServiceAccount berth-system/berth-connection", "ClusterRole")
	b.picture("connect-2")
	b.hides(secret)
	b.fits("second step of connecting")
	b.loads(chromedp.Evaluate(`document.querySelector('button[value=back]').click()`, nil)) // the widths above have moved the button
	b.sees("was received and is kept")
	b.hides(secret)
	b.fill("context", "")
	b.run(set("[name=name]", "-"))
	b.click("Check the cluster")
	b.sees("is not possible")
	b.hides(secret)
	b.run(set("[name=name]", "edge"))
	b.click("Check the cluster")
	b.sees("What was found in edge")
	b.run(press("button[value=connect]"))
	b.sees("Succeeded", "connected", "rights of Berth")
	b.hides(secret)

	// The same by a file, without scripts, keeping the credential.
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	b.run(emulation.SetScriptExecutionDisabled(true))
	b.visit("/studio/clusters/connect")
	b.run(keys("[name=name]", "kept"), press("[name=keep]"),
		upload("[name=file]", file), press("button[value=check]"))
	b.sees("What was found in kept", "Nothing. Berth stores the credential")
	b.hides(secret)
	b.run(press("button[value=connect]"))
	b.sees("kept", "Attached as")
	b.visit("/studio/clusters")
	b.sees("edge", "kept", "source")
	b.hides(secret)
	if strings.Contains(s.Log.String(), secret) {
		t.Error("the kubeconfig is in the log")
	}
}

// hides fails the test when the page or its address has a secret.
func (b *tab) hides(secret string) {
	b.t.Helper()
	var page, at string
	b.run(read("html", "outerHTML", &page), chromedp.Location(&at))
	if strings.Contains(page, secret) || strings.Contains(at, secret) || strings.Contains(at, "kubeconfig") {
		b.t.Errorf("the kubeconfig is in the page %s", at)
	}
}

// TestOverview: the three first steps on an empty server; then health, capacity, failures with their caller.
func TestOverview(t *testing.T) {
	b := open(t, server(t))
	b.signIn()
	b.sees("The first three steps", "Create a workspace", "Connect a cluster")
	b.picture("overview-empty")
	b = open(t, filled(t))
	b.signIn()
	b.sees("Needs attention", "refused", "Latest failures", "Capacity", "silent", "did not answer", "by "+callerOf(b))
	b.picture("overview")
	b.run(press(`//a[contains(., "Create refused")]`))
	b.sees("Failed", "Resource ID", callerOf(b))
	b.visit("/studio/operations")
	b.sees("By", callerOf(b))
}

// TestSimulatedNodes: where this machine cannot run real nodes, the pages of the cluster say that its nodes are simulated, and why.
func TestSimulatedNodes(t *testing.T) {
	alone := filepath.Join(t.TempDir(), "berth-kube") // without berth-nodes beside it
	if err := os.Symlink(apptest.KubeBinary(t), alone); err != nil {
		t.Fatal(err)
	}
	s := server(t, func(c *app.Config) { c.Nodes, c.KubeBinary = "auto", alone })
	s.MakeWorkspace("rg", "vision")
	s.Succeed(s.Do(http.MethodPut, s.Cluster("rg", "small"), apptest.ClusterOf(1, "Standard_D3_v2")))
	b := open(t, s)
	b.signIn()
	b.sees("1 / 1 simulated")
	b.visit("/studio/clusters")
	b.sees("1 simulated")
	b.fits("clusters")
	b.picture("nodes-clusters")
	b.visit("/studio/k/rg/managed/small")
	b.sees("1 simulated", "this machine cannot run real ones: the program that runs nodes is not at", "no container runs")
	b.fits("cluster")
	b.picture("nodes-cluster")
	b.speak("ko")
	b.visit("/studio/k/rg/managed/small")
	b.sees("1 시뮬레이션", "컨테이너가 실행되지 않습니다")
}

// callerOf is the name of the application that has signed in.
func callerOf(b *tab) (name string) {
	b.t.Helper()
	b.run(read(".who", "innerText", &name))
	return name
}

// TestKorean: times and results are written as Korean does, and words are not broken in the middle.
func TestKorean(t *testing.T) {
	b := open(t, filled(t))
	b.signIn()
	b.speak("ko")
	b.visit("/studio/w/rg/vision")
	b.sees("유추 클러스터")
	b.visit("/studio/k/rg/connected/refused")
	b.sees("만들기 실패", "초")
	var rule string
	b.run(chromedp.Evaluate("getComputedStyle(document.querySelector('main p, main dt')).wordBreak", &rule))
	if rule != "keep-all" {
		t.Errorf("word-break is %q", rule)
	}
}
