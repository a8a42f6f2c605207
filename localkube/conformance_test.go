package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
)

// probeImage is what the pods of these tests run: testdata/probe.
const probeImage = "example.com/probe:1"

// probeProgram builds it.
func probeProgram(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "probe")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// TestConformance looks at what people expect of a cluster whose nodes are real, each part in a namespace of its own.
func TestConformance(t *testing.T) {
	program, images := nodesProgram(t), t.TempDir()
	probe := probeProgram(t)
	storeImages(t, images, badImages(t)...)
	storeImages(t, images, imageOf(t, probeImage, map[string][]byte{"hello": probe, "bin/tar": probe, "word": []byte("read me")}))
	registry := newStalling(t, images, probe)
	r := start(t, filepath.Join(t.TempDir(), "kube"), freePort(t), "--nodes", program, "--images", images).ready()
	for i := range 2 {
		n := newRealNode(i)
		n.Annotations[sizeAnnotation] = "4/8000/100" // for the pods of all parts
		if _, err := r.client().CoreV1().Nodes().Create(t.Context(), n, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	silent := newSpace(t, r, "silent", nil)
	registry.pull(t, silent, "half") // while the others run
	t.Run("parts", func(t *testing.T) {
		for _, part := range []struct {
			name string
			run  func(*testing.T, space)
		}{
			{"others", registry.othersArePulled}, {"outside", nodePortsAnswerOutside}, {"hostports", hostPortsAnswer},
			{"notcarried", whatDoesNotAnswerIsTold}, {"metrics", usageIsServed}, {"autoscaler", busyPodsAreScaled},
			{"cronjobs", cronJobsRun}, {"jobs", jobsRun}, {"daemonsets", daemonSetsRunEverywhere}, {"statefulsets", statefulSetsKeepTheirs},
			{"order", containersComeInOrder}, {"probes", probesCount}, {"limits", eatersAreKilled}, {"security", podSecurityRefuses},
			{"streams", streamsJoin}, {"forward", portsAreForwarded}, {"follow", logsAreFollowed}, {"projected", volumesAreProjected},
			{"imagevolumes", imagesAreVolumes}, {"headless", headlessServicesAreNames}, {"nodeports", nodePortsAnswerInside},
			{"forks", forksAreBounded}, {"simulated", simulatedNodesKeepApart}, {"privileged", privilegedIsRefused},
			{"hostpath", hostPathShowsLittle}, {"hostnetwork", hostNetworkIsInside}, {"badimages", badImagesSayWhy},
			{"affinity", clientsStay}, {"many", manyEndpointsWork}, {"udp", flowsOfGoneEndpointsEnd}, {"policies", policiesAreKept},
			{"egress", egressPoliciesAreKept},
		} {
			t.Run(part.name, func(t *testing.T) {
				t.Parallel()
				part.run(t, newSpace(t, r, part.name, nil))
			})
		}
	})
	t.Run("stalls", func(t *testing.T) { registry.isTold(t, silent) }) // its minute is over by now
}

// needsCgroups ends a part where nothing limits or counts what containers use. TestPlainUser says what is there instead.
func needsCgroups(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("the nodes of a plain user have no cgroups")
	}
}

// space is a namespace of one test.
type space struct {
	*running
	name string
}

func newSpace(t *testing.T, r *running, name string, labels map[string]string) space {
	t.Helper()
	of := r.client().CoreV1()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	if _, err := of.Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // its pods are in the way of others
		_ = of.Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{})
	})
	eventually(t, func(ctx context.Context) error {
		_, err := of.ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	return space{r, name}
}

// probe is a pod whose container does what the words say.
func probe(name string, words ...string) *corev1.Pod {
	grace := int64(1)
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{TerminationGracePeriodSeconds: &grace, RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{probeContainer("c", words...)}}}
}

func probeContainer(name string, words ...string) corev1.Container {
	return corev1.Container{Name: name, Image: probeImage, Args: words}
}

// run creates a pod and waits until it is as it shall be.
func (s space) run(t *testing.T, p *corev1.Pod, is func(*corev1.Pod) error) *corev1.Pod {
	t.Helper()
	if _, err := s.client().CoreV1().Pods(s.name).Create(t.Context(), p, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return s.wait(t, p.Name, is)
}

func (s space) wait(t *testing.T, name string, is func(*corev1.Pod) error) (p *corev1.Pod) {
	t.Helper()
	eventually(t, func(ctx context.Context) (err error) {
		if p, err = s.client().CoreV1().Pods(s.name).Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
		if err := is(p); err != nil {
			return fmt.Errorf("%s: %w; %+v", name, err, p.Status)
		}
		return nil
	})
	return p
}

func ready(p *corev1.Pod) error {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return nil
		}
	}
	return errors.New("not ready")
}

func succeeded(p *corev1.Pod) error { return inPhase(p, corev1.PodSucceeded) }
func failed(p *corev1.Pod) error    { return inPhase(p, corev1.PodFailed) }

func inPhase(p *corev1.Pod, want corev1.PodPhase) error {
	if p.Status.Phase != want {
		return fmt.Errorf("not %s", want)
	}
	return nil
}

// remove deletes a pod and waits until it is gone.
func (s space) remove(t *testing.T, name string) {
	t.Helper()
	pods := s.client().CoreV1().Pods(s.name)
	if err := pods.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		if _, err := pods.Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("%s is still there: %w", name, err)
		}
		return nil
	})
}

// exec runs a command in a pod, as kubectl exec does.
func (s space) exec(ctx context.Context, pod string, words ...string) (string, error) {
	var out, errs bytes.Buffer
	err := s.stream(ctx, pod, &corev1.PodExecOptions{Command: words, Stdout: true, Stderr: true},
		remotecommand.StreamOptions{Stdout: &out, Stderr: &errs})
	return out.String() + errs.String(), err
}

// stream joins to a new process in a pod (PodExecOptions), or to the one that there is (PodAttachOptions).
func (s space) stream(ctx context.Context, pod string, o any, streams remotecommand.StreamOptions) error {
	req := s.client().CoreV1().RESTClient().Post().Resource("pods").Namespace(s.name).Name(pod)
	switch o := o.(type) {
	case *corev1.PodExecOptions:
		req = req.SubResource("exec").VersionedParams(o, scheme.ParameterCodec)
	case *corev1.PodAttachOptions:
		req = req.SubResource("attach").VersionedParams(o, scheme.ParameterCodec)
	}
	config := s.config()
	config.Timeout = 0
	to, err := remotecommand.NewWebSocketExecutor(config, "GET", req.URL().String())
	if err != nil {
		return err
	}
	return to.StreamWithContext(ctx, streams)
}

// eventsOf are the messages of all events about an object.
func (s space) eventsOf(ctx context.Context, name string) (string, error) {
	list, err := s.client().CoreV1().Events(s.name).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=" + name})
	if err != nil {
		return "", err
	}
	var all strings.Builder
	for _, e := range list.Items {
		fmt.Fprintf(&all, "%s %s: %s\n", e.Type, e.Reason, e.Message)
	}
	return all.String(), nil
}

func (s space) logs(ctx context.Context, pod string) (string, error) {
	stream, err := s.client().CoreV1().Pods(s.name).GetLogs(pod, &corev1.PodLogOptions{}).Stream(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = stream.Close() }()
	text, err := io.ReadAll(stream)
	return string(text), err
}
