// Package browser tests the studio in a real browser, on a real server with real clusters. It is its own module, so that the
// product does not depend on the libraries that drive a browser.
package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
)

// patience is the longest wait for a text on a page: it ends only what hangs, also on a machine that is busy with other tests.
const patience = 5 * time.Minute

// chromium is the browser: BERTH_CHROMIUM, or the one of the system.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("BERTH_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("there is no browser: run make test-browser, which installs Chromium where it may, or name one with BERTH_CHROMIUM")
	return ""
}

// tab is a window of a browser on a server.
type tab struct {
	t   *testing.T
	ctx context.Context
	s   *apptest.Server
}

// open starts a browser of its own for a server.
func open(t *testing.T, s *apptest.Server, options ...chromedp.ExecAllocatorOption) *tab {
	t.Helper()
	o := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.IgnoreCertErrors,
		chromedp.WSURLReadTimeout(patience), chromedp.WindowSize(1280, 860), chromedp.Flag("lang", "en"), chromedp.Flag("accept-lang", "en"))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(o, options...)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Run(ctx); err != nil { // the browser lives as long as the context of this first run
		t.Fatal(err)
	}
	return &tab{t, ctx, s}
}

// another is a second window of the same browser.
func (b *tab) another() *tab {
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	if err := chromedp.Run(ctx); err != nil {
		b.t.Fatal(err)
	}
	return &tab{b.t, ctx, b.s}
}

func (b *tab) run(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatalf("%v\non the page: %.1500s", err, b.text())
	}
}

// loads runs actions that end with a new page, and waits until that page is loaded.
func (b *tab) loads(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, actions...); err != nil {
		b.t.Fatalf("%v\non the page: %.1500s", err, b.text())
	}
}

func (b *tab) text() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	var out string
	_ = chromedp.Run(ctx, chromedp.Evaluate("document.body.innerText", &out))
	return out
}

func (b *tab) visit(path string) {
	b.t.Helper()
	b.run(chromedp.Navigate(b.s.Endpoint + path))
}

// sees waits until the page shows all of the words, after a navigation or an update of a part.
func (b *tab) sees(words ...string) {
	b.t.Helper()
	for _, w := range words {
		b.until("the page to show "+quote(w), func(text string) bool { return strings.Contains(text, w) })
	}
}

// seesOne waits until the page shows at least one of the words: the first, or what soon comes in its place.
func (b *tab) seesOne(words ...string) {
	b.t.Helper()
	b.until(fmt.Sprintf("one of %q", words), func(text string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	})
}

func (b *tab) seesNot(word string) {
	b.t.Helper()
	b.until("the page not to show "+quote(word), func(text string) bool { return text != "" && !strings.Contains(text, word) })
}

func (b *tab) until(what string, done func(text string) bool) {
	b.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !done(b.text()); <-tick.C {
		if time.Now().After(end) {
			b.t.Fatalf("%s did not appear; the page shows: %.1500s", what, b.text())
		}
	}
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

// click presses the link or button with this text.
func (b *tab) click(text string) {
	b.t.Helper()
	const pressable = `//*[self::a or self::button or self::summary or self::label][contains(normalize-space(.), %q)]`
	b.run(press(fmt.Sprintf(pressable, text)))
}

func (b *tab) fill(name, value string) {
	b.t.Helper()
	sel := fmt.Sprintf(`[name=%q]:not([type=hidden])`, name)
	b.run(visible(sel),
		chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q).value = ''", sel), nil),
		keys(sel, value))
}

func (b *tab) choose(name, value string) {
	b.t.Helper()
	const set = `(() => { const f = document.querySelector('form[data-check]'); f.elements[%q].value = %q;
		f.dispatchEvent(new Event('input', {bubbles: true})) })()`
	b.run(chromedp.Evaluate(fmt.Sprintf(set, name, value), nil))
}

func (b *tab) signIn() {
	b.t.Helper()
	b.visit("/studio/")
	b.fill("client", b.s.ClientID)
	b.fill("secret", b.s.ClientSecret)
	b.run(submit("form[action='/studio/sign-in']"))
	b.sees("Workspaces")
}

// picture stores screenshots of the page, at three widths, in the folder that BERTH_PICTURES names, if any.
func (b *tab) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("BERTH_PICTURES")
	if dir == "" {
		return
	}
	for _, width := range []int64{1280, 390, 320} {
		var data []byte
		b.run(emulation.SetDeviceMetricsOverride(width, 860, 1, width < 500), chromedp.ActionFunc(func(ctx context.Context) (err error) {
			time.Sleep(150 * time.Millisecond) // the layout of another width
			data, err = page.CaptureScreenshot().WithCaptureBeyondViewport(false).Do(ctx)
			return err
		}), emulation.ClearDeviceMetricsOverride())
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d.png", name, width)), data, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
}

func server(t *testing.T, change ...func(*app.Config)) *apptest.Server {
	t.Helper()
	return apptest.New(t, change...)
}

