package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
)

// bareServer is a process of its own that writes the same bytes to everybody: what net/http and TLS cost by themselves.
type bareServer struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	url    string
	client *http.Client
}

// startSelf starts this program again, with pipes to it.
func startSelf(args ...string) (cmd *exec.Cmd, in io.WriteCloser, out io.ReadCloser, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, nil, err
	}
	cmd = exec.Command(self, args...)
	if in, err = cmd.StdinPipe(); err != nil {
		return nil, nil, nil, err
	}
	if out, err = cmd.StdoutPipe(); err != nil {
		return nil, nil, nil, err
	}
	return cmd, in, out, cmd.Start()
}

// startBare starts this program again as the bare handler. The body goes in and the address and certificate come out.
func startBare(body []byte) (*bareServer, error) {
	cmd, in, out, err := startSelf("-bare")
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintln(in, base64.StdEncoding.EncodeToString(body)); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, err
	}
	address, certificate, _ := strings.Cut(strings.TrimSpace(line), " ")
	der, err := base64.StdEncoding.DecodeString(certificate)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	trust := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true}}
	return &bareServer{cmd: cmd, stdin: in, url: address, client: client}, nil
}

func (s *bareServer) stop() {
	_ = s.stdin.Close() // it ends when its input does
	_ = s.cmd.Wait()
}

// serveBare is the bare handler's process.
func serveBare() {
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadString('\n')
	if err != nil {
		return
	}
	body, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
	if err != nil {
		return
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(body)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	fmt.Println(s.URL, base64.StdEncoding.EncodeToString(s.Certificate().Raw))
	_, _ = io.Copy(io.Discard, in) // until the parent closes it
	s.Close()
}
