package router

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"berth.dev/berth/router/route"
)

// BenchmarkForward compares the router with what net/http needs to pass a request on, with the same connections. The bench program
// measures the same between processes.
func BenchmarkForward(b *testing.B) {
	replica := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"result":[1,2,3]}`)
	}))
	defer replica.Close()
	to, err := url.Parse(replica.URL)
	if err != nil {
		b.Fatal(err)
	}
	bare := &httputil.ReverseProxy{Transport: newTransport(), BufferPool: buffers{}, Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(to)
		p.Out.URL.Path = "/score"
		p.SetXForwarded()
	}}
	b.Run("bare", func(b *testing.B) { forward(b, bare) })
	for _, services := range []int{1, 10, 100} {
		t := &route.Table{}
		for i := range services {
			t.Routes = append(t.Routes, route.Route{Name: route.Name{Kind: route.Service, Name: fmt.Sprint("s", i)}, Auth: route.ByKey,
				Keys: []route.KeyHash{route.HashKey("key"), route.HashKey("key2")}, Versions: []route.Version{{Name: "v1", Traffic: 100,
					Concurrency: 1000, Backend: route.Backend{Addresses: []string{strings.TrimPrefix(replica.URL, "http://")}}}}})
		}
		r := New(Options{})
		if err := r.Apply(t); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("router-%d", services), func(b *testing.B) { forward(b, r) })
	}
}

func forward(b *testing.B, h http.Handler) {
	front := httptest.NewServer(h)
	defer front.Close()
	client := &http.Client{Transport: newTransport()}
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			req, _ := http.NewRequest(http.MethodPost, front.URL+"/api/v1/service/s0/score", strings.NewReader(`{"data":[[1,2,3,4,5,6,7,8,9,10]]}`))
			req.Header.Set("Authorization", "Bearer key")
			res, err := client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				b.Error(res.Status)
				return
			}
		}
	})
}
