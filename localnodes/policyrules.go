package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// policyRules are the rules of the kernel for NetworkPolicies. They see packets after a Service's address has become that of a pod, and no
// packet of the nodes themselves: probes of kubelets always arrive.
type policyRules struct {
	dns        netip.Addr
	generation int
	last       isolation
}

func newPolicyRules(dns string) (*policyRules, error) {
	address, err := netip.ParseAddr(dns)
	return &policyRules{dns: address}, err
}

// table is that of this generation, or of one before.
func (r *policyRules) table(before int) *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyIPv4, Name: fmt.Sprintf("berth-policies-%d", r.generation-before)}
}

// write replaces the rules, all at once: a table is filled to which no packet comes, then joined while the one before goes.
func (r *policyRules) write(now isolation) (err error) {
	if reflect.DeepEqual(now, r.last) { // at first there are no rules, and there is no policy
		return nil
	}
	c, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return err
	}
	defer func() { _ = c.CloseLasting() }()
	r.generation++
	w := &policyWriting{Conn: c, table: c.AddTable(r.table(0))}
	ingress, err := w.direction("ingress", destinationOffset, now.ingress)
	if err != nil {
		return r.failed(c, err)
	}
	egress, err := w.direction("egress", sourceOffset, now.egress)
	if err != nil {
		return r.failed(c, err)
	}
	if err := c.Flush(); err != nil {
		return r.failed(c, err)
	}
	w.base("ingress-pods", nftables.ChainHookForward, ingress)
	w.base("egress-pods", nftables.ChainHookForward, egress)
	w.base("egress-own", nftables.ChainHookInput, egress, r.askNames(corev1.ProtocolUDP), r.askNames(corev1.ProtocolTCP))
	if r.generation > 1 {
		c.DelTable(r.table(1))
	}
	if err := c.Flush(); err != nil {
		return r.failed(c, err)
	}
	r.last = now
	return nil
}

// failed removes what was begun, so that the rules before stay the only ones.
func (r *policyRules) failed(c *nftables.Conn, err error) error {
	_ = c.Flush() // what the failed batch left
	c.DelTable(r.table(0))
	err = fmt.Errorf("nftables: %w", errors.Join(err, c.Flush()))
	r.generation--
	return err
}

// askNames lets every pod ask the name server, as it is no pod that a policy could name.
func (r *policyRules) askNames(p corev1.Protocol) []expr.Any {
	return concat(addressIs(destinationOffset, r.dns), protocolIs(p), portIn(53, 53), verdict(expr.VerdictAccept, ""))
}

// policyWriting is one run of write.
type policyWriting struct {
	*nftables.Conn
	table *nftables.Table
	added int
}

// base joins a chain to the way of the packets. What belongs to a connection that was allowed stays allowed.
func (w *policyWriting) base(name string, hook *nftables.ChainHook, to *nftables.Chain, first ...[]expr.Any) {
	chain := w.AddChain(&nftables.Chain{Name: name, Table: w.table, Hooknum: hook, Type: nftables.ChainTypeFilter,
		Priority: nftables.ChainPriorityFilter})
	known := binaryutil.NativeEndian.PutUint32(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED)
	rules := append([][]expr.Any{concat([]expr.Any{
		&expr.Ct{Register: 1, Key: expr.CtKeySTATE},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: known, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}, verdict(expr.VerdictAccept, ""))}, first...)
	for _, exprs := range append(rules, verdict(expr.VerdictJump, to.Name)) {
		w.AddRule(&nftables.Rule{Table: w.table, Chain: chain, Exprs: exprs})
	}
}

