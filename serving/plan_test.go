package serving

import (
	"slices"
	"strings"
	"testing"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth/kube"
)

func TestPlan(t *testing.T) {
	s := New(Options{})
	for name, c := range map[string]struct {
		Environment
		want  []string
		notes string // part of them
		fault string // part of it
	}{
		"of the notebooks": {Environment{Python: "3.8.13", Requirements: []string{"azureml-defaults", "scikit-learn==1.5.2"}},
			[]string{"azureml-inference-server-http>=1.0", "scikit-learn==1.5.2"}, "asks for Python 3.8.13; Python 3.11 runs it", ""},
		"a Python within bounds": {Environment{Conda: []string{"python>=3.9,<3.12"}}, []string{"azureml-inference-server-http>=1.0"}, "", ""},
		"a Python with its build": {Environment{Conda: []string{"python=3.11.4=h955ad1f_0"}}, []string{"azureml-inference-server-http>=1.0"},
			"", ""},
		"conda env export": {Environment{Conda: []string{"_libgcc_mutex=0.1=main", "openssl=3.0.8=h7f8727e_0", "numpy=1.26=py311h"}},
			[]string{"azureml-inference-server-http>=1.0", "numpy==1.26"}, "left out, because wheels bring along such libraries or the image has " +
				"them: _libgcc_mutex, openssl.", ""},
		"CUDA with PyTorch": {Environment{Conda: []string{"cudatoolkit=11.3", "pytorch::pytorch=2"}},
			[]string{"azureml-inference-server-http>=1.0", "torch==2.*"}, "has them: cudatoolkit", ""},
		"the same Python": {Environment{Python: "3.11.4"}, []string{"azureml-inference-server-http>=1.0"}, "", ""},
		"a version of the server": {Environment{Requirements: []string{"azureml-defaults~=1.48", "azureml_inference.server-http==1.4"}},
			[]string{"azureml_inference.server-http==1.4"}, "azureml-defaults is replaced", ""},
		"an old azureml-core": {Environment{Requirements: []string{"azureml-core==1.0.85 # old", "azureml-sdk"}},
			[]string{"azureml-core", "azureml-inference-server-http>=1.0"}, "azureml-sdk is left out", ""},
		"conda": {Environment{Conda: []string{"python=3.11", "pip=20",
			"conda-forge::numpy=1.26=py311h", "pandas=2.2", "pytorch>=2", "scipy==1.11.4"}},
			[]string{"azureml-inference-server-http>=1.0", "numpy==1.26", "pandas==2.2.*", "scipy==1.11.4", "torch>=2"},
			"from the index of Python packages: numpy, pandas, pytorch, scipy", ""},
		"conda that is no Python": {Environment{Conda: []string{"cudatoolkit=11", "r-base", "numpy"}}, nil, "",
			"as packages of Python: cudatoolkit, r-base"},
		"another index": {Environment{Requirements: []string{"--extra-index-url=https://wheels.example.com/cpu",
			"-f https://example.com/w", "torch"}},
			[]string{"--extra-index-url https://wheels.example.com/cpu", "--find-links https://example.com/w", "azureml-inference-server-http>=1.0",
				"torch"}, "", ""},
		"an index with a password": {Environment{Requirements: []string{"--index-url https://me:secret@example.com/simple"}}, nil, "",
			"has no password"},
		"an index without TLS": {Environment{Requirements: []string{"--index-url http://example.com/simple"}}, nil, "",
			"begins with https://"},
		"a file of the server": {Environment{Requirements: []string{"-r /etc/passwd"}}, nil, "", "is not possible here"},
		"an address":           {Environment{Requirements: []string{"x @ git+http://example.com/x"}}, nil, "", "begins with https://"},
		"two lines in one":     {Environment{Requirements: []string{"numpy\n--index-url http://example.com"}}, nil, "", "a line break"},
		"no requirement":       {Environment{Requirements: []string{"!!"}}, nil, "", "is no requirement"},
	} {
		p, fault := s.newPlan(c.Environment)
		if fault != nil || c.fault != "" {
			if fault == nil || c.fault == "" || !strings.Contains(fault.Message, c.fault) || strings.Contains(fault.Message, "secret@") {
				t.Errorf("%s: %v", name, fault)
			}
			continue
		}
		if !slices.Equal(p.Requirements, c.want) || !strings.Contains(strings.Join(p.notes, " "), c.notes) || c.notes == "" && len(p.notes) > 0 {
			t.Errorf("%s: %q, %q", name, p.Requirements, p.notes)
		}
	}
}

// TestExactPython: by a setting of the server another Python is refused, and not replaced.
func TestExactPython(t *testing.T) {
	s := New(Options{ExactPython: true})
	for asked, good := range map[string]bool{"": true, "3.11": true, "3.11.9": true, ">=3.8": true, "3": true, "~=3.8": true, "<3.11.5": true,
		"!=3.10": true, "3.8.13": false, "3.1": false, ">=3.12": false, "<3.11": false, "~=3.8.1": false, "!=3.11": false, "~=2.7": false,
		"3.9|3.10": false, ">=3.8,<3.10": false} {
		_, e := s.newPlan(Environment{Python: asked})
		if (e == nil) != good || e != nil && !strings.Contains(e.Message, "--python exact") {
			t.Errorf("%q: %v", asked, e)
		}
	}
}

