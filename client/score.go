package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// Scored is what a web service answered.
type Scored struct {
	Status  int
	Header  http.Header
	Body    []byte
	Cut     bool   // Body is only the beginning
	Reason  string // why it is no answer of the model, in plain words; empty when the model itself answered
	Seconds float64
}

// scorePatience is longer than the longest time that a service may take for a request.
const scorePatience = 6 * time.Minute

// ScoreRequest is a call of a web service.
type ScoreRequest struct {
	URI  string
	Key  string // or token; empty for none
	Body []byte
	// Deployment picks a deployment of an endpoint; empty for one by the traffic.
	Deployment string
	Most       int64 // bytes of the answer that are read; 64 MiB when 0
	// Dial connects, for a caller who does not trust the address. Without it, the connection is as that of any program.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Score calls a web service. An answer that tells of a failure is an answer too.
func (c *Client) Score(ctx context.Context, r ScoreRequest) (s Scored, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URI, bytes.NewReader(r.Body))
	if err != nil {
		return s, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", c.options.UserAgent)
	if r.Key != "" {
		req.Header.Set("Authorization", "Bearer "+r.Key)
	}
	if r.Deployment != "" {
		req.Header.Set("azureml-model-deployment", r.Deployment)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if pem, err := os.ReadFile(c.options.Credentials.CAFile); err == nil {
		roots.AppendCertsFromPEM(pem) // besides those of the system: a service may have a certificate of its owner
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if r.Dial != nil {
		transport.DialContext, transport.Proxy = r.Dial, nil
	}
	defer transport.CloseIdleConnections()
	start := time.Now()
	res, err := (&http.Client{Transport: transport, Timeout: scorePatience, CheckRedirect: noRedirect}).Do(req)
	if err != nil {
		return s, fmt.Errorf("the service at %s does not answer: %w", r.URI, err)
	}
	most := cmp.Or(r.Most, maxAnswer)
	s.Status, s.Header = res.StatusCode, res.Header
	s.Reason = res.Header.Get("X-Berth-Reason")
	s.Body, err = io.ReadAll(io.LimitReader(res.Body, most+1))
	s.Seconds = time.Since(start).Seconds()
	if s.Cut = int64(len(s.Body)) > most; s.Cut {
		s.Body = s.Body[:most]
	}
	return s, errors.Join(err, res.Body.Close())
}
