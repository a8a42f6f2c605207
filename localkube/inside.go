package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"
)

// forward joins each connection to one that dial makes, until the listener is closed. localnodes/network.go has the other side.
func forward(l net.Listener, dial func() (net.Conn, error)) {
	for {
		from, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(50 * time.Millisecond) // no file descriptor is free, for instance
			continue
		}
		go func() {
			to, err := dial()
			if err != nil {
				_ = from.Close()
				return
			}
			join(from, to)
		}()
	}
}

// dialInside connects to an address in the nodes' namespaces.
func dialInside(address string) (net.Conn, error) {
	return connectBy(filepath.Join(socketsDir, "in.sock"), address)
}

// connectBy connects by a proxy on a Unix socket that knows CONNECT.
func connectBy(socket, address string) (net.Conn, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(conn, "CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", address); err != nil {
		_ = conn.Close()
		return nil, err
	}
	r := bufio.NewReader(conn)
	answer, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &buffered{conn.(*net.UnixConn), r}, nil
}

// buffered is a connection of which something may have been read already.
type buffered struct {
	*net.UnixConn
	r *bufio.Reader
}

// Read implements net.Conn.
func (b *buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

// WriteTo implements io.WriterTo: that of the connection would leave out what has been read already.
func (b *buffered) WriteTo(w io.Writer) (int64, error) { return b.r.WriteTo(w) }

// join copies both ways until both have ended.
func join(a, b net.Conn) {
	one := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // either end may go at any time
		if h, ok := to.(interface{ CloseWrite() error }); ok {
			_ = h.CloseWrite()
		}
	}
	done := make(chan struct{})
	go func() { defer close(done); one(a, b) }()
	one(b, a)
	<-done
	_, _ = a.Close(), b.Close()
}
