package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

const (
	// outsideAddress is where containerd finds its proxy. Pods do not reach it: loopback is each network namespace's own.
	outsideAddress = "127.0.0.1:3128"
	// outsidePatience: a registry that does not answer is reported soon.
	outsidePatience = 5 * time.Second
)

// listenOutside lets the containerds reach registries: a proxy outside of the namespaces, which knows CONNECT only.
func (s settings) listenOutside() error {
	f, err := s.listen("out.sock")
	if err != nil {
		return err
	}
	l, err := net.FileListener(f)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: tunnel(dialOutside), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }()
	return f.Close()
}

// dialOutside connects to a registry. This machine's own services, and those of its network card's neighbours, are none.
func dialOutside(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: outsidePatience, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		return mayDial(address)
	}}
	return d.DialContext(ctx, "tcp", address)
}

// azureHost is where machines in Azure reach the host that runs them.
var azureHost = netip.AddrFrom4([4]byte{168, 63, 129, 16})

// mayDial judges the address that a name stands for, after it was looked up.
func mayDial(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap()
	own, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	for _, a := range own {
		if n, is := a.(*net.IPNet); is && n.IP.Equal(ip.AsSlice()) {
			return fmt.Errorf("%s is this machine and no registry; import the image instead (berth image import)", ip)
		}
	}
	if ip == azureHost || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() {
		return fmt.Errorf("%s is not an address of a registry: it leads to this machine or its neighbours; import the image instead "+
			"(berth image import)", ip)
	}
	return nil
}
