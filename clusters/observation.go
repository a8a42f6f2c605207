package clusters

import (
	"context"
	"time"

	"berth.dev/berth/kube"
)

// Observation is what one connection sees of a cluster.
type Observation struct {
	Facts           kube.Facts
	Owner           *kube.Owner // nil when no compute holds the cluster
	CertificateEnds time.Time   // of the cluster's API; zero when unknown
}

// Observe reads a cluster's facts, its ownership record, and when its certificate ends. It closes the connection.
func Observe(ctx context.Context, conn *kube.Conn) (o Observation, err error) {
	defer conn.Close()
	if o.Facts, err = conn.Facts(ctx); err != nil {
		return o, err
	}
	o.Owner, err = conn.Owner(ctx)
	o.CertificateEnds = conn.CertificateEnds()
	return o, err
}
