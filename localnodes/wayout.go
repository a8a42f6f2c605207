package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The way out of the namespaces is a veth pair: what is routed to its one end comes to its other, where a packet socket hands it to the
// process outside (egress.go), and the other way round. Nobody has the address of the gateway: to the kernel its packets are another
// host's.
const (
	outLink, outSocketLink = "outside", "outside-socket"
	egressMTU              = 1500
	// gatewayAddress is what packets to the outside are sent to. On its port 53 the machine's name servers answer.
	gatewayAddress = "192.0.2.3"
)

// Addresses of the two sides of the link, which nobody else sees.
var (
	insideMAC  = net.HardwareAddr{0x02, 0xbe, 0, 0, 0, 0x02}
	gatewayMAC = net.HardwareAddr{0x02, 0xbe, 0, 0, 0, 0x03}
)

// openWayOut makes the link and the default route, and sends the socket to the process outside.
func openWayOut(to *os.File) error {
	defer func() { _ = to.Close() }()
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU = outLink, egressMTU
	attributes.HardwareAddr = insideMAC
	pair := &netlink.Veth{LinkAttrs: attributes, PeerName: outSocketLink}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("make the link to the outside: %w", err)
	}
	far, err := netlink.LinkByName(outSocketLink)
	if err != nil {
		return err
	}
	for _, l := range []netlink.Link{pair, far} {
		if err := netlink.LinkSetUp(l); err != nil {
			return err
		}
	}
	index, gateway := pair.Attrs().Index, net.ParseIP(gatewayAddress)
	neighbour := &netlink.Neigh{LinkIndex: index, State: netlink.NUD_PERMANENT, IP: gateway, HardwareAddr: gatewayMAC}
	if err := netlink.NeighSet(neighbour); err != nil {
		return fmt.Errorf("address of the gateway: %w", err)
	}
	route := &netlink.Route{LinkIndex: index, Gw: gateway, Src: net.ParseIP(apiAddress), Flags: int(netlink.FLAG_ONLINK)}
	if err := netlink.RouteReplace(route); err != nil {
		return fmt.Errorf("route to the outside: %w", err)
	}
	socket, err := packetSocket(far.Attrs().Index)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(socket) }() // the process outside has its own
	return unix.Sendmsg(int(to.Fd()), []byte{0}, unix.UnixRights(socket), nil, 0)
}

// onlyTransport lets TCP and UDP through. An echo request would be answered by the stack itself, whatever its address: better not at all.
var onlyTransport = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 14 + 9, Size: 1}, // the protocol, in the IPv4 header behind the Ethernet header
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_TCP, SkipTrue: 2},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_UDP, SkipTrue: 1},
	bpf.RetConstant{Val: 0},
	bpf.RetConstant{Val: 1 << 18},
}

// packetSocket takes the IPv4 packets that come in at a link, and sends what is written to it there.
func packetSocket(link int) (int, error) {
	socket, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0) // of no protocol, until the filter is there
	if err != nil {
		return 0, fmt.Errorf("packet socket: %w", err)
	}
	raw, err := bpf.Assemble(onlyTransport)
	if err != nil {
		return 0, err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	program := &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]} // #nosec: five
	err = unix.SetsockoptSockFprog(socket, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, program)
	if err == nil {
		err = unix.Bind(socket, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_IP), Ifindex: link})
	}
	if err != nil {
		_ = unix.Close(socket)
		return 0, fmt.Errorf("packet socket: %w", err)
	}
	return socket, nil
}

// networkOrder is a 16 bit number as the kernel wants it in a socket's address.
func networkOrder(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}

// offerWayOut lets pods reach the outside, where that is wanted. Without it everything else works.
func (s settings) offerWayOut(to *os.File) {
	if s.egress == egressNone {
		_ = to.Close()
		return
	}
	if err := openWayOut(to); err != nil {
		fmt.Fprintf(os.Stderr, "pods have no way to the outside: %v\n", err)
	}
}
