package app_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
)

// lookedAt is a server with a connected cluster that behaves as a test sets it to.
func lookedAt(t *testing.T) (s *apptest.Server, h *apptest.Hostile, cluster string) {
	t.Helper()
	s = apptest.New(t, func(c *app.Config) { c.ClusterRanges = []string{"127.0.0.0/8"} })
	s.MakeWorkspace("rg", "vision")
	h, config := apptest.StartHostile(t, time.Now().AddDate(1, 0, 0), "node-0")
	cluster = s.Group("rg") + "/providers/Microsoft.Kubernetes/connectedClusters/far"
	s.Succeed(s.Do(http.MethodPut, cluster, apptest.Object{
		"location": apptest.Location, "properties": apptest.Object{"keepCredential": true, "kubeconfig": config},
	}))
	return s, h, cluster
}

// TestWorkloadsListed: pods have the states that kubectl shows and the reason; environments are not read; usage is measured.
func TestWorkloadsListed(t *testing.T) {
	s, h, cluster := lookedAt(t)
	r := s.Want(http.StatusOK, s.Do(http.MethodPost, cluster+"/listWorkloads", nil))
	var pods []string
	for _, p := range r.Body["pods"].([]any) {
		pods = append(pods, fmt.Sprint(apptest.At(p, "name"), " ", apptest.At(p, "state"), " ", apptest.At(p, "message")))
	}
	const want = "evicted Evicted The node was low on resource: memory.|" +
		"loops CrashLoopBackOff The container main ended: OOMKilled, exit code 137.|" +
		"pulls ImagePullBackOff Back-off pulling image node-0|waits Unschedulable 0/1 nodes are available: 1 Insufficient cpu. node-0|" +
		"runs Running <nil>|done Completed <nil>"
	if got := strings.Join(pods, "|"); got != want {
		t.Errorf("pods:\n%s\nwant:\n%s", strings.ReplaceAll(got, "|", "\n"), strings.ReplaceAll(want, "|", "\n"))
	}
	for path, want := range map[string]any{
		"nodes.0.name": "node-0", "nodes.0.requestedMilliCpus": 2000.0, "nodes.0.pods": 4.0, "nodes.0.used.milliCpus": 1250.0,
		"usage.series.0.milliCpus": 1250.0, "usage.series.0.memoryMiB": 2048.0, "pods.4.used.milliCpus": 256.0, "pods.4.used.memoryMiB": 65.0,
		"controllers.0.ready": 1.0, "controllers.0.wanted": 3.0, "controllers.0.trouble": true, "events.0.count": 7.0, "unseen": nil,
	} {
		if got := apptest.At(r.Body, path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	one := s.Want(http.StatusOK, s.Do(http.MethodPost, cluster+"/listWorkloads?namespace=default&pod=loops", nil))
	if got := apptest.At(one.Body, "pods.0.parts.0.restarts"); got != 12.0 || strings.Contains(r.Text+one.Text, "s3cr3t-value") {
		t.Errorf("%s", one.Text)
	}
	good, asked := apptest.PretendCluster("uid-1", "node-0"), make(chan string, 1)
	h.Be(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/log") { // Berth may check the cluster meanwhile
			asked <- r.URL.String()
		}
		good(w, r)
	})
	const query = "/listLog?namespace=default&pod=runs&container=main&previous=true&lines=7"
	log := s.Want(http.StatusOK, s.Do(http.MethodPost, cluster+query, nil))
	if got, text := <-asked, apptest.At(log.Body, "lines.0.text"); text != "the first line node-0" || log.Body["whole"] != true ||
		got != "/api/v1/namespaces/default/pods/runs/log?container=main&previous=true&tailLines=7&timestamps=true" {
		t.Errorf("%s: %s", got, log.Text)
	}
	h.Be(good)
	traffic := s.Want(http.StatusOK, s.Do(http.MethodPost, cluster+"/listTraffic?kind=service&name=a", nil))
	if !strings.Contains(traffic.Text, "may not ask the router") || !strings.Contains(traffic.Text, `"series":[]`) {
		t.Errorf("the traffic of a connected cluster: %s", traffic.Text)
	}
	for _, query := range []string{"", "?kind=service", "?name=a", "?kind=service&name=../a"} {
		s.Refused(s.Do(http.MethodPost, cluster+"/listTraffic"+query, nil), http.StatusBadRequest, "BadRequest")
	}
	for query, words := range map[string]string{
		"namespace=../x": "not the name of an object", "pod=a": "Name the namespace", "node=%00": "not the name of an object",
	} {
		s.Refused(s.Do(http.MethodPost, cluster+"/listWorkloads?"+query, nil), http.StatusBadRequest, "BadRequest", words)
	}
}

