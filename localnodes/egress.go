package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// Connections of pods to the outside end in a TCP/IP stack of this process, outside of the namespaces, which makes the same connections
// again from this machine. So nothing of the machine's network is changed, and a plain user can do it.

// egressNone is the value of --egress that leaves pods no way out.
const egressNone = "none"

const (
	egressNIC = 1
	// egressConnections bounds those that are open at a time, of all pods of the cluster: each takes a file descriptor of this process.
	egressConnections = 4096
	egressPatience    = 10 * time.Second
	// egressIdle ends what pods no longer use and never closed: datagrams have no end, and a pod may be gone.
	egressIdle = time.Minute
)

// egress carries connections from one cluster's network to the outside.
type egress struct {
	stack *stack.Stack
	open  chan struct{} // one element for each connection
	out   func(ctx context.Context, network, address string) (net.Conn, error)
}

// serveEgress waits for the way out that manage opens inside, and serves it.
func serveEgress(from *os.File) {
	fd, err := receiveDescriptor(from)
	if errors.Is(err, errNothingSent) {
		return // pods have no way out, or the nodes ended
	}
	if err == nil {
		err = newEgress(fd, dialAllowed)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "pods have no way to the outside: %v\n", err)
	}
}

// newEgress serves what comes from the packet socket fd by connections that out makes.
func newEgress(fd int, out func(ctx context.Context, network, address string) (net.Conn, error)) error {
	link, err := fdbased.New(&fdbased.Options{FDs: []int{fd}, MTU: egressMTU, EthernetHeader: true, Address: linkAddress(gatewayMAC),
		PacketDispatchMode: fdbased.RecvMMsg, RXChecksumOffload: true}) // the kernel leaves checksums out between the ends of a veth pair
	if err != nil {
		return err
	}
	e := &egress{out: out, open: make(chan struct{}, egressConnections), stack: stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
		HandleLocal:        false,
	})}
	sack := tcpip.TCPSACKEnabled(true)
	peer, all := tcpip.AddrFrom4([4]byte{192, 0, 2, 2}), tcpip.AddrFrom4Slice([]byte{0, 0, 0, 0})
	for _, err := range []tcpip.Error{
		e.stack.CreateNIC(egressNIC, link),
		e.stack.SetPromiscuousMode(egressNIC, true), // every address is the outside's
		e.stack.SetSpoofing(egressNIC, true),
		e.stack.AddStaticNeighbor(egressNIC, ipv4.ProtocolNumber, peer, linkAddress(insideMAC)),
		e.stack.SetTransportProtocolOption(tcp.ProtocolNumber, &sack),
	} {
		if err != nil {
			return errors.New(err.String())
		}
	}
	subnet, err := tcpip.NewSubnet(all, tcpip.MaskFromBytes(all.AsSlice()))
	if err != nil {
		return err
	}
	e.stack.SetRouteTable([]tcpip.Route{{Destination: subnet, Gateway: peer, NIC: egressNIC}})
	e.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, tcp.NewForwarder(e.stack, 0, egressConnections/4, e.connect).HandlePacket)
	e.stack.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(e.stack, e.exchange).HandlePacket)
	return nil
}

func linkAddress(mac net.HardwareAddr) tcpip.LinkAddress { return tcpip.LinkAddress(mac) }

// connect answers the start of a TCP connection: with a reset, unless the same connection can be made from here.
func (e *egress) connect(r *tcp.ForwarderRequest) {
	to, done, err := e.dial("tcp", r.ID())
	if err != nil {
		r.Complete(true)
		return
	}
	defer done()
	var queue waiter.Queue
	end, failed := r.CreateEndpoint(&queue)
	if failed != nil {
		r.Complete(true)
		_ = to.Close()
		return
	}
	r.Complete(false)
	end.SocketOptions().SetKeepAlive(true) // a pod that was killed says no goodbye
	idle := tcpip.KeepaliveIdleOption(egressIdle)
	_ = end.SetSockOpt(&idle) // it has that option
	join(gonet.NewTCPConn(&queue, end), to)
}

// exchange carries the datagrams between one port of a pod and one of the outside. What is refused is not answered.
func (e *egress) exchange(r *udp.ForwarderRequest) bool {
	var queue waiter.Queue
	end, failed := r.CreateEndpoint(&queue)
	if failed != nil {
		return true
	}
	from := gonet.NewUDPConn(&queue, end)
	go func() {
		to, done, err := e.dial("udp", r.ID())
		if err != nil {
			_ = from.Close()
			return
		}
		defer done()
		back := make(chan struct{})
		go func() { defer close(back); relay(from, to) }()
		relay(to, from)
		_, _ = from.Close(), to.Close()
		<-back
	}()
	return true
}

// relay copies datagrams until none has come for a while.
func relay(to, from net.Conn) {
	datagram := make([]byte, 64<<10)
	for {
		if err := from.SetReadDeadline(time.Now().Add(egressIdle)); err != nil {
			return
		}
		n, err := from.Read(datagram)
		if err != nil {
			return
		}
		if _, err := to.Write(datagram[:n]); err != nil {
			return
		}
	}
}

var errTooMany = errors.New("too many connections to the outside are open")

// dial makes the connection that a pod asked for. The caller calls done after its end.
func (e *egress) dial(network string, id stack.TransportEndpointID) (conn net.Conn, done func(), err error) {
	select {
	case e.open <- struct{}{}:
	default:
		return nil, nil, errTooMany
	}
	done = func() { <-e.open }
	ctx, stop := context.WithTimeout(context.Background(), egressPatience)
	defer stop()
	address := net.JoinHostPort(id.LocalAddress.String(), fmt.Sprint(id.LocalPort))
	if address == net.JoinHostPort(gatewayAddress, "53") {
		conn, err = dialNameServer(ctx, network)
	} else {
		conn, err = e.out(ctx, network, address)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return conn, done, nil
}

// nameServers is where the machine says which its name servers are. It is read each time: it changes with the network.
const nameServers = "/etc/resolv.conf"

// dialNameServer connects to the first of this machine's name servers that can be connected to. It may be on the machine itself.
func dialNameServer(ctx context.Context, network string) (net.Conn, error) {
	text, err := os.ReadFile(nameServers)
	if err != nil {
		return nil, err
	}
	errs := []error{fmt.Errorf("%s names no name server that answers", nameServers)}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(fields[1], "53"))
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

var errNothingSent = errors.New("no descriptor was sent")

// receiveDescriptor takes one open file from the other end of a socket pair.
func receiveDescriptor(from *os.File) (int, error) {
	defer func() { _ = from.Close() }()
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(int(from.Fd()), make([]byte, 1), control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, errNothingSent
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil {
		return 0, err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return 0, errors.Join(err, errNothingSent)
	}
	return fds[0], nil
}
