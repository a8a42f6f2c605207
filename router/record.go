package router

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"berth.dev/berth/router/route"
)

// maxPayload is how much of a request and of an answer is kept. What is longer is cut, and contentrange says so.
const maxPayload = 256 << 10

// record is what is kept of one exchange. Nothing in it makes the exchange wait: what there is no room for is dropped, and counted.
type record struct {
	spool    *Spool
	collect  *route.Collect
	count    *counts
	request  part
	answer   part
	at       time.Time // when the answer began
	id       string
	client   string // the id that the client gave
	method   string
	path     string
	headers  map[string]string
	answered bool
	custom   *custom // of an event that a scoring script has collected; nil of what went by
}

// part is a request or an answer.
type part struct {
	in   *route.Collection // nil: it is not kept
	what string            // the type of its event

	mu       sync.Mutex
	text     []byte // the beginning
	size     int64
	failed   bool // there was no room for it
	kind     string
	encoding string
}

// keep begins to keep the exchange, if its version wants it and the draw is for it.
func (x *exchange) keep() {
	c := x.version.Collect
	if c == nil || x.router.spool == nil || !x.scores {
		return
	}
	r := &record{spool: x.router.spool, collect: c, count: x.version.count, request: part{what: requestEvent},
		answer: part{what: responseEvent}}
	draw := rand.Float64() // #nosec G404 -- no secret
	r.request.in, r.answer.in = drawn(c.Request, draw), drawn(c.Response, draw)
	if r.request.in == nil && r.answer.in == nil {
		return
	}
	x.record = r
	r.id, r.client = x.id, first(x.in.Header[HeaderMSClient])
	r.method, r.path = x.in.Method, x.path
	if q := x.in.URL.RawQuery; q != "" {
		r.path += "?" + q
	}
	r.request.kind, r.request.encoding = x.in.Header.Get("Content-Type"), x.in.Header.Get("Content-Encoding")
	r.headers = kept(c.Headers, x.in.Header)
	if small := x.body.small; small != nil && r.request.in != nil {
		r.request.add(r.spool, small)
	}
}

func drawn(c *route.Collection, draw float64) *route.Collection {
	if c == nil || draw >= c.Rate {
		return nil
	}
	return c
}

// kept are the headers of a request that are to be kept.
func kept(names []string, h http.Header) map[string]string {
	var out map[string]string
	for _, name := range names {
		if values := h.Values(name); len(values) > 0 {
			if out == nil {
				out = map[string]string{}
			}
			out[strings.ToLower(name)] = strings.Join(values, ", ")
		}
	}
	return out
}

// add keeps what goes by.
func (p *part) add(s *Spool, text []byte) {
	if p.in == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size += int64(len(text))
	text = text[:min(len(text), maxPayload-len(p.text))]
	if len(text) == 0 || p.failed {
		return
	}
	if !s.hold(len(text)) {
		s.free(len(p.text))
		p.failed, p.text = true, nil
		return
	}
	p.text = append(p.text, text...)
}

// watch keeps the answer of a replica as it goes by.
func (r *record) watch(res *http.Response, now time.Time) {
	r.answered, r.at = true, now
	r.answer.kind, r.answer.encoding = res.Header.Get("Content-Type"), res.Header.Get("Content-Encoding")
	if r.answer.in != nil && res.StatusCode != http.StatusSwitchingProtocols {
		res.Body = &watched{res.Body, r}
	}
}

type watched struct {
	io.ReadCloser
	r *record
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	w.r.answer.add(w.r.spool, p[:n])
	return n, err
}

// end hands the record over. What no replica has answered is not kept.
func (r *record) end() {
	if r == nil {
		return
	}
	if !r.answered {
		r.drop()
		return
	}
	r.spool.take(r)
}

// drop gives back the room of the record.
func (r *record) drop() {
	for _, p := range []*part{&r.request, &r.answer} {
		p.mu.Lock()
		r.spool.free(len(p.text))
		p.text, p.failed = nil, true
		p.mu.Unlock()
	}
}

// event is a request or an answer in the form that the data collector of Azure ML has: that of CloudEvents.
type event struct {
	SpecVersion     string            `json:"specversion"`
	ID              string            `json:"id"`
	Source          string            `json:"source"`
	Type            string            `json:"type"`
	DataContentType string            `json:"datacontenttype"`
	Time            string            `json:"time"`
	Data            json.RawMessage   `json:"data,omitempty"`
	Base64          string            `json:"data_base64,omitempty"`
	Encoding        string            `json:"contentencoding,omitempty"`
	Path            string            `json:"path,omitempty"`
	Method          string            `json:"method,omitempty"`
	Headers         map[string]string `json:"headers,omitempty"`
	ContentRange    string            `json:"contentrange"`
	CorrelationID   string            `json:"correlationid"`
	RequestID       string            `json:"xrequestid"`
	ClientID        string            `json:"clientrequestid,omitempty"`
	Model           string            `json:"modelversion,omitempty"`
	DataType        string            `json:"collectdatatype,omitempty"`
	Agent           string            `json:"agent,omitempty"`
}

// What events are about.
const (
	requestEvent  = "azureml.inference.request"
	responseEvent = "azureml.inference.response"
)

// line is an event as a line of JSON.
func (r *record) line(p *part) ([]byte, error) {
	e := event{SpecVersion: "1.0", ID: uuid.NewString(), Source: r.collect.Source, Type: p.what, Time: r.at.UTC().Format(time.RFC3339),
		CorrelationID: r.id, RequestID: r.id, ClientID: r.client, Encoding: p.encoding,
		ContentRange: fmt.Sprintf("bytes 0-%d/%d", max(len(p.text)-1, 0), p.size)}
	if c := r.custom; c != nil {
		e.Model, e.DataType = c.model, c.dataType
		e.Agent = c.agent
	}
	if p.what == requestEvent {
		e.Path, e.Method = r.path, r.method
		e.Headers = r.headers
	}
	e.set(p)
	text, err := json.Marshal(e)
	return append(text, '\n'), err
}

// set sets the data: JSON as it is, text as a text, everything else in base 64.
func (e *event) set(p *part) {
	whole := p.size == int64(len(p.text))
	text := p.text
	if !whole { // no half character at the end
		for n := 0; n < utf8.UTFMax && len(text) > 0 && !utf8.Valid(text[max(0, len(text)-utf8.UTFMax):]); n++ {
			text = text[:len(text)-1]
		}
	}
	var line bytes.Buffer
	switch {
	case len(text) == 0:
		e.DataContentType, e.Data = orElse(p.kind, "text/plain"), json.RawMessage(`""`)
	case whole && json.Compact(&line, text) == nil:
		e.DataContentType, e.Data = "application/json", line.Bytes()
	case utf8.Valid(text):
		e.DataContentType = "text/plain"
		e.Data, _ = json.Marshal(string(text)) // it is text
	default:
		e.DataContentType, e.Base64 = orElse(p.kind, "application/octet-stream"), base64.StdEncoding.EncodeToString(p.text)
	}
}
