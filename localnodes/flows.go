package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// forgetFlows removes what the kernel remembers of clients of UDP endpoints that are gone: rules apply to the first packet of a flow, and a
// client that sends on from the same port would go to the old endpoint for ever.
func forgetFlows(before, now []port) error {
	type place struct {
		address netip.Addr
		port    uint16
	}
	stay := map[place][]netip.AddrPort{}
	for _, p := range now {
		if p.protocol == corev1.ProtocolUDP {
			stay[place{p.address, p.port}] = p.endpoints
		}
	}
	var gone []netlink.CustomConntrackFilter
	for _, p := range before {
		if p.protocol != corev1.ProtocolUDP {
			continue
		}
		for _, e := range p.endpoints {
			if slices.Contains(stay[place{p.address, p.port}], e) {
				continue
			}
			filter, err := p.flowsTo(e)
			if err != nil {
				return err
			}
			gone = append(gone, filter)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if _, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, gone...); err != nil {
		return fmt.Errorf("flows of UDP endpoints that are gone: %w", err)
	}
	return nil
}

// flowsTo are the flows of this port that go to an endpoint.
func (p port) flowsTo(e netip.AddrPort) (*netlink.ConntrackFilter, error) {
	f := &netlink.ConntrackFilter{}
	err := errors.Join(f.AddProtocol(unix.IPPROTO_UDP), f.AddPort(netlink.ConntrackOrigDstPort, p.port),
		f.AddIP(netlink.ConntrackReplySrcIP, e.Addr().AsSlice()))
	if p.address.IsValid() {
		err = errors.Join(err, f.AddIP(netlink.ConntrackOrigDstIP, p.address.AsSlice()))
	}
	return f, err
}
