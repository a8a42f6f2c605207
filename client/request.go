package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// maxAnswer is how much of an answer is read.
const maxAnswer = 64 << 20

// Response is an answer that was not an error.
type Response struct {
	Status int
	Header http.Header
	body   []byte
}

// Decode reads the body into out; nil and an empty body are fine.
func (r *Response) Decode(out any) error {
	if out == nil || len(bytes.TrimSpace(r.body)) == 0 {
		return nil
	}
	if err := json.Unmarshal(r.body, out); err != nil {
		return fmt.Errorf("the answer cannot be read as JSON: %w", err)
	}
	return nil
}

// Get reads what stands at a path, which may have a query; the api-version is added when it has none.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	res, err := c.Do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return res.Decode(out)
}

// Put sends a whole resource. The operation is nil when the server settled it at once.
func (c *Client) Put(ctx context.Context, path string, body, out any) (*Operation, error) {
	return c.start(ctx, http.MethodPut, path, body, out)
}

// Patch sends a part of a resource.
func (c *Client) Patch(ctx context.Context, path string, body, out any) (*Operation, error) {
	return c.start(ctx, http.MethodPatch, path, body, out)
}

// Delete deletes a resource. If it does not exist, there is no error and the operation is nil.
func (c *Client) Delete(ctx context.Context, path string) (*Operation, error) {
	return c.start(ctx, http.MethodDelete, path, nil, nil)
}

// Post does an action.
func (c *Client) Post(ctx context.Context, path string, body, out any) error {
	_, err := c.start(ctx, http.MethodPost, path, body, out)
	return err
}

// start sends a request that may begin an operation. (Five parameters: they are the request.)
func (c *Client) start(ctx context.Context, method, path string, body, out any) (*Operation, error) {
	res, err := c.Do(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	if err := res.Decode(out); err != nil {
		return nil, err
	}
	return newOperation(res.Header), nil
}

// List reads a collection to its end, following nextLink.
func (c *Client) List(ctx context.Context, path string) ([]Object, error) {
	all := []Object{}
	for path != "" {
		some, next, err := c.page(ctx, path)
		if err != nil {
			return nil, err
		}
		all, path = append(all, some...), next
	}
	return all, nil
}

// page reads one page of a list, and where the next one is; empty when there is none.
func (c *Client) page(ctx context.Context, path string) (value []Object, next string, err error) {
	var page struct {
		Value []Object `json:"value"`
		Next  string   `json:"nextLink"`
	}
	if err := c.Get(ctx, path, &page); err != nil || page.Next == "" {
		return page.Value, "", err
	}
	next, err = local(page.Next)
	return page.Value, next, err
}

// Do sends one request with a token, once more with a new one when the token is refused, and turns error answers into
// errors.
func (c *Client) Do(ctx context.Context, method, path string, body any) (*Response, error) {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	res, err := c.try(ctx, method, path, data)
	if StatusOf(err) == http.StatusUnauthorized && res != nil {
		res, err = c.try(ctx, method, path, data)
	}
	if err != nil {
		return nil, err
	}
	return res, nil
}

// try sends a request once. The response stands beside an error when it is the server that refused.
func (c *Client) try(ctx context.Context, method, path string, data []byte) (*Response, error) {
	bearer, err := c.bearer(ctx, audienceOf(path))
	if err != nil {
		return nil, err
	}
	var body io.Reader
	if data != nil {
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+withVersion(path), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	if data != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.send(req, data)
	if err != nil {
		return nil, err
	}
	if res.Status == http.StatusUnauthorized {
		c.refused(bearer)
	}
	if res.Status >= http.StatusMultipleChoices {
		return res, decodeError(res)
	}
	return res, nil
}

// send does the round trip, and shows it to the trace.
func (c *Client) send(req *http.Request, data []byte) (*Response, error) {
	req.Header.Set("User-Agent", c.options.UserAgent)
	req.Header.Set("Accept", "application/json")
	if c.options.Language != "" {
		req.Header.Set("Accept-Language", c.options.Language)
	}
	c.traceRequest(req, data)
	start := time.Now()
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.connectionError(err)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return nil, c.connectionError(err)
	}
	out := &Response{Status: res.StatusCode, Header: res.Header, body: body}
	c.traceResponse(out, time.Since(start))
	c.warn(req.Method, out)
	return out, nil
}

var warningText = regexp.MustCompile(`\d{3} \S+ "((?:[^"\\]|\\.)*)"`)

// warn passes on the warnings about a change that the server accepted: those of the header, and those of the resource that the header
// does not have. A read repeats the warnings of an earlier change, which are no news.
func (c *Client) warn(method string, res *Response) {
	if c.options.Warn == nil || method == http.MethodGet || res.Status >= http.StatusBadRequest {
		return
	}
	var body struct {
		Properties struct {
			Warnings []struct{ Target, Message string } `json:"warnings"`
		} `json:"properties"`
	}
	if json.Unmarshal(res.body, &body) != nil {
		body.Properties.Warnings = nil // an answer of another shape has none
	}
	_ = json.Unmarshal(res.body, &body.Properties) // of a web service, which has no properties around them
	seen := map[string]bool{}
	if res.Header.Get("Content-Language") == "" || len(body.Properties.Warnings) == 0 { // a header is in English in any language
		for _, header := range res.Header.Values("Warning") {
			for _, m := range warningText.FindAllStringSubmatch(header, -1) {
				text := strings.ReplaceAll(m[1], `\"`, `"`)
				seen[text] = true
				c.options.Warn(text)
			}
		}
	}
	for _, w := range body.Properties.Warnings {
		if text := w.Target + ": " + w.Message; !seen[text] && !seen[w.Message] {
			c.options.Warn(strings.TrimPrefix(text, ": "))
		}
	}
}
