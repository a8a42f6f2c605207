package azure

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// stall is how long a client may neither send nor take anything. It replaces the limits that the server has for whole requests, because
// gigabytes take their time.
const stall = time.Minute

func (a *Account) limit() time.Time {
	if a.patience > 0 {
		return time.Now().Add(a.patience) // sockets know the real time only
	}
	return time.Now().Add(stall)
}

// patientReader moves the deadline of the connection with each read.
type patientReader struct {
	io.Reader
	call *call
}

func (p patientReader) Read(data []byte) (int, error) {
	control := http.NewResponseController(p.call.w)
	_ = control.SetReadDeadline(p.call.limit()) // without a connection there is no deadline
	n, err := p.Reader.Read(data)
	if errors.Is(err, io.EOF) {
		_ = control.SetReadDeadline(time.Time{}) // what follows does not read; after another error, the server may read on for a while
	}
	return n, err
}

// patientWriter moves the deadline of the connection with each write.
type patientWriter struct{ *call }

func (p patientWriter) Write(data []byte) (int, error) {
	control := http.NewResponseController(p.w)
	_ = control.SetWriteDeadline(p.limit())
	defer func() { _ = control.SetWriteDeadline(time.Time{}) }() // the next request begins anew
	return p.w.Write(data)
}
