package reconcile

import "time"

// Patient lets an engine wait for clusters as long as a test wants it to.
func Patient(d time.Duration) func(*Options) {
	return func(o *Options) { o.Clusters.Timeout = d }
}
