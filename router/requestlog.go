package router

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"berth.dev/berth/router/route"
)

const (
	// maxLogged is how many requests of a version are kept in memory: what Berth shows.
	maxLogged = 1000
	// maxUnwritten is how many lines wait for the router's own log; more are left out there.
	maxUnwritten = 1024
)

// logged is the line about one request. It never holds a body, a key or a header of the client's besides its request ids.
type logged struct {
	Time     string  `json:"time"`
	ID       string  `json:"id"`
	ClientID string  `json:"clientId,omitempty"`
	Route    string  `json:"route"`
	Version  string  `json:"deployment,omitempty"` // of an endpoint
	Method   string  `json:"method"`
	Path     string  `json:"path"`
	Status   int     `json:"status"`
	Millis   float64 `json:"ms"`
	Queued   float64 `json:"queuedMs"`
	In       int64   `json:"bytesIn"`
	Out      int64   `json:"bytesOut"`
	Reason   string  `json:"reason,omitempty"` // why the router answered an error
}

// requestLog are the last requests of a version.
type requestLog struct {
	mu    sync.Mutex
	lines [][]byte // a ring once it is full
	next  int
}

func (l *requestLog) add(line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) < maxLogged {
		l.lines = append(l.lines, line)
		return
	}
	l.lines[l.next] = line
	l.next = (l.next + 1) % maxLogged
}

// last writes the last n lines.
func (l *requestLog) last(n int, to io.Writer) {
	l.mu.Lock()
	all := make([][]byte, 0, len(l.lines))
	all = append(append(all, l.lines[l.next:]...), l.lines[:l.next]...)
	l.mu.Unlock()
	for _, line := range all[max(0, len(all)-n):] {
		if _, err := to.Write(line); err != nil {
			return
		}
	}
}

// maxLoggedPath is how much of a path is kept.
const maxLoggedPath = 200

// log keeps a line about the exchange, where its version wants one. It never waits.
func (x *exchange) log(took time.Duration) {
	if x.version == nil || x.version.log == nil || x.hopped {
		return
	}
	l := logged{Time: x.start.UTC().Format("2006-01-02T15:04:05.000Z"), ID: x.id, ClientID: first(x.in.Header[HeaderMSClient]),
		Route: x.service.Name.String(), Method: x.in.Method, Path: x.path[:min(len(x.path), maxLoggedPath)], Status: x.code,
		Millis: millis(took), Queued: millis(x.queued), In: x.body.size(), Out: x.out, Reason: ascii(x.reason)}
	if x.service.Kind == route.Endpoint {
		l.Version = x.version.Name
	}
	line, err := json.Marshal(l)
	if err != nil {
		return
	}
	line = append(line, '\n')
	x.version.log.add(line)
	select {
	case x.router.lines <- line:
	default: // the line is in memory
	}
}

func millis(d time.Duration) float64 { return math.Round(float64(d)/1e4) / 100 }

// size is how many bytes of the body came.
func (b *body) size() int64 {
	if b.stream != nil {
		return b.stream.came.Load()
	}
	return int64(len(b.small))
}

// writeLog writes lines about requests to the router's own log.
func (r *Router) writeLog(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case line := <-r.lines:
			if r.requests != nil {
				_, _ = r.requests.Write(line)
			}
		}
	}
}

// serveRequests answers the last requests of a version to Berth.
func (r *Router) serveRequests(w http.ResponseWriter, in *http.Request) {
	q := in.URL.Query()
	n, err := strconv.Atoi(q.Get("tail"))
	if err != nil || n < 0 {
		n = maxLogged
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	routes := r.routes.Load()
	if routes == nil {
		return
	}
	s := (*routes)[route.Name{Kind: route.Kind(q.Get("kind")), Name: q.Get("name")}]
	if s == nil {
		return
	}
	for _, v := range s.versions {
		if v.Name == q.Get("version") && v.log != nil {
			v.log.last(n, w)
		}
	}
}
