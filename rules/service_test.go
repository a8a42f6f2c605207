package rules

import (
	"strings"
	"testing"
	"time"

	"berth.dev/berth"
)

// service is a request that the rules allow.
func service() (berth.ServiceSpec, ServiceFacts) {
	return berth.ServiceSpec{
			Compute: "c", Auth: berth.AuthKey, PodSpec: berth.PodSpec{Replicas: 1, CPU: 0.1, MemoryGB: 0.5, Concurrent: 1,
				QueueWait: time.Second, Timeout: time.Minute, EntryScript: "src/score.py",
				Liveness: berth.ServiceProbe{Delay: time.Minute, Period: time.Second, Timeout: time.Second, Successes: 1, Failures: 3},
			}}, ServiceFacts{ComputeType: "aks", Image: true,
			ComputeToServe: ComputeToServe{Compute: &berth.Compute{}, State: berth.StateSucceeded}}
}

// TestService: each change of an allowed request violates the rule whose words it has, and that one only.
func TestService(t *testing.T) {
	s, f := service()
	if vs := Service("svc-1", s, f); len(vs) != 0 {
		t.Fatalf("%v", vs)
	}
	for _, c := range []struct {
		words  string
		change func(s *berth.ServiceSpec, f *ServiceFacts)
	}{
		{"container instances", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.ComputeType = "ACI" }},
		{"names no compute", func(s *berth.ServiceSpec, _ *ServiceFacts) { s.Compute = "" }},
		{"There is no compute", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.Compute = nil }},
		{"is Creating", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.State = berth.StateCreating }},
		{"connected cluster", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.Powerless = true }},
		{"no model can run", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.NoNodes = "they are simulated" }},
		{"namespace", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.Namespace = "mine" }},
		{"the largest nodes of the compute 'c' have 4 CPUs and 14 GB", func(s *berth.ServiceSpec, f *ServiceFacts) {
			s.CPU = 99
			f.MostCPUs, f.MostMemoryGB = 4, 14
		}},
		{"asks for 0.1 CPUs and 14.5 GB", func(s *berth.ServiceSpec, f *ServiceFacts) {
			s.MemoryGB = 14.5
			f.MostCPUs, f.MostMemoryGB = 4, 14
		}},
		{"no such package", func(_ *berth.ServiceSpec, f *ServiceFacts) {
			f.Fault = &berth.Error{Message: "There is no such package."}
		}},
		{"cpu_cores must be greater", func(s *berth.ServiceSpec, _ *ServiceFacts) { s.CPU = 0 }},
		{"memory_gb must be greater", func(s *berth.ServiceSpec, _ *ServiceFacts) { s.MemoryGB = -1 }},
		{"replica_max_concurrent_requests", func(s *berth.ServiceSpec, _ *ServiceFacts) { s.Concurrent = 0 }},
		{"max_request_wait_time", func(s *berth.ServiceSpec, _ *ServiceFacts) { s.QueueWait = 0 }},
		{"scoring_timeout_ms must", func(s *berth.ServiceSpec, _ *ServiceFacts) { s.Timeout = 0 }},
		{"greater than 300000", func(s *berth.ServiceSpec, _ *ServiceFacts) { s.Timeout = time.Hour }},
		{"period_seconds", func(s *berth.ServiceSpec, _ *ServiceFacts) { s.Liveness.Period = 0 }},
		{"initial_delay_seconds", func(s *berth.ServiceSpec, _ *ServiceFacts) { s.Liveness.Delay = -1 }},
		{"gpu_cores", func(s *berth.ServiceSpec, _ *ServiceFacts) { s.GPUs = -1 }},
		{"cpu_cores_limit", func(s *berth.ServiceSpec, _ *ServiceFacts) { s.CPULimit = 0.05 }},
		{"memory_gb_limit", func(s *berth.ServiceSpec, _ *ServiceFacts) { s.MemoryLimit = 0.1 }},
		{"num_replicas", func(s *berth.ServiceSpec, _ *ServiceFacts) { s.Replicas = 0 }},
		{"autoscale_min_replicas cannot", func(s *berth.ServiceSpec, _ *ServiceFacts) {
			s.Scale = &berth.ServiceScale{Min: 3, Max: 2, Target: 70, Refresh: time.Second}
		}},
		{"autoscale_target_utilization", func(s *berth.ServiceSpec, _ *ServiceFacts) {
			s.Scale = &berth.ServiceScale{Min: 1, Max: 2, Target: 0, Refresh: time.Second}
		}},
		{"cannot both be true", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.BothAuths = true }},
		{"printable ASCII", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.Keys = []string{"short"} }},
		{"may not ask the router", func(s *berth.ServiceSpec, f *ServiceFacts) { f.Unasked, s.LogRequests = true, true }},
		{"no event hub", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.EventHub = true }},
		{"no environmentImageRequest", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.Image = false }},
		{"a list of packages here", func(s *berth.ServiceSpec, _ *ServiceFacts) {
			s.Environment.Name = "AzureML-sklearn-1.0-ubuntu20.04-py38-cpu"
		}},
		{"zero or multiple models", func(s *berth.ServiceSpec, f *ServiceFacts) { s.NoCode, f.Models = &berth.ServiceFramework{}, 2 }},
		{"of the framework 'Onnx'", func(s *berth.ServiceSpec, f *ServiceFacts) {
			s.NoCode, f.Models = &berth.ServiceFramework{Name: "Onnx"}, 1
		}},
		{"no version of a package", func(s *berth.ServiceSpec, f *ServiceFacts) {
			s.NoCode, f.Models = &berth.ServiceFramework{Name: "ScikitLearn", Version: "1 --index-url x"}, 1
		}},
		{"at most 1000 models", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.Models = 1001 }},
		{"replica_max_concurrent_requests cannot", func(s *berth.ServiceSpec, _ *ServiceFacts) { s.Concurrent = 1001 }},
		{"max_request_wait_time cannot", func(s *berth.ServiceSpec, _ *ServiceFacts) { s.QueueWait = time.Hour }},
		{"num_replicas cannot", func(s *berth.ServiceSpec, _ *ServiceFacts) { s.Replicas = 1001 }},
		{"autoscale_max_replicas cannot", func(s *berth.ServiceSpec, _ *ServiceFacts) {
			s.Scale = &berth.ServiceScale{Min: 1, Max: 1001, Target: 70, Refresh: time.Second}
		}},
		{"is of the type Kubernetes", func(_ *berth.ServiceSpec, f *ServiceFacts) {
			f.Compute = &berth.Compute{Spec: berth.ComputeSpec{Type: berth.ComputeKubernetes}}
		}},
		{"does not move", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.Present = "other" }},
		{"no model with the id", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.MissingModels = []string{"m:1"} }},
		{"no artifact", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.MissingFiles = []string{"x"} }},
		{"neither a name nor", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.Unread = []string{"1"} }},
		{"berth image build", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.NoPython = true }},
		{"names no entry script", func(s *berth.ServiceSpec, _ *ServiceFacts) { s.EntryScript = "" }},
		{"not a path inside", func(s *berth.ServiceSpec, _ *ServiceFacts) { s.EntryScript = "a/../../b.py" }},
		{"the image of a Dockerfile", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.Added = true }},
		{"not in a connected one", func(s *berth.ServiceSpec, f *ServiceFacts) {
			f.Connected, s.Environment.Build = true, &berth.ServiceBuild{Text: "FROM scratch"}
		}},
		{"at most 262144", func(s *berth.ServiceSpec, _ *ServiceFacts) {
			s.Environment.Build = &berth.ServiceBuild{Text: strings.Repeat("#", 1<<20)}
		}},
		{"has no image", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.NoImage = true }},
		{"adds packages to the image", func(_ *berth.ServiceSpec, f *ServiceFacts) { f.BaseImage = "example.com/own:1" }},
	} {
		s, f := service()
		c.change(&s, &f)
		if vs := Service("svc-1", s, f); len(vs) != 1 || !strings.Contains(vs[0].Message, c.words) {
			t.Errorf("%s: %v", c.words, vs)
		}
	}
	for _, name := range []string{"", "ab", "Abc", "1abc", "abc-", strings.Repeat("a", 33), "a_b"} {
		if vs := Service(name, s, f); len(vs) != 1 || vs[0].Target != "name" {
			t.Errorf("%q: %v", name, vs)
		}
	}
}
