package browser

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"berth.dev/berth/app/apptest"
)

// noEnglish fails the test when the page has words of English, besides names, the code in <pre> and what clusters say. It returns the text
// of the page.
func (b *tab) noEnglish(where string) (text string) {
	b.t.Helper()
	// In one script: a page that renews itself would put back what an earlier script had hidden.
	b.run(chromedp.Evaluate(`document.querySelectorAll('pre, code, select, [translate=no]').forEach(e => { e.style.display = 'none' })
		document.querySelector('main').innerText`, &text))
	if found := apptest.EnglishIn(text); found != "" || text == "" {
		b.t.Errorf("%s is not all Korean: %q in\n%.1500s", where, found, text)
	}
	return text
}

// post sends a form from a page of the studio and shows the answer, as a browser without scripts does.
func (b *tab) post(path string, values map[string]string) {
	b.t.Helper()
	b.loads(chromedp.Evaluate(fmt.Sprintf(`(() => {
		const f = document.createElement('form');
		f.method = 'post'; f.action = %q;
		for (const [name, value] of Object.entries(%s)) {
			const field = document.createElement('textarea');
			field.name = name; field.value = value; f.append(field);
		}
		document.body.append(f); f.submit() })()`, path, toJSON(values)), nil))
}

func toJSON(values map[string]string) string {
	text, _ := json.Marshal(values) // texts
	return string(text)
}

// wizardRefusals are forms of the wizard that the rules refuse: what differs from a form that they accept.
func wizardRefusals(s *apptest.Server) map[string]map[string]string {
	type form = map[string]string
	const foreign = "11111111-2222-3333-4444-555555555555"
	with := func(base form, changes ...string) form {
		out := maps.Clone(base)
		for i := 0; i < len(changes); i += 2 {
			out[changes[i]] = changes[i+1]
		}
		return out
	}
	network := form{"networkgroup": "rg", "network": "net", "subnet": "nodes", "servicecidr": "10.0.0.0/16", "dns": "10.0.0.10",
		"bridgecidr": "172.17.0.1/16"}
	own := form{"ssl": "own", "cname": "a.example", "cert": "no PEM", "key": "no PEM"}
	existing := func(cluster string) form { return form{"mode": "existing", "cluster": cluster, "purpose": "DevTest"} }
	return map[string]form{
		"a reserved name": {"name": "local"}, "a short name": {"name": "a"}, "a name with a space": {"name": "a b"}, "no name": {"name": ""},
		"no nodes": {"nodes": "0"}, "too few vCPUs": {"nodes": "1"}, "too many nodes": {"nodes": "2000"}, "nodes: no number": {"nodes": "x"},
		"an unknown size": {"size": "Standard_Nothing"}, "a burstable size": {"size": "Standard_B2s"}, "a small size": {"size": "Standard_A1_v2"},
		"an unknown purpose": {"purpose": "Fun"}, "an unknown location": {"location": "atlantis"},
		"an unknown load balancer": {"balancer": "Wrong"}, "a subnet of a public load balancer": {"balancersubnet": "s"},
		"half a network": {"network": "net"}, "a network that does not exist": with(network, "network", "nowhere"),
		"a subnet that does not exist":      network,
		"a service range that is none":      with(network, "servicecidr", "nonsense"),
		"a range that AKS reserves":         with(network, "servicecidr", "169.254.0.0/16"),
		"a service range that is too large": with(network, "servicecidr", "10.0.0.0/8"),
		"a DNS address that is none":        with(network, "dns", "nonsense"),
		"a DNS address outside":             with(network, "dns", "10.9.0.10"), "the first address for DNS": with(network, "dns", "10.0.0.1"),
		"a bridge that is none":         with(network, "bridgecidr", "nonsense"),
		"a bridge in the service range": with(network, "bridgecidr", "10.0.0.1/16"),
		"half a certificate":            {"ssl": "own", "cname": "a.example"}, "a certificate that is none": own,
		"a label that is missing":          {"ssl": "leaf"},
		"a label without a public address": {"ssl": "leaf", "leaf": "a", "balancer": "InternalLoadBalancer"},
		"a cluster that does not exist":    existing(s.Cluster("rg", "nowhere")), "an id that is none": existing("not/an/id"),
		"the id of something else":   existing(s.Workspace("rg", "vision")),
		"a foreign cluster":          existing(strings.Replace(s.Cluster("rg", "x"), s.SubscriptionID, foreign, 1)),
		"a cluster that failed":      existing(s.Group("rg") + "/providers/Microsoft.Kubernetes/connectedClusters/refused"),
		"a cluster that is attached": existing(s.Cluster("rg", "held")),
	}
}

