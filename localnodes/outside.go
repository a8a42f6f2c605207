package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
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
func listenOutside(dir string) error {
	path := filepath.Join(dir, "out.sock")
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := listenUnix(dir, "out.sock")
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o666); err != nil { // #nosec: nobody else may enter the folder, and the ids inside are others
		return err
	}
	server := &http.Server{Handler: tunnel(dialOutside), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }()
	return nil
}

// listenUnix listens on a socket by a short name: paths of sockets may be about 100 bytes long.
func listenUnix(dir, name string) (net.Listener, error) {
	if err := os.Chdir(dir); err != nil {
		return nil, err
	}
	return net.Listen("unix", name)
}

// dialOutside connects to a registry. This machine's own services, and those of its network card's neighbours, are none.
func dialOutside(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: outsidePatience, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		return mayDial(address)
	}}
	return d.DialContext(ctx, "tcp", address)
}

// mayDial judges the address that a name stands for, after it was looked up.
func mayDial(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap()
	if ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() {
		return fmt.Errorf("%s is not an address of a registry: it leads to this machine or its neighbours; import the image instead "+
			"(berth image import)", ip)
	}
	return nil
}
