package serving

import (
	"context"
	"strconv"

	"berth.dev/berth/kube"
)

// Status is a deployment as it is in the cluster now.
type Status struct {
	Found         bool
	Served        int64 // the last generation that has answered; 0 for none
	Wanted, Ready int
	Trouble       string // a sentence: why a replica is not ready; empty when nothing is wrong, or not known what
}

// Status reads how a deployment is. It changes nothing.
func (s *Serving) Status(ctx context.Context, conn *kube.Conn, namespace, name string) (Status, error) {
	a := &advance{Serving: s, ctx: ctx, conn: conn, d: &Deployment{Namespace: namespace, Name: name}, p: &Progress{}, base: true}
	var err error
	if a.there, err = conn.Read(ctx, a.d.ref("Deployment"), &a.have); err != nil || !a.there {
		return Status{}, err
	}
	out := Status{Found: true, Wanted: a.have.Spec.Replicas, Ready: a.have.Status.ReadyReplicas}
	out.Served, _ = strconv.ParseInt(a.have.Metadata.Annotations[annotationServed], 10, 64) // 0 when there is none
	if out.Ready >= out.Wanted {
		return out, nil
	}
	pods, err := conn.Replicas(ctx, namespace, a.d.selector())
	for _, r := range pods {
		if r.Ready || r.Deleting {
			continue
		}
		if _, e, _ := a.fault(r); e != nil {
			out.Trouble = e.Message
			break
		}
	}
	return out, err
}
