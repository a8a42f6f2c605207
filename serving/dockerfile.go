package serving

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/bundle"
	"berth.dev/berth/kube"
)

// Dockerfile is a folder of which an image is built, in the cluster that serves it.
type Dockerfile struct {
	Path  string // of the Dockerfile, below the folder
	Files []File // of the folder, in which their paths begin
}

// Builds keeps the images that are built of Dockerfiles, from where the nodes have them.
type Builds interface {
	// Builder sees to it that the nodes have the image of the program that builds, and returns its name.
	Builder() (string, error)
	// Has reports whether there is an image.
	Has(name string) (bool, error)
	// Take keeps an image under a name; the archive (docker save) is of a pod, and not trusted.
	Take(name string, archive io.Reader) error
}

const (
	imageBuilderName = "image"   // the container that builds
	archiveName      = "archive" // the one that gives away what was built
	builtPrefix      = "berth.dev/built/"
	buildDir         = "/build" // in the pod: the context, and what is built of it
	nodeImages       = "/opt/images"
	buildSize        = "64Gi" // of what one build works with, and of its archive
)

// builtImage is what the container that builds says at its end.
type builtImage struct {
	Digest  string  `json:"digest"` // of the archive
	Size    int64   `json:"size"`   // in bytes
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error"`
}

func (d *Dockerfile) digest() string { return digestOf(d)[:16] }

// object is the name of the Job that builds, and of what it reads.
func (d *Dockerfile) object() string { return "image-" + d.digest() }

// image is the name of what is built. Equal folders are built once.
func (d *Dockerfile) image() string { return builtPrefix + d.digest() + ":1" }

func (d *Dockerfile) list() *bundle.List {
	out := &bundle.List{From: filesOrigin}
	for _, f := range d.Files {
		out.Files = append(out.Files, bundle.File(f))
	}
	return out
}

// dockerfile sees to the image that is built of a Dockerfile; true when pods can use it.
func (a *advance) dockerfile(open Source) (ready bool, err error) {
	d := a.d.Environment.Dockerfile
	if a.o.Builds == nil || !a.ownNodes() {
		a.fail(StepEnvironment, berth.Errorf(CodeEnvironment, "The nodes of this cluster are not of this server, which builds images of "+
			"Dockerfiles for its own nodes only. Build the image elsewhere, push it to a registry that the cluster reaches, and name it."), "")
		return false, nil
	}
	a.d.Environment.Image = d.image()
	there, err := a.o.Builds.Has(d.image())
	if err != nil {
		return false, err
	}
	if there {
		a.step(StepEnvironment, Done, fmt.Sprintf("The image of the Dockerfile is known: %s.", d.image()))
		return true, nil
	}
	if there, err := a.files(d.list(), open); err != nil || !there {
		return false, err
	}
	return a.buildImage(d)
}

// ownNodes reports whether Berth runs all nodes: they take the images of the server.
func (a *advance) ownNodes() bool {
	for _, n := range a.nodes {
		if !n.Real {
			return false
		}
	}
	return len(a.nodes) > 0
}

// buildImage runs the builder once, whoever else awaits it, and takes what it has built.
func (a *advance) buildImage(d *Dockerfile) (ready bool, err error) {
	ref := a.in("Job", d.object())
	var job job
	found, err := a.conn.Read(a.ctx, ref, &job)
	if err != nil {
		return false, err
	}
	a.step(StepEnvironment, Running, "The image of the Dockerfile is being built.")
	await := annotationAwait + a.d.object()
	switch {
	case !found:
		return false, a.beginImage(d, map[string]string{await: a.generation()})
	case job.Metadata.DeletionTimestamp != "":
		return false, nil
	}
	pods, err := a.conn.Replicas(a.ctx, a.d.Namespace, labelEnv+"="+d.digest()+",batch.kubernetes.io/controller-uid="+job.Metadata.UID)
	if err != nil {
		return false, err
	}
	for _, r := range pods {
		if made := a.builtIn(r); made != nil {
			return a.takeImage(d, r.Name, made)
		}
	}
	switch {
	case job.Status.Succeeded > 0, job.failed() && job.Metadata.Annotations[await] != a.generation(): // it is lost; another's failure
		return false, a.conn.Delete(a.ctx, ref)
	case job.failed():
		a.imageFailed(pods)
		return false, a.leaveBuild(ref, await)
	}
	for _, r := range pods {
		if e := a.stuck(r); e != nil {
			a.fail(StepEnvironment, e, "")
			return false, a.dropBuild(ref.Name)
		}
	}
	if job.Metadata.Annotations[await] != a.generation() {
		return false, a.conn.Annotate(a.ctx, ref, map[string]string{await: a.generation()})
	}
	return false, nil
}

// builtIn is what a pod has built and gives away; nil when it does not yet.
func (a *advance) builtIn(r kube.Replica) *builtImage {
	var made *builtImage
	gives := false
	for _, c := range r.Containers {
		switch {
		case c.Name == imageBuilderName && c.Ended != nil && c.Ended.ExitCode == 0:
			var said builtImage
			if json.Unmarshal([]byte(c.Ended.Message), &said) == nil && said.Digest != "" {
				made = &said
			}
		case c.Name == archiveName:
			gives = c.Ready
		}
	}
	if !gives {
		return nil
	}
	return made
}

