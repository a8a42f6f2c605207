package kube_test

import (
	"net"
	"net/netip"
	"testing"

	"berth.dev/berth/kube"
)

func TestGuard(t *testing.T) {
	own := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8443"), netip.MustParseAddrPort("0.0.0.0:9443")}
	closed := &kube.Guard{Own: own}
	open := &kube.Guard{Own: own, Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.10.0/24")}}
	for address, want := range map[string]struct{ closed, open bool }{
		"203.0.113.1:6443":          {true, true},
		"10.0.0.1:6443":             {true, true}, // where clusters live
		"[2001:db8::1]:6443":        {true, true},
		"127.0.0.1:6443":            {false, true},
		"127.9.9.9:6443":            {false, true},
		"[::1]:6443":                {false, false},
		"[::ffff:127.0.0.1]:6443":   {false, true},
		"0.0.0.0:6443":              {false, false},
		"169.254.169.254:80":        {false, false},
		"169.254.10.1:6443":         {false, true},
		"[fe80::1]:6443":            {false, false},
		"[fd00:ec2::254]:80":        {false, false},
		"224.0.0.1:6443":            {false, false},
		"127.0.0.1:8443":            {false, false}, // itself
		"127.1.2.3:8443":            {false, false},
		"203.0.113.1:9443":          {false, false}, // listens everywhere, so any address may be its own
		"[::ffff:203.0.113.1]:6443": {true, true},
		// What a gateway would make of an IPv6 address.
		"[64:ff9b::203.0.113.1]:6443":     {true, true},
		"[64:ff9b::169.254.169.254]:80":   {false, false},
		"[64:ff9b::127.0.0.1]:6443":       {false, true},
		"[64:ff9b:1::169.254.169.254]:80": {false, false},
		"[2002:a9fe:a9fe::1]:80":          {false, false},
		"[2002:cb00:7101::1]:80":          {true, true},
		"[::169.254.169.254]:80":          {false, false},
		"[::ffff:0:169.254.169.254]:80":   {false, false},
		// Where other clouds keep their secrets.
		"100.100.100.200:80":      {false, false},
		"168.63.129.16:80":        {false, false},
		"192.0.0.192:80":          {false, false},
		"[fd20:ce::254]:80":       {false, false},
		"[fd00:c1::a9fe:a9fe]:80": {false, false},
	} {
		at := netip.MustParseAddrPort(address)
		if err := kube.CheckAddress(closed, at); (err == nil) != want.closed {
			t.Errorf("%s, nothing allowed: %v", address, err)
		}
		if err := kube.CheckAddress(open, at); (err == nil) != want.open {
			t.Errorf("%s, loopback allowed: %v", address, err)
		}
	}
}

// TestGuardNotHere: what no cluster of this machine may be asked for, its other addresses refuse too.
func TestGuardNotHere(t *testing.T) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		ip, _ := netip.AddrFromSlice(a.(*net.IPNet).IP)
		if err := kube.CheckAddress(&kube.Guard{NotHere: true}, netip.AddrPortFrom(ip, 443)); err == nil {
			t.Errorf("%s is not refused", ip)
		}
	}
	if err := kube.CheckAddress(&kube.Guard{NotHere: true}, netip.MustParseAddrPort("203.0.113.1:443")); err != nil {
		t.Error(err)
	}
}
