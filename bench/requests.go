package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
	_ "berth.dev/berth/store" // brings the SQLite driver that the server uses
)

// load is what one measurement sends.
type load struct {
	name string
	ask  func(i int64) (*http.Request, error)
}

// result is what came back.
type result struct {
	perSecond     float64
	p50, p99, max time.Duration
}

// requests compares the server with a bare handler that writes the same bytes over the same kind of TLS, and durable
// writes with bare commits on the same disk.
func (b *bench) requests(ctx context.Context) error {
	c := b.server.client
	if err := b.server.createCompute(ctx, "getme"); err != nil {
		return err
	}
	get := c.Endpoint() + client.Path(c.ID(group, berth.TypeCompute, workspace, "getme")) + "?api-version=2024-04-01"
	token, err := b.token(ctx)
	if err != nil {
		return err
	}
	web, err := b.httpClient()
	if err != nil {
		return err
	}
	ask := func(i int64) (*http.Request, error) { return request(http.MethodGet, get, token, nil) }
	body, err := once(web, ask)
	if err != nil {
		return err
	}
	if err := b.against(web, load{"GET compute", ask}, body); err != nil {
		return err
	}
	put := func(i int64) (*http.Request, error) {
		id := c.ID(group, berth.TypeWorkspace, fmt.Sprintf("load%d", i%500))
		address := c.Endpoint() + client.Path(id) + "?api-version=2024-04-01"
		return request(http.MethodPut, address, token, fmt.Appendf(nil, `{"location":"westeurope","tags":{"turn":"%d"}}`, i))
	}
	if body, err = once(web, put); err != nil {
		return err
	}
	if err := b.against(web, load{"PUT workspace", put}, body); err != nil {
		return err
	}
	if err := b.commits(ctx, web, load{"", put}); err != nil {
		return err
	}
	if err := b.validate(web, token); err != nil {
		return err
	}
	return b.server.deleteCompute(ctx, "getme", client.ActionDelete)
}

// validate measures all rules on a request that breaks many of them.
func (b *bench) validate(web *http.Client, token string) error {
	c := b.server.client
	address := c.Endpoint() + client.Path(c.ID(group, berth.TypeCompute, workspace, "no_such-1")) + "/validate?api-version=2024-04-01"
	body := []byte(`{"location":"westeurope","properties":{"computeType":"AKS","properties":{
		"agentCount":1,"agentVmSize":"Standard_D2","clusterPurpose":"FastProd","loadBalancerSubnet":"x",
		"sslConfiguration":{"status":"Enabled","cert":"x","cname":"x"},
		"aksNetworkingConfiguration":{"serviceCidr":"10.0.0.0/33","dnsServiceIP":"10.1.0.1"}}}}`)
	r, err := b.hammer(web, 1, func(int64) (*http.Request, error) { return request(http.MethodPost, address, token, body) })
	if err == nil {
		row("every rule on a bad request (validate), p50 / p99", fmt.Sprintf("%.2f/%.2f ms", ms(r.p50), ms(r.p99)), "under 50 ms")
	}
	return err
}

