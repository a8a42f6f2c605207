package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// flowIdle is how long a client of a UDP port may be silent, and be sent nothing, until what leads inside is closed.
	flowIdle = time.Minute
	// maxFlows bounds the clients of all UDP ports of a cluster at a time; each takes a file descriptor. Further ones get no answer.
	maxFlows = 512
	// maxDatagram is more than UDP over IPv4 can carry, in bytes.
	maxDatagram = 64 << 10
	// datagramsPatience is how long the nodes may take to open a socket.
	datagramsPatience = 2 * time.Second
)

// datagramsHeader asks the inside for a UDP socket itself in place of a tunnel. localnodes/network.go has the same.
const datagramsHeader = "Berth-Datagrams"

// dialDatagrams is a UDP socket in the nodes' namespaces that is connected to an address there. Datagrams go through it without anything
// in between: the nodes open it and send it here.
func dialDatagrams(address string) (net.Conn, error) {
	asked, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: filepath.Join(socketsDir, "in.sock"), Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer func() { _ = asked.Close() }()
	if err := asked.SetDeadline(time.Now().Add(datagramsPatience)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(asked, "CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n%[2]s: 1\r\n\r\n", address, datagramsHeader); err != nil {
		return nil, err
	}
	answer, control := make([]byte, 1024), make([]byte, syscall.CmsgSpace(4))
	n, sent, _, _, err := asked.ReadMsgUnix(answer, control)
	if err != nil {
		return nil, err
	}
	socket, err := onlySocket(control[:sent])
	if err != nil {
		line, _, _ := strings.Cut(string(answer[:n]), "\r\n")
		return nil, fmt.Errorf("%s: %q: %w", address, line, err)
	}
	return socket, nil
}

// onlySocket takes the one UDP socket out of what came with a message. Whatever else came is closed.
func onlySocket(control []byte) (*net.UDPConn, error) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for i := range messages {
		fds, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			return nil, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "datagrams")) // #nosec: a file descriptor
		}
	}
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	if len(files) != 1 {
		return nil, fmt.Errorf("%d files came, not one", len(files))
	}
	conn, err := net.FileConn(files[0]) // a copy
	if err != nil {
		return nil, err
	}
	socket, is := conn.(*net.UDPConn)
	if !is {
		_ = conn.Close()
		return nil, errors.New("what came is no UDP socket")
	}
	return socket, nil
}

// flows carry the datagrams of one UDP port of this machine to the inside and back, by a connection for each client.
type flows struct {
	dial func() (net.Conn, error)
	idle time.Duration
	room chan struct{} // one element for each flow of the cluster

	mu   sync.Mutex
	open map[netip.AddrPort]net.Conn
}

// carry does so until the socket is closed.
func (f *flows) carry(socket *net.UDPConn) {
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, inside := range f.open {
			_ = inside.Close() // which ends the way back, and with it the flow
		}
	}()
	datagram := make([]byte, maxDatagram)
	for {
		n, client, err := socket.ReadFromUDPAddrPort(datagram)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // that of a datagram that was sent before
		}
		if inside := f.of(socket, client); inside != nil {
			_, _ = inside.Write(datagram[:n]) // what is refused ends the flow on the way back
		}
	}
}

// of is the connection of a client; nil when there is no room, or when the nodes do not answer: the datagram is lost then, as datagrams
// may be.
func (f *flows) of(socket *net.UDPConn, client netip.AddrPort) net.Conn {
	f.mu.Lock()
	defer f.mu.Unlock()
	if inside := f.open[client]; inside != nil {
		_ = inside.SetReadDeadline(time.Now().Add(f.idle)) // one that ends just now loses this datagram
		return inside
	}
	select {
	case f.room <- struct{}{}:
	default:
		return nil
	}
	inside, err := f.dial()
	if err != nil {
		<-f.room
		return nil
	}
	f.open[client] = inside
	go f.back(socket, client, inside)
	return inside
}

// back carries answers to a client until there are none for a while.
func (f *flows) back(socket *net.UDPConn, client netip.AddrPort, inside net.Conn) {
	datagram := make([]byte, maxDatagram)
	for {
		if inside.SetReadDeadline(time.Now().Add(f.idle)) != nil {
			break
		}
		n, err := inside.Read(datagram)
		if err != nil {
			break
		}
		if _, err := socket.WriteToUDPAddrPort(datagram[:n], client); err != nil {
			break
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, client)
	_ = inside.Close()
	<-f.room
}
