package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"berth.dev/berth"
)

// Workloads lists what runs in a cluster, or in the one behind a compute.
func (c *Client) Workloads(ctx context.Context, id berth.ID, q berth.WorkloadsQuery) (out berth.Workloads, err error) {
	query := url.Values{"namespace": {q.Namespace}, "pod": {q.Pod}, "node": {q.Node}}
	err = c.Post(ctx, Path(id)+"/listWorkloads?"+query.Encode(), nil, &out)
	return out, err
}

// Traffic reads what the router of a cluster, or of the one behind a compute, has counted of a route.
func (c *Client) Traffic(ctx context.Context, id berth.ID, q berth.TrafficQuery) (out berth.Traffic, err error) {
	query := url.Values{"kind": {q.Kind}, "name": {q.Name}}
	err = c.Post(ctx, Path(id)+"/listTraffic?"+query.Encode(), nil, &out)
	return out, err
}

// Log reads the end of a container's log. whole is false when the log is longer than what is read at once.
func (c *Client) Log(ctx context.Context, id berth.ID, q berth.LogQuery) (lines []berth.LogLine, whole bool, err error) {
	var out struct {
		Lines []berth.LogLine
		Whole bool
	}
	err = c.Post(ctx, logPath(id, q, false), nil, &out)
	return out.Lines, out.Whole, err
}

// FollowLog reads the end of a log, and what is written from now on, as server-sent events. Close it.
func (c *Client) FollowLog(ctx context.Context, id berth.ID, q berth.LogQuery) (io.ReadCloser, error) {
	path := logPath(id, q, true)
	bearer, err := c.bearer(ctx, audienceOf(path))
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+withVersion(path), http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("User-Agent", c.options.UserAgent)
	if c.options.Language != "" {
		r.Header.Set("Accept-Language", c.options.Language)
	}
	endless := *c.http
	endless.Timeout = 0 // ctx ends it
	answer, err := endless.Do(r)
	if err != nil {
		return nil, c.connectionError(err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // without it there is still the status
	_ = answer.Body.Close()
	return nil, decodeError(&Response{Status: answer.StatusCode, Header: answer.Header, body: body})
}

func logPath(id berth.ID, q berth.LogQuery, follow bool) string {
	query := url.Values{"namespace": {q.Namespace}, "pod": {q.Pod}, "container": {q.Container}}
	if q.Lines > 0 {
		query.Set("lines", strconv.Itoa(q.Lines))
	}
	for name, is := range map[string]bool{"previous": q.Previous, "follow": follow} {
		if is {
			query.Set(name, "true")
		}
	}
	if !q.After.IsZero() {
		query.Set("after", q.After.UTC().Format(time.RFC3339Nano))
	}
	return Path(id) + "/listLog?" + query.Encode()
}