// TestPlanDigest: the order of what is asked for does not matter, what it says does.
func TestPlanDigest(t *testing.T) {
	s := New(Options{})
	of := func(s *Serving, lines ...string) string {
		p, err := s.newPlan(Environment{Requirements: lines})
		if err != nil {
			t.Fatal(err)
		}
		return p.digest()
	}
	if of(s, "a", "b") != of(s, "b", "a", "a", "") {
		t.Error("the order changes the digest")
	}
	other := New(Options{Index: map[string]string{"UV_DEFAULT_INDEX": "https://example.com/simple"}})
	if of(s, "a") == of(s, "b") || of(s, "a") == of(other, "a") {
		t.Error("different environments have the same digest")
	}
}

func TestUVFault(t *testing.T) {
	const head = "error: No solution found when resolving dependencies\n  cause: "
	for said, want := range map[string]string{
		head + "Because all versions of fusepy have no usable wheels and you require fusepy, we can conclude that your requirements are " +
			"unsatisfiable.\n\nhint: Wheels are required for `fusepy`": "The package 'fusepy' has no wheel for Python 3.11",
		"  × No solution found when resolving dependencies:\n  ╰─▶ Because numpy==1.19.2 has no usable\n      wheels and you": "" +
			"The package 'numpy==1.19.2' has no wheel for Python 3.11",
		head + "Because no-such was not found in the package registry and you require no-such, we can": "The package 'no-such' does not exist",
		head + "Because there is no version of scikit-learn==0.0.99 and you require":                   "has no version scikit-learn==0.0.99 for",
		head + "Because you require numpy<2 and numpy>2.3, we can conclude.":                           "together: Because you require numpy<2",
		"error: Failed to fetch: https://example.com/simple/x/\n  cause: tcp connect error":            "the cluster: Failed to fetch: https",
	} {
		if e := uvFault(said, "3.11"); e.Code != CodeEnvironment || !strings.Contains(e.Message, want) {
			t.Errorf("%s\nis told as %s", said, e.Message)
		}
	}
}

// TestScriptFault: the user's exception is told, and not what the server raises because of it.
func TestScriptFault(t *testing.T) {
	const log = `2026-01-01 00:00:00,000 I [9] azmlinfsrv - Loading
2026-01-01 00:00:00,000 E [9] azmlinfsrv - Traceback (most recent call last):
  File "/opt/berth/env/lib/python3.11/site-packages/azureml_inference_server_http/server/user_script.py", line 77, in load_script
    main_module_spec.loader.exec_module(user_module)
  File "/var/azureml-app/src/score.py", line 3, in <module>
    import helper
  File "/var/azureml-app/src/helper.py", line 7, in <module>
    json.loads("")
  File "/usr/lib/python3.11/json/decoder.py", line 355, in raw_decode
    raise JSONDecodeError("Expecting value", s, err.value) from None
json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/opt/berth/env/lib/python3.11/site-packages/azureml_inference_server_http/server/aml_blueprint.py", line 91, in setup
    self.user_script.load_script(config.app_root)
azureml_inference_server_http.server.user_script.UserScriptException: Caught an unhandled exception from the user script
`
	end := &kube.Ending{ExitCode: 3}
	const want = "The entry script failed: json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0) (helper.py, line 7)."
	if e := scriptFault(log, end); e.Message != want {
		t.Error(e.Message)
	}
	deep := strings.ReplaceAll(log, "/var/azureml-app/src/", "/opt/berth/env/")
	if e := scriptFault(deep, end); !strings.HasPrefix(e.Message, "The entry script failed: json.decoder.JSONDecodeError: Expecting value") {
		t.Error(e.Message)
	}
	if e := scriptFault("some words\n", &kube.Ending{ExitCode: 137}); e.Code != CodeProbe {
		t.Error(e.Message)
	}
	if e := scriptFault("some words\nthe last ones\n", end); !strings.HasSuffix(e.Message, "exit code 3. Its log shows why: the last ones") {
		t.Error(e.Message)
	}
}

// TestLost: a container that ended with its node is no failure of the deployment.
func TestLost(t *testing.T) {
	s := New(Options{Clock: clockwork.NewFakeClock()})
	a := &advance{Serving: s, d: &Deployment{}, p: &Progress{}}
	for _, c := range []struct {
		kube.Ending
		told bool
	}{{kube.Ending{Reason: "Unknown", ExitCode: 255, Before: true}, false},
		{kube.Ending{Reason: "ContainerStatusUnknown", ExitCode: 137}, false},
		{kube.Ending{Reason: "Error", ExitCode: 1, Message: "no such file"}, true}} {
		r := kube.Replica{Containers: []kube.ContainerState{{Name: fetchName, Init: true, Ended: &c.Ending}}}
		if _, e, _ := a.fault(r); (e != nil) != c.told {
			t.Errorf("%+v is told as %v", c.Ending, e)
		}
	}
}

func TestObjectName(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"ridge", "Ridge", "a_b", "a-b", "ep1-blue", strings.Repeat("x", 80),
		strings.Repeat("x", 81), "0-begins", "-", "é"} {
		got := ObjectName(name)
		if len(got) > maxObjectName || !validName.MatchString(got) || seen[got] != "" {
			t.Errorf("%q becomes %q, as %q does", name, got, seen[got])
		}
		seen[got] = name
	}
}

// TestFoundPython: the image of Python is the one that is found, once there is one, and stays.
func TestFoundPython(t *testing.T) {
	found := ""
	s := New(Options{FindPython: func() string { return found }})
	for _, step := range []struct{ found, image, python string }{
		{"", PythonImage, "3.11"}, {"berth.dev/python:3.13", "berth.dev/python:3.13", "3.13"}, {"other:3.9", "berth.dev/python:3.13", "3.13"},
	} {
		found = step.found
		if p, err := s.newPlan(Environment{}); err != nil || p.Image != step.image || p.Python != step.python {
			t.Errorf("with %q: %+v, %v", step.found, p, err)
		}
	}
}
