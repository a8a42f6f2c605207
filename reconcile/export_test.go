package reconcile

import (
	"time"

	"berth.dev/berth/kube"
)

// Patient lets an engine wait for clusters as long as a test wants it to.
func Patient(d time.Duration) func(*Engine) {
	return func(e *Engine) {
		e.connect = func(kubeconfig []byte, guard *kube.Guard) (*kube.Conn, error) {
			return kube.Connect(kubeconfig, kube.Options{Guard: guard, Timeout: d})
		}
	}
}
