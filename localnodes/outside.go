package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

const (
	// outsideAddress is where containerd finds its proxy. Pods do not reach it: loopback is each network namespace's own.
	outsideAddress = "127.0.0.1:3128"
	// registryAddress is where containerd finds the registry of the server, for what has the name of an image there.
	registryAddress = "127.0.0.1:3129"
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

// dialOutside connects to a registry that answers. This machine's own services, and those of its network card's neighbours, are none.
func dialOutside(ctx context.Context, address string) (net.Conn, error) {
	ctx, stop := context.WithTimeout(ctx, outsidePatience)
	defer stop()
	dial := func() (net.Conn, error) { return dialAllowed(ctx, "tcp", address) }
	err := answering.check(ctx, address, dial)
	var conn net.Conn
	if err == nil {
		conn, err = dial()
	}
	if errors.Is(err, errOwn) {
		err = fmt.Errorf("%w, and no registry; import the image instead (berth image import)", err)
	}
	return conn, err
}

// answersFor is how long a registry that has answered is believed to do so.
const answersFor = 10 * time.Minute

// answering are the registries that have answered, and when. One that takes connections and says nothing would keep a pod waiting for
// minutes without a reason that anybody sees.
var answering = answers{at: map[string]time.Time{}}

type answers struct {
	mu sync.Mutex
	at map[string]time.Time
}

// check asks a registry for the start of a TLS connection: whatever it says to that is an answer.
func (a *answers) check(ctx context.Context, address string, dial func() (net.Conn, error)) error {
	a.mu.Lock()
	fresh := time.Since(a.at[address]) < answersFor
	a.mu.Unlock()
	if fresh {
		return nil
	}
	conn, err := dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	err = tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}).HandshakeContext(ctx)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("the registry %s took the connection and said nothing for %s; look whether the name of the image is right, "+
			"or import the image (berth image import)", address, outsidePatience)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.at) > maxAnswers {
		clear(a.at)
	}
	a.at[address] = time.Now()
	return nil
}

// maxAnswers bounds what is remembered: pods choose the names.
const maxAnswers = 1000

// dialAllowed connects to what is neither this machine nor a neighbour of its network card.
func dialAllowed(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error { return mayDial(address) }}
	return d.DialContext(ctx, network, address)
}

// azureHost is where machines in Azure reach the host that runs them.
var azureHost = netip.AddrFrom4([4]byte{168, 63, 129, 16})

var errOwn = errors.New("the address leads to this machine or its neighbours")

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
			return fmt.Errorf("%s: %w", ip, errOwn)
		}
	}
	if ip == azureHost || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() {
		return fmt.Errorf("%s: %w", ip, errOwn)
	}
	return nil
}
