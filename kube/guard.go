package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Guard decides which addresses a connected cluster may have. A server that connected to every address that a caller names would
// reach for that caller what the caller cannot reach.
type Guard struct {
	// Allowed are ranges that are permitted although they are loopback or link-local.
	Allowed []netip.Prefix
	// Own are the addresses that this server listens on. It never connects to itself.
	Own []netip.AddrPort
	// NotHere refuses every address of this machine, not only loopback.
	NotHere bool
}

// check judges one address.
func (g *Guard) check(at netip.AddrPort) error {
	if inner, is := embedded(at.Addr()); is {
		if err := g.check(netip.AddrPortFrom(inner, at.Port())); err != nil {
			return err
		}
	}
	ip := at.Addr().Unmap()
	for _, own := range g.Own {
		if own.Port() == at.Port() && (own.Addr().Unmap() == ip || own.Addr().IsUnspecified() || own.Addr().IsLoopback() && ip.IsLoopback()) {
			return &addressError{fmt.Sprintf("%s is Berth itself", at)}
		}
	}
	for _, p := range g.Allowed {
		if p.Contains(ip) {
			return nil
		}
	}
	switch {
	case ip.IsLoopback(), ip.IsUnspecified(), g.NotHere && isHere(ip):
		return refused(at, "is this machine itself")
	case ip.IsLinkLocalUnicast(), ip.IsMulticast(), slices.Contains(cloudSecrets, ip):
		return refused(at, "is where clouds keep their secrets, or link-local")
	}
	return nil
}

// isHere reports whether this machine has the address.
func isHere(ip netip.Addr) bool {
	all, err := net.InterfaceAddrs()
	return err != nil || slices.ContainsFunc(all, func(a net.Addr) bool {
		n, is := a.(*net.IPNet)
		return is && n.IP.Equal(ip.AsSlice())
	})
}

// cloudSecrets are the addresses at which clouds give their machines secrets, besides those that are link-local.
var cloudSecrets = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),      // AWS
	netip.MustParseAddr("fd20:ce::254"),       // Google Cloud
	netip.MustParseAddr("fd00:c1::a9fe:a9fe"), // Oracle Cloud
	netip.MustParseAddr("192.0.0.192"),        // Oracle Cloud, earlier
	netip.MustParseAddr("168.63.129.16"),      // Azure, to its agents
	netip.MustParseAddr("100.100.100.200"),    // Alibaba Cloud
	netip.MustParseAddr("fd00:42::42"),        // Scaleway
}

// Ranges of IPv6 in which a gateway finds an IPv4 address, and where in them it is.
var embedding = []struct {
	in netip.Prefix
	at int // first byte
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},    // NAT64 (RFC 6052)
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12},  // NAT64 of a site (RFC 8215), as far as its prefix has 96 bits
	{netip.MustParsePrefix("2002::/16"), 2},        // 6to4 (RFC 3056)
	{netip.MustParsePrefix("::/96"), 12},           // IPv4-compatible (RFC 4291), out of use
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12}, // IPv4-translated (RFC 2765)
}

// embedded is the IPv4 address to which a gateway would lead a connection to an IPv6 address.
func embedded(ip netip.Addr) (netip.Addr, bool) {
	if !ip.Is6() || ip.Is4In6() || ip.IsLoopback() || ip.IsUnspecified() {
		return netip.Addr{}, false
	}
	bytes := ip.As16()
	for _, e := range embedding {
		if e.in.Contains(ip.WithZone("")) {
			return netip.AddrFrom4([4]byte(bytes[e.at : e.at+4])), true
		}
	}
	return netip.Addr{}, false
}

// addressError is the refusal of an address by the guard. Another try does not help.
type addressError struct{ why string }

func (e *addressError) Error() string { return e.why }

func refused(at netip.AddrPort, why string) error {
	ip := at.Addr().Unmap()
	permit := netip.PrefixFrom(ip, ip.BitLen())
	if ip.Is4() && ip.IsLoopback() {
		permit = netip.MustParsePrefix("127.0.0.0/8")
	}
	return &addressError{fmt.Sprintf("%s %s; to permit it, the operator of Berth starts the server with --cluster-range %s", ip, why, permit)}
}

// RefusedAddress returns why the guard refused an address; false for an error that is not the guard's.
func RefusedAddress(err error) (why string, is bool) {
	e, is := errors.AsType[*addressError](err)
	if is {
		why = e.why
	}
	return why, is
}

// Dial connects to an address that a cluster names, if the guard permits it. An address that it refuses is told by [RefusedAddress].
func (g *Guard) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return g.dial(ctx, network, address)
}

// dial resolves a name once and connects to what was judged: a name cannot become another address in between.
func (g *Guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	for _, ip := range ips {
		at := netip.AddrPortFrom(ip.Unmap(), uint16(port))
		if err = g.check(at); err != nil {
			return nil, err // one bad address among good ones is no accident
		}
		var conn net.Conn
		if conn, err = dialer.DialContext(ctx, network, at.String()); err == nil {
			return conn, nil
		}
	}
	return nil, err
}
