package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// kubeletsAskWhoMay: a certificate of the cluster is not enough to call a kubelet; the API server's own may.
func kubeletsAskWhoMay(t *testing.T, r *running) {
	ca, err := os.ReadFile(filepath.Join(r.dir, "pki", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	for name, want := range map[string]int{"kubelet-client": http.StatusOK, "dns": http.StatusForbidden, "proxy": http.StatusForbidden} {
		pair, err := tls.LoadX509KeyPair(filepath.Join(r.dir, "pki", name+".crt"), filepath.Join(r.dir, "pki", name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}},
			DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
				return connectBy(filepath.Join(r.dir, socketsDir, "in.sock"), address)
			},
		}
		eventually(t, func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://10.224.0.4:10250/pods", nil)
			if err != nil {
				return err
			}
			res, err := transport.RoundTrip(req)
			if err == nil && res.StatusCode != want {
				err = fmt.Errorf("%s: %s; want %d", name, res.Status, want)
			}
			if res != nil {
				_ = res.Body.Close()
			}
			return err
		})
		transport.CloseIdleConnections()
	}
}
