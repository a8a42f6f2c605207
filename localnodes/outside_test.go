package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestMayDial(t *testing.T) {
	for address, may := range map[string]bool{
		"203.0.113.7:443": true, "10.0.0.5:5000": true, "[2001:db8::1]:443": true,
		"127.0.0.1:8443": false, "127.8.8.8:443": false, "[::1]:443": false, "[::ffff:127.0.0.1]:443": false, "0.0.0.0:443": false,
		"169.254.169.254:80": false, "[fe80::1]:443": false, "224.0.0.1:443": false, "no address": false,
	} {
		if err := mayDial(address); (err == nil) != may {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestTunnel: CONNECT is joined to what dial makes; everything else is refused, and so is what dial refuses.
func TestTunnel(t *testing.T) {
	echo := func(context.Context, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() { _, _ = io.Copy(far, far); _ = far.Close() }()
		return near, nil
	}
	for _, c := range []struct {
		request string
		dial    func(context.Context, string) (net.Conn, error)
		want    string
	}{
		{"CONNECT registry.example:443 HTTP/1.1\r\nHost: registry.example:443\r\n\r\nping", echo,
			"HTTP/1.1 200 Connection established\r\n\r\nping"},
		{"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n", dialOutside, "HTTP/1.1 502 "},
		{"GET http://registry.example/ HTTP/1.1\r\nHost: registry.example\r\n\r\n", echo, "HTTP/1.1 405 Method Not Allowed"},
	} {
		s := httptest.NewServer(http.HandlerFunc(tunnel(c.dial)))
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, c.request); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(c.want))
		if _, err := io.ReadFull(bufio.NewReader(conn), got); err != nil || !strings.EqualFold(string(got), c.want) {
			t.Errorf("%.30q: %q, %v; want %q", c.request, got, err, c.want)
		}
		_ = conn.Close()
		s.Close()
	}
}

// TestSilentRegistry: a registry that takes connections and says nothing is told within its patience, in words that a client shows; one
// that says anything at all is let through.
func TestSilentRegistry(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	speaks := httptest.NewServer(http.NotFoundHandler()) // no TLS: an answer all the same
	defer speaks.Close()
	fresh := answers{at: map[string]time.Time{}}
	proxy := httptest.NewServer(tunnel(func(ctx context.Context, address string) (net.Conn, error) {
		within := patience
		if address == silent.Addr().String() {
			within = time.Second
		}
		ctx, stop := context.WithTimeout(ctx, within)
		defer stop()
		dial := func() (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "tcp", address) }
		if err := fresh.check(ctx, address, dial); err != nil {
			return nil, err
		}
		return dial()
	}))
	defer proxy.Close()
	by, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(by)}}
	for address, want := range map[string]string{silent.Addr().String(): "took the connection and said nothing",
		speaks.Listener.Addr().String(): "server gave HTTP response to HTTPS client"} {
		res, err := client.Get("https://" + address + "/v2/")
		if err == nil {
			_ = res.Body.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", address, err, want)
		}
	}
}
