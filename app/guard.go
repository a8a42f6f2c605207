package app

import (
	"net/netip"

	"berth.dev/berth/kube"
)

// guard keeps clusters that callers name away from what only this machine may reach, and from this server itself.
func (s *server) guard() (*kube.Guard, error) {
	allowed, err := s.config.clusterRanges()
	g := &kube.Guard{Allowed: allowed}
	for _, address := range []string{s.listener.Addr().String(), s.config.DebugListen} {
		if at, err := netip.ParseAddrPort(address); err == nil {
			g.Own = append(g.Own, at)
		}
	}
	return g, err
}
