package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

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

// rules are what the kernel does with packets to Services. They lie in a table that nobody else writes.
type rules struct {
	services   netip.Prefix
	generation int
	// sticky are the sets of clients that stay with an endpoint, by their names. They outlast the rules that use them.
	sticky map[string]*nftables.Set
}

// batch is how many rules the kernel is given at once: it would refuse some hundreds, because a socket has no room for them.
const batch = 100

func newRules(serviceCIDR string) (*rules, error) {
	services, err := netip.ParsePrefix(serviceCIDR)
	return &rules{services: services.Masked(), sticky: map[string]*nftables.Set{}}, err
}

// write replaces the rules by those for these ports: they are written beside the old ones, and take their place all at once. After an
// error it begins anew.
func (r *rules) write(ports []port) (err error) {
	defer func() {
		if err != nil {
			r.generation, r.sticky = 0, map[string]*nftables.Set{}
		}
	}()
	c, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return err
	}
	defer func() { _ = c.CloseLasting() }()
	table := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: "berth"}
	if r.generation == 0 {
		c.AddTable(table) // so that there is one to take away
		c.DelTable(table)
		r.addRefusals(c, c.AddTable(table))
	}
	r.generation++
	w := &writing{Conn: c, table: table, targets: c.AddChain(&nftables.Chain{Name: r.chain(0), Table: table})}
	if err := r.fill(w, ports); err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	r.exchange(w)
	if err := c.Flush(); err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	return r.removeOld(w)
}

// writing is one run of write.
type writing struct {
	*nftables.Conn
	table   *nftables.Table
	targets *nftables.Chain       // the new rules of all ports
	loops   *nftables.Set         // the addresses of endpoints, each twice: as the source and as the destination
	used    map[string]bool       // sticky sets
	added   int                   // rules
	seen    map[netip.Addr]bool   // in loops
	pairs   []nftables.SetElement // of loops
}

// chain is the name of the chain of this generation, or of one before.
func (r *rules) chain(before int) string { return fmt.Sprintf("services-%d", r.generation-before) }

// loopSet is the same for the set of addresses.
func (r *rules) loopSet(before int) string { return fmt.Sprintf("loops-%d", r.generation-before) }

// fill writes the rules that nothing leads to yet.
func (r *rules) fill(w *writing, ports []port) error {
	w.used, w.seen = map[string]bool{}, map[netip.Addr]bool{}
	w.loops = &nftables.Set{Table: w.table, Name: r.loopSet(0), KeyType: nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeIPAddr)}
	if err := w.AddSet(w.loops, nil); err != nil {
		return err
	}
	for _, p := range ports {
		if err := r.addPort(w, p); err != nil {
			return err
		}
	}
	for chunk := range slices.Chunk(w.pairs, 1000) {
		if err := errors.Join(w.SetAddElements(w.loops, chunk), w.Flush()); err != nil {
			return err
		}
	}
	return w.Flush()
}

// addPort writes the rules of one port: for a sticky one, first those for clients that have an endpoint.
func (r *rules) addPort(w *writing, p port) error {
	for i, to := range p.endpoints {
		if !w.seen[to.Addr()] {
			w.seen[to.Addr()] = true
			a := to.Addr().As4()
			w.pairs = append(w.pairs, nftables.SetElement{Key: append(a[:], a[:]...)})
		}
		if p.sticky == 0 {
			continue
		}
		set, err := r.clients(w, p, to)
		if err == nil {
			err = w.add(p.match(), clientIsIn(set), keepClient(set, p.sticky), sendTo(to))
		}
		if err != nil {
			return fmt.Errorf("endpoint %d: %w", i, err)
		}
	}
	for i, to := range p.endpoints {
		var keep []expr.Any
		if p.sticky != 0 {
			keep = keepClient(r.sticky[p.clientsOf(to)], p.sticky)
		}
		if err := w.add(p.match(), p.choose(i), keep, sendTo(to)); err != nil {
			return err
		}
	}
	return nil
}

// add writes one rule, and sends those of a batch.
func (w *writing) add(parts ...[]expr.Any) error {
	w.AddRule(&nftables.Rule{Table: w.table, Chain: w.targets, Exprs: concat(parts...)})
	if w.added++; w.added%batch != 0 {
		return nil
	}
	return w.Flush()
}