// against runs a load on the server and on a bare handler, turn by turn.
func (b *bench) against(web *http.Client, l load, body []byte) error {
	bare, err := startBare(body)
	if err != nil {
		return err
	}
	defer bare.stop()
	bareAsk := func(i int64) (*http.Request, error) {
		req, err := l.ask(i)
		if err != nil {
			return nil, err
		}
		u, err := url.Parse(bare.url + req.URL.RequestURI())
		req.URL, req.Host = u, ""
		return req, err
	}
	for _, clients := range []int{1, 32} {
		ours, err := b.hammer(web, clients, l.ask)
		if err != nil {
			return err
		}
		theirs, err := b.hammer(bare.client, clients, bareAsk)
		if err != nil {
			return err
		}
		row(fmt.Sprintf("%s, %d client(s)", l.name, clients), fmt.Sprintf("%.0f/s", ours.perSecond), "")
		row("    p50 / p99", fmt.Sprintf("%.2f/%.2f ms", ms(ours.p50), ms(ours.p99)), "")
		row("    bare handler", fmt.Sprintf("%.0f/s", theirs.perSecond), "")
		row("    ratio", fmt.Sprintf("%.2f", ours.perSecond/theirs.perSecond), "at least 0.7")
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// commits compares durable writes through the server with bare commits of one insert each, on the same disk.
func (b *bench) commits(_ context.Context, web *http.Client, l load) error {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.server.dir, "bare.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)"); err != nil {
		return err
	}
	insert, err := db.Prepare("INSERT INTO t (v) VALUES (?)")
	if err != nil {
		return err
	}
	n, start := 0, time.Now()
	for time.Since(start) < b.window {
		if _, err := insert.Exec("something of the length of a small resource, give or take"); err != nil {
			return err
		}
		n++
	}
	bare := float64(n) / time.Since(start).Seconds()
	ours, err := b.hammer(web, 32, l.ask)
	if err != nil {
		return err
	}
	row("durable writes, 32 clients", fmt.Sprintf("%.0f/s", ours.perSecond), "")
	row("    bare SQLite commits", fmt.Sprintf("%.0f/s", bare), "")
	row("    ratio", fmt.Sprintf("%.2f", ours.perSecond/bare), "at least 0.5")
	return nil
}

// hammer sends requests from n clients for a while.
func (b *bench) hammer(web *http.Client, n int, ask func(int64) (*http.Request, error)) (result, error) {
	return b.hammerUntil(func(since time.Duration) bool { return since >= b.window }, web, n, ask)
}

// hammerUntil sends until it is done.
func (b *bench) hammerUntil(done func(since time.Duration) bool, web *http.Client, n int,
	ask func(int64) (*http.Request, error)) (result, error) {
	var turn atomic.Int64
	var lock sync.Mutex
	var all []time.Duration
	start := time.Now()
	err := each(n, func(int) error {
		var own []time.Duration
		for !done(time.Since(start)) {
			begin := time.Now()
			if _, err := once(web, func(int64) (*http.Request, error) { return ask(turn.Add(1)) }); err != nil {
				return err
			}
			own = append(own, time.Since(begin))
		}
		lock.Lock()
		all = append(all, own...)
		lock.Unlock()
		return nil
	})
	return result{perSecond: float64(len(all)) / time.Since(start).Seconds(), p50: median(all), p99: quantile(all, 0.99),
		max: quantile(all, 1)}, err
}

func once(web *http.Client, ask func(int64) (*http.Request, error)) ([]byte, error) {
	req, err := ask(0)
	if err != nil {
		return nil, err
	}
	resp, err := web.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err == nil && resp.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %s %s", req.Method, req.URL.Path, resp.Status, body)
	}
	return body, err
}

func request(method, address, token string, body []byte) (*http.Request, error) {
	req, err := http.NewRequest(method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	return req, nil
}

func (b *bench) httpClient() (*http.Client, error) { return b.server.web() }

// web trusts the server's authority and speaks HTTP/2, as the client of the bare handler does.
func (s *server) web() (*http.Client, error) {
	text, err := os.ReadFile(s.creds.CAFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	trust := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true}}, nil
}

// token signs in.
func (b *bench) token(ctx context.Context) (string, error) {
	web, err := b.httpClient()
	if err != nil {
		return "", err
	}
	c := b.server.creds
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {c.ClientID}, "client_secret": {c.ClientSecret},
		"scope": {c.Endpoint + "/.default"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Endpoint+"/"+c.TenantID+"/oauth2/v2.0/token",
		bytes.NewReader([]byte(form.Encode())))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	body, err := once(web, func(int64) (*http.Request, error) { return req, nil })
	if err != nil {
		return "", err
	}
	var out struct {
		Token string `json:"access_token"`
	}
	err = json.Unmarshal(body, &out)
	return out.Token, err
}
