package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func templateOf(p *corev1.Pod) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: p.Labels}, Spec: p.Spec}
}

// jobsRun: a job ends when its pods have succeeded, and fails when they may not be tried again.
func jobsRun(t *testing.T, s space) {
	jobs := s.client().BatchV1().Jobs(s.name)
	two, never := int32(2), int32(0)
	for name, of := range map[string]batchv1.JobSpec{
		"good": {Completions: &two, Parallelism: &two, Template: templateOf(probe("good", "true"))},
		"bad":  {BackoffLimit: &never, Template: templateOf(probe("bad", "exit", "3"))},
	} {
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: of}
		if _, err := jobs.Create(t.Context(), job, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func(ctx context.Context) error {
		good, err := jobs.Get(ctx, "good", metav1.GetOptions{})
		if err != nil {
			return err
		}
		bad, err := jobs.Get(ctx, "bad", metav1.GetOptions{})
		if err == nil && (good.Status.Succeeded != 2 || bad.Status.Failed != 1) {
			err = fmt.Errorf("%+v, %+v", good.Status, bad.Status)
		}
		return err
	})
}

// cronJobsRun: each minute, a job.
func cronJobsRun(t *testing.T, s space) {
	c := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: "c"}, Spec: batchv1.CronJobSpec{Schedule: "* * * * *",
		JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: templateOf(probe("c", "true"))}}}}
	if _, err := s.client().BatchV1().CronJobs(s.name).Create(t.Context(), c, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		list, err := s.client().BatchV1().Jobs(s.name).List(ctx, metav1.ListOptions{})
		if err == nil && (len(list.Items) == 0 || list.Items[0].Status.Succeeded != 1) {
			err = fmt.Errorf("%d jobs", len(list.Items))
		}
		return err
	})
}

// daemonSetsRunEverywhere: a pod on each node.
func daemonSetsRunEverywhere(t *testing.T, s space) {
	pod := probe("d", "wait")
	pod.Spec.RestartPolicy = corev1.RestartPolicyAlways
	d := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "d"}, Spec: appsv1.DaemonSetSpec{
		Selector: &metav1.LabelSelector{MatchLabels: pod.Labels}, Template: templateOf(pod)}}
	if _, err := s.client().AppsV1().DaemonSets(s.name).Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		d, err := s.client().AppsV1().DaemonSets(s.name).Get(ctx, "d", metav1.GetOptions{})
		if err == nil && (d.Status.DesiredNumberScheduled != 2 || d.Status.NumberReady != 2) {
			err = fmt.Errorf("%+v", d.Status)
		}
		return err
	})
}

// statefulSetsKeepTheirs: a pod has a name and a volume of its own, and gets both back when it is made again.
func statefulSetsKeepTheirs(t *testing.T, s space) {
	pod, one := probe("s", "wait"), int32(1)
	pod.Spec.RestartPolicy = corev1.RestartPolicyAlways
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Spec: appsv1.StatefulSetSpec{Replicas: &one, ServiceName: "s",
		Selector: &metav1.LabelSelector{MatchLabels: pod.Labels}, Template: templateOf(pod),
		VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data"},
			Spec: corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{
					corev1.ResourceStorage: resource.MustParse("1Mi")}}}}}}}
	if _, err := s.client().AppsV1().StatefulSets(s.name).Create(t.Context(), set, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	first := s.wait(t, "s-0", ready)
	if out, err := s.exec(t.Context(), "s-0", "/hello", "write", "/data/kept", "from the first"); err != nil {
		t.Fatal(err, out)
	}
	if err := s.client().CoreV1().Pods(s.name).Delete(t.Context(), "s-0", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	s.wait(t, "s-0", func(p *corev1.Pod) error {
		if p.UID == first.UID {
			return errors.New("it is still the first")
		}
		return ready(p)
	})
	if out, err := s.exec(t.Context(), "s-0", "/hello", "cat", "/data/kept"); err != nil || out != "from the first" {
		t.Errorf("%q, %v", out, err)
	}
}

// containersComeInOrder: init containers one after the other, a sidecar before the container and until its end.
func containersComeInOrder(t *testing.T, s space) {
	p, always := probe("order", "cat", "/data/first", "/data/second"), corev1.ContainerRestartPolicyAlways
	sidecar := probeContainer("sidecar", "wait")
	sidecar.RestartPolicy = &always
	p.Spec.InitContainers = []corev1.Container{probeContainer("first", "write", "/data/first", "one "), sidecar,
		probeContainer("second", "write", "/data/second", "two")}
	p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	mount := []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	p.Spec.Containers[0].VolumeMounts = mount
	for i := range p.Spec.InitContainers {
		p.Spec.InitContainers[i].VolumeMounts = mount
	}
	s.run(t, p, succeeded)
	stream, err := s.client().CoreV1().Pods(s.name).GetLogs(p.Name, &corev1.PodLogOptions{Container: "c"}).DoRaw(t.Context())
	if err != nil || string(stream) != "one two" {
		t.Errorf("%q, %v", stream, err)
	}
}

// probesCount: a pod is ready when its readiness probe says so, not before its startup probe does, and a container that is not alive is
// started again.
func probesCount(t *testing.T, s space) {
	asks := func(file string) *corev1.Probe {
		return &corev1.Probe{PeriodSeconds: 1, TimeoutSeconds: probePatience, FailureThreshold: 1, ProbeHandler: corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{Path: "/file?" + file, Port: intstr.FromInt32(8080)}}}
	}
	p := probe("probes", "serve")
	p.Spec.RestartPolicy = corev1.RestartPolicyAlways
	p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	c := &p.Spec.Containers[0]
	c.VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	c.StartupProbe, c.LivenessProbe = asks("/data/started"), asks("/data/started")
	c.ReadinessProbe = asks("/data/ready")
	c.StartupProbe.FailureThreshold = 1000
	started := func(p *corev1.Pod) bool {
		return len(p.Status.ContainerStatuses) == 1 && p.Status.ContainerStatuses[0].Started != nil && *p.Status.ContainerStatuses[0].Started
	}
	s.run(t, p, func(p *corev1.Pod) error {
		if started(p) || ready(p) == nil {
			t.Error("it counts as started")
		}
		return inPhase(p, corev1.PodRunning)
	})
	for _, file := range []string{"/data/started", "/data/ready"} {
		s.wait(t, p.Name, func(p *corev1.Pod) error {
			if ready(p) == nil {
				t.Errorf("it is ready before %s is there", file)
			}
			return nil
		})
		if out, err := s.exec(t.Context(), p.Name, "/hello", "write", file); err != nil {
			t.Fatal(err, out)
		}
		s.wait(t, p.Name, func(p *corev1.Pod) error {
			if !started(p) {
				return errors.New("it does not count as started")
			}
			return nil
		})
	}
	s.wait(t, p.Name, ready)
	if out, err := s.exec(t.Context(), p.Name, "/hello", "remove", "/data/started"); err != nil {
		t.Fatal(err, out)
	}
	s.wait(t, p.Name, func(p *corev1.Pod) error {
		if p.Status.ContainerStatuses[0].RestartCount == 0 {
			return errors.New("it was not started again")
		}
		return nil
	})
}

