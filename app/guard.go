package app

import (
	"net/netip"

	"berth.dev/berth/kube"
)

// loopback are the ranges in which kind, k3d and minikube offer their clusters.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// guard keeps clusters that callers name away from what only this machine may reach, and from this server itself, with the door at which
// its own clusters ask.
func (s *server) guard() (*kube.Guard, error) {
	allowed, err := s.config.clusterRanges()
	if len(s.config.ClusterRanges) == 0 && s.isLocal() {
		allowed = loopback
	}
	g := &kube.Guard{Allowed: allowed}
	for _, address := range []string{s.listener.Addr().String(), s.config.DebugListen, s.clusterDoor} {
		if at, err := netip.ParseAddrPort(address); err == nil {
			g.Own = append(g.Own, at)
		}
	}
	return g, err
}

// isLocal reports whether only programs on this machine reach this server: they reach loopback without it, so that it opens nothing to
// them. A public URL or a further host name means that something forwards to it from elsewhere.
func (s *server) isLocal() bool {
	at, err := netip.ParseAddrPort(s.listener.Addr().String())
	return err == nil && at.Addr().Unmap().IsLoopback() && s.config.PublicURL == "" && len(s.config.Hosts) == 0
}
