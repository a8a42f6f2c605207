package reconcile

import "time"

// Patient makes an engine wait for an answer of a cluster as long as d.
func Patient(d time.Duration) func(*Options) {
	return func(o *Options) { o.Clusters.Timeout = d }
}
