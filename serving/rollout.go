package serving

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/router/route"
)

// deployment is what is read of a Deployment.
type deployment struct {
	Metadata kube.Meta
	Spec     struct{ Replicas int }
	Status   struct {
		ObservedGeneration                                          int64
		Replicas, UpdatedReplicas, ReadyReplicas, AvailableReplicas int
	}
}

const revision = "deployment.kubernetes.io/revision"

// replicaSet is what is read of a ReplicaSet: its template too, to go back to it.
type replicaSet struct {
	Metadata kube.Meta
	Spec     struct{ Template kube.Object }
	Status   struct{ ReadyReplicas int }
}

// failed is a failure as the Deployment keeps it.
type failed struct {
	Generation int64
	Step, Log  string
	Error      berth.Error
}

func (a *advance) generation() string { return strconv.FormatInt(a.d.Generation, 10) }

// told reads the Deployment, and reports whether this generation has failed before.
func (a *advance) told() (bool, error) {
	var err error
	if a.there, err = a.conn.Read(a.ctx, a.d.ref("Deployment"), &a.have); err != nil {
		return false, err
	}
	marks := a.have.Metadata.Annotations
	a.p.Replicas = a.have.Status.ReadyReplicas
	a.try = marks[annotationTry]
	var f failed
	if json.Unmarshal([]byte(marks[annotationFailed]), &f) != nil {
		return false, nil
	}
	if f.Generation == a.d.Generation {
		a.fail(f.Step, &f.Error, f.Log)
		return true, nil
	}
	if marks[annotationGen] != a.generation() {
		a.try = a.generation() // the same template makes new pods
	}
	return false, nil
}

// look reads the nodes: whether they run anything, and as whom.
func (a *advance) look() (able bool, err error) {
	if a.nodes, err = a.conn.Nodes(a.ctx); err != nil {
		return false, err
	}
	simulated := 0
	for _, n := range a.nodes {
		if n.Simulated {
			simulated++
		}
		a.rootOnly = a.rootOnly || n.Unlimited
	}
	if simulated > 0 && simulated == len(a.nodes) {
		a.fail(StepPods, berth.Errorf(berth.CodeProviderUnavailable, "The cluster has simulated nodes only, which run no containers. Deploy to "+
			"a cluster with real nodes; 'berth doctor' says what they need."), "")
		return false, nil
	}
	return true, nil
}

// rollout makes the pods and looks after them.
func (a *advance) rollout() error {
	name, list, err := a.listObject()
	if e, is := errors.AsType[*berth.Error](err); is {
		a.fail(StepFiles, e, "")
		return nil
	}
	if err != nil {
		return err
	}
	template := a.template(name)
	digest := digestOf([]any{template, a.d.KeepReplicas, a.d.Replicas})[:16]
	marks := a.have.Metadata.Annotations
	if a.there && marks[annotationSpec] == digest && marks[annotationGen] == a.generation() {
		return a.observe(name)
	}
	if e, err := a.capacity(); err != nil || e != nil {
		a.refuse(StepPods, e)
		return err
	}
	if len(a.d.Files) > 0 {
		if err := a.conn.Apply(a.ctx, a.in("ConfigMap", name), list, nil); err != nil {
			return err
		}
	}
	if err := a.giveAuthorities(); err != nil {
		return err
	}
	labels := map[string]string{labelServing: a.d.object()}
	if err := a.conn.Apply(a.ctx, a.d.ref("Service"), kube.Object{"metadata": kube.Object{"labels": a.d.labels()},
		"spec": kube.Object{"selector": labels, "ports": []kube.Object{{"name": "http", "port": 80, "targetPort": a.port(), "protocol": "TCP"}}},
	}, nil); err != nil {
		return err
	}
	if err := a.fence("models", labelServing, []kube.Object{{"from": []kube.Object{{
		"namespaceSelector": kube.Object{"matchLabels": map[string]string{"kubernetes.io/metadata.name": route.Namespace}},
		"podSelector":       kube.Object{"matchLabels": map[string]string{"azuremlappname": routerName}}}}}}); err != nil {
		return err
	}
	a.step(StepImage, Running, "The pods are being created.")
	err = a.conn.Apply(a.ctx, a.d.ref("Deployment"), a.deployment(template, map[string]string{
		annotationSpec: digest, annotationGen: a.generation(), annotationTry: a.try}), nil)
	if why, is := kube.Invalid(err); is {
		a.fail(StepPods, berth.Errorf(berth.CodeBadRequest, "The cluster does not take the deployment: %s.", strings.TrimSuffix(why, ".")), "")
		return nil
	}
	return err
}

// fence lets nothing but these into the pods that have a label, where the cluster keeps network policies.
func (a *advance) fence(name, label string, ingress []kube.Object) error {
	return a.conn.Apply(a.ctx, a.in("NetworkPolicy", "berth-"+name), kube.Object{"spec": kube.Object{
		"podSelector": kube.Object{"matchExpressions": []kube.Object{{"key": label, "operator": "Exists"}}},
		"policyTypes": []string{"Ingress"}, "ingress": ingress}}, nil)
}

// replicas is how many pods there are to be. The router has set the number of a deployment that scales by itself, once that has served.
func (a *advance) replicas() int {
	if a.there && a.d.KeepReplicas && a.have.Metadata.Annotations[annotationServed] != "" {
		return a.have.Spec.Replicas
	}
	return a.d.Replicas
}

