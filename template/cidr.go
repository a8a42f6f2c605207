package template

import (
	"errors"
	"fmt"
	"math/big"
	"net/netip"
)

var cidrFunctions = map[string]function{
	"parsecidr":  {1, 1, parseCIDR},
	"cidrsubnet": {3, 3, cidrSubnet},
	"cidrhost":   {2, 2, cidrHost},
}

// prefix is an address range such as '10.0.0.0/16', without the bits of a host.
func prefix(v any) (netip.Prefix, error) {
	s, err := text(v)
	if err != nil {
		return netip.Prefix{}, err
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("'%.60s' is not an address range such as '10.0.0.0/16'", s)
	}
	return p.Masked(), nil
}

// after is the address n places after another one of the same family.
func after(a netip.Addr, n *big.Int) netip.Addr {
	sum := new(big.Int).SetBytes(a.AsSlice())
	b := make([]byte, a.BitLen()/8)
	out, _ := netip.AddrFromSlice(sum.Add(sum, n).FillBytes(b)) // callers stay inside the range
	return out
}

// size is the number of addresses of a range.
func size(p netip.Prefix) *big.Int { return power(p.Addr().BitLen() - p.Bits()) }

func power(n int) *big.Int { return new(big.Int).Lsh(big.NewInt(1), uint(n)) } //nolint:gosec // at most 128

// parseCIDR counts the addresses that hosts can use as Azure does: of IPv6 all of them, of IPv4 all but the first and the last.
func parseCIDR(_ *env, args []any) (any, error) {
	p, err := prefix(args[0])
	if err != nil {
		return nil, err
	}
	bits := p.Addr().BitLen()
	first, last := p.Addr(), after(p.Addr(), new(big.Int).Sub(size(p), big.NewInt(1)))
	mask := make([]byte, bits/8)
	netmask, _ := netip.AddrFromSlice(new(big.Int).Sub(power(bits), size(p)).FillBytes(mask))
	out := map[string]any{"network": first.String(), "netmask": netmask.String(), "cidr": int64(p.Bits())}
	if first.Is4() {
		out["broadcast"] = last.String()
		if p.Bits() < 31 {
			first, last = first.Next(), last.Prev()
		} else {
			last = first
		}
	}
	out["firstUsable"], out["lastUsable"] = first.String(), last.String()
	return out, nil
}

// cidrSubnet is the range with an index among the ranges of newCIDR bits into which a range can be divided.
func cidrSubnet(_ *env, args []any) (any, error) {
	p, errRange := prefix(args[0])
	bits, errBits := integer(args[1])
	index, errIndex := integer(args[2])
	if err := errors.Join(errRange, errBits, errIndex); err != nil {
		return nil, err
	}
	all := p.Addr().BitLen()
	if bits < int64(p.Bits()) || bits > int64(all) {
		return nil, fmt.Errorf("the new CIDR must be from %d to %d, not %d", p.Bits(), all, bits)
	}
	n := big.NewInt(index)
	if index < 0 || n.Cmp(power(int(bits)-p.Bits())) >= 0 {
		return nil, fmt.Errorf("%s has no subnet of /%d with the index %d", p, bits, index)
	}
	first := after(p.Addr(), n.Lsh(n, uint(int64(all)-bits))) //nolint:gosec // from 0 to 128
	return netip.PrefixFrom(first, int(bits)).String(), nil
}

// cidrHost is the address of a host: index 0 is the second address of the range, and the last address is not one.
func cidrHost(_ *env, args []any) (any, error) {
	p, errRange := prefix(args[0])
	index, errIndex := integer(args[1])
	if err := errors.Join(errRange, errIndex); err != nil {
		return nil, err
	}
	n := new(big.Int).Add(big.NewInt(index), big.NewInt(1))
	if index < 0 || n.Cmp(new(big.Int).Sub(size(p), big.NewInt(1))) >= 0 {
		return nil, fmt.Errorf("%s has no usable address with the index %d", p, index)
	}
	return after(p.Addr(), n).String(), nil
}