// TestRefusalsInKorean: for a visitor who reads Korean, every refusal that a form can meet, every failure and every page that reports
// on a cluster is in Korean, and so are the pages that replace one.
func TestRefusalsInKorean(t *testing.T) {
	s := filled(t)
	s.Succeed(s.Do(http.MethodPut, s.Cluster("rg", "held"), apptest.ClusterOf(1, "Standard_D3_v2")))
	s.Succeed(s.Do(http.MethodPut, s.Workspace("rg", "vision")+"/computes/holder", apptest.AttachTo(s.Cluster("rg", "held"), "DevTest")))
	b := open(t, s)
	b.speak("ko")
	b.visit("/studio/")
	b.post("/studio/sign-in", map[string]string{"client": s.ClientID, "secret": "wrong"})
	if text := b.noEnglish("a wrong secret"); !strings.Contains(text, "클라이언트 비밀이 잘못되었습니다") {
		t.Errorf("the refusal of a sign-in: %s", text)
	}
	b.post("/studio/sign-in", map[string]string{"client": "nobody", "secret": "wrong"})
	b.noEnglish("an unknown client")
	b.fill("client", s.ClientID)
	b.fill("secret", s.ClientSecret)
	b.run(submit("form[action='/studio/sign-in']"))
	b.sees("개요")
	for name, changes := range wizardRefusals(s) {
		form := map[string]string{"mode": "create", "location": "westeurope", "size": "Standard_D3_v2", "name": "fine", "purpose": "FastProd",
			"nodes": "3", "go": "create"}
		maps.Copy(form, changes)
		b.visit("/studio/w/rg/vision/new")
		b.post("/studio/w/rg/vision/new", form)
		b.refused("the wizard with " + name)
	}
	for _, c := range otherRefusals() {
		b.visit(c.page)
		b.post(c.page, c.form)
		b.refused(c.page + " with " + c.name)
	}
	for _, path := range append(everyPage(s), "/studio/w/rg/vision/c/far", "/studio/w/rg/vision/c/holder", "/studio/w/rg/vision/c/nowhere",
		"/studio/k/rg/connected/refused", "/studio/k/rg/managed/held", "/studio/k/rg/managed/nowhere") {
		b.visit(path)
		b.noEnglish(path)
	}
	if list := s.Want(http.StatusOK, s.Do(http.MethodGet, s.Group("rg")+"/resources", nil)); strings.Contains(list.Text, "/fine") {
		t.Errorf("a refused form made something: %s", list.Text)
	}
}

// refused checks a page that shows a form again with what is wrong in it.
func (b *tab) refused(where string) {
	b.t.Helper()
	b.noEnglish(where)
	var said string
	b.run(chromedp.Evaluate(`[...document.querySelectorAll('main .problems, main .bad, main [role=alert], main [id^=say-]')].map(
		e => e.innerText).join('')`, &said))
	if said == "" {
		b.t.Errorf("%s: the page reports nothing: %.2000s", where, b.text())
	}
}

// formRefusal is a form of another page that is refused.
type formRefusal struct {
	page, name string
	form       map[string]string
}

func otherRefusals() []formRefusal {
	type form = map[string]string
	cluster := func(name, value string) form {
		out := form{"name": "k", "group": "rg", "location": "westeurope", "version": "1.36", "nodes": "1", "size": "Standard_D3_v2"}
		out[name] = value
		return out
	}
	connect := func(kubeconfig string) form {
		return form{"name": "new", "group": "rg", "location": "westeurope", "kubeconfig": kubeconfig, "go": "check"}
	}
	const config = "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: c}}]\n" +
		"clusters: [{name: c, cluster: {server: '%s'}}]\nusers: [{name: c, user: %s}]\n"
	exec := "{exec: {command: aws}}"
	return []formRefusal{
		{"/studio/workspaces", "a short name", form{"name": "a", "group": "rg", "location": "westeurope"}},
		{"/studio/workspaces", "a name with a space", form{"name": "a b", "group": "rg", "location": "westeurope"}},
		{"/studio/workspaces", "an unknown location", form{"name": "fine", "group": "rg", "location": "atlantis"}},
		{"/studio/workspaces", "a group that cannot be", form{"name": "fine", "group": "rg.", "location": "westeurope"}},
		{"/studio/clusters", "a name that cannot be", cluster("name", "-")},
		{"/studio/clusters", "no nodes", cluster("nodes", "0")},
		{"/studio/clusters", "nodes that are no number", cluster("nodes", "x")},
		{"/studio/clusters", "an unknown version", cluster("version", "1.12")},
		{"/studio/clusters", "an unknown size", cluster("size", "Standard_Nothing")},
		{"/studio/clusters", "an unknown location", cluster("location", "atlantis")},
		{"/studio/clusters/connect", "no kubeconfig", connect("")},
		{"/studio/clusters/connect", "no YAML", connect("{")},
		{"/studio/clusters/connect", "a command", connect(fmt.Sprintf(config, "https://127.0.0.1:1", exec))},
		{"/studio/clusters/connect", "no credential", connect(fmt.Sprintf(config, "https://127.0.0.1:1", "{}"))},
		{"/studio/clusters/connect", "an address of plain HTTP", connect(fmt.Sprintf(config, "http://127.0.0.1:1", "{token: x}"))},
		{"/studio/clusters/connect", "a cluster that does not answer", connect(fmt.Sprintf(config, "https://127.0.0.1:1", "{token: x}"))},
		{"/studio/clusters/connect", "a forbidden address", connect(fmt.Sprintf(config, "https://169.254.169.254", "{token: x}"))},
		{"/studio/w/rg/vision/c/holder/scale", "another number of nodes", form{"count": "9"}},
		{"/studio/w/rg/vision/c/holder/scale", "no number", form{"count": "x"}},
		{"/studio/w/rg/vision/c/holder/delete", "the name", form{"confirm": "holder"}},
		{"/studio/w/rg/vision/c/holder/delete", "another name", form{"confirm": "other"}},
		{"/studio/k/rg/managed/held/scale", "no nodes", form{"count": "0"}},
		{"/studio/k/rg/managed/held/scale", "no number", form{"count": "x"}},
		{"/studio/k/rg/managed/held/delete", "another name", form{"confirm": "other"}},
		{"/studio/w/rg/vision/delete", "another name", form{"confirm": "other"}},
	}
}
