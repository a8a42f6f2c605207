package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// apiAddress is where the Kubernetes API answers inside, besides loopback: the endpoint of the service "kubernetes". It is one of
// those reserved for documentation, so that it is nobody else's.
const apiAddress = "192.0.2.2"

// startNetwork makes the network of the nodes: all their addresses are this namespace's own, pods are reached through one veth each,
// and nothing leads outside but three sockets and the way out of egress.go.
func startNetwork(s settings) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return err
	}
	if err := addAddress(apiAddress); err != nil {
		return err
	}
	// A service's address belongs to nobody: it needs a route for a packet to come as far as the rules that change it.
	_, services, err := net.ParseCIDR(s.serviceCIDR)
	if err != nil {
		return err
	}
	route := netlink.Route{LinkIndex: lo.Attrs().Index, Dst: services, Src: net.ParseIP(apiAddress), Scope: netlink.SCOPE_LINK}
	if err := netlink.RouteReplace(&route); err != nil {
		return fmt.Errorf("route of the services: %w", err)
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		return err
	}
	for _, host := range []string{"127.0.0.1", apiAddress} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(s.apiPort)))
		if err != nil {
			return err
		}
		go forward(l, func() (net.Conn, error) { return net.Dial("unix", insideSockets+"/api.sock") })
	}
	out, err := net.Listen("tcp", outsideAddress)
	if err != nil {
		return err
	}
	go forward(out, func() (net.Conn, error) { return net.Dial("unix", insideSockets+"/out.sock") })
	registry, err := net.Listen("tcp", registryAddress)
	if err != nil {
		return err
	}
	go forward(registry, func() (net.Conn, error) { return net.Dial("unix", registrySocket) })
	s.offerWayOut(os.NewFile(outDescriptor, "way out"))
	return listenInside()
}

// addAddress gives this namespace an address, on loopback: not every kernel has the kind of link that is made for that.
func addAddress(ip string) error { return onLoopback(ip, netlink.AddrReplace) }

// removeAddress takes a node's address away.
func removeAddress(ip string) error { return onLoopback(ip, netlink.AddrDel) }

func onLoopback(ip string, change func(netlink.Link, *netlink.Addr) error) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(ip + "/32")
	if err != nil {
		return err
	}
	return change(lo, addr)
}

// forward joins each connection to one that dial makes.
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

// halfCloser is a connection whose one direction can end before the other.
type halfCloser interface{ CloseWrite() error }

// join copies both ways until both have ended.
func join(a, b net.Conn) {
	done := make(chan struct{})
	one := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		if h, ok := to.(halfCloser); ok {
			_ = h.CloseWrite()
		}
	}
	go func() { defer close(done); one(a, b) }()
	one(b, a)
	<-done
	_, _ = a.Close(), b.Close()
}

// listenInside serves the socket by which the outside reaches nodes, pods and services: an HTTP proxy that knows CONNECT only. Who
// may open the socket is decided by the folder it lies in, outside.
func listenInside() error {
	l, err := net.FileListener(os.NewFile(inDescriptor, "in.sock"))
	if err != nil {
		return err
	}
	streams := tunnel(dialInside)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect && r.Header.Get(datagramsHeader) != "" {
			sendSocket(w, r.Host)
			return
		}
		streams(w, r)
	})}
	go func() { _ = server.Serve(l) }()
	return nil
}

// datagramsHeader asks for a UDP socket itself in place of a tunnel. localkube/datagrams.go has the same.
const datagramsHeader = "Berth-Datagrams"

// sendSocket opens a UDP socket that is connected to an address, and sends it to who asked: datagrams need no relay here.
func sendSocket(w http.ResponseWriter, address string) {
	socket, err := net.Dial("udp", address)
	if err != nil {
		refuseTunnel(w, err)
		return
	}
	f, err := socket.(*net.UDPConn).File()
	_ = socket.Close() // f is a copy
	if err != nil {
		refuseTunnel(w, err)
		return
	}
	defer func() { _ = f.Close() }()
	to, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = to.Close() }()
	answer := []byte("HTTP/1.1 200 Connection established\r\n\r\n")
	_, _, _ = to.(*net.UnixConn).WriteMsgUnix(answer, unix.UnixRights(int(f.Fd())), nil) // whoever asked may have gone
}

func dialInside(ctx context.Context, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
}

// tunnel joins each CONNECT request to the connection that dial makes for it.
func tunnel(dial func(ctx context.Context, address string) (net.Conn, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "this socket knows CONNECT only", http.StatusMethodNotAllowed)
			return
		}
		to, err := dial(r.Context(), r.Host)
		if err != nil {
			refuseTunnel(w, err)
			return
		}
		from, rest, err := http.NewResponseController(w).Hijack()
		if err != nil {
			_ = to.Close()
			return
		}
		if _, err = io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n"); err == nil && rest.Reader.Buffered() > 0 {
			_, err = io.CopyN(to, rest, int64(rest.Reader.Buffered()))
		}
		if err != nil {
			_, _ = from.Close(), to.Close()
			return
		}
		join(from, to)
	}
}

// refuseTunnel says why in the first line of the answer: clients of a proxy show that, and nothing else of it.
func refuseTunnel(w http.ResponseWriter, err error) {
	why := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, err.Error())
	from, _, hijackErr := http.NewResponseController(w).Hijack()
	if hijackErr != nil {
		http.Error(w, why, http.StatusBadGateway)
		return
	}
	_, _ = fmt.Fprintf(from, "HTTP/1.1 502 %.500s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", why) // the client has gone
	_ = from.Close()
}
