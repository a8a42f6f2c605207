package client

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"berth.dev/berth"
)

// StatusError is what the server refused with: its error, and the HTTP status.
type StatusError struct {
	Status int
	Err    *berth.Error
}

// Error implements error.
func (e *StatusError) Error() string { return e.Err.Error() }

// Unwrap returns the server's error, for errors.As.
func (e *StatusError) Unwrap() error { return e.Err }

// StatusOf is the HTTP status that an error came with; 0 for an error that is not the server's.
func StatusOf(err error) int {
	if e, ok := errors.AsType[*StatusError](err); ok {
		return e.Status
	}
	return 0
}

// IsNotFound reports whether the server answered that a resource does not exist.
func IsNotFound(err error) bool { return StatusOf(err) == http.StatusNotFound }

// Refused reports whether the server refused the request itself (4xx): the same request will be refused again. A 401 is not one of
// these, because signing in helps.
func Refused(err error) bool {
	status := StatusOf(err)
	return status >= http.StatusBadRequest && status < http.StatusInternalServerError && status != http.StatusUnauthorized
}

// decodeError reads {"error":{"code","message",…}}.
func decodeError(res *Response) error {
	var out struct {
		Error *berth.Error `json:"error"`
	}
	if err := json.Unmarshal(res.body, &out); err == nil && out.Error != nil && (out.Error.Code != "" || out.Error.Message != "") {
		return &StatusError{Status: res.Status, Err: out.Error}
	}
	e := berth.Errorf(berth.Code(strings.ReplaceAll(http.StatusText(res.Status), " ", "")), "The server answered %d %s without saying why.",
		res.Status, http.StatusText(res.Status))
	return &StatusError{Status: res.Status, Err: e}
}

// ConnectionError means that no answer came: the server may have carried the request out, or not.
type ConnectionError struct {
	message string
	err     error
}

// Error implements error.
func (e *ConnectionError) Error() string { return e.message }

// Unwrap returns the cause.
func (e *ConnectionError) Unwrap() error { return e.err }

// connectionError turns what went wrong on the way into a sentence that names the remedy.
func (c *Client) connectionError(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &ConnectionError{message: c.explain(err), err: err}
}

func (c *Client) explain(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the address: it may be long, and the sentence names the server
	}
	if message := c.explainCertificate(err); message != "" {
		return message
	}
	timeout, isTimeout := errors.AsType[net.Error](err)
	dns, isDNS := errors.AsType[*net.DNSError](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), strings.Contains(err.Error(), "refused"): // Windows has an errno of its own
		return fmt.Sprintf("Berth does not answer at %s; start it with `berth serve`.", c.base)
	case isDNS:
		return fmt.Sprintf("Berth's address %s cannot be reached: the name %s is not known.", c.base, dns.Name)
	case isTimeout && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("Berth did not answer in time at %s.", c.base)
	case strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return fmt.Sprintf("What answers at %s does not speak HTTPS, so it is not Berth. Another program may have the port.", c.base)
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		err = number // without the names of calls and addresses
	} else if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the server ended it in the middle of its answer")
	}
	return fmt.Sprintf("The connection to Berth at %s broke: %v.", c.base, err)
}

func (c *Client) explainCertificate(err error) string {
	trust := "the system's certificates (name Berth's own CA in BERTH_CA_FILE or `berth login --ca-file`)"
	if file := c.options.Credentials.CAFile; file != "" {
		trust = "the CA in " + file + " (was the data folder made anew, or is this another server?)"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fmt.Sprintf("The certificate of %s cannot be trusted: it was not issued by %s.", c.base, trust)
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Sprintf("The certificate of %s is for other names: %v. Start the server with --host %s.", c.base, e, e.Host)
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return fmt.Sprintf("The certificate of %s is not valid: %v. Restarting the server renews it; check the clock too.", c.base, e)
	}
	return ""
}