// TestWalkThrough goes through the life of a compute on real clusters: create, watch, scale, attach, detach, delete.
func TestWalkThrough(t *testing.T) {
	b := open(t, server(t, func(c *app.Config) { c.HealthEvery = "2s" }))
	b.visit("/studio/")
	b.picture("sign-in")
	b.signIn()
	b.sees("The first three steps")
	b.click("Create a workspace")
	b.sees("No workspace yet")
	b.fill("name", "vision")
	b.click("Create")
	b.sees("No inference cluster yet")
	b.picture("empty")

	b.click("New")
	b.sees("Create new", "Use existing", "sizes")
	b.picture("wizard-1")
	b.click("Next")
	b.sees("Compute name", "3 nodes × 4 vCPU = 12 of 12 needed")
	b.fill("nodes", "2")
	b.sees("2 nodes × 4 vCPU = 8 of 12 needed", "at least 12")
	b.fill("name", "a")
	b.sees("3 to 24") // every rule at once, at its field
	b.click("Advanced")
	b.picture("wizard-2")
	b.fill("name", "myaks")
	b.fill("nodes", "3")
	b.sees("= 12 of 12")
	b.click("The same as code")
	b.sees("az ml computetarget create aks", "provisioning_configuration")
	b.run(press(`button[name=go][value=create]`))
	b.seesOne("Creating", "Succeeded")
	b.picture("creating")
	b.sees("Succeeded", "3 / 3", "Reachable")
	b.picture("compute")

	b.click("Scale")
	b.fill("count", "1")
	b.run(submit("section.ask form"))
	b.sees("at least 12") // refused, with the reason
	b.fill("count", "4")
	b.picture("scale")
	b.run(submit("section.ask form"))
	b.sees("4 / 4", "Succeeded")

	own := b.makeCluster()
	b.visit("/studio/w/rg/vision/new")
	b.run(press(`input[name=mode][value=existing]`),
		press(fmt.Sprintf(`input[name=cluster][value=%q]`, own)))
	b.sees("attached already") // the other one cannot be chosen, and why
	b.picture("existing")
	b.click("Next")
	b.fill("name", "attached")
	b.choose("purpose", "DevTest")
	b.run(press(`button[name=go][value=create]`))
	b.sees("2 / 2", "Succeeded")
	b.visit("/studio/w/rg/vision")
	b.sees("myaks", "attached", "Healthy")
	b.picture("computes")
	b.visit("/studio/clusters")
	b.sees("own", "managed")
	b.picture("clusters")
	b.visit("/studio/versions")
	b.picture("versions")
	b.visit("/studio/w/rg/vision/c/attached")
	b.click("Detach")
	b.sees("own keeps running")
	b.picture("detach")
	b.run(submit("section.ask form"))
	b.sees("myaks")
	b.seesNot("DevTest") // gone from the list, by itself
	b.visit("/studio/w/rg/vision/c/myaks/delete")
	b.fill("confirm", "myaks")
	b.run(submit("section.ask form"))
	b.sees("No inference cluster yet")
	b.visit("/studio/operations")
	b.sees("Detach", "Delete", "Create")
	b.picture("operations")
	if strings.Contains(b.s.Log.String(), "level=ERROR") {
		t.Error(b.s.Log.String())
	}
}

// makeCluster creates a managed cluster on the page of clusters and scales it. It returns its id.
func (b *tab) makeCluster() (id string) {
	b.t.Helper()
	b.visit("/studio/clusters")
	b.fill("name", "own")
	b.fill("nodes", "1")
	b.click("Create")
	b.seesOne("Creating", "Succeeded")
	b.sees("Succeeded", "Ready", "Download the kubeconfig")
	b.click("Scale")
	b.fill("count", "2")
	b.run(submit("section.ask form"))
	b.sees("vmss000001")
	b.picture("cluster")
	return b.s.Cluster("rg", "own")
}

// TestPaint measures the time to the first paint of a page, and from a key to the answer of the rules, for the benchmarks.
func TestPaint(t *testing.T) {
	b := open(t, filled(t))
	b.signIn()
	for _, path := range []string{"/studio/workspaces", "/studio/w/rg/vision", "/studio/w/rg/vision/new"} {
		b.visit(path)
		var at float64
		b.run(chromedp.Evaluate(`new Promise(done => new PerformanceObserver(
			l => l.getEntriesByName('first-contentful-paint').forEach(e => done(e.startTime))
			).observe({type: 'paint', buffered: true}))`, &at, awaitPromise))
		t.Logf("first contentful paint of %s: %.0f ms", path, at)
	}
	b.visit("/studio/w/rg/vision/new")
	b.click("Next")
	b.fill("name", "fine")
	var took float64
	b.run(chromedp.Evaluate(`new Promise(done => { const f = document.querySelector('[name=nodes]'), start = performance.now();
		new MutationObserver(() => done(performance.now() - start)).observe(document.querySelector('.sum'), {childList: true});
		f.value = '2'; f.dispatchEvent(new Event('input', {bubbles: true})) })`, &took, awaitPromise))
	t.Logf("from a key to the rules' answer at the field: %.0f ms", took)
}

// awaitPromise makes Evaluate wait for the promise of a script.
func awaitPromise(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
