package serving

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/router/route"
)

const (
	modelName  = "model" // the container that answers
	fetchName  = "files" // the one that fetches the files before
	listDir    = "/berth/list"
	listKey    = "files.json"
	modelsDir  = "azureml-models" // where models are, when the deployment does not say
	mostList   = 1_000_000        // bytes; a ConfigMap has 1 MiB
	notReady   = 3                // seconds in which an ending replica takes requests of routers that do not know yet
	startTries = 600              // seconds for a container's start, at most
)

// template is that of the pods. It is the same as long as nothing that is asked for changes.
func (a *advance) template(listMap string) kube.Object {
	d := a.d
	volumes := []kube.Object{{"name": "app", "emptyDir": kube.Object{}}, {"name": "tmp", "emptyDir": kube.Object{}}}
	var init []kube.Object
	if len(d.Files) > 0 {
		volumes = append(volumes, kube.Object{"name": "list", "configMap": kube.Object{"name": listMap}})
		c := a.container(fetchName, a.fe(), small("20m", "32Mi", "256Mi"))
		c["args"] = []string{"fetch", "--list", listDir + "/" + listKey, "--to", AppRoot}
		c["volumeMounts"] = []kube.Object{{"name": "app", "mountPath": AppRoot}, {"name": "list", "mountPath": listDir, "readOnly": true}}
		init = append(init, c)
	}
	if a.base {
		volumes = append(volumes, a.environmentVolume())
		if a.claim == "" {
			init = append(init, a.builder(a.plan))
			volumes = append(volumes, kube.Object{"name": "spec", "configMap": kube.Object{"name": envName(a.plan)}})
		}
	}
	spec := a.podSpec(append(volumes, a.trustVolumes()...))
	if !a.base { // of an image it is not known which user it needs
		spec["securityContext"] = kube.Object{"seccompProfile": kube.Object{"type": "RuntimeDefault"}}
	}
	spec["initContainers"], spec["containers"] = init, []kube.Object{a.model()}
	spec["terminationGracePeriodSeconds"] = notReady + seconds(d.Drain, time.Minute)
	if len(d.NodeSelector) > 0 {
		spec["nodeSelector"] = d.NodeSelector
	}
	labels := d.labels()
	return kube.Object{"metadata": kube.Object{"labels": labels, "annotations": map[string]string{annotationTry: a.try}}, "spec": spec}
}

func (a *advance) environmentVolume() kube.Object {
	if a.claim == "" {
		return kube.Object{"name": "environment", "emptyDir": kube.Object{}}
	}
	return kube.Object{"name": "environment", "persistentVolumeClaim": kube.Object{"claimName": a.claim, "readOnly": true}}
}

// model is the container that answers.
func (a *advance) model() kube.Object {
	d := a.d
	image := d.Environment.Image
	if a.base {
		image = a.plan.Image
	}
	c := a.container(modelName, image, a.resources())
	port := a.port()
	c["ports"] = []kube.Object{{"name": "http", "containerPort": port, "protocol": "TCP"}}
	c["env"] = a.variables()
	mounts := append(a.trustMounts(), kube.Object{"name": "app", "mountPath": AppRoot}, kube.Object{"name": "tmp", "mountPath": "/tmp"})
	if a.base {
		mounts = append(mounts, kube.Object{"name": "environment", "mountPath": envRoot, "readOnly": true})
		entry := path.Join(AppRoot, d.EntryScript)
		if a.script != "" {
			entry = path.Join(listDir, scriptKey)
			mounts = append(mounts, kube.Object{"name": "list", "mountPath": listDir, "readOnly": true})
		}
		c["command"] = []string{envBin + "/python", envBin + "/azmlinfsrv", "--port", strconv.Itoa(port), "--entry_script", entry}
		c["workingDir"] = path.Join(AppRoot, d.SourceDir)
	} else {
		if len(d.Environment.Command) > 0 {
			c["command"] = d.Environment.Command
		}
		c["securityContext"] = kube.Object{"allowPrivilegeEscalation": false, "capabilities": kube.Object{"drop": []string{"ALL"}}}
	}
	if d.ModelMount != "" {
		mounts = append(mounts, kube.Object{"name": "app", "mountPath": d.ModelMount, "subPath": modelsDir, "readOnly": true})
	}
	c["volumeMounts"] = mounts
	ready := d.Readiness.get(port)
	// Until it has started a container is asked each second; how often it is asked afterwards is for the user to say.
	c["startupProbe"] = kube.Object{"httpGet": ready, "periodSeconds": 1, "timeoutSeconds": max(2, seconds(d.Readiness.Timeout, 0)),
		"failureThreshold": startTries}
	c["livenessProbe"] = d.Liveness.object(d.Liveness.get(port), true)
	c["readinessProbe"] = d.Readiness.object(ready, false)
	c["lifecycle"] = kube.Object{"preStop": kube.Object{"sleep": kube.Object{"seconds": notReady}}}
	return c
}

