package serving

import (
	"berth.dev/berth/kube"
)

const builderName = "environment"

// buildJob is the Job that fills the volume of an environment.
func (a *advance) buildJob(p *plan, annotations map[string]string) kube.Object {
	labels := map[string]string{labelPart: "environment", labelEnv: p.digest()}
	volumes := append(a.builderVolumes(p), kube.Object{"name": "environment",
		"persistentVolumeClaim": kube.Object{"claimName": envName(p)}})
	spec := a.podSpec(volumes)
	spec["restartPolicy"] = "Never"
	spec["containers"] = []kube.Object{a.builder(p)}
	return kube.Object{
		"metadata": kube.Object{"labels": labels, "annotations": annotations},
		"spec": kube.Object{"backoffLimit": 3, "activeDeadlineSeconds": buildSeconds,
			// What uv says does not change by another try. A builder that was ended with its node may be tried again.
			"podFailurePolicy": kube.Object{"rules": []kube.Object{{"action": "FailJob",
				"onExitCodes": kube.Object{"containerName": builderName, "operator": "In", "values": []int{1}}}}},
			"template": kube.Object{"metadata": kube.Object{"labels": labels}, "spec": spec}},
	}
}

// builder is the container that builds an environment, in a Job or in a replica.
func (a *advance) builder(p *plan) kube.Object {
	out := a.container(builderName, p.Image, kube.Object{"requests": kube.Object{"cpu": "100m", "memory": "256Mi"},
		"limits": kube.Object{"cpu": "4", "memory": "4Gi"}})
	out["command"] = []string{"python3", "-c", builderProgram, envRoot, specDir + "/requirements.in", "compiled"}
	out["volumeMounts"] = append(a.trustMounts(), kube.Object{"name": "environment", "mountPath": envRoot},
		kube.Object{"name": "spec", "mountPath": specDir, "readOnly": true}, kube.Object{"name": "tmp", "mountPath": "/tmp"})
	out["env"] = append(a.trustVariables(), kube.Object{"name": "HOME", "value": "/tmp"})
	if len(a.o.Index) > 0 {
		out["envFrom"] = []kube.Object{{"secretRef": kube.Object{"name": "env-index"}}}
	}
	return out
}

func (a *advance) builderVolumes(p *plan) []kube.Object {
	return append(a.trustVolumes(), kube.Object{"name": "spec", "configMap": kube.Object{"name": envName(p)}},
		kube.Object{"name": "tmp", "emptyDir": kube.Object{}})
}

// podSpec is what all pods of a workspace have in common: few rights.
func (a *advance) podSpec(volumes []kube.Object) kube.Object {
	out := kube.Object{
		"automountServiceAccountToken": false, "enableServiceLinks": false, "volumes": volumes,
		"securityContext": kube.Object{"seccompProfile": kube.Object{"type": "RuntimeDefault"}},
	}
	if secrets := a.pullSecrets(); len(secrets) > 0 {
		out["imagePullSecrets"] = secrets
	}
	if !a.rootOnly {
		out["securityContext"] = kube.Object{"seccompProfile": kube.Object{"type": "RuntimeDefault"}, "runAsNonRoot": true,
			"runAsUser": podUser, "runAsGroup": podUser, "fsGroup": podUser}
	}
	return out
}

// podUser is the user of pods where nodes know users besides root. Nothing on a machine belongs to it.
const podUser = 10001

// container is what all containers have in common.
func (a *advance) container(name, image string, resources kube.Object) kube.Object {
	return kube.Object{
		"name": name, "image": image, "imagePullPolicy": "IfNotPresent", "resources": resources,
		"terminationMessagePolicy": "FallbackToLogsOnError",
		"securityContext": kube.Object{"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
			"capabilities": kube.Object{"drop": []string{"ALL"}}},
	}
}

// small are the resources of a container of berth-fe.
func small(cpu, memory, most string) kube.Object {
	return kube.Object{"requests": kube.Object{"cpu": cpu, "memory": memory}, "limits": kube.Object{"memory": most}}
}

// The certificates that pods trust besides those of their image: where a company's proxy signs TLS anew, nothing works without them.

// trusting are the variables that name such a file to OpenSSL, uv and requests.
var trusting = []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}

func (a *advance) trustVolumes() []kube.Object {
	if len(a.o.Authorities) == 0 {
		return nil
	}
	return []kube.Object{{"name": "authorities", "configMap": kube.Object{"name": "authorities"}}}
}

func (a *advance) trustMounts() []kube.Object {
	if len(a.o.Authorities) == 0 {
		return nil
	}
	return []kube.Object{{"name": "authorities", "mountPath": "/berth/authorities", "readOnly": true}}
}

func (a *advance) trustVariables() []kube.Object {
	if len(a.o.Authorities) == 0 {
		return nil
	}
	var out []kube.Object
	for _, name := range trusting {
		out = append(out, kube.Object{"name": name, "value": authoritiesFile})
	}
	return out
}
