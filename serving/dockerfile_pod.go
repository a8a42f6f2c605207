package serving

import (
	"strconv"

	"berth.dev/berth/kube"
)

// What one build may use.
const (
	buildCPU    = "4"
	buildMemory = "8Gi"
)

// imageJob is the Job that builds an image. Its pod fetches the context, builds, and gives the archive away until the server has it.
func (a *advance) imageJob(d *Dockerfile, builder string, annotations map[string]string) kube.Object {
	labels := map[string]string{labelPart: "image", labelEnv: d.digest()}
	volumes := append(a.trustVolumes(), kube.Object{"name": "list", "configMap": kube.Object{"name": d.object()}},
		// Images of the server, and its registry for nodes, which only reads.
		kube.Object{"name": "images", "hostPath": kube.Object{"path": nodeImages, "type": "Directory"}})
	for _, name := range []string{"context", "work", "archive", "tmp"} {
		volumes = append(volumes, kube.Object{"name": name, "emptyDir": kube.Object{"sizeLimit": buildSize}})
	}
	spec := a.podSpec(volumes)
	spec["restartPolicy"] = "Never"
	fetch := a.container(fetchName, a.fe(), small("20m", "32Mi", "256Mi"))
	fetch["args"] = []string{"fetch", "--list", listDir + "/" + listKey, "--to", buildDir + "/context"}
	fetch["volumeMounts"] = []kube.Object{{"name": "context", "mountPath": buildDir + "/context"},
		{"name": "list", "mountPath": listDir, "readOnly": true}}
	spec["initContainers"] = []kube.Object{fetch, a.imageBuilder(d, builder)}
	spec["containers"] = []kube.Object{a.archive()}
	return kube.Object{
		"metadata": kube.Object{"labels": labels, "annotations": annotations},
		"spec": kube.Object{"backoffLimit": 3, "activeDeadlineSeconds": buildSeconds,
			// What the builder says does not change by another try. One that was ended with its node may be tried again.
			"podFailurePolicy": kube.Object{"rules": []kube.Object{{"action": "FailJob",
				"onExitCodes": kube.Object{"containerName": imageBuilderName, "operator": "In", "values": []int{1, 137}}}}},
			"template": kube.Object{"metadata": kube.Object{"labels": labels}, "spec": spec}},
	}
}

// imageBuilder is the container that builds. It is root, and makes a user namespace of its own in which it has all rights, and outside of
// which it has those three alone with which such a namespace is made. The usual filter of system calls would refuse that.
func (a *advance) imageBuilder(d *Dockerfile, image string) kube.Object {
	c := a.container(imageBuilderName, image, kube.Object{"requests": kube.Object{"cpu": "200m", "memory": "512Mi"},
		"limits": kube.Object{"cpu": buildCPU, "memory": buildMemory}})
	c["args"] = []string{"build", "--context", buildDir + "/context", "--dockerfile", d.Path, "--name", d.image(),
		"--to", buildDir + "/archive", "--work", buildDir + "/work", "--images", nodeImages}
	c["securityContext"] = kube.Object{"runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": false, "allowPrivilegeEscalation": false,
		"readOnlyRootFilesystem": true, "seccompProfile": kube.Object{"type": "Unconfined"},
		"capabilities": kube.Object{"drop": []string{"ALL"}, "add": []string{"SETUID", "SETGID", "SETFCAP"}}}
	c["volumeMounts"] = append(a.trustMounts(), kube.Object{"name": "context", "mountPath": buildDir + "/context"},
		kube.Object{"name": "work", "mountPath": buildDir + "/work"}, kube.Object{"name": "archive", "mountPath": buildDir + "/archive"},
		kube.Object{"name": "images", "mountPath": nodeImages, "readOnly": true}, kube.Object{"name": "tmp", "mountPath": "/tmp"})
	c["env"] = append(a.trustVariables(), kube.Object{"name": "HOME", "value": "/tmp"})
	return c
}

// archive is the container that gives away what was built. Nobody can write: the volume is read-only.
func (a *advance) archive() kube.Object {
	c := a.container(archiveName, a.fe(), small("20m", "32Mi", "256Mi"))
	c["args"] = []string{"files", "--http", ":" + strconv.Itoa(filesPort), "--dir", buildDir + "/archive"}
	c["env"] = []kube.Object{{"name": "BERTH_FILES_TOKEN", "value": "nobody-may-write"}}
	c["volumeMounts"] = []kube.Object{{"name": "archive", "mountPath": buildDir + "/archive", "readOnly": true}}
	c["readinessProbe"] = kube.Object{"httpGet": kube.Object{"path": "/healthz", "port": filesPort}, "periodSeconds": 1}
	return c
}