func (a *advance) deployment(template any, annotations map[string]string) kube.Object {
	return kube.Object{
		"metadata": kube.Object{"labels": a.d.labels(), "annotations": annotations},
		"spec": kube.Object{
			"replicas": a.replicas(), "revisionHistoryLimit": 2, "progressDeadlineSeconds": startTries + 60,
			"strategy": kube.Object{"type": "RollingUpdate", "rollingUpdate": kube.Object{"maxUnavailable": 0, "maxSurge": 1}},
			"selector": kube.Object{"matchLabels": map[string]string{labelServing: a.d.object()}}, "template": template,
		},
	}
}

// observe looks at the pods of this generation.
func (a *advance) observe(list string) error {
	want := a.have.Spec.Replicas
	status := a.have.Status
	served := a.have.Metadata.Annotations[annotationServed] == a.generation()
	if status.ObservedGeneration >= a.have.Metadata.Generation && status.UpdatedReplicas == want && status.Replicas == want &&
		status.AvailableReplicas >= want {
		return a.finish(list, served)
	}
	sets, current, err := a.sets()
	if err != nil {
		return err
	}
	pods, err := a.conn.Replicas(a.ctx, a.d.Namespace, a.d.selector())
	if err != nil {
		return err
	}
	started, running := 0, 0
	ready, slow := 0, ""
	for _, r := range pods {
		if r.Hash != current || r.Deleting {
			continue
		}
		if step, e, log := a.fault(r); e != nil && !served {
			a.fail(step, e, log)
			return a.back(sets, current)
		}
		for _, c := range r.Containers {
			if started += one(c.Running || c.Ended != nil); c.Name == modelName {
				running += one(c.Running)
				ready += one(c.Ready)
				if c.Running && !c.Ready && a.o.Clock.Since(r.Created) > patience {
					slow = r.Name
				}
			}
		}
	}
	a.tell(want, started, running, ready)
	if slow == "" || ready >= want {
		return nil
	}
	if e, log := a.killed(slow); e != nil && !served {
		a.fail(StepProbe, e, log)
		return a.back(sets, current)
	}
	return a.tellProbe(slow)
}

// sets are the ReplicaSets of the deployment, and the hash of that which has its pods now; empty as long as it is not made.
func (a *advance) sets() (all []replicaSet, current string, err error) {
	all, err = kube.Objects[replicaSet](a.ctx, a.conn, a.in("ReplicaSet", ""), a.d.selector())
	for _, s := range all {
		if s.Metadata.Annotations[revision] == a.have.Metadata.Annotations[revision] &&
			a.have.Status.ObservedGeneration >= a.have.Metadata.Generation {
			current = s.Metadata.Labels["pod-template-hash"]
		}
	}
	return all, current, err
}

// patience is after what time the step tells why a replica does not answer.
const patience = 10 * time.Second

// tellProbe adds what the probe of a replica says.
func (a *advance) tellProbe(pod string) error {
	events, _, err := a.conn.Events(a.ctx, a.d.Namespace)
	for _, e := range events {
		if e.Kind == "Pod" && e.Name == pod && e.Reason == "Unhealthy" {
			a.step(StepProbe, Running, fmt.Sprintf("The replica %s does not answer its probe yet: %s.", pod, strings.TrimSuffix(e.Message, ".")))
			break
		}
	}
	a.p.Await = time.Second
	return err
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// tell says how far the pods are.
func (a *advance) tell(want, started, running, ready int) {
	switch {
	case started == 0:
		a.step(StepImage, Running, "The nodes are getting the images.")
		return
	case running < want:
		a.step(StepImage, Done, "The images are on the nodes.")
		a.step(StepPods, Running, fmt.Sprintf("%d of %d replicas run.", running, want))
	default:
		a.step(StepImage, Done, "The images are on the nodes.")
		a.step(StepPods, Done, fmt.Sprintf("%d of %d replicas run.", running, want))
	}
	if running > 0 {
		a.step(StepProbe, Running, fmt.Sprintf("%d of %d replicas answer.", ready, want))
	}
}

// finish marks the generation as one that serves, and removes the lists of former ones.
func (a *advance) finish(list string, served bool) error {
	want := a.have.Spec.Replicas
	a.step(StepImage, Done, "The images are on the nodes.")
	a.step(StepPods, Done, fmt.Sprintf("%d of %d replicas run.", want, want))
	a.step(StepProbe, Done, fmt.Sprintf("%d of %d replicas answer.", want, want))
	a.p.Done = true
	if served {
		return nil
	}
	type object struct{ Metadata kube.Meta }
	maps, err := kube.Objects[object](a.ctx, a.conn, a.in("ConfigMap", ""), a.d.selector()+","+labelPart+"=files")
	if err != nil {
		return err
	}
	for _, m := range maps {
		if m.Metadata.Name != list {
			if err := a.conn.Delete(a.ctx, a.in("ConfigMap", m.Metadata.Name)); err != nil {
				return err
			}
		}
	}
	return a.conn.Annotate(a.ctx, a.d.ref("Deployment"), map[string]string{annotationServed: a.generation(),
		annotationReplicas: strconv.Itoa(want), annotationFailed: ""})
}