// eatersAreKilled: a container that takes more memory than its limit is killed, the reason is named, and its neighbour stays.
func eatersAreKilled(t *testing.T, s space) {
	needsCgroups(t)
	neighbour := s.run(t, probe("neighbour", "serve"), ready)
	p := probe("eater", "eat", "500")
	limited(&p.Spec, "500m")
	p.Spec.NodeName = neighbour.Spec.NodeName
	p = s.run(t, p, failed)
	if len(p.Status.ContainerStatuses) == 0 {
		t.Fatalf("%+v", p.Status)
	}
	if end := p.Status.ContainerStatuses[0].State.Terminated; end == nil || end.Reason != "OOMKilled" || end.ExitCode != 137 {
		t.Errorf("%+v", p.Status.ContainerStatuses[0].State)
	}
	s.wait(t, "neighbour", func(p *corev1.Pod) error {
		if ready(p) != nil || p.Status.ContainerStatuses[0].RestartCount != 0 {
			t.Errorf("%+v", p.Status)
		}
		return nil
	})
}

// podSecurityRefuses: a namespace whose level is restricted takes only pods that keep to it.
func podSecurityRefuses(t *testing.T, s space) {
	of := newSpace(t, s.running, s.name+"-restricted", map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	_, err := of.client().CoreV1().Pods(of.name).Create(t.Context(), probe("loose", "true"), metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `violates PodSecurity "restricted`) {
		t.Errorf("%v", err)
	}
	p, user := probe("strict", "true"), int64(1000)
	yes, no := true, false
	p.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &user,
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{AllowPrivilegeEscalation: &no,
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}
	if os.Getuid() == 0 { // a plain user's nodes have no id 1000
		of.run(t, p, succeeded)
	}
}

// simulatedNodesKeepApart: a simulated node beside real ones takes only pods that say that they may be simulated.
func simulatedNodesKeepApart(t *testing.T, s space) {
	size := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100"), corev1.ResourceMemory: resource.MustParse("100Gi"),
		corev1.ResourcePods: resource.MustParse("10")}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "simulated", Labels: map[string]string{"berth.dev/simulated": "true"}},
		Status: corev1.NodeStatus{Capacity: size, Allocatable: size}}
	if _, err := s.client().CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	large := func(name string) *corev1.Pod {
		p := probe(name, "wait")
		p.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50")}
		return p
	}
	tolerates := large("tolerates")
	tolerates.Spec.Tolerations = []corev1.Toleration{{Key: simulatedTaint, Operator: corev1.TolerationOpExists}}
	if p := s.run(t, tolerates, ready); p.Spec.NodeName != "simulated" {
		t.Errorf("it runs on %s", p.Spec.NodeName)
	}
	s.run(t, large("real"), func(p *corev1.Pod) error {
		for _, c := range p.Status.Conditions {
			if c.Reason == corev1.PodReasonUnschedulable && strings.Contains(c.Message, "had untolerated taint") {
				return nil
			}
		}
		if p.Spec.NodeName != "" {
			n, err := s.client().CoreV1().Nodes().Get(t.Context(), p.Spec.NodeName, metav1.GetOptions{})
			t.Fatalf("it is on %+v, %v", n, err)
		}
		return errors.New("no reason yet")
	})
}