// TestWorkloadsRefused: what a cluster denies is named, and the rest is shown; so is what it does not serve, and nonsense.
func TestWorkloadsRefused(t *testing.T) {
	s, h, cluster := lookedAt(t)
	good := apptest.PretendCluster("uid-1", "node-0")
	h.Be(func(w http.ResponseWriter, r *http.Request) {
		switch kind := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]; {
		case strings.Contains(r.URL.Path, "metrics.k8s.io"), kind == "events", kind == "log":
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, `{"kind":"Status","status":"Failure","reason":"Forbidden","message":"%s \u202eis forbidden\u001b[2J"}`, kind)
		case kind == "deployments":
			http.NotFound(w, r)
		case kind == "namespaces":
			_, _ = fmt.Fprint(w, "<html>")
		default:
			good(w, r)
		}
	})
	r := s.Want(http.StatusOK, s.Do(http.MethodPost, cluster+"/listWorkloads", nil))
	for _, words := range []string{
		`"part":"events","denied":true,"message":"The cluster does not let Berth list its events: events \\u202eis forbidden\\u001b[2J."`,
		"The cluster does not let Berth read what nodes and pods use", "The cluster does not serve its controllers",
		"The cluster's answer about its namespaces cannot be used", `"name":"runs"`,
	} {
		if !strings.Contains(r.Text, words) {
			t.Errorf("no %q in %s", words, r.Text)
		}
	}
	for _, follow := range []string{"", "&follow=true"} {
		s.Refused(s.Do(http.MethodPost, cluster+"/listLog?namespace=default&pod=runs"+follow, nil), http.StatusForbidden, "AuthorizationFailed",
			"does not let Berth read logs")
	}
	h.Be(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	s.Until("the cluster to be silent", func() bool { // what was read a moment ago is shown to others
		r = s.Do(http.MethodPost, cluster+"/listWorkloads", nil)
		return r.Status != http.StatusOK
	})
	s.Refused(r, http.StatusBadRequest, "ClusterNotReachable", "does not answer")
}

