package serving

import (
	"cmp"
	"context"
	"strconv"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

// back keeps the failure, and sets the Deployment back to what serves. When nothing does, it has no pods any more: they would try for ever
// what has failed. What they wrote is in the failure.
func (a *advance) back(sets []replicaSet, current string) error {
	f := failed{Generation: a.d.Generation, Log: a.p.Log, Error: *a.p.Failure}
	for _, s := range a.p.Steps {
		if s.State == Failed {
			f.Step = s.Name
		}
	}
	marks := map[string]string{annotationFailed: kube.JSON(f), annotationSpec: "", annotationGen: a.generation(), annotationTry: a.try}
	to, replicas := a.formerSet(sets, current)
	for i, s := range sets {
		if to == nil && s.Metadata.Labels["pod-template-hash"] == current {
			to = &sets[i]
		}
	}
	if to == nil { // it has no pods
		return a.conn.Annotate(a.ctx, a.d.ref("Deployment"), map[string]string{annotationFailed: marks[annotationFailed]})
	}
	back := a.deployment(to.template(), marks)
	back["spec"].(kube.Object)["replicas"] = replicas
	return a.conn.Apply(a.ctx, a.d.ref("Deployment"), back, nil)
}

// formerSet is what served before, and with how many replicas; nil when nothing has. It may have no pods: of a deployment that scales to
// none, or because they ended.
func (a *advance) formerSet(sets []replicaSet, current string) (former *replicaSet, replicas int) {
	marks := a.have.Metadata.Annotations
	if marks[annotationServed] == "" {
		return nil, 0
	}
	for i, s := range sets {
		if s.Metadata.Labels["pod-template-hash"] == current {
			continue
		}
		if former == nil || cmp.Or(cmp.Compare(s.Status.ReadyReplicas, former.Status.ReadyReplicas),
			cmp.Compare(s.revision(), former.revision())) > 0 {
			former = &sets[i]
		}
	}
	if former == nil {
		return nil, 0
	}
	replicas, err := strconv.Atoi(marks[annotationReplicas])
	if err != nil {
		replicas = former.Status.ReadyReplicas
	}
	return former, replicas
}

func (r *replicaSet) revision() int {
	n, _ := strconv.Atoi(r.Metadata.Annotations[revision]) // Kubernetes writes it
	return n
}

// template is that of its pods, as a Deployment has it.
func (r *replicaSet) template() kube.Object {
	out := r.Spec.Template
	if meta, ok := out["metadata"].(kube.Object); ok {
		if labels, ok := meta["labels"].(kube.Object); ok {
			delete(labels, "pod-template-hash")
		}
		delete(meta, "creationTimestamp")
	}
	return out
}

// GiveUp ends a generation that has not come to its end in time: it is a failure like any other, and its pods do not go on trying.
func (s *Serving) GiveUp(ctx context.Context, conn *kube.Conn, d Deployment, why *berth.Error) error {
	a := &advance{Serving: s, ctx: ctx, conn: conn, d: &d, p: &Progress{Steps: []Step{{Name: StepProbe}}}, base: d.Environment.base(),
		images: d.Images}
	if told, err := a.told(); err != nil || told || !a.there || a.have.Metadata.Annotations[annotationGen] != a.generation() {
		return err
	}
	if _, err := a.look(); err != nil {
		return err
	}
	sets, current, err := a.sets()
	if err != nil {
		return err
	}
	a.fail(StepProbe, why, "")
	return a.back(sets, current)
}
