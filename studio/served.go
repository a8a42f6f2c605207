package studio

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// servedLog is the log of one container of one pod of an endpoint.
type servedLog struct {
	Cluster   berth.ID
	Link      string // of the cluster
	Pods      []berth.PodFacts
	Pod       berth.PodFacts // whose log is shown; without a name when there is none
	Container string
	Lines     []berth.LogLine
	Whole     bool
	Problem   string // why there is none
}

// Names of pods: behind that of the Deployment are a hash and a random word. That of a deployment of an online endpoint has the names of
// both, cut, and a digest.
const (
	podOfService    = "-[a-z0-9]{1,12}-[a-z0-9]{5}$"
	podOfDeployment = "-[0-9a-f]{8}" + podOfService
	maxPodName      = 36
)

// has reports whether a pod is one of the endpoint, by its name.
func (e endpointView) has(pod string) bool {
	match := func(name, end string) bool {
		return regexp.MustCompile("^" + regexp.QuoteMeta(name) + end).MatchString(pod)
	}
	if !e.Online {
		return match(e.Name, podOfService)
	}
	for _, d := range e.Deployments {
		name := strings.ToLower(e.Name + "-" + d.Name)
		if match(strings.TrimRight(name[:min(len(name), maxPodName)], "-"), podOfDeployment) {
			return true
		}
	}
	return false
}

// modelContainer is the container that answers.
const modelContainer = "model"

// servedLog reads the pods of an endpoint and the log of one of them: of the one that the address names, else of the newest.
func (v *visit) servedLog(cluster berth.ID, e endpointView) (d servedLog) {
	ctx, q := v.r.Context(), v.r.URL.Query()
	d.Cluster, d.Link = cluster, clusterLink(cluster)
	found, err := v.arm.Workloads(ctx, cluster, berth.WorkloadsQuery{})
	if err != nil {
		d.Problem = v.Said(err.Error())
		return d
	}
	for _, p := range found.Pods {
		if e.has(p.Name) && strings.HasPrefix(p.Namespace, "azureml-") {
			d.Pods = append(d.Pods, p)
		}
	}
	slices.SortFunc(d.Pods, func(a, b berth.PodFacts) int { return b.Created.Compare(a.Created) })
	for _, p := range d.Pods {
		if d.Pod.Name == "" || p.Name == q.Get("pod") {
			d.Pod = p
		}
	}
	if d.Pod.Name == "" {
		return d
	}
	one, err := v.arm.Workloads(ctx, cluster, berth.WorkloadsQuery{Namespace: d.Pod.Namespace, Pod: d.Pod.Name})
	if err != nil || len(one.Pods) == 0 {
		d.Problem = v.T("pod.gone", d.Pod.Name)
		return d
	}
	d.Pod, d.Container = one.Pods[0], d.shown(one.Pods[0], q.Get("container"))
	d.Lines, d.Whole, err = v.arm.Log(ctx, cluster, berth.LogQuery{Namespace: d.Pod.Namespace, Pod: d.Pod.Name, Container: d.Container})
	if err != nil {
		d.Problem = v.Said(err.Error())
	}
	return d
}

// shown is the container whose log is shown: the one that was asked for, else the one that holds the pod up, else the one that answers.
func (servedLog) shown(p berth.PodFacts, asked string) string {
	for _, c := range p.Parts {
		if c.Name == asked {
			return asked
		}
	}
	for _, c := range p.Parts {
		if c.Init && !c.Ended && c.State != "Waiting" {
			return c.Name
		}
	}
	return modelContainer
}

// Of is the page with the log of another container or pod.
func (d servedLog) Of(page, pod, container string) string {
	return page + "?" + url.Values{"pod": {pod}, "container": {container}}.Encode() + "#log"
}

// Stream is the address of the lines that follow those on the page; empty when there is no log.
func (d servedLog) Stream() string {
	if d.Pod.Name == "" || d.Pod.Simulated || d.Container == "" {
		return ""
	}
	q := url.Values{"container": {d.Container}}
	if n := len(d.Lines); n > 0 && !d.Lines[n-1].At.IsZero() {
		q.Set("after", d.Lines[n-1].At.Format(time.RFC3339Nano))
	}
	return d.PodPage() + "/log?" + q.Encode()
}

// PodPage is the page of the pod.
func (d servedLog) PodPage() string {
	return d.Link + "/pods/" + escape(d.Pod.Namespace) + "/" + escape(d.Pod.Name)
}

// testView is a request to an endpoint, as typed, and what was answered.
type testView struct {
	Input string
	// Deployment is the one of an online endpoint that is to answer; empty for one by the traffic.
	Deployment string
	Status     int // 0 when nothing was sent
	Said       string
	Body       string
	Cut        bool // Body is only the beginning
	Reason     string
	Took       time.Duration
	Headers    []headerView
	Problem    string
}

type headerView struct{ Name, Value string }

// Bounds of a test: how many at once, how long, and how much of the answer is shown.
const (
	maxTests     = 8
	testPatience = 100 * time.Second
	maxShown     = 128 << 10
	maxHeaders   = 40
)

