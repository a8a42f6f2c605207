package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
)

// echoing answers each datagram with itself until the test ends, and says who has asked.
func echoing(t *testing.T) (at string, from <-chan netip.AddrPort) {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	asked := make(chan netip.AddrPort, 100)
	go func() {
		for text := make([]byte, maxDatagram); ; {
			n, client, err := c.ReadFromUDPAddrPort(text)
			if err != nil {
				return
			}
			asked <- client
			_, _ = c.WriteToUDPAddrPort(text[:n], client)
		}
	}()
	return c.LocalAddr().String(), asked
}

// carried starts flows to an address, and answers where clients ask.
func carried(t *testing.T, f *flows) string {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); f.carry(socket) }()
	t.Cleanup(func() { _ = socket.Close(); <-ended })
	return socket.LocalAddr().String()
}

func askUDP(t *testing.T, c net.Conn, text string, patience time.Duration) error {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte(text)); err != nil {
		return err
	}
	answer := make([]byte, maxDatagram)
	n, err := c.Read(answer)
	if err == nil && string(answer[:n]) != text {
		t.Errorf("%d bytes are answered with %d", len(text), n)
	}
	return err
}

func dialUDP(t *testing.T, at string) net.Conn {
	t.Helper()
	c, err := net.Dial("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestFlows: each client has a flow of its own, also for the largest datagrams; there are no more than there is room for; one that is
// silent makes room; the end of the port ends them all.
func TestFlows(t *testing.T) {
	at, asked := echoing(t)
	room := make(chan struct{}, 2)
	f := &flows{dial: func() (net.Conn, error) { return net.Dial("udp", at) }, idle: time.Minute, room: room,
		open: map[netip.AddrPort]net.Conn{}}
	port := carried(t, f)
	largest := string(make([]byte, 65507))
	first, second := dialUDP(t, port), dialUDP(t, port)
	third := dialUDP(t, port)
	for range 3 {
		for _, c := range []net.Conn{first, second} {
			if err := askUDP(t, c, largest, 10*time.Second); err != nil {
				t.Fatal(err)
			}
		}
	}
	seen := map[netip.AddrPort]bool{}
	for range 6 {
		seen[<-asked] = true
	}
	if len(seen) != 2 {
		t.Errorf("two clients had %d flows", len(seen))
	}
	if err := askUDP(t, third, "is there room?", 200*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a third client in a room of two: %v", err)
	}
	f.mu.Lock()
	for _, inside := range f.open { // as if its time had come
		_ = inside.SetReadDeadline(time.Now())
		break
	}
	f.mu.Unlock()
	eventually(t, func(context.Context) error { return askUDP(t, third, "and now?", time.Second) })
}

// TestFlowsEnd: a silent flow ends by itself, and what the other side refuses does so at once; a client that comes again has a new one.
func TestFlowsEnd(t *testing.T) {
	gone, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at, _ := echoing(t)
	refuses := gone.LocalAddr().String()
	_ = gone.Close()
	for name, c := range map[string]struct {
		to   string
		idle time.Duration
	}{"silent": {at, 50 * time.Millisecond}, "refused": {refuses, time.Hour}} {
		t.Run(name, func(t *testing.T) {
			room, begun := make(chan struct{}, 1), make(chan struct{}, 1)
			f := &flows{idle: c.idle, room: room, open: map[netip.AddrPort]net.Conn{}, dial: func() (net.Conn, error) {
				begun <- struct{}{}
				return net.Dial("udp", c.to)
			}}
			client := dialUDP(t, carried(t, f))
			for range 2 {
				if _, err := client.Write([]byte("?")); err != nil {
					t.Fatal(err)
				}
				<-begun
				eventually(t, func(context.Context) error {
					f.mu.Lock()
					defer f.mu.Unlock()
					if len(f.open)+len(room) != 0 {
						return fmt.Errorf("%d flows are open", len(f.open))
					}
					return nil
				})
			}
		})
	}
}

// TestOnlySocket: the inside is not trusted. What it sends in place of one UDP socket is closed, and an error.
func TestOnlySocket(t *testing.T) {
	stream, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	udp := dialUDP(t, "127.0.0.1:9").(*net.UDPConn)
	for name, c := range map[string]struct {
		send []interface{ File() (*os.File, error) }
		pipe bool // whose end is sent too
		good bool
	}{"nothing": {}, "a file": {pipe: true}, "TCP": {send: []interface{ File() (*os.File, error) }{stream}},
		"two":     {send: []interface{ File() (*os.File, error) }{udp}, pipe: true},
		"another": {send: []interface{ File() (*os.File, error) }{udp, udp}},
		"UDP":     {send: []interface{ File() (*os.File, error) }{udp}, good: true}} {
		t.Run(name, func(t *testing.T) {
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = read.Close() }()
			var files []*os.File
			if c.pipe {
				files = append(files, write)
			}
			for _, of := range c.send {
				f, err := of.File()
				if err != nil {
					t.Fatal(err)
				}
				files = append(files, f)
			}
			var control []byte
			for _, f := range files {
				fd, err := syscall.Dup(int(f.Fd()))
				if err != nil {
					t.Fatal(err)
				}
				control = append(control, syscall.UnixRights(fd)...)
				_ = f.Close()
			}
			_ = write.Close()
			socket, err := onlySocket(control)
			if (err == nil) != c.good {
				t.Errorf("%v, %v", socket, err)
			}
			if _, err := read.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the pipe is still open: %v", err)
			}
			if socket != nil {
				_ = socket.Close()
			}
		})
	}
}
