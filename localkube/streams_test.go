package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
)

// emptyDir gives the container of a probe a folder that it may write to.
func emptyDir(p *corev1.Pod, path string) *corev1.Pod {
	p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "data", VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	p.Spec.Containers[0].VolumeMounts = append(p.Spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "data", MountPath: path})
	return p
}

// terminal is one of a size.
type terminal struct {
	sizes chan remotecommand.TerminalSize
}

// Next implements remotecommand.TerminalSizeQueue.
func (q terminal) Next() *remotecommand.TerminalSize {
	size, more := <-q.sizes
	if !more {
		return nil
	}
	return &size
}

// streamsJoin: exec with standard input and with a terminal, copies both ways as kubectl cp makes them, and attach.
func streamsJoin(t *testing.T, s space) {
	p := emptyDir(probe("streams", "echo"), "/data")
	p.Spec.Containers[0].Stdin = true
	s.run(t, p, ready)
	exec := func(in io.Reader, words ...string) string {
		var out, errs bytes.Buffer
		err := s.stream(t.Context(), p.Name, &corev1.PodExecOptions{Command: words, Stdin: in != nil, Stdout: true, Stderr: true},
			remotecommand.StreamOptions{Stdin: in, Stdout: &out, Stderr: &errs})
		if err != nil {
			t.Errorf("%v: %v %s", words, err, &errs)
		}
		return out.String()
	}
	if out := exec(strings.NewReader("what comes in"), "/hello", "cat"); out != "what comes in" {
		t.Errorf("%q", out)
	}
	var archive bytes.Buffer
	archive.Write(tarOf(t, map[string][]byte{"copied": []byte("a file")}))
	exec(&archive, "tar", "xmf", "-", "-C", "/data")
	r := tar.NewReader(strings.NewReader(exec(nil, "tar", "cf", "-", "/data/copied")))
	h, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); err != nil || string(text) != "a file" || h.Name != "data/copied" {
		t.Errorf("%s: %q, %v", h.Name, text, err)
	}
	size := terminal{make(chan remotecommand.TerminalSize, 1)}
	size.sizes <- remotecommand.TerminalSize{Width: 123, Height: 45}
	defer close(size.sizes)
	var out bytes.Buffer
	err = s.stream(t.Context(), p.Name, &corev1.PodExecOptions{Command: []string{"/hello", "tty"}, Stdout: true, TTY: true},
		remotecommand.StreamOptions{Stdout: &out, Tty: true, TerminalSizeQueue: size})
	if err != nil || strings.TrimSpace(out.String()) != "45 rows, 123 columns" {
		t.Errorf("%q, %v", &out, err)
	}
	attachJoins(t, s, p.Name)
}

// attachJoins: what is written to a container's standard input comes there, and its answer back.
func attachJoins(t *testing.T, s space, pod string) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	in, typed := io.Pipe()
	shown, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- s.stream(ctx, pod, &corev1.PodAttachOptions{Stdin: true, Stdout: true}, remotecommand.StreamOptions{Stdin: in, Stdout: out})
		_ = out.Close()
	}()
	if _, err := fmt.Fprintln(typed, "hello"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(shown).ReadString('\n'); err != nil || line != "echo: hello\n" {
		t.Errorf("%q, %v", line, err)
	}
	stop()
	_ = shown.Close()
	<-ended
}

// logsAreFollowed: a line that is written later comes to who follows the log.
func logsAreFollowed(t *testing.T, s space) {
	s.run(t, probe("follow", "serve"), ready)
	stream, err := s.client().CoreV1().Pods(s.name).GetLogs("follow", &corev1.PodLogOptions{Follow: true}).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	lines := bufio.NewScanner(stream)
	for _, path := range []string{"/one", "/two"} {
		eventually(t, func(ctx context.Context) error { // it listens a moment after it has started
			return s.client().RESTClient().Get().AbsPath("/api/v1/namespaces/" + s.name + "/pods/follow:8080/proxy" + path).Do(ctx).Error()
		})
		for lines.Text() != "asked for "+path { // asked again because the answer did not come, it says so again
			if before := lines.Text(); !lines.Scan() || lines.Text() != "asked for "+path && lines.Text() != before {
				t.Fatalf("%q, %v", lines.Text(), lines.Err())
			}
		}
	}
}

// portsAreForwarded as kubectl port-forward does.
func portsAreForwarded(t *testing.T, s space) {
	s.run(t, probe("forward", "serve"), ready)
	transport, upgrader, err := spdy.RoundTripperFor(s.config())
	if err != nil {
		t.Fatal(err)
	}
	url := s.client().CoreV1().RESTClient().Post().Resource("pods").Namespace(s.name).Name("forward").SubResource("portforward").URL()
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	stop, up := make(chan struct{}), make(chan struct{})
	defer close(stop)
	f, err := portforward.New(dialer, []string{"0:8080"}, stop, up, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- f.ForwardPorts() }()
	select {
	case <-up:
	case err := <-ended:
		t.Fatal(err)
	}
	ports, err := f.GetPorts()
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func(context.Context) error {
		res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", ports[0].Local))
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		if err == nil && !strings.HasPrefix(string(text), "forward ") {
			err = fmt.Errorf("%q", text)
		}
		return err
	})
}
