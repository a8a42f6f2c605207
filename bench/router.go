package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"berth.dev/berth/router/route"
)

const routerKey = "a key that is as long as those are"

// part is a process of its own that serves HTTP until its input ends.
type part struct {
	cmd   *exec.Cmd
	stdin io.Closer
	url   string
}

// startPart starts this program again, as a replica or a bare proxy.
func startPart(role string) (*part, error) {
	cmd, in, out, err := startSelf("-be", role)
	if err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	return &part{cmd, in, strings.TrimSpace(line)}, err
}

func (p *part) stop() {
	_ = p.stdin.Close()
	_ = p.cmd.Wait()
}

// servePart is that process: "replica" answers as a small model does at once; any other role is the address that a reverse proxy of
// net/http, with the connections that the router has, passes requests on to.
func servePart(role string) error {
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"result": [210.5, 76.1]}`)
	})
	if role != "replica" {
		to, err := url.Parse(role)
		if err != nil {
			return err
		}
		transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 1 << 16, IdleConnTimeout: time.Second,
			WriteBufferSize: 8 << 10, ReadBufferSize: 8 << 10}
		h = &httputil.ReverseProxy{Transport: transport, BufferPool: &buffers{}, Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(to)
			p.SetXForwarded()
		}}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + l.Addr().String())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return http.Serve(l, h) // #nosec G114 -- talks to this program only
}

// buffers are what the bare reverse proxy copies answers with.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

// startRouter starts berth-fe with so many services, all of this replica.
func (b *bench) startRouter(ctx context.Context, dir, replica string, services int) (*part, error) {
	t := &route.Table{}
	for i := range services {
		t.Routes = append(t.Routes, route.Route{Name: route.Name{Kind: route.Service, Name: fmt.Sprint("model", i)}, Auth: route.ByKey,
			Keys: []route.KeyHash{route.HashKey("another"), route.HashKey(routerKey)}, Versions: []route.Version{{Name: "v1", Traffic: 100,
				Concurrency: 64, Backend: route.Backend{Addresses: []string{strings.TrimPrefix(replica, "http://")}}}}})
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "routes.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	_ = l.Close()
	cmd := exec.CommandContext(ctx, filepath.Join(b.bin, "berth-fe"), "--routes", file, "--http", address, "--internal", "127.0.0.1:0",
		"--unready", "0s")
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &part{cmd, io.NopCloser(nil), "http://" + address}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			return p, c.Close()
		}
	}
	return p, errors.New("berth-fe does not start")
}

// router compares scoring through the router with scoring directly at the replica, and with a bare reverse proxy.
func (b *bench) router(ctx context.Context) error {
	replica, err := startPart("replica")
	if err != nil {
		return err
	}
	defer replica.stop()
	proxy, err := startPart(replica.url)
	if err != nil {
		return err
	}
	defer proxy.stop()
	dir, err := os.MkdirTemp("", "berth-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, services := range []int{1, 10, 100} {
		fe, err := b.startRouter(ctx, dir, replica.url, services)
		if err == nil {
			err = b.compareRouter(services, [3]*part{replica, proxy, fe})
		}
		if fe != nil {
			if mb, err := resident(fe.cmd.Process.Pid); err == nil {
				row("    memory of berth-fe", fmt.Sprintf("%.0f MB", mb), "")
			}
			_ = fe.cmd.Process.Signal(os.Interrupt)
			_ = fe.cmd.Wait()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// compareRouter runs the three (the replica, the bare reverse proxy and the router) turn by turn, and takes the medians.
func (b *bench) compareRouter(services int, three [3]*part) error {
	web := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}
	for _, clients := range []int{1, 32} {
		var loaded, paced [3][]result
		var cpu [3]time.Duration
		var sent [3]float64
		for range b.rounds {
			for i, p := range three {
				ask := p.scoring(services)
				before, start := p.cpu(), time.Now()
				r, err := b.hammer(web, clients, ask)
				if err != nil {
					return err
				}
				sent[i] += r.perSecond * time.Since(start).Seconds()
				cpu[i] += p.cpu() - before
				loaded[i] = append(loaded[i], r)
				if r, err = b.pace(web, clients, ask); err != nil {
					return err
				}
				paced[i] = append(paced[i], r)
			}
		}
		ours, bare := middle(loaded[2]), middle(loaded[1])
		each := func(i int) float64 { return float64(cpu[i].Microseconds()) / sent[i] }
		row(fmt.Sprintf("%d service(s), %d client(s)", services, clients), fmt.Sprintf("%.0f/s", ours.perSecond), "")
		row("    bare reverse proxy, directly", fmt.Sprintf("%.0f/s, %.0f/s", bare.perSecond, middle(loaded[0]).perSecond), "")
		row("    ratio to the bare reverse proxy", fmt.Sprintf("%.2f", ours.perSecond/bare.perSecond), "at least 0.9")
		row("    processor time of a request, that of the bare proxy", fmt.Sprintf("%.0f us, %.0f us", each(2), each(1)), "")
		calm := middle(paced[0])
		row("    added latency at 500 requests/s, p50 / p99", added(middle(paced[2]), calm), "0.5 ms / 3 ms")
		row("    that of the bare reverse proxy", added(middle(paced[1]), calm), "")
	}
	return nil
}

// scoring asks the services one after the other.
func (p *part) scoring(services int) func(int64) (*http.Request, error) {
	body := []byte(`{"data": [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]]}`)
	return func(n int64) (*http.Request, error) {
		return request(http.MethodPost, fmt.Sprintf("%s/api/v1/service/model%d/score", p.url, n%int64(services)), routerKey, body)
	}
}

func (p *part) cpu() time.Duration {
	d, err := cpuTime(p.cmd.Process.Pid)
	if err != nil {
		return 0
	}
	return d
}

// pace sends 500 requests a second from n clients: what a request takes when it need not wait for the processor.
func (b *bench) pace(web *http.Client, n int, ask func(int64) (*http.Request, error)) (result, error) {
	var lock sync.Mutex
	var all []time.Duration
	every := time.Second * time.Duration(n) / 500
	start := time.Now()
	err := each(n, func(i int) error {
		time.Sleep(every * time.Duration(i) / time.Duration(n)) // not all at the same moment
		tick := time.NewTicker(every)
		defer tick.Stop()
		for time.Since(start) < b.window {
			<-tick.C
			begin := time.Now()
			if _, err := once(web, ask); err != nil {
				return err
			}
			took := time.Since(begin)
			lock.Lock()
			all = append(all, took)
			lock.Unlock()
		}
		return nil
	})
	return result{p50: median(all), p99: quantile(all, 0.99)}, err
}

func added(through, direct result) string {
	return fmt.Sprintf("%.2f/%.2f ms", ms(through.p50-direct.p50), ms(through.p99-direct.p99))
}

// middle takes the median of each figure.
func middle(all []result) result {
	var rates []float64
	var p50, p99 []time.Duration
	for _, r := range all {
		rates = append(rates, r.perSecond)
		p50 = append(p50, r.p50)
		p99 = append(p99, r.p99)
	}
	slices.Sort(rates)
	return result{perSecond: rates[len(rates)/2], p50: median(p50), p99: median(p99)}
}