// test sends a request to the endpoint, through the router as every client does, with the key of the endpoint. The address is the
// endpoint's own.
func (v *visit) test(d endpointData) error {
	d.Do = ""
	e, _, err := v.served()
	if err != nil {
		return err
	}
	select {
	case v.tests <- struct{}{}:
		defer func() { <-v.tests }()
	default:
		d.Test.Problem, v.status = v.T("test.many", maxTests), http.StatusServiceUnavailable
		return v.showEndpoint(d)
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), testPatience)
	defer cancel()
	key, err := v.credential(ctx, e)
	if err != nil {
		return err
	}
	if e.Address == "" {
		d.Test.Problem, v.status = v.T("test.early"), http.StatusConflict
		return v.showEndpoint(d)
	}
	start := time.Now()
	answer, err := v.arm.Score(ctx, client.ScoreRequest{URI: e.Address, Key: key, Body: []byte(d.Test.Input), Most: maxShown, Dial: v.Dial,
		Deployment: d.Test.Deployment})
	d.Test.Took = time.Since(start)
	if err != nil {
		d.Test.Problem = v.Said(err.Error())
		return v.showEndpoint(d)
	}
	d.Test.answered(answer)
	return v.showEndpoint(d)
}

// answered takes an answer in, as text that can be shown.
func (t *testView) answered(a client.Scored) {
	t.Status, t.Said = a.Status, http.StatusText(a.Status)
	t.Cut = a.Cut
	t.Reason, t.Body = a.Reason, strings.ToValidUTF8(string(a.Body), "\uFFFD")
	var pretty bytes.Buffer
	if !a.Cut && utf8.Valid(a.Body) && json.Indent(&pretty, a.Body, "", "  ") == nil && pretty.Len() < 2*maxShown {
		t.Body = pretty.String()
	}
	for _, name := range slices.Sorted(maps.Keys(a.Header)) {
		if len(t.Headers) < maxHeaders {
			value := []rune(strings.Join(a.Header[name], ", "))
			t.Headers = append(t.Headers, headerView{name, string(value[:min(len(value), 500)])})
		}
	}
}

// Good reports whether the model has answered.
func (t testView) Good() bool { return t.Status > 0 && t.Status < http.StatusBadRequest }

// Answered shows the status of an answer.
func (v *visit) Answered(t testView) stateView {
	if t.Good() {
		return stateView{"good", "good", strings.TrimSpace(v.T("test.status", t.Status, t.Said))}
	}
	return stateView{"bad", "bad", strings.TrimSpace(v.T("test.status", t.Status, t.Said))}
}

// credential is the key or the token that an endpoint takes; empty when it takes every request.
func (v *visit) credential(ctx context.Context, e endpointView) (string, error) {
	switch {
	case e.Auth == berth.AuthKey:
		primary, _, err := v.keys(ctx, e.Name)
		return primary, err
	case e.Auth == berth.AuthNone:
		return "", nil
	case e.Online:
		token, err := v.arm.EndpointToken(ctx, v.space(), e.Name)
		return text(token, "accessToken"), err
	}
	token, err := v.arm.ServiceToken(ctx, v.space(), e.Name)
	return token.Value, err
}

// callCode calls an endpoint with other tools.
func (v *visit) callCode(e endpointView) []snippet {
	if e.Online && !e.Aks {
		return v.onlineCode(e)
	}
	where := " -g " + sh(v.Group()) + " -w " + sh(v.Workspace())
	curl, command := "curl", "berth ml service "
	imports := "Webservice"
	if e.Aks {
		imports, command = "AksEndpoint", "berth ml endpoint realtime "
	}
	if strings.HasPrefix(e.Address, "https:") {
		curl += " --cacert \"$SSL_CERT_FILE\""
	}
	get, arguments := "", ""
	switch e.Auth {
	case berth.AuthKey:
		get = "KEY=$(" + command + "get-keys -n " + sh(e.Name) + where + " --query primaryKey -o tsv)\n"
	case berth.AuthToken:
		get = "KEY=$(" + command + "get-access-token -n " + sh(e.Name) + where + " --query accessToken -o tsv)\n"
	}
	if get != "" {
		arguments = " -H \"Authorization: Bearer $KEY\""
	}
	const data = `{"data": [[1, 2, 3, 4]]}`
	return []snippet{
		{"SDK v1", "import json\n" + v.v1Workspace("") + "from azureml.core.webservice import " + imports + "\n\nservice = " + imports +
			"(ws, " + py(e.Name) + ")\nprint(service.run(json.dumps(" + data + ")))"},
		{"berth ml", command + "run -n " + sh(e.Name) + " -d '" + data + "'" + where +
			"\n" + command + "get-logs -n " + sh(e.Name) + where},
		{"curl", get + curl + arguments + " -H 'Content-Type: application/json' \\\n  -d '" + data + "' " + sh(e.Address)},
	}
}