func (a *advance) port() int {
	if p := a.d.Environment.Port; p != 0 && !a.base {
		return p
	}
	return DefaultPort
}

// get is what is asked of a container that scores at a port.
func (p Probe) get(port int) kube.Object {
	return kube.Object{"path": cmp.Or(p.Path, "/"), "port": cmp.Or(p.Port, port)}
}

// object is the probe as Kubernetes has it. A container that has started is ready without delay.
func (p Probe) object(get kube.Object, delayed bool) kube.Object {
	out := kube.Object{"httpGet": get, "periodSeconds": seconds(p.Period, 10*time.Second), "timeoutSeconds": seconds(p.Timeout, 2*time.Second),
		"failureThreshold": max(1, orElse(p.FailureThreshold, 3))}
	if delayed {
		out["initialDelaySeconds"] = seconds(p.InitialDelay, 0)
	} else {
		out["successThreshold"] = max(1, p.SuccessThreshold)
	}
	return out
}

func orElse(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

func seconds(d, otherwise time.Duration) int {
	if d == 0 {
		d = otherwise
	}
	return int(math.Ceil(d.Seconds()))
}

func (a *advance) resources() kube.Object {
	d := a.d
	requests, limits := kube.Object{"cpu": milli(d.CPU), "memory": mebi(d.MemoryGB)}, kube.Object{}
	if d.CPULimit > 0 {
		limits["cpu"] = milli(d.CPULimit)
	}
	if d.MemoryLimitGB > 0 {
		limits["memory"] = mebi(d.MemoryLimitGB)
	}
	if d.GPU > 0 {
		limits["nvidia.com/gpu"] = strconv.Itoa(d.GPU)
	}
	return kube.Object{"requests": requests, "limits": limits}
}

func milli(cores float64) string { return fmt.Sprintf("%dm", int(math.Round(cores*1000))) }

func mebi(gb float64) string { return fmt.Sprintf("%dMi", int(math.Round(gb*1024))) }

// variables are those that scripts for Azure ML read, and the user's own.
func (a *advance) variables() []kube.Object {
	d := a.d
	all := map[string]string{
		"AZUREML_APP_ROOT": AppRoot, "AML_APP_ROOT": AppRoot, "AZUREML_MODEL_DIR": a.modelDir(),
		"HOME": "/tmp", "PYTHONUNBUFFERED": "1", "MPLCONFIGDIR": "/tmp",
	}
	for _, name := range trusting {
		if len(a.o.Authorities) > 0 {
			all[name] = authoritiesFile
		}
	}
	if d.Collects {
		all["AZUREML_MDC_ENABLED"], all["AZUREML_MDC_HOST"] = "true", routerData+"."+route.Namespace+".svc"
		all["AZUREML_MDC_PORT"] = strconv.Itoa(dataPort)
	}
	maps.Copy(all, d.Environment.Variables)
	if d.SourceDir != "" {
		all["AZUREML_SOURCE_DIRECTORY"] = path.Join(AppRoot, d.SourceDir)
	}
	if d.EntryScript != "" {
		all["AZUREML_ENTRY_SCRIPT"] = path.Join(AppRoot, d.EntryScript)
	}
	if a.base {
		if all["PATH"] == "" {
			all["PATH"] = envBin + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
		}
		all["VIRTUAL_ENV"] = envRoot + "/env"
		if a.pycache {
			all["PYTHONPYCACHEPREFIX"] = envPycache
		}
	}
	var out []kube.Object
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, kube.Object{"name": name, "value": all[name]})
	}
	return out
}

// listObject is the ConfigMap of the files, by a name that tells one list from another: a replica of the former generation that is started
// anew needs the former list.
func (a *advance) listObject() (name string, o kube.Object, err error) {
	text, err := json.Marshal(a.list())
	if err != nil {
		return "", nil, err
	}
	if len(text) > mostList {
		return "", nil, berth.Errorf(CodeFiles, "The list of the %d larger files of the service has %d bytes, and at most %d are possible. "+
			"Register the model as one archive (tar.gz or zip) with unpack=True.", len(a.d.Files), len(text), mostList)
	}
	labels := a.d.labels()
	labels[labelPart] = "files"
	data := map[string]string{listKey: string(text)}
	if a.script != "" {
		data[scriptKey] = a.script
	}
	return a.d.object() + "-files-" + digestOf(data)[:8], kube.Object{"metadata": kube.Object{"labels": labels}, "data": data}, nil
}