// takeImage keeps what a pod has built, and removes what built it.
func (a *advance) takeImage(d *Dockerfile, pod string, made *builtImage) (ready bool, err error) {
	from := &fromPod{a: a, pod: pod, made: made}
	err = a.o.Builds.Take(d.image(), from)
	if from.failed != nil { // worth another try
		return false, from.failed
	}
	if e, is := errors.AsType[*berth.Error](err); is {
		a.fail(StepEnvironment, berth.Errorf(CodeEnvironment, "The image of the Dockerfile cannot be kept: %s", e.Message), "")
		return false, a.dropBuild(d.object())
	}
	if err != nil {
		return false, err
	}
	a.step(StepEnvironment, Done, fmt.Sprintf("The image of the Dockerfile was built in %.1f s; its archive has %s.", made.Seconds,
		megabytes(made.Size)))
	return true, a.dropBuild(d.object())
}

// fromPod reads an archive out of a pod, a part at a time.
type fromPod struct {
	a      *advance
	pod    string
	made   *builtImage
	at     int64
	part   []byte
	failed error
}

// Read implements io.Reader.
func (f *fromPod) Read(p []byte) (int, error) {
	if len(f.part) == 0 {
		if f.at >= f.made.Size {
			return 0, io.EOF
		}
		if f.part, f.failed = f.next(); f.failed != nil {
			return 0, f.failed
		}
		f.at += int64(len(f.part))
	}
	n := copy(p, f.part)
	f.part = f.part[n:]
	return n, nil
}

func (f *fromPod) next() ([]byte, error) {
	last := min(f.at+chunk, f.made.Size) - 1
	part, err := f.a.conn.Proxy(f.a.ctx, kube.Proxied{Namespace: f.a.d.Namespace, Pod: f.pod, Port: strconv.Itoa(filesPort),
		Method: http.MethodGet, Path: "/files/" + f.made.Digest, Timeout: chunkTime, Most: chunk,
		Header: http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", f.at, last)}}})
	if err == nil && int64(len(part)) != last-f.at+1 {
		err = fmt.Errorf("the pod %s sent %d bytes of an image instead of %d", f.pod, len(part), last-f.at+1)
	}
	return part, err
}

// imageFailed says why no image was built.
func (a *advance) imageFailed(pods []kube.Replica) {
	why, log := fmt.Sprintf("it did not end within %s", buildSeconds*time.Second), ""
	for _, r := range pods {
		for _, c := range r.Containers {
			if c.Ended == nil || c.Ended.ExitCode == 0 {
				continue
			}
			var said builtImage
			log = a.buildLog(r.Name, c.Name)
			switch {
			case c.Name == imageBuilderName && json.Unmarshal([]byte(c.Ended.Message), &said) == nil && said.Error != "":
				why = strings.TrimSuffix(said.Error, ".")
			case c.Ended.Reason == "OOMKilled":
				why = fmt.Sprintf("it needed more than its memory of %s", buildMemory)
			default:
				why = lastLine(c.Ended.Message)
			}
		}
	}
	a.fail(StepEnvironment, berth.Errorf(CodeEnvironment, "The image of the Dockerfile could not be built: %s.", why), log)
}

// buildLog is the end of the log of a container that builds; its last words are no part of it.
func (a *advance) buildLog(pod, container string) string {
	text, err := readLog(a.ctx, a.conn, berth.LogQuery{Namespace: a.d.Namespace, Pod: pod, Container: container, Lines: logLines})
	if err != nil { // it is gone with its pod; the reason has come with the pod
		return ""
	}
	return tail(text, toldLog)
}

// beginImage makes the Job, if there is room for the replicas: the build takes its time.
func (a *advance) beginImage(d *Dockerfile, annotations map[string]string) error {
	if e, err := a.capacity(); err != nil || e != nil {
		a.refuse(StepPods, e)
		return err
	}
	builder, err := a.o.Builds.Builder()
	if err != nil {
		return err
	}
	list, err := json.Marshal(d.list())
	if err != nil {
		return err
	}
	if len(list) > mostList {
		a.fail(StepFiles, berth.Errorf(CodeFiles, "The folder of the Dockerfile has too many large files (%d). Leave out those that the build "+
			"does not need (.amlignore).", len(d.Files)), "")
		return nil
	}
	labels := kube.Object{"labels": map[string]string{labelPart: "image", labelEnv: d.digest()}}
	if err := a.conn.Apply(a.ctx, a.in("ConfigMap", d.object()), kube.Object{"metadata": labels,
		"data": map[string]string{listKey: string(list)}}, nil); err != nil {
		return err
	}
	if err := a.fence("builders", labelEnv, nil); err != nil {
		return err
	}
	if err := a.giveAuthorities(); err != nil {
		return err
	}
	return a.conn.Apply(a.ctx, a.in("Job", d.object()), a.imageJob(d, builder, annotations), nil)
}
