package studio

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"berth.dev/berth"
)

// podData is the page of a pod.
type podData struct {
	clusterView
	Pod               berth.PodFacts
	Events            []berth.Event
	Unseen            []berth.Unseen
	UsageMessage      string
	CPU, Memory       chart
	Container         string // whose log is shown
	Previous          bool
	Lines             []berth.LogLine
	Whole             bool
	LogError, Problem string
	LogDenied, Grant  bool
}

// pod is the page of a pod: its containers, its events, and the log of one container.
func (s *Studio) pod(v *visit) error {
	ctx, id := v.r.Context(), v.clusterID()
	o, err := v.arm.Resource(ctx, id)
	if err != nil {
		return err
	}
	d := podData{clusterView: clusterOf(o), Container: v.r.URL.Query().Get("container"), Previous: v.r.URL.Query().Get("previous") != ""}
	d.Pod = berth.PodFacts{Namespace: v.r.PathValue("namespace"), Name: v.r.PathValue("pod")}
	found, err := v.arm.Workloads(ctx, id, berth.WorkloadsQuery{Namespace: d.Pod.Namespace, Pod: d.Pod.Name})
	switch {
	case err != nil:
		d.Problem = v.Said(err.Error())
	case len(found.Pods) == 0:
		v.status, d.Problem = http.StatusNotFound, v.T("pod.gone", d.Pod.Name)
	default:
		d.Pod = found.Pods[0]
	}
	d.Events, d.Unseen = found.Events, found.Unseen
	d.UsageMessage, d.Grant = found.Usage.Message, d.grants(found)
	d.CPU, d.Memory = v.charts(found.Usage.Series)
	if d.Problem == "" && !d.Pod.Simulated {
		d.readLog(v, id)
	}
	return v.render("pod", d)
}

// readLog reads the end of the log of the container that was chosen; of the first one that is no init container when none was.
func (d *podData) readLog(v *visit, id berth.ID) {
	for _, c := range d.Pod.Parts {
		if d.Container == "" && !c.Init {
			d.Container = c.Name
		}
	}
	var err error
	d.Lines, d.Whole, err = v.arm.Log(v.r.Context(), id, d.logQuery())
	if err != nil {
		d.LogError = v.Said(err.Error())
		e := detailsOf(err)
		d.LogDenied = d.Kind == "connected" && len(e) > 0 && e[0].Code == berth.CodeForbidden
	}
}

func (d *podData) logQuery() berth.LogQuery {
	return berth.LogQuery{Namespace: d.Pod.Namespace, Pod: d.Pod.Name, Container: d.Container, Previous: d.Previous}
}

// Here is the page of the pod.
func (d podData) Here() string { return d.PodLink(d.Pod.Namespace, d.Pod.Name) }

// LogOf is the page with the log of another container, or of the one that ran before it.
func (d podData) LogOf(container string, previous bool) string {
	q := url.Values{"container": {container}}
	if previous {
		q.Set("previous", "1")
	}
	return d.Here() + "?" + q.Encode()
}

// Stream is the address of the lines that follow those on the page. Empty for a log that does not grow.
func (d podData) Stream() string {
	if d.Previous || d.LogDenied || d.Pod.Simulated || d.Problem != "" {
		return ""
	}
	q := url.Values{"container": {d.Container}}
	if n := len(d.Lines); n > 0 && !d.Lines[n-1].At.IsZero() {
		q.Set("after", d.Lines[n-1].At.Format(time.RFC3339Nano))
	}
	return d.Here() + "/log?" + q.Encode()
}

// followLog passes on a log that is followed, as server-sent events. The browser names the last line that it has.
func (s *Studio) followLog(v *visit) error {
	out := http.NewResponseController(v.w)
	if out.SetWriteDeadline(time.Time{}) != nil {
		v.w.WriteHeader(http.StatusNotImplemented)
		return nil
	}
	q := berth.LogQuery{Namespace: v.r.PathValue("namespace"), Pod: v.r.PathValue("pod"), Container: v.r.URL.Query().Get("container")}
	q.After, _ = time.Parse(time.RFC3339Nano, v.r.URL.Query().Get("after")) // what is no time is no line that the browser has
	ctx, cancel := context.WithCancel(v.r.Context())
	defer cancel()
	go v.watch(ctx, cancel)
	v.w.Header().Set("Content-Type", "text/event-stream")
	lines, err := v.arm.FollowLog(ctx, v.clusterID(), q)
	if err != nil {
		_, err = fmt.Fprintf(v.w, "event: refused\ndata: %s\n\n", strings.Join(strings.Fields(v.Said(err.Error())), " "))
		return ignoreGone(err)
	}
	defer func() { _ = lines.Close() }()
	for part := make([]byte, 32<<10); ; {
		n, err := lines.Read(part)
		_ = out.SetWriteDeadline(time.Now().Add(2 * pulse)) // there are lines or signs of life more often; who does not read is cut off
		if _, gone := v.w.Write(part[:n]); gone != nil || out.Flush() != nil || err != nil {
			return ignoreGone(err)
		}
	}
}

// watch ends a stream when its session has ended, or the studio is closed.
func (v *visit) watch(ctx context.Context, end context.CancelFunc) {
	defer end()
	beat := time.NewTicker(pulse)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-v.feed.done:
			return
		case <-beat.C:
			if v.over() {
				return
			}
		}
	}
}