// TestWorkloadsBounded: a cluster with endless lists, lines and logs costs a bounded answer, and says what is left out.
func TestWorkloadsBounded(t *testing.T) {
	s, h, cluster := lookedAt(t)
	good := apptest.PretendCluster("uid-1", "node-0")
	many := strings.Repeat(fmt.Sprintf(`,{"metadata":{"name":"%0300d","namespace":"default"},"message":%q}`, 7,
		strings.Repeat("\u2066long", 100)), 999)
	h.Be(func(w http.ResponseWriter, r *http.Request) {
		switch kind := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]; kind {
		case "pods", "events":
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprint(w, `{"kind":"List","metadata":{"continue":"more"},"items":[{}`, many, `]}`)
		case "log":
			for line := "2026-01-01T00:00:00Z " + strings.Repeat("\u202ex\x1b[31m", 4000) + "\n"; r.Context().Err() == nil; {
				if _, err := fmt.Fprint(w, line); err != nil {
					return
				}
			}
		default:
			good(w, r)
		}
	})
	var r *apptest.Response
	s.Until("whole lists", func() bool { // a busy machine may need longer for one than Berth waits for a cluster
		r = s.Want(http.StatusOK, s.Do(http.MethodPost, cluster+"/listWorkloads", nil))
		return !strings.Contains(r.Text, "no answer came in time")
	})
	if pods, events := r.Body["pods"].([]any), r.Body["events"].([]any); len(pods) != 1000 || len(events) != 200 || len(r.Text) > 3<<20 ||
		!strings.Contains(r.Text, "There are more pods than the 1000") || !strings.Contains(r.Text, "There are more events than the 200") {
		t.Errorf("%d pods, %d events, %d bytes, %v", len(pods), len(events), len(r.Text), r.Body["unseen"])
	}
	const log = "/listLog?namespace=default&pod=runs"
	r = s.Want(http.StatusOK, s.Do(http.MethodPost, cluster+log, nil))
	if lines := r.Body["lines"].([]any); len(lines) < 10 || len(r.Text) > 4<<20 || r.Body["whole"] != false ||
		strings.Contains(r.Text, "\u202e") || strings.Contains(r.Text, "[31m") {
		t.Errorf("%d lines in %d bytes", len(lines), len(r.Text))
	}
	for _, query := range []string{"&lines=0", "&lines=100000", "&after=yesterday", "&container=A"} {
		s.Refused(s.Do(http.MethodPost, cluster+log+query, nil), http.StatusBadRequest, "BadRequest", "The parameter")
	}
	last := ""
	lines, _ := stream(t, s, cluster+log+"&follow=true")
	for line := range lines {
		if strings.HasPrefix(line, "event:") {
			last = line
		}
	}
	if last != "event: bound" {
		t.Errorf("the endless log ended with %q", last)
	}
}

// TestLogFollowed: lines come when they are written; a client that goes on after a line gets those after it; a reader who leaves ends
// the request to the cluster, and stopping the server does not wait for a reader.
func TestLogFollowed(t *testing.T) {
	s, h, cluster := lookedAt(t)
	good := apptest.PretendCluster("uid-1", "node-0")
	say, left := make(chan string), make(chan struct{})
	h.Be(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/log") {
			good(w, r)
			return
		}
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case text := <-say:
				_, _ = fmt.Fprintln(w, text)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				left <- struct{}{}
				return
			}
		}
	})
	address := cluster + "/listLog?namespace=default&pod=runs&follow=true"
	lines, end := stream(t, s, address)
	next := func() string {
		select {
		case line := <-lines:
			return line
		case <-time.After(apptest.Patience):
			return "nothing"
		}
	}
	say <- "2026-01-01T00:00:00.000000001Z one"
	if id, data := next(), next(); id != "id: 2026-01-01T00:00:00.000000001Z" || data != "data: one" {
		t.Errorf("%q, %q", id, data)
	}
	end()
	<-left // the cluster sees it too
	lines, _ = stream(t, s, address+"&after=2026-01-01T00:00:00.000000001Z")
	say <- "2026-01-01T00:00:00.000000001Z one"
	say <- "2026-01-01T00:00:00.000000002Z two"
	if id, data := next(), next(); id != "id: 2026-01-01T00:00:00.000000002Z" || data != "data: two" {
		t.Errorf("%q, %q", id, data)
	}
	s.Stop()
	<-left
	if strings.Contains(s.Log.String(), "cut off") {
		t.Errorf("the server waited for a reader: %s", s.Log)
	}
}

