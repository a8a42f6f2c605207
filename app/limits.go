package app

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/identity"
)

// What a stranger without a token can make the server hold. A connection takes about 50 kB and a stream that nobody reads 20 kB.
const (
	maxConnections = 2048
	maxFromOne     = maxConnections / 4 // connections of one address; in IPv6 of one subscriber's network
	maxStreams     = 50                 // requests under way on one HTTP/2 connection
	maxUnderWay    = 4096               // requests under way
	unreadFor      = time.Minute
)

// crowd counts the connections. The zero value is ready.
type crowd struct {
	mu   sync.Mutex
	all  int
	from map[string]int
}

// enter lets a connection in, until it is closed. It is nil when there are too many.
func (c *crowd) enter(conn net.Conn) net.Conn {
	key := identity.NetworkOf(conn.RemoteAddr().String())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= maxConnections || c.from[key] >= maxFromOne {
		return nil
	}
	if c.from == nil {
		c.from = map[string]int{}
	}
	c.all++
	c.from[key]++
	return &countedConn{Conn: conn, leave: func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all--
		if c.from[key]--; c.from[key] == 0 {
			delete(c.from, key)
		}
	}}
}

type countedConn struct {
	net.Conn
	once  sync.Once
	leave func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	c.once.Do(c.leave)
	return c.Conn.Close()
}

// bounded refuses requests when too many are under way, and cuts off clients that leave an answer unread for as long as unread.
func bounded(next http.Handler, unread time.Duration) http.Handler {
	var underWay atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer underWay.Add(-1)
		if underWay.Add(1) > maxUnderWay {
			notNow(w, berth.Errorf(berth.CodeServiceUnavailable, "Too many requests are under way. Try again in a moment."), 1)
			return
		}
		control := http.NewResponseController(w)
		if r.ProtoMajor == 1 {
			_ = control.SetWriteDeadline(time.Time{}) // that of the request before, on the same connection
		}
		next.ServeHTTP(boundedWriter{w, control, unread}, r)
		_ = control.SetWriteDeadline(time.Now().Add(unread)) // what the client has not taken yet
	})
}

// boundedWriter gives the client a time for each part of an answer, however long the whole takes.
type boundedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	unread  time.Duration
}

// Write implements http.ResponseWriter.
func (b boundedWriter) Write(data []byte) (int, error) {
	_ = b.control.SetWriteDeadline(time.Now().Add(b.unread))
	n, err := b.ResponseWriter.Write(data)
	_ = b.control.SetWriteDeadline(time.Time{}) // the handler may take its time until the next part
	return n, err
}

// FlushError is what http.ResponseController flushes with.
func (b boundedWriter) FlushError() error {
	_ = b.control.SetWriteDeadline(time.Now().Add(b.unread))
	err := b.control.Flush()
	_ = b.control.SetWriteDeadline(time.Time{})
	return err
}

// Unwrap is for http.ResponseController.
func (b boundedWriter) Unwrap() http.ResponseWriter { return b.ResponseWriter }