// clientsOf is the name of the set of clients that stay with an endpoint of this port.
func (p port) clientsOf(to netip.AddrPort) string {
	return fmt.Sprintf("%s-%d-%s-%s", p.address, p.port, p.protocol, to)
}

// clients finds or makes that set.
func (r *rules) clients(w *writing, p port, to netip.AddrPort) (*nftables.Set, error) {
	name := p.clientsOf(to)
	w.used[name] = true
	if r.sticky[name] != nil {
		return r.sticky[name], nil
	}
	set := &nftables.Set{Table: w.table, Name: name, KeyType: nftables.TypeIPAddr, Dynamic: true, HasTimeout: true, Size: maxClients}
	r.sticky[name] = set
	return set, w.AddSet(set, nil)
}

// maxClients bounds how many clients an endpoint is remembered for.
const maxClients = 65535

func clientIsIn(set *nftables.Set) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: sourceOffset, Len: addressLength},
		&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID},
	}
}

// keepClient remembers the client for so long from now.
func keepClient(set *nftables.Set, timeout time.Duration) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: sourceOffset, Len: addressLength},
		&expr.Dynset{SrcRegKey: 1, SetName: set.Name, SetID: set.ID, Operation: unix.NFT_DYNSET_OP_UPDATE, Timeout: timeout},
	}
}

// exchange lets packets come to the new rules.
func (r *rules) exchange(w *writing) {
	for name, hook := range map[string]*nftables.ChainHook{"prerouting": nftables.ChainHookPrerouting, "output": nftables.ChainHookOutput} {
		from := w.AddChain(&nftables.Chain{Name: name, Table: w.table, Hooknum: hook, Type: nftables.ChainTypeNAT,
			Priority: nftables.ChainPriorityNATDest})
		w.FlushChain(from)
		w.AddRule(&nftables.Rule{Table: w.table, Chain: from,
			Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: w.targets.Name}}})
	}
	after := w.AddChain(&nftables.Chain{Name: "postrouting", Table: w.table, Hooknum: nftables.ChainHookPostrouting,
		Type: nftables.ChainTypeNAT, Priority: nftables.ChainPriorityNATSource})
	w.FlushChain(after)
	w.AddRule(&nftables.Rule{Table: w.table, Chain: after, Exprs: []expr.Any{ // a pod that calls its own service must not see itself
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: sourceOffset, Len: 2 * addressLength},
		&expr.Lookup{SourceRegister: 1, SetName: w.loops.Name, SetID: w.loops.ID},
		&expr.Masq{},
	}})
}

// removeOld removes what nothing leads to any more.
func (r *rules) removeOld(w *writing) error {
	if r.generation > 1 {
		w.DelChain(&nftables.Chain{Name: r.chain(1), Table: w.table})
		w.DelSet(&nftables.Set{Name: r.loopSet(1), Table: w.table})
	}
	err := w.Flush()
	for name, set := range r.sticky {
		if !w.used[name] {
			delete(r.sticky, name)
			w.DelSet(set)
			err = errors.Join(err, w.Flush())
		}
	}
	return err
}

// addRefusals adds what does not change.
func (r *rules) addRefusals(c *nftables.Conn, table *nftables.Table) {
	for name, hook := range map[string]*nftables.ChainHook{"refuse-own": nftables.ChainHookOutput, "refuse-pods": nftables.ChainHookForward} {
		chain := c.AddChain(&nftables.Chain{Name: name, Table: table, Hooknum: hook, Type: nftables.ChainTypeFilter,
			Priority: nftables.ChainPriorityFilter})
		for _, exprs := range refusal(r.services) {
			c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: exprs})
		}
	}
}

func concat(parts ...[]expr.Any) (out []expr.Any) {
	for _, p := range parts {
		out = append(out, p...)
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

// choose lets the right share of what comes past the endpoints before this one go to it.
func (p port) choose(i int) []expr.Any {
	left := uint32(len(p.endpoints) - i) // #nosec: Kubernetes bounds it
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
	to := prefixIs(destinationOffset, services, expr.CmpOpEq)
	to = concat(to, []expr.Any{ // the name server's is this namespace's own
		&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)},
	})
	return [][]expr.Any{
		concat(to, protocolIs(corev1.ProtocolTCP), []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}),
		concat(to, []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: 3}}), // port unreachable
	}
}
