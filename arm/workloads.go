package arm

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/clusters"
	"berth.dev/berth/wire"
)

// objectName is what Kubernetes accepts as the name of a namespace, pod, node or container.
var objectName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

// object reads a parameter that names an object of a cluster. It may be missing.
func (q *request) object(name string) (string, error) {
	value := q.param(name)
	if value != "" && !objectName.MatchString(value) {
		return "", berth.Errorf(berth.CodeBadRequest, "The parameter '%s' is '%.60s', which is not the name of an object of Kubernetes.",
			name, value)
	}
	return value, nil
}

// listWorkloads answers what runs in a cluster, or in the one behind a compute: all of it, or ?namespace= or ?node=; with ?namespace=
// and ?pod= one pod with its containers.
func (s *Server) listWorkloads(q *request, r *berth.Resource) (*response, error) {
	if r.State == berth.StateDeleting {
		return nil, berth.Errorf(berth.CodeConflict, "'%s' is %s, so nothing in it can be listed.", r.ID.Name(), r.State)
	}
	var query berth.WorkloadsQuery
	for name, into := range map[string]*string{"namespace": &query.Namespace, "pod": &query.Pod, "node": &query.Node} {
		var err error
		if *into, err = q.object(name); err != nil {
			return nil, err
		}
	}
	if query.Pod != "" && query.Namespace == "" {
		return nil, berth.Errorf(berth.CodeBadRequest, "Name the namespace of the pod '%.60s' too (?namespace=).", query.Pod)
	}
	found, err := s.Clusters.Workloads(q.Context(), clusterOf(r), query)
	if err != nil {
		return nil, err
	}
	return ok(found), nil
}

// listTraffic answers what the router of a cluster has counted of one route: ?kind=service&name=.
func (s *Server) listTraffic(q *request, r *berth.Resource) (*response, error) {
	var query berth.TrafficQuery
	for name, into := range map[string]*string{"kind": &query.Kind, "name": &query.Name} {
		var err error
		if *into, err = q.object(name); err != nil {
			return nil, err
		}
	}
	if query.Kind == "" || query.Name == "" {
		return nil, berth.Errorf(berth.CodeBadRequest, "Name the route of the router (?kind=service&name=).")
	}
	found, err := s.Clusters.Traffic(q.Context(), clusterOf(r), query)
	if err != nil {
		return nil, err
	}
	return ok(found), nil
}

// defaultLogLines is how many lines of a log are answered when the request does not say.
const defaultLogLines = 200

// listLog answers the end of a container's log. With ?follow=true it goes on with what is written from now on, as server-sent events.
func (s *Server) listLog(q *request, r *berth.Resource) (*response, error) {
	query, err := logQuery(q)
	if err != nil {
		return nil, err
	}
	cluster := clusterOf(r)
	if !strings.EqualFold(q.param("follow"), "true") {
		lines, whole, err := s.Clusters.Log(q.Context(), cluster, query)
		if err != nil {
			return nil, err
		}
		return ok(wire.Object{"lines": append([]berth.LogLine{}, lines...), "whole": whole}), nil
	}
	q.kindName = "logs" // in metrics: it takes as long as somebody reads
	log, err := s.Clusters.FollowLog(q.Context(), cluster, query)
	if err != nil {
		return nil, err
	}
	return &response{status: http.StatusOK, stream: func(ctx context.Context, w http.ResponseWriter) {
		defer log.Close()
		sendLog(ctx, w, log)
	}}, nil
}

func logQuery(q *request) (out berth.LogQuery, err error) {
	for name, into := range map[string]*string{"namespace": &out.Namespace, "pod": &out.Pod, "container": &out.Container} {
		if *into, err = q.object(name); err != nil {
			return out, err
		}
	}
	if out.Namespace == "" || out.Pod == "" {
		return out, berth.Errorf(berth.CodeBadRequest, "Name the pod whose log you want to read (?namespace= and ?pod=).")
	}
	out.Previous = strings.EqualFold(q.param("previous"), "true")
	out.Lines = defaultLogLines
	if text := q.param("lines"); text != "" {
		if out.Lines, err = strconv.Atoi(text); err != nil || out.Lines < 1 || out.Lines > clusters.MostLogLines {
			return out, berth.Errorf(berth.CodeBadRequest, "The parameter 'lines' is '%.20s'. It is a number from 1 to %d.", text,
				clusters.MostLogLines)
		}
	}
	if text := q.param("after"); text != "" {
		if out.After, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return out, berth.Errorf(berth.CodeBadRequest, "The parameter 'after' is '%.60s'. It is a time such as %s.", text,
				"2026-01-31T12:00:00Z")
		}
	}
	return out, nil
}

// beat is how often a stream without lines shows that it is there, so that nothing on the way closes it.
const beat = 15 * time.Second

// unread is how long a client may leave a part of a stream unread.
const unread = 30 * time.Second

// sendLog writes the lines of a log as server-sent events. The id of each is its time, by which a client goes on after a break. The
// last event says why there is none after it: see clusters.LogEnded.
func sendLog(ctx context.Context, w http.ResponseWriter, log *clusters.Followed) {
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // that of the request's body would end the stream; not every writer has deadlines
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	if out.Flush() != nil {
		return
	}
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		var err error
		_ = out.SetWriteDeadline(time.Now().Add(unread + beat))
		select {
		case <-ctx.Done():
			return
		case line, more := <-log.Lines:
			if !more {
				_, _ = fmt.Fprintf(w, "event: %s\ndata:\n\n", log.Why()) // the client may have gone
				_ = out.Flush()
				return
			}
			err = writeLine(w, line)
		case <-tick.C:
			_, err = io.WriteString(w, ":\n\n")
		}
		if err != nil || out.Flush() != nil {
			return
		}
	}
}

// writeLine writes one line. Its text has no line breaks: they are escaped, as all controls are.
func writeLine(w io.Writer, line berth.LogLine) error {
	id := ""
	if !line.At.IsZero() {
		id = "id: " + line.At.Format(time.RFC3339Nano) + "\n"
	}
	_, err := fmt.Fprint(w, id, "data: ", line.Text, "\n\n")
	return err
}
