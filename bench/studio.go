package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"berth.dev/berth/client"
)

// visitor is a user who has signed in to the studio of a server.
type visitor struct {
	server *server
	web    *http.Client
	cookie string
}

func (s *server) visitor(ctx context.Context) (*visitor, error) {
	web, err := s.web()
	if err != nil {
		return nil, err
	}
	link, err := s.client.StudioLink(ctx)
	if err != nil {
		return nil, err
	}
	web.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	at, code, _ := strings.Cut(link, "?code=")
	resp, err := web.PostForm(at, url.Values{"code": {code}})
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	cookie, _, _ := strings.Cut(resp.Header.Get("Set-Cookie"), ";")
	return &visitor{s, web, cookie}, nil
}

// ask sends a request as a browser does, and answers how long it took and what came, as it travelled.
func (v *visitor) ask(method, path string, form url.Values) (time.Duration, []byte, error) {
	req, err := http.NewRequest(method, v.server.creds.Endpoint+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Cookie", v.cookie)
	req.Header.Set("Accept-Encoding", "gzip")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	start := time.Now()
	resp, err := v.web.Do(req)
	if err != nil {
		return 0, nil, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return time.Since(start), body, err
}

// studio measures the web pages of the server that the other measurements used.
func (b *bench) studio(ctx context.Context) error {
	v, err := b.server.visitor(ctx)
	if err != nil {
		return err
	}
	base := "/studio/w/" + group + "/" + workspace
	for _, page := range []string{"/studio/workspaces", base, base + "/new", "/studio/operations"} {
		took, bytes, err := v.whole(page)
		if err != nil {
			return err
		}
		row("page "+strings.ReplaceAll(page, base, "…"), fmt.Sprintf("%.1f ms, %.0f kB", ms(took), float64(bytes)/1000), "120 kB")
	}
	var checks []time.Duration
	form := url.Values{"mode": {"create"}, "name": {"a"}, "nodes": {"2"}, "size": {"Standard_D3_v2"}, "purpose": {"FastProd"}}
	for range 100 {
		took, _, err := v.ask(http.MethodPost, base+"/check", form)
		if err != nil {
			return err
		}
		checks = append(checks, took)
	}
	row("the form's rules, p50 / p99 (asked 30 ms after the last key)",
		fmt.Sprintf("%.1f / %.1f ms", ms(median(checks)), ms(quantile(checks, 0.99))), "under 100 ms")
	heard, err := v.heard(ctx)
	if err != nil {
		return err
	}
	row("from a change in the store to an open page, p50 / slowest",
		fmt.Sprintf("%.0f / %.0f ms", ms(median(heard)), ms(quantile(heard, 1))), "under 300 ms")
	return nil
}

var file = regexp.MustCompile(`/studio/static/[^"#]+`)

// whole is a page with all that it needs, on an empty cache.
func (v *visitor) whole(path string) (took time.Duration, size int, err error) {
	took, body, err := v.ask(http.MethodGet, path, nil)
	if err != nil {
		return 0, 0, err
	}
	plain, err := unzipped(body)
	if err != nil {
		return 0, 0, err
	}
	size = len(body)
	seen := map[string]bool{}
	for _, at := range file.FindAllString(plain, -1) {
		if !seen[at] {
			seen[at] = true
			_, more, err := v.ask(http.MethodGet, at, nil)
			if err != nil {
				return 0, 0, err
			}
			size += len(more)
		}
	}
	return took, size, nil
}

// stream listens to the events of an open page.
func (v *visitor) stream(ctx context.Context) (*bufio.Reader, func(), error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.server.creds.Endpoint+"/studio/events", nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Cookie", v.cookie)
	resp, err := v.web.Do(req) //nolint:bodyclose // the returned function closes it
	if err != nil {
		return nil, nil, err
	}
	return bufio.NewReader(resp.Body), func() { _ = resp.Body.Close() }, nil
}

func next(r *bufio.Reader, event string) error {
	for {
		line, err := r.ReadString('\n')
		if err != nil || strings.TrimSpace(line) == "event: "+event {
			return err
		}
	}
}

// heard is how long it takes from a change until an open page hears of it.
func (v *visitor) heard(ctx context.Context) (all []time.Duration, err error) {
	r, stop, err := v.stream(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	if err := next(r, "hello"); err != nil {
		return nil, err
	}
	for i := range 20 {
		start := time.Now()
		if _, err := v.server.client.PutWorkspace(ctx, group, workspace,
			client.Object{"location": "westeurope", "tags": client.Object{"turn": fmt.Sprint(i)}}); err != nil {
			return nil, err
		}
		if err := next(r, "changed"); err != nil {
			return nil, err
		}
		all = append(all, time.Since(start))
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// crowd opens many streams on a server with many clusters, and lists them all.
func (v *visitor) crowd(ctx context.Context) error {
	const streams = 500
	var lists []time.Duration
	for range 10 {
		took, _, err := v.ask(http.MethodGet, "/studio/w/"+group+"/"+workspace, nil)
		if err != nil {
			return err
		}
		lists = append(lists, took)
	}
	row(fmt.Sprintf("studio: the list of %d computes", attachedClusters-2), fmt.Sprintf("%.0f ms", ms(median(lists))), "under 200 ms")
	before, memory, err := v.server.cost(ctx, 20*time.Second)
	if err != nil {
		return err
	}
	for range streams {
		r, stop, err := v.stream(ctx)
		if err != nil {
			return err
		}
		defer stop()
		go func() { _ = next(r, "never") }()
	}
	after, more, err := v.server.cost(ctx, 20*time.Second)
	row(fmt.Sprintf("studio: %d open pages, with the health checks going on", streams),
		fmt.Sprintf("%.2f cores, %.0f MB more", after-before, more-memory), "")
	return err
}

func unzipped(b []byte) (string, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(z)
	return string(text), err
}
