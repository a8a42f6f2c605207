package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	typeJSON       = "application/json"
	typeMergePatch = "application/merge-patch+json"
)

// call is one request to a cluster.
type call struct {
	method, path string
	what         string // the resource that it is about, in errors: "nodes"
	query        url.Values
	accept       string // JSON when empty
	contentType  string // JSON when empty
	body         []byte
	plain        bool // the answer need not be JSON
}

// do sends a request once, and passes the answer of a success to read. Retries are the caller's decision. The error of a refused
// request is an apierrors.APIStatus.
func (c *Conn) do(ctx context.Context, l call, read func(context.Context, *http.Response) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout) // until the last byte is in
	defer cancel()
	r, err := c.request(ctx, l)
	if err != nil {
		return err
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if err := smallAnswers.take(ctx); err != nil {
		return err
	}
	defer smallAnswers.give()
	if err := ctx.Err(); err != nil { // an answer to the end of the request's time says nothing of the cluster
		return err
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return refusal(answer, l)
	}
	if t, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type")); !l.plain && (err != nil || t != typeJSON) {
		return nonsense("the cluster answered with the content type %.60q instead of JSON", answer.Header.Get("Content-Type"))
	}
	if read != nil {
		if err := read(ctx, answer); err != nil {
			return err
		}
	}
	_, _ = io.CopyN(io.Discard, answer.Body, maxObject) // what was read to its end leaves the connection to the next request
	return nil
}

func (c *Conn) request(ctx context.Context, l call) (*http.Request, error) {
	u := *c.server
	for segment := range strings.SplitSeq(strings.TrimPrefix(l.path, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." || strings.ContainsAny(segment, "%?#\\") {
			return nil, nonsense("the cluster has a name that cannot be part of an address: %q", cut(segment, 100))
		}
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + l.path
	u.RawQuery = l.query.Encode()
	r, err := http.NewRequestWithContext(ctx, l.method, u.String(), bytes.NewReader(l.body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", orJSON(l.accept))
	if len(l.body) > 0 {
		r.Header.Set("Content-Type", orJSON(l.contentType))
	}
	return r, nil
}

func orJSON(t string) string {
	if t == "" {
		return typeJSON
	}
	return t
}

// maxRefusal is how much of a refusal's body is read: its sentence is shown in part only.
const maxRefusal = 64 << 10

// refusal is the error of a refused request: the status code, and what the body adds to it.
func refusal(answer *http.Response, l call) error {
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxRefusal)) // without it there is still the code
	var s struct {
		Kind, Status, Message, Reason string
	}
	if json.Unmarshal(text, &s) == nil && s.Kind == "Status" && s.Status != metav1.StatusSuccess {
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: int32(answer.StatusCode),
			Message: shown(s.Message, maxSentence), Reason: metav1.StatusReason(cut(s.Reason, 60)),
		}}
	}
	return apierrors.NewGenericServerResponse(answer.StatusCode, l.method, schema.GroupResource{Resource: l.what}, "",
		shown(string(text), maxSentence), 0, true)
}

// object reads an answer that holds one object; into may be nil.
func (c *Conn) object(ctx context.Context, l call, into any) error {
	if into == nil {
		return c.do(ctx, l, nil)
	}
	return c.do(ctx, l, func(ctx context.Context, answer *http.Response) error {
		return decodeOne(ctx, answer.Body, into)
	})
}

func decodeOne(ctx context.Context, body io.Reader, into any) error {
	r := &reader{what: "answer", most: maxObject, value: maxObject}
	defer r.close()
	r.open(ctx, body)
	return r.judge(r.decoder.Decode(into))
}

// raw reads an answer that is plain text.
func (c *Conn) raw(ctx context.Context, path string, most int64) (text []byte, err error) {
	l := call{method: http.MethodGet, path: path, plain: true, accept: typeJSON + ", */*"}
	err = c.do(ctx, l, func(_ context.Context, answer *http.Response) error {
		text, err = io.ReadAll(io.LimitReader(answer.Body, most+1))
		switch {
		case err != nil:
			return &brokenOff{err}
		case int64(len(text)) > most:
			return nonsense("the cluster sent more than %s to %s, and the rest was not read", size(most), path)
		}
		return nil
	})
	return text, err
}

// metadata is what Berth reads of an object's metadata, and writes back where it changes some of it.
type metadata struct {
	Name              string                     `json:"name,omitempty"`
	Namespace         string                     `json:"namespace,omitempty"`
	UID               string                     `json:"uid,omitempty"`
	ResourceVersion   string                     `json:"resourceVersion,omitempty"`
	DeletionTimestamp string                     `json:"deletionTimestamp,omitempty"`
	Labels            map[string]string          `json:"labels,omitempty"`
	Annotations       map[string]string          `json:"annotations,omitempty"`
	Finalizers        few[string]                `json:"finalizers,omitempty"`
	OwnerReferences   few[metav1.OwnerReference] `json:"ownerReferences,omitempty"`
}