// direction makes the chain of all policies of a direction: each accepts what it allows, and what no policy of a pod accepts is refused.
// own is where the address of the pod is that a policy selects.
func (w *policyWriting) direction(name string, own uint32, policies []policy) (*nftables.Chain, error) {
	chain := w.AddChain(&nftables.Chain{Name: name, Table: w.table})
	var isolated []netip.Addr
	for i, p := range policies {
		of := w.AddChain(&nftables.Chain{Name: fmt.Sprintf("%s-%d", name, i), Table: w.table})
		if err := w.fill(of, own, p); err != nil {
			return nil, err
		}
		selected, err := w.addressesIn(of.Name, own, p.selected)
		if err == nil {
			err = w.add(chain, selected, verdict(expr.VerdictJump, of.Name))
		}
		if err != nil {
			return nil, err
		}
		isolated = append(isolated, p.selected...)
	}
	selected, err := w.addressesIn(name+"-all", own, isolated)
	if err != nil {
		return nil, err
	}
	return chain, errors.Join(
		w.add(chain, selected, protocolIs(corev1.ProtocolTCP), []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}),
		w.add(chain, selected, []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: 13}})) // prohibited
}

// fill writes what a policy allows.
func (w *policyWriting) fill(chain *nftables.Chain, own uint32, p policy) error {
	peer := uint32(sourceOffset + destinationOffset - own) // #nosec: the other one
	for i, a := range p.allowed {
		var peers [][]expr.Any
		if a.everyone {
			peers = append(peers, nil)
		}
		if len(a.pods) > 0 {
			pods, err := w.addressesIn(fmt.Sprintf("%s-%d", chain.Name, i), peer, a.pods)
			if err != nil {
				return err
			}
			peers = append(peers, pods)
		}
		for _, b := range a.blocks {
			peers = append(peers, b.match(peer))
		}
		ports := [][]expr.Any{nil}
		if len(a.ports) > 0 {
			ports = nil
		}
		for _, r := range a.ports {
			ports = append(ports, r.match())
		}
		for _, from := range peers {
			for _, at := range ports {
				if err := w.add(chain, from, at, verdict(expr.VerdictAccept, "")); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// add writes one rule, and sends those of a batch.
func (w *policyWriting) add(chain *nftables.Chain, parts ...[]expr.Any) error {
	w.AddRule(&nftables.Rule{Table: w.table, Chain: chain, Exprs: concat(parts...)})
	if w.added++; w.added%(batch/4) != 0 { // a set and a chain may be before each
		return nil
	}
	return w.Flush()
}

// addressesIn matches one of many addresses.
func (w *policyWriting) addressesIn(name string, offset uint32, of []netip.Addr) ([]expr.Any, error) {
	set := &nftables.Set{Table: w.table, Name: "set-" + name, KeyType: nftables.TypeIPAddr}
	err := w.AddSet(set, nil)
	for chunk := range slices.Chunk(of, 1000) {
		var elements []nftables.SetElement
		for _, address := range chunk {
			a := address.As4()
			elements = append(elements, nftables.SetElement{Key: a[:]})
		}
		if err = errors.Join(err, w.SetAddElements(set, elements)); len(chunk) > batch {
			err = errors.Join(err, w.Flush())
		}
	}
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: addressLength},
		&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID},
	}, err
}

func verdict(kind expr.VerdictKind, chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: kind, Chain: chain}}
}

// match is what an address in the block looks like, at that place.
func (b ipBlock) match(offset uint32) []expr.Any {
	out := prefixIs(offset, b.of, expr.CmpOpEq)
	for _, e := range b.except {
		out = append(out, prefixIs(offset, e, expr.CmpOpNeq)...)
	}
	return out
}

// match is what a packet to such a port looks like.
func (r portRange) match() []expr.Any {
	out := concat(protocolIs(r.protocol), portIn(r.first, r.last))
	if r.at.IsValid() {
		out = append(out, addressIs(destinationOffset, r.at)...)
	}
	return out
}

func portIn(first, last uint16) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: portOffset, Len: portLength},
		&expr.Cmp{Op: expr.CmpOpGte, Register: 1, Data: binaryutil.BigEndian.PutUint16(first)},
		&expr.Cmp{Op: expr.CmpOpLte, Register: 1, Data: binaryutil.BigEndian.PutUint16(last)},
	}
}

// prefixIs compares the network of an address.
func prefixIs(offset uint32, p netip.Prefix, op expr.CmpOp) []expr.Any {
	first := p.Masked().Addr().As4()
	mask := binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-p.Bits()))
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: addressLength},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: addressLength, Mask: mask, Xor: make([]byte, addressLength)},
		&expr.Cmp{Op: op, Register: 1, Data: first[:]},
	}
}
