package kube_test

import (
	"fmt"
	"strings"
	"testing"

	"berth.dev/berth/kube"
)

// TestPodState: the state of a pod is the word that kubectl shows, with the reason that keeps it from running.
func TestPodState(t *testing.T) {
	const spec = `"spec":{"initContainers":[{"name":"first"},{"name":"side","restartPolicy":"Always"}],"containers":[{"name":"main"}]}`
	const running, sidecar = `"state":{"running":{}}`, `{"name":"side","ready":true,"state":{"running":{}}}`
	ended := func(code string) string { return `"state":{"terminated":{` + code + `}}` }
	initial := func(phase, first string) string {
		return `"phase":"` + phase + `","initContainerStatuses":[{"name":"first",` + first + `},` + sidecar + `]`
	}
	main := func(phase, of string) string {
		return `"phase":"` + phase + `","initContainerStatuses":[` + sidecar + `],"containerStatuses":[{"name":"main",` + of + `}]`
	}
	oom := `"lastState":{"terminated":{"reason":"OOMKilled","exitCode":137}}`
	for _, c := range []struct{ status, want string }{
		{`"phase":"Pending"`, "Pending/"},
		{initial("Pending", running), "Init:Running/"},
		{initial("Pending", ended(`"exitCode":3`)), "Init:ExitCode:3/trouble The container first ended: ExitCode:3, exit code 3."},
		{initial("Pending", ended(`"exitCode":0`)), "Pending/"},
		{main("Running", running), "Running/"},
		{main("Pending", `"state":{"waiting":{"reason":"ContainerCreating"}}`), "ContainerCreating/"},
		{main("Pending", `"state":{"waiting":{"reason":"InvalidImageName","message":"no"}}`), "InvalidImageName/trouble no"},
		{main("Running", `"restartCount":2,`+running+`,`+oom), "Running/The container main runs again after it ended: OOMKilled, exit code 137."},
		{main("Failed", ended(`"signal":9,"exitCode":137`)),
			"Signal:9/trouble ended The container main ended: Signal:9, exit code 137."},
		{`"phase":"Failed","reason":"Evicted","message":"Low on \u202ememory.\nReally."`,
			`Evicted/trouble ended Low on \u202ememory. Really.`},
		{`"phase":"Succeeded"`, "Completed/ended"},
		{`"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"SchedulingGated"}]`, "SchedulingGated/trouble"},
		{``, "Unknown/"},
	} {
		p, err := kube.PodFacts(`{"metadata":{"name":"p"},` + spec + `,"status":{` + c.status + `}}`)
		got := p.State + "/"
		if p.Trouble {
			got += "trouble "
		}
		if p.Ended {
			got += "ended "
		}
		if got = strings.TrimSpace(got + p.Message); got != c.want || err != nil {
			t.Errorf("%s: %q, want %q; %v", c.status, got, c.want, err)
		}
	}
	p, err := kube.PodFacts(`{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{"phase":"Running"}}`)
	if p.State != "Terminating" || p.Trouble || err != nil {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestPodRequests: the scheduler counts what runs together, or an init container that asks for more.
func TestPodRequests(t *testing.T) {
	const asks = `"resources":{"requests":{"cpu":"%s","memory":"%s"}}`
	one := func(cpu, memory, more string) string {
		return `{"name":"c",` + more + fmt.Sprintf(asks, cpu, memory) + `}`
	}
	for _, c := range []struct {
		init, main  string
		cpu, memory int
	}{
		{"", one("100m", "1Gi", "") + "," + one("250m", "1Gi", ""), 350, 2048},
		{one("2", "1Mi", ""), one("100m", "1Gi", ""), 2000, 1024},
		{one("1", "1Gi", `"restartPolicy":"Always",`) + "," + one("500m", "1Gi", ""), one("100m", "512Mi", ""), 1500, 2048},
	} {
		p, err := kube.PodFacts(`{"spec":{"initContainers":[` + c.init + `],"containers":[` + c.main + `]}}`)
		if p.MilliCPUs != c.cpu || p.RequestedMiB != c.memory || err != nil {
			t.Errorf("%+v asks for %d and %d; %v", c, p.MilliCPUs, p.RequestedMiB, err)
		}
	}
}
