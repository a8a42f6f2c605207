package serving

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

// fault is what is wrong with a replica for good, the step that it belongs to, and the end of its log.
func (a *advance) fault(r kube.Replica) (step string, e *berth.Error, log string) {
	if e := a.stuck(r); e != nil {
		if e.Code == CodeUnschedulable {
			return StepPods, e, ""
		}
		return StepImage, e, ""
	}
	for _, c := range r.Containers {
		if c.Ended == nil || c.Init && c.Ended.ExitCode == 0 || lost(c.Ended) {
			continue
		}
		switch {
		case c.Ended.Reason == "OOMKilled":
			return StepProbe, a.outOfMemory(c.Name), a.log(r.Name, c)
		case c.Name == fetchName:
			e := berth.Errorf(CodeFiles, "The files of the deployment could not be fetched: %s.", lastLine(c.Ended.Message))
			return StepFiles, e, c.Ended.Message
		case c.Name == builderName:
			var said built
			_ = json.Unmarshal([]byte(c.Ended.Message), &said) // without it there is still the end of the log
			return StepEnvironment, uvFault(said.Error+c.Ended.Message, a.pythonVersion()), said.Error
		case c.Name == modelName:
			log := a.log(r.Name, c)
			if what, _ := traceback(log); what != "" && a.script != "" {
				return StepProbe, berth.Errorf(CodeScript, "The model cannot be loaded: %s.", strings.TrimSuffix(what, ".")), log
			}
			return StepProbe, scriptFault(log, c.Ended), log
		}
	}
	return "", nil, ""
}

// killedWorker is what the scoring server writes when one of its processes was killed: it starts another, and the container does not end.
const killedWorker = "Perhaps out of memory?"

// killed reports that the kernel kills the processes of a container that runs.
func (a *advance) killed(pod string) (e *berth.Error, log string) {
	log, err := readLog(a.ctx, a.conn, berth.LogQuery{Namespace: a.d.Namespace, Pod: pod, Container: modelName, Lines: logLines})
	if err != nil || !strings.Contains(log, killedWorker) {
		return nil, ""
	}
	return a.outOfMemory(modelName), tail(log, toldLog)
}

func (a *advance) outOfMemory(container string) *berth.Error {
	return berth.Errorf(CodeMemory, "The container %s needed more than its memory of %s and was ended. Ask for more memory.", container,
		a.memory())
}

// lost reports whether a container ended with its node, and not by itself: it is started again.
func lost(e *kube.Ending) bool {
	return e.Reason == "Unknown" || e.Reason == "ContainerStatusUnknown" || e.ExitCode == 255 && e.Reason == "Error" && e.Before
}

func (a *advance) memory() string {
	if a.d.MemoryLimitGB > 0 {
		return fmt.Sprintf("%g GB", a.d.MemoryLimitGB)
	}
	return "the node"
}

// imageReasons are those of a container that waits for an image in vain.
var imageReasons = map[string]bool{"ErrImagePull": true, "ImagePullBackOff": true, "InvalidImageName": true, "ErrImageNeverPull": true}

// importTime is how long a new node may take to import the images that Berth gives it. Until then it tries to pull them in vain.
const importTime = 30 * time.Second

var pullPrefix = regexp.MustCompile(`^Back-off pulling image "[^"]*": (ErrImagePull: )?`)

// configReasons are those of a container that cannot be created.
var configReasons = map[string]bool{"CreateContainerConfigError": true, "CreateContainerError": true, "RunContainerError": true}

// stuck is why a pod does not come to start its containers.
func (a *advance) stuck(r kube.Replica) *berth.Error {
	full := strings.Contains(r.Unschedulable, "Insufficient") || strings.Contains(r.Unschedulable, "Too many pods")
	if full && !slices.ContainsFunc(a.nodes, a.coming) {
		return berth.Errorf(CodeUnschedulable, "No node has room for the pod: %s. Add nodes, or ask for less.",
			strings.TrimSuffix(r.Unschedulable, "."))
	}
	for _, c := range r.Containers {
		switch {
		case imageReasons[c.Waiting] && a.mayCome(r, c):
		case imageReasons[c.Waiting]:
			return pullFault(c)
		case configReasons[c.Waiting]:
			return berth.Errorf(CodeScript, "The container %s cannot be started: %s.", c.Name, strings.TrimSuffix(c.Message, "."))
		}
	}
	return nil
}

