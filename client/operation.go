package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/wire"
)

// The first polls of an operation come quickly: much of what Berth does ends within a second.
const (
	firstPoll    = 100 * time.Millisecond
	defaultPoll  = time.Second
	pollPatience = time.Minute // how long the server may be away while an operation is waited for
)

// Operation is an accepted change that Berth works on.
type Operation struct {
	ID         string // a GUID
	URL        string // path and query under which it is read
	Status     string // InProgress, Succeeded, Failed or Canceled
	Verb       string
	ResourceID string
	Message    string // what is being done now
	Notes      []string
	Err        *berth.Error // why it failed
	Raw        Object       // as it was answered
}

// Done reports whether the operation has ended.
func (o *Operation) Done() bool {
	return berth.State(o.Status).Terminal()
}

// Failure is nil unless the operation ended in anything but success.
func (o *Operation) Failure() error {
	if !o.Done() || berth.State(o.Status) == berth.StateSucceeded {
		return nil
	}
	if o.Err == nil {
		return berth.Errorf(berth.CodeInternal, "The operation %s is %s, and gives no reason.", o.ID, o.Status)
	}
	return o.Err
}

// newOperation reads the headers of an answer that began one; nil when none began.
func newOperation(h http.Header) *Operation {
	address := h.Get("Azure-AsyncOperation")
	if address == "" {
		return nil
	}
	where, err := local(address)
	if err != nil {
		return nil
	}
	u, _ := url.Parse(where) // local made it
	if strings.HasPrefix(path.Base(u.Path), wire.Settled) {
		return nil // the change is complete
	}
	return &Operation{ID: path.Base(u.Path), URL: where, Status: "InProgress"}
}

// OperationByID is an operation known by its GUID, or by the address under which it is read.
func (c *Client) OperationByID(id string) (*Operation, error) {
	if strings.Contains(id, "/") {
		where, err := local(id)
		if err != nil {
			return nil, err
		}
		u, _ := url.Parse(where) // local made it
		return &Operation{ID: path.Base(u.Path), URL: where}, nil
	}
	// The server finds operations by their GUID alone; namespace and location are there for the shape.
	return &Operation{ID: id, URL: "/subscriptions/" + url.PathEscape(c.Subscription()) +
		"/providers/Microsoft.MachineLearningServices/locations/global/operationsStatuses/" + url.PathEscape(id)}, nil
}

// Operation reads an operation once and updates op.
func (c *Client) Operation(ctx context.Context, op *Operation) error {
	_, err := c.poll(ctx, op)
	return err
}

func (c *Client) poll(ctx context.Context, op *Operation) (http.Header, error) {
	res, err := c.Do(ctx, http.MethodGet, op.URL, nil)
	if err != nil {
		return nil, err
	}
	var in struct {
		Status     string       `json:"status"`
		ResourceID string       `json:"resourceId"`
		Error      *berth.Error `json:"error"`
		Properties struct {
			Verb    string   `json:"verb"`
			Message string   `json:"message"`
			Notes   []string `json:"notes"`
		} `json:"properties"`
	}
	raw := Object{}
	if err := errors.Join(res.Decode(&in), res.Decode(&raw)); err != nil {
		return nil, err
	}
	op.Status = in.Status
	op.ResourceID = in.ResourceID
	op.Err = in.Error
	op.Raw = raw
	op.Verb = in.Properties.Verb
	op.Message = in.Properties.Message
	op.Notes = in.Properties.Notes
	return res.Header, nil
}

// Operations lists the latest operations, the newest first; of one resource unless of is zero.
func (c *Client) Operations(ctx context.Context, of berth.ID, active bool) ([]Object, error) {
	query := url.Values{}
	if !of.IsZero() {
		query.Set("resourceId", of.String())
	}
	if active {
		query.Set("active", "true")
	}
	path := "/subscriptions/" + c.Subscription() + "/operations"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.List(ctx, path)
}

// Wait polls an operation until it has ended, and returns why it failed if it did. progress is called after each poll; it
// may be nil, and so may the operation. The server may go away and come back meanwhile, as it does for a restart.
func (c *Client) Wait(ctx context.Context, op *Operation, progress func(*Operation)) error {
	if op == nil {
		return nil
	}
	pause, lastAnswer := firstPoll, time.Now()
	for {
		header, err := c.poll(ctx, op)
		switch {
		case err == nil:
			lastAnswer = time.Now()
		case !transient(err) || time.Since(lastAnswer) > pollPatience:
			return err
		default:
			op.Message = "Berth does not answer at the moment; asking again"
		}
		if progress != nil {
			progress(op)
		}
		if op.Done() {
			return op.Failure()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, c.pollLimit(header))
	}
}

// transient reports whether a repetition can help.
func transient(err error) bool {
	status := StatusOf(err)
	_, broken := errors.AsType[*ConnectionError](err)
	return broken || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= http.StatusInternalServerError
}

// pollLimit is the longest pause between two polls.
func (c *Client) pollLimit(h http.Header) time.Duration {
	limit := defaultPoll
	if s, err := strconv.Atoi(h.Get("Retry-After")); err == nil && s > 0 {
		limit = time.Duration(s) * time.Second
	}
	if c.options.PollMax > 0 {
		limit = min(limit, c.options.PollMax)
	}
	return limit
}
