package berth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"berth.dev/berth"
)

// TestPlain: an error of Go's libraries becomes words for users, whatever it is wrapped in.
func TestPlain(t *testing.T) {
	_, missing := os.ReadFile("/no/such/file")
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1},
		Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	unknown := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "edge.invalid", IsNotFound: true}}
	request := func(err error) error { return &url.Error{Op: "Get", URL: "https://127.0.0.1:1/api", Err: err} }
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("the key cannot be read: %w", missing), "the key cannot be read: /no/such/file does not exist"},
		{request(refused), "the connection to 127.0.0.1:1 failed: connection refused"},
		{request(unknown), "the name edge.invalid cannot be resolved"},
		{request(context.DeadlineExceeded), "no answer came in time"},
		{fmt.Errorf("the file is damaged: %w", json.Unmarshal([]byte("{"), &struct{}{})), "the file is damaged: it is not valid JSON"},
		{errors.New("the disk is full"), "the disk is full"},
	} {
		if got := berth.Plain(c.err); got != c.want || berth.Sentence(c.err) != c.want {
			t.Errorf("%v becomes %q, want %q", c.err, got, c.want)
		}
	}
	if got := berth.Sentence(request(errors.New(strings.Repeat("x", 400)))); len(got) > 301 {
		t.Errorf("%d bytes", len(got))
	}
}