// TestLogsFollowedByMany: the number of readers is bounded, they keep nobody from reading the cluster, and one who leaves frees a place.
func TestLogsFollowedByMany(t *testing.T) {
	s, h, cluster := lookedAt(t)
	good := apptest.PretendCluster("uid-1", "node-0")
	h.Be(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/log") {
			good(w, r)
			return
		}
		_ = http.NewResponseController(w).Flush()
		if r.URL.Query().Get("container") != "ends" {
			<-r.Context().Done()
		}
	})
	address := cluster + "/listLog?namespace=default&pod=runs&follow=true"
	const most = 100
	var ends []func()
	for range most {
		_, end := stream(t, s, address)
		ends = append(ends, end)
	}
	s.Refused(s.Do(http.MethodPost, address, nil), http.StatusServiceUnavailable, "ServiceUnavailable", "100 logs are followed already")
	s.Want(http.StatusOK, s.Do(http.MethodPost, cluster+"/listWorkloads", nil))
	ends[0]()
	s.Until("a place to be free", func() bool {
		r := s.Do(http.MethodPost, address+"&container=ends", nil)
		return r.Status == http.StatusOK && strings.Contains(r.Text, "event: end")
	})
}

// TestWorkloadsConnected: in a cluster that was connected, Berth's own account sees pods and events, and neither logs nor measurements
// until an administrator grants it the right to view, as the studio says.
func TestWorkloadsConnected(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	f := startForeign(t)
	s := &site{Server: apptest.New(t), t: t, ctx: t.Context()}
	s.workspace = s.MakeWorkspace(jobGroup, jobWorkspace)
	edge := s.Group(jobGroup) + "/providers/Microsoft.Kubernetes/connectedClusters/edge"
	s.put(edge, connecting(string(f.config)))
	f.until("a pod to be accepted", func() bool { // its service account comes a moment later
		return f.accepts("/api/v1/namespaces/default/pods", `{"metadata":{"name":"runs"},"spec":{"containers":[{"name":"main","image":"x"}]}}`)
	})
	var r *apptest.Response
	s.Until("the pod to be seen", func() bool {
		r = s.Want(http.StatusOK, s.Do(http.MethodPost, edge+"/listWorkloads", nil))
		return strings.Contains(r.Text, `"state":"Running"`) && strings.Contains(r.Text, `"kind":"Pod","name":"runs","reason":"Scheduled"`)
	})
	s.equal(r.Body, "unseen", nil)
	s.equal(r.Body, "pods.0.simulated", true)
	s.equal(r.Body, "usage.denied", true)
	const log = "/listLog?namespace=default&pod=runs"
	s.Refused(s.Do(http.MethodPost, edge+log, nil), http.StatusForbidden, "AuthorizationFailed", "does not let Berth read logs",
		"system:serviceaccount:berth-system:berth-connection")
	f.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", []byte(`{"metadata":{"name":"berth-view"},
		"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"},
		"subjects":[{"kind":"ServiceAccount","namespace":"berth-system","name":"berth-connection"}]}`))
	s.Until("the log to be permitted", func() bool { // no kubelet has one
		return s.Do(http.MethodPost, edge+log, nil).Status != http.StatusForbidden
	})
}

// accepts creates an object as the administrator, and reports whether the cluster took it.
func (f *foreign) accepts(path, object string) bool {
	f.t.Helper()
	answer, err := f.http.Post(f.url+path, "application/json", strings.NewReader(object))
	if err != nil {
		f.t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusCreated
}

// stream reads server-sent events, without their empty lines, until the end or until end is called.
func stream(t *testing.T, s *apptest.Server, path string) (lines <-chan string, end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Endpoint+path+"&api-version="+apptest.Version, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.Token)
	out, begun := make(chan string), make(chan string, 1)
	go func() {
		defer close(out)
		defer cancel()
		answer, err := s.Plain().Do(r)
		if err != nil {
			begun <- err.Error()
			return
		}
		defer func() { _ = answer.Body.Close() }()
		begun <- answer.Status + " " + answer.Header.Get("Content-Type")
		scan := bufio.NewScanner(answer.Body)
		for scan.Buffer(nil, 1<<20); scan.Scan(); {
			if scan.Text() == "" {
				continue
			}
			select {
			case out <- scan.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	if is := <-begun; is != "200 OK text/event-stream" {
		t.Fatalf("the log is answered with %s", is)
	}
	return out, cancel
}
