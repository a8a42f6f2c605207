package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// insideTest makes this program, run again in namespaces of its own, what uses the way out there.
const insideTest = "BERTH_TEST_INSIDE"

func TestMain(m *testing.M) {
	if os.Getenv(insideTest) != "" {
		if err := json.NewEncoder(os.Stdout).Encode(tryOutside()); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Addresses of the outside in this test: all that the stranger serves is at the first one.
const (
	stranger = "203.0.113.7"
	nobody   = "203.0.113.8"
	own      = "203.0.113.9"
)

// tryOutside opens the way out as manage does, and uses it. The values are what came of it.
func tryOutside() map[string]string {
	out := map[string]string{}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = errors.Join(netlink.LinkSetUp(lo), addAddress(apiAddress), openWayOut(os.NewFile(inDescriptor, "way out")))
	}
	if err != nil {
		out["open"] = err.Error()
		return out
	}
	out["tcp"] = call("tcp", net.JoinHostPort(stranger, "80"), "ping")
	out["udp"] = call("udp", net.JoinHostPort(stranger, "80"), "ping")
	large := strings.Repeat("0123456789abcdef", 1<<16)
	if got := call("tcp", net.JoinHostPort(stranger, "80"), large); got != large {
		out["large"] = fmt.Sprintf("%.80q", got)
	}
	if got := call("udp", net.JoinHostPort(stranger, "80"), large[:8000]); got != large[:8000] {
		out["large datagram"] = fmt.Sprintf("%.80q", got)
	}
	out["nobody"] = call("tcp", net.JoinHostPort(nobody, "80"), "ping")
	out["own"] = call("tcp", net.JoinHostPort(own, "80"), "ping")
	return out
}

// patience is how long anything may take here: far more than it does, even on a busy machine.
const patience = 5 * time.Minute

// call sends a text and reads as much back.
func call(network, address, text string) string {
	c, err := net.DialTimeout(network, address, patience)
	if err != nil {
		var reason syscall.Errno
		if errors.As(err, &reason) {
			return reason.Error()
		}
		return err.Error()
	}
	defer func() { _ = c.Close() }()
	go func() { _, _ = io.WriteString(c, text) }()
	got := make([]byte, len(text))
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err.Error()
	}
	if network == "udp" {
		n, err := c.Read(got)
		if err != nil {
			return err.Error()
		}
		return string(got[:n])
	}
	if _, err := io.ReadFull(c, got); err != nil {
		return err.Error()
	}
	return string(got)
}

// TestEgress: what is sent inside arrives outside and comes back, whole; a connection that cannot be made is refused inside, at once.
func TestEgress(t *testing.T) {
	near, far, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env, cmd.ExtraFiles = append(os.Environ(), insideTest+"=1"), []*os.File{far}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}}
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, os.Stderr
	if err := cmd.Start(); err != nil {
		if os.Getenv("BERTH_REAL_NODES") != "required" {
			t.Skip("this user may make no namespaces:", err)
		}
		t.Fatal(err)
	}
	if err := far.Close(); err != nil {
		t.Fatal(err)
	}
	fd, err := receiveDescriptor(near)
	if err == nil {
		err = newEgress(fd, newStranger(t))
	}
	if err := errors.Join(err, cmd.Wait()); err != nil {
		t.Fatal(err, text.String())
	}
	var got map[string]string
	if err := json.Unmarshal(text.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"tcp": "ping", "udp": "ping", "nobody": syscall.ECONNREFUSED.Error(), "own": syscall.ECONNREFUSED.Error()}
	for name, value := range got {
		if want[name] != value {
			t.Errorf("%s: %q, want %q", name, value, want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
}

// newStranger stands for the outside: a service that sends back what it gets.
func newStranger(t *testing.T) func(context.Context, string, string) (net.Conn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	datagrams, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = l.Close(), datagrams.Close() })
	go forward(l, func() (net.Conn, error) {
		a, b := net.Pipe()
		go func() { _, _ = io.Copy(b, b) }()
		return a, nil
	})
	go func() {
		for buffer := make([]byte, 64<<10); ; {
			n, from, err := datagrams.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = datagrams.WriteTo(buffer[:n], from)
		}
	}()
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		switch {
		case err != nil:
			return nil, err
		case host == own:
			return dialAllowed(ctx, network, "127.0.0.1:80")
		case host != stranger:
			return nil, syscall.ECONNREFUSED
		case network == "udp":
			return net.Dial(network, datagrams.LocalAddr().String())
		}
		return net.Dial(network, l.Addr().String())
	}
}
