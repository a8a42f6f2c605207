package router

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

const (
	// maxReplay is the size of a request body that is read before a replica is taken: a slow client then keeps no replica busy, and
	// the body can be sent again.
	maxReplay = 64 << 10
	// uploadPause is how long a client may send nothing in the middle of a body. A small body must be there after that time: this
	// deadline is set by the server, as ReadTimeout, so that not every request sets one.
	uploadPause = 30 * time.Second
)

// body is the body of a request: none, a small one that was read, or one that is passed on as it comes.
type body struct {
	small  []byte
	stream *upload
}

// readBody reads a small body, and bounds a large one.
func (x *exchange) readBody() *failure {
	n, most := x.in.ContentLength, x.router.maxBody
	switch {
	case n > most:
		return tooLarge(most)
	case n == 0 || x.in.Body == nil || x.in.Body == http.NoBody:
		return nil
	}
	if n < 0 || n > maxReplay {
		client := http.NewResponseController(x.w)
		_ = client.EnableFullDuplex() // a container may begin its answer before the body has ended
		x.body.stream = &upload{x: x, client: client, from: http.MaxBytesReader(x.w, x.in.Body, most)}
		return nil
	}
	small := make([]byte, n)
	if _, err := io.ReadFull(x.in.Body, small); err != nil {
		x.w.Header().Set("Connection", "close")
		return &failure{http.StatusRequestTimeout, "Request body not received", "the client did not send the whole body", 0}
	}
	x.body.small = small
	return nil
}

// open gives the body to one attempt to send it. A stream can be sent once.
func (b *body) open() io.ReadCloser {
	switch {
	case b.small != nil:
		return io.NopCloser(bytes.NewReader(b.small))
	case b.stream != nil:
		return io.NopCloser(b.stream) // an attempt that sent nothing must not close it
	}
	return http.NoBody
}

// upload is a large body on its way.
type upload struct {
	x      *exchange
	client *http.ResponseController
	from   io.ReadCloser
	until  time.Time // the read deadline that is set
	ended  atomic.Bool
	came   atomic.Int64 // bytes
}

// close ends what still reads the body: the transport may do so after its request has failed, and what comes after the body is the
// next request.
func (u *upload) close() {
	if !u.ended.Load() {
		_ = u.client.SetReadDeadline(time.Now()) // closing waits for the read that is under way
	}
	_ = u.from.Close()
}

func (u *upload) Read(p []byte) (int, error) {
	if now := time.Now(); u.until.Sub(now) < uploadPause/2 { // a deadline for each read would cost more than the read
		u.until = now.Add(uploadPause)
		_ = u.client.SetReadDeadline(u.until)
	}
	n, err := u.from.Read(p)
	u.came.Add(int64(n))
	if u.x.record != nil {
		u.x.record.request.add(u.x.record.spool, p[:n])
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		u.x.cancel(errUpload)
	case err != nil:
		u.ended.Store(true)
		_ = u.client.SetReadDeadline(time.Time{})
	default:
		u.x.progress()
	}
	return n, err
}

// download is a long answer on its way, of which each part restarts the replica's time.
type download struct {
	io.ReadCloser
	x *exchange
}

func (d *download) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	d.x.out += int64(n)
	d.x.progress()
	return n, err
}

// again is http.Request.GetBody: the transport calls it when a connection was closed before it wrote anything.
func (x *exchange) again() (io.ReadCloser, error) { return x.body.open(), nil }
