package apptest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// pretendWorkloads answers what is listed of a cluster with something in it. name is of its node, and part of every text.
func pretendWorkloads(w http.ResponseWriter, r *http.Request, name string) bool {
	now := time.Now().UTC().Format(time.RFC3339)
	switch kind := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]; {
	case r.URL.Path == "/api/v1/namespaces":
		answerList(w, Object{"metadata": Object{"name": "default"}}, Object{"metadata": Object{"name": "kube-system"}})
	case r.URL.Path == "/apis/metrics.k8s.io/v1beta1/nodes":
		answerList(w, Object{"metadata": Object{"name": name}, "usage": Object{"cpu": "1250000000n", "memory": "2097152Ki"}})
	case r.URL.Path == "/apis/metrics.k8s.io/v1beta1/pods":
		answerList(w, Object{"metadata": Object{"name": "runs", "namespace": "default"},
			"containers": []Object{{"usage": Object{"cpu": "250m", "memory": "64Mi"}}, {"usage": Object{"cpu": "6m", "memory": "1Mi"}}}})
	case kind == "pods":
		answerList(w, pretendPods(name, now)...)
	case kind == "deployments":
		answerList(w, Object{"metadata": Object{"name": "web", "namespace": "default", "creationTimestamp": now},
			"spec": Object{"replicas": 3}, "status": Object{"readyReplicas": 1, "conditions": []Object{{"type": "Progressing",
				"status": "False", "reason": "ProgressDeadlineExceeded", "message": "ReplicaSet web has timed out progressing. " + name}}}})
	case kind == "statefulsets" || kind == "daemonsets" || kind == "jobs":
		answerList(w)
	case kind == "events":
		answerList(w, Object{"involvedObject": Object{"kind": "Pod", "name": "runs", "namespace": "default"}, "type": "Warning",
			"reason": "BackOff", "message": "It says " + name, "lastTimestamp": now, "count": 7})
	case kind == "log":
		w.Header().Set("Content-Type", "text/plain")
		_, _ = fmt.Fprintf(w, "%s the first line %s\n", now, name)
	default:
		return false
	}
	return true
}

// pretendPods are a pod that runs, and one for each of the common troubles.
func pretendPods(name, now string) (out []any) {
	add := func(pod string, container Object, status Object) {
		out = append(out, Object{
			"metadata": Object{"name": pod, "namespace": "default", "creationTimestamp": now},
			"spec": Object{"nodeName": name, "containers": []Object{{"name": "main", "image": "example.com/" + name,
				"env":       []Object{{"name": "PASSWORD", "value": "s3cr3t-value"}},
				"resources": Object{"requests": Object{"cpu": "500m", "memory": "1Gi"}, "limits": Object{"memory": "2Gi"}}}}},
			"status": status,
		})
		if container != nil {
			container["name"] = "main"
			status["containerStatuses"] = []Object{container}
		}
	}
	ended := Object{"terminated": Object{"reason": "OOMKilled", "exitCode": 137}}
	add("runs", Object{"ready": true, "state": Object{"running": Object{}}}, Object{"phase": "Running"})
	add("loops", Object{"restartCount": 12, "state": Object{"waiting": Object{"reason": "CrashLoopBackOff",
		"message": "back-off 5m0s restarting failed container"}}, "lastState": ended}, Object{"phase": "Running"})
	add("pulls", Object{"state": Object{"waiting": Object{"reason": "ImagePullBackOff", "message": "Back-off pulling image " + name}}},
		Object{"phase": "Pending"})
	add("waits", nil, Object{"phase": "Pending", "conditions": []Object{{"type": "PodScheduled", "status": "False",
		"reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient cpu. " + name}}})
	add("evicted", nil, Object{"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."})
	add("done", Object{"state": Object{"terminated": Object{"reason": "Completed"}}}, Object{"phase": "Succeeded"})
	return out
}

func answerList(w http.ResponseWriter, items ...any) {
	text, _ := json.Marshal(Object{"kind": "List", "metadata": Object{}, "items": append([]any{}, items...)}) // plain values
	_, _ = w.Write(text)
}
