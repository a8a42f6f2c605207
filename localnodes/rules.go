package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// Where things are in the headers of IPv4, TCP, UDP and SCTP, in bytes.
const (
	sourceOffset, destinationOffset = 12, 16
	addressLength                   = 4
	portOffset, portLength          = 2, 2
)

// writeRules replaces the rules of the kernel by those for these ports, all at once.
func writeRules(serviceCIDR string, ports []port) error {
	services, err := netip.ParsePrefix(serviceCIDR)
	if err != nil {
		return err
	}
	c, err := nftables.New()
	if err != nil {
		return err
	}
	name := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: "berth"}
	c.AddTable(name) // so that there is one to take away
	c.DelTable(name)
	table := c.AddTable(name)
	targets := c.AddChain(&nftables.Chain{Name: "services", Table: table})
	for _, p := range ports {
		for i, to := range p.endpoints {
			c.AddRule(&nftables.Rule{Table: table, Chain: targets, Exprs: concat(p.match(), p.choose(i), sendTo(to))})
		}
	}
	toTargets := []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: targets.Name}}
	base := func(name string, hook *nftables.ChainHook, kind nftables.ChainType, priority *nftables.ChainPriority) *nftables.Chain {
		return c.AddChain(&nftables.Chain{Name: name, Table: table, Hooknum: hook, Type: kind, Priority: priority})
	}
	before := base("prerouting", nftables.ChainHookPrerouting, nftables.ChainTypeNAT, nftables.ChainPriorityNATDest)
	own := base("output", nftables.ChainHookOutput, nftables.ChainTypeNAT, nftables.ChainPriorityNATDest)
	after := base("postrouting", nftables.ChainHookPostrouting, nftables.ChainTypeNAT, nftables.ChainPriorityNATSource)
	c.AddRule(&nftables.Rule{Table: table, Chain: before, Exprs: toTargets})
	c.AddRule(&nftables.Rule{Table: table, Chain: own, Exprs: toTargets})
	for address := range podAddresses(ports) { // a pod that calls its own service must not see itself as the caller
		c.AddRule(&nftables.Rule{Table: table, Chain: after, Exprs: concat(addressIs(sourceOffset, address),
			addressIs(destinationOffset, address), []expr.Any{&expr.Masq{}})})
	}
	for name, hook := range map[string]*nftables.ChainHook{"refuse-own": nftables.ChainHookOutput, "refuse-pods": nftables.ChainHookForward} {
		refuse := base(name, hook, nftables.ChainTypeFilter, nftables.ChainPriorityFilter)
		for _, exprs := range refusal(services) {
			c.AddRule(&nftables.Rule{Table: table, Chain: refuse, Exprs: exprs})
		}
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	return nil
}

func concat(parts ...[]expr.Any) (out []expr.Any) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func podAddresses(ports []port) map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	for _, p := range ports {
		for _, e := range p.endpoints {
			out[e.Addr()] = true
		}
	}
	return out
}

// match is what a packet to this port looks like.
func (p port) match() []expr.Any {
	to := []expr.Any{
		&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)},
	}
	if p.address.IsValid() {
		to = addressIs(destinationOffset, p.address)
	}
	return concat(to, protocolIs(p.protocol), []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: portOffset, Len: portLength},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(p.port)},
	})
}

// choose lets the right share of what comes past the endpoints before this one go to it; a sticky port's clients by their address.
func (p port) choose(i int) []expr.Any {
	n := uint32(len(p.endpoints)) // #nosec: Kubernetes bounds it
	if p.sticky {
		return []expr.Any{
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: sourceOffset, Len: addressLength},
			&expr.Hash{SourceRegister: 1, DestRegister: 1, Length: addressLength, Modulus: n, Type: expr.HashTypeJenkins},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(uint32(i))}, // #nosec: below n
		}
	}
	left := n - uint32(i) // #nosec: below n
	if left == 1 {
		return nil
	}
	return []expr.Any{
		&expr.Numgen{Register: 1, Modulus: left, Type: unix.NFT_NG_RANDOM},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(0)},
	}
}

// sendTo changes where a packet goes.
func sendTo(to netip.AddrPort) []expr.Any {
	address := to.Addr().As4()
	return []expr.Any{
		&expr.Immediate{Register: 1, Data: address[:]},
		&expr.Immediate{Register: 2, Data: binary.BigEndian.AppendUint16(nil, to.Port())},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1, RegProtoMin: 2},
	}
}

func addressIs(offset uint32, address netip.Addr) []expr.Any {
	a := address.As4()
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: addressLength},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: a[:]},
	}
}

func protocolIs(p corev1.Protocol) []expr.Any {
	number := map[corev1.Protocol]byte{corev1.ProtocolTCP: unix.IPPROTO_TCP, corev1.ProtocolUDP: unix.IPPROTO_UDP,
		corev1.ProtocolSCTP: unix.IPPROTO_SCTP}[p]
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{number}},
	}
}

// refusal answers at once what still goes to a service's address: nothing serves there, and a client should not wait for it.
func refusal(services netip.Prefix) [][]expr.Any {
	first := services.Masked().Addr().As4()
	mask := binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-services.Bits()))
	to := []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: destinationOffset, Len: addressLength},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: addressLength, Mask: mask, Xor: make([]byte, addressLength)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: first[:]},
	}
	to = concat(to, []expr.Any{ // the name server's is this namespace's own
		&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)},
	})
	return [][]expr.Any{
		concat(to, protocolIs(corev1.ProtocolTCP), []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}),
		concat(to, []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: 3}}), // port unreachable
	}
}