// refusals are the words of registries that want another login, or one at all.
var refusals = regexp.MustCompile(`(?i)\b(401|403|unauthorized|forbidden|denied|no basic auth credentials|authorization failed)\b`)

// pullFault is why an image does not come.
func pullFault(c kube.ContainerState) *berth.Error {
	why := strings.TrimSuffix(pullPrefix.ReplaceAllString(c.Message, ""), ".")
	if refusals.MatchString(why) {
		return berth.Errorf(CodeImage, "The registry does not give the image of the container %s without a login, or not with this one: %s. "+
			"Set docker.base_image_registry of the environment (SDK v1), or start the server with --image-pull-config.", c.Name, why)
	}
	return berth.Errorf(CodeImage, "The image of the container %s cannot be pulled: %s. Check its name; 'berth image import' gives an "+
		"image to local nodes, and 'berth image build' makes that of Python.", c.Name, why)
}

// mayCome reports whether a node may still be importing the image of a container.
func (a *advance) mayCome(r kube.Replica, c kube.ContainerState) bool {
	own := c.Name == fetchName || c.Name == builderName || c.Name == imageBuilderName || c.Name == archiveName || c.Name == modelName && a.base
	return own && a.o.Clock.Since(r.Created) < importTime
}

const (
	logLines = 200
	toldLog  = 8 << 10 // that are kept with a failure
)

// log is the end of the log of a container that has ended.
func (a *advance) log(pod string, c kube.ContainerState) string {
	q := berth.LogQuery{Namespace: a.d.Namespace, Pod: pod, Container: c.Name, Previous: c.Ended.Before, Lines: logLines}
	text, err := readLog(a.ctx, a.conn, q)
	if err == nil && !q.Previous && !strings.Contains(text, lastLine(c.Ended.Message)) { // it was started again in the meantime
		q.Previous = true
		text, err = readLog(a.ctx, a.conn, q)
	}
	if err != nil || text == "" {
		return c.Ended.Message
	}
	return tail(text, toldLog)
}

func tail(text string, most int) string {
	if len(text) <= most {
		return text
	}
	text = text[len(text)-most:]
	_, text, _ = strings.Cut(text, "\n")
	return text
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSuffix(strings.TrimSpace(lines[len(lines)-1]), ".")
}

var (
	inScript  = regexp.MustCompile(`File "` + AppRoot + `/([^"]+)", line (\d+)`)
	exception = regexp.MustCompile(`^(?:.*?\s)?([A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|NotFound|Warning)(?::.*)?)$`)
	frame     = regexp.MustCompile(`^\s+|^\S+ \[\d+\] \[`)
)

// scriptFault is one sentence for how the container of a model ended: the exception of its script, if there was one.
func scriptFault(log string, end *kube.Ending) *berth.Error {
	what, where := traceback(log)
	what = strings.TrimPrefix(what, "azureml_inference_server_http.server.user_script.")
	switch {
	case what != "" && where != "":
		return berth.Errorf(CodeScript, "The entry script failed: %s (%s).", strings.TrimSuffix(what, "."), where)
	case what != "":
		return berth.Errorf(CodeScript, "The entry script failed: %s.", strings.TrimSuffix(what, "."))
	case end.ExitCode == 137 || end.ExitCode == 143:
		return berth.Errorf(CodeProbe, "The container did not answer its probe in time and was ended. Its log shows what it was busy with.")
	}
	return berth.Errorf(CodeScript, "The container ended with exit code %d. Its log shows why: %.300s", end.ExitCode, lastLine(log))
}

// traceback finds the first exception of a log, and where in the user's files it was raised. What follows it is raised by the server
// because of it.
func traceback(log string) (what, where string) {
	inside, first := false, ""
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, "\r\n")
		if strings.Contains(line, "Traceback (most recent call last):") {
			if inside = true; where != "" && what != "" {
				break
			}
			first = cmp.Or(first, what)
			what, where = "", ""
			continue
		}
		if !inside {
			continue
		}
		if m := inScript.FindStringSubmatch(line); m != nil {
			where = path.Base(m[1]) + ", line " + m[2]
			continue
		}
		if !frame.MatchString(line) {
			if m := exception.FindStringSubmatch(line); m != nil && what == "" {
				what, inside = m[1], false
				if where != "" {
					return what, where
				}
			}
		}
	}
	if where == "" {
		what = cmp.Or(first, what)
	}
	return what, where
}
