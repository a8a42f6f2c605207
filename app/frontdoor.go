package app

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The SDKs reach files under a host name that no resolver knows unless somebody tells it. So the port of the server is also an HTTP proxy
// that knows CONNECT to the server's own names and nothing else: with HTTPS_PROXY=http://host:port a client looks nothing up, and the
// connection goes on as if it had been made to the server directly. A TLS connection begins with a byte that no HTTP request begins with.

const (
	// doorPatience is how long a client may take to say what it wants.
	doorPatience = 10 * time.Second
	maxConnect   = 16 << 10 // bytes of a CONNECT request
)

// What the proxy says: no translation, because clients show it as it is.
const (
	connectedAnswer = "HTTP/1.1 200 Connection established\r\n\r\n"
	strangerAnswer  = "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n" +
		"This proxy leads to this Berth only. Unset HTTPS_PROXY for other hosts, or name them in NO_PROXY.\n"
)

var errStranger = errors.New("another host")

// frontDoor is a listener whose connections may begin with CONNECT to one of names.
type frontDoor struct {
	net.Listener
	names   []string
	inner   func(name string) (address string, ok bool) // of a server name that is another's; nil when there is none
	ready   chan net.Conn
	closed  chan struct{}
	closing sync.Once
	crowd   crowd
}

func newFrontDoor(l net.Listener, names []string, inner func(string) (string, bool)) *frontDoor {
	d := &frontDoor{Listener: l, names: names, inner: inner, ready: make(chan net.Conn), closed: make(chan struct{})}
	go d.listen()
	return d
}

// listen takes connections until the listener is closed. Each says in its own time what it wants.
func (d *frontDoor) listen() {
	for {
		conn, err := d.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			select {
			case <-d.closed:
				return
			case <-time.After(50 * time.Millisecond): // no file descriptor is free, for instance
			}
			continue
		}
		in := d.crowd.enter(conn)
		if in == nil {
			_ = conn.Close()
			continue
		}
		go d.let(in)
	}
}

// let hands a connection on, once it speaks TLS.
func (d *frontDoor) let(conn net.Conn) {
	in, err := d.opened(conn)
	if err == nil && d.inner != nil {
		in, err = d.passed(in)
	}
	if err != nil {
		_ = conn.Close()
		return
	}
	select {
	case d.ready <- in:
	case <-d.closed:
		_ = conn.Close()
	}
}

// opened is the connection behind a CONNECT request, or as it is.
func (d *frontDoor) opened(conn net.Conn) (net.Conn, error) {
	if err := conn.SetDeadline(time.Now().Add(doorPatience)); err != nil {
		return nil, err
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(conn, first); err != nil {
		return nil, err
	}
	begun := &begunConn{Conn: conn, begun: bytes.NewReader(first)}
	if first[0] != 'C' { // TLS, or what the TLS server refuses in its own words
		return begun, conn.SetDeadline(time.Time{})
	}
	from := bufio.NewReader(io.LimitReader(begun, maxConnect))
	r, err := http.ReadRequest(from)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(r.Host)
	own := slices.ContainsFunc(d.names, func(n string) bool { return strings.EqualFold(n, host) })
	if err != nil || r.Method != http.MethodConnect || !own {
		_, _ = io.WriteString(conn, strangerAnswer)
		return nil, errStranger
	}
	if _, err := io.WriteString(conn, connectedAnswer); err != nil {
		return nil, err
	}
	rest, err := from.Peek(from.Buffered())
	if err != nil {
		return nil, err
	}
	return &begunConn{Conn: conn, begun: bytes.NewReader(rest)}, conn.SetDeadline(time.Time{})
}

var errPassed = errors.New("another server had it")

// passed is a connection to this server. One with the name of another server it joins with that, until it ends.
func (d *frontDoor) passed(conn net.Conn) (net.Conn, error) {
	if err := conn.SetDeadline(time.Now().Add(doorPatience)); err != nil {
		return nil, err
	}
	name, conn := serverName(conn)
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	address, is := d.inner(name)
	if !is {
		return conn, nil
	}
	to, err := net.DialTimeout("tcp", address, doorPatience)
	if err != nil {
		return nil, err
	}
	joined(conn, to)
	return nil, errPassed
}

// Accept implements net.Listener.
func (d *frontDoor) Accept() (net.Conn, error) {
	select {
	case conn := <-d.ready:
		return conn, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (d *frontDoor) Close() error {
	d.closing.Do(func() { close(d.closed) })
	return d.Listener.Close()
}

// begunConn is a connection of which something was read already.
type begunConn struct {
	net.Conn
	begun *bytes.Reader
}

func (c *begunConn) Read(p []byte) (int, error) {
	if c.begun.Len() > 0 {
		return c.begun.Read(p)
	}
	return c.Conn.Read(p)
}
