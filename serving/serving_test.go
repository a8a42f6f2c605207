package serving_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/serving"
)

// trains fits a model in its own environment, and hands it out.
const trains = `
import base64, json, pickle
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

def init():
    global model
    x, y = load_diabetes(return_X_y=True)
    model = Ridge(alpha=0.5).fit(x, y)

def run(data):
    return base64.b64encode(pickle.dumps(model)).decode()
`

// scores is the script of the notebooks.
const scores = `
import json, os, pickle
import numpy as np

def init():
    global model
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl"), "rb") as f:
        model = pickle.load(f)

def run(data):
    return model.predict(np.array(json.loads(data)["data"])).tolist()
`

// compiledScript sees that the standard library and the packages are compiled, for the sources as they are there, and tests are not.
const compiledScript = `
import json, os, sklearn

def init():
    for module in json, sklearn:
        with open(module.__cached__, "rb") as f:
            assert f.read(12)[8:] == int(os.stat(module.__file__).st_mtime).to_bytes(4, "little"), module
    tests = "/tests/__init__"
    assert os.path.exists(sklearn.__file__.replace("/__init__", tests))
    assert not os.path.exists(sklearn.__cached__.replace("/__init__", tests))

def run(data):
    return "mended"
`

// TestServing is the life of a service on real nodes.
func TestServing(t *testing.T) {
	w := newWorld(t, 1)
	var model []byte
	t.Run("a new environment", func(t *testing.T) {
		w, start := w.as(t), time.Now()
		w.serve(w.deployment("trainer", trains, "scikit-learn"))
		t.Logf("deployed with a new environment in %.1f s", time.Since(start).Seconds())
		start = time.Now()
		w.route("trainer")
		var text string
		if err := json.Unmarshal([]byte(w.scored("trainer", "{}")), &text); err != nil {
			t.Fatal(err)
		}
		t.Logf("the router and the first answer took %.1f s more", time.Since(start).Seconds())
		var err error
		if model, err = base64.StdEncoding.DecodeString(text); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a known one", func(t *testing.T) {
		w := w.as(t)
		d := w.deployment("ridge", scores, "scikit-learn")
		d.Files = append(d.Files, w.file("azureml-models/ridge/1/model.pkl", model))
		d.ModelDir = "azureml-models/ridge/1"
		start := time.Now()
		w.serve(d)
		w.route("ridge")
		answer := w.scored("ridge", `{"data": [[1,2,3,4,5,6,7,8,9,10]]}`)
		t.Logf("deployed with a known environment, routed and scored in %.1f s: %s", time.Since(start).Seconds(), answer)
		var values []float64
		if err := json.Unmarshal([]byte(answer), &values); err != nil || len(values) != 1 || values[0] < 1000 {
			t.Errorf("the model answers %s", answer)
		}
		if status, _, err := w.score("ridge", "another key", "{}"); err != nil || status != http.StatusUnauthorized {
			t.Errorf("a wrong key is answered with %d, %v", status, err)
		}
	})
	t.Run("a broken script", func(t *testing.T) {
		w := w.as(t)
		d, start := w.deployment("broken", "def init():\n    raise ValueError('no such thing')\n\ndef run(data):\n    return data\n",
			"scikit-learn"), time.Now()
		p := w.deploy(d)
		t.Logf("told in %.1f s: %v", time.Since(start).Seconds(), p.Failure)
		if p.Failure == nil || !strings.Contains(p.Failure.Message, "ValueError: no such thing (score.py, line 2)") {
			t.Errorf("a broken script is told as %v\n%s", p.Failure, p.Log)
		}
		w.until("the pods of what failed to be gone", func() error {
			pods, err := w.conn.Replicas(w.Context(), workspace, "berth.dev/serving=broken")
			if err == nil && len(pods) > 0 {
				err = fmt.Errorf("there are %d", len(pods))
			}
			return err
		})
		if again := w.deploy(d); again.Failure == nil || again.Failure.Message != p.Failure.Message || again.Log != p.Log {
			t.Errorf("told again: %v\n%s", again.Failure, again.Log)
		}
		d = w.deployment("broken", compiledScript, "scikit-learn")
		d.Generation, d.KeepReplicas = 2, true // which the router scales, once it has served
		w.serve(d)
		if now, err := w.s.Status(w.Context(), w.conn, workspace, "broken"); err != nil || now.Wanted != 1 || now.Ready != 1 {
			t.Errorf("mended, it is %+v, %v", now, err)
		}
	})
	t.Run("two replicas with many files", func(t *testing.T) {
		w := w.as(t)
		d := w.deployment("broken", "import os\n\ndef init():\n    assert len(os.listdir(os.environ['AZUREML_MODEL_DIR'])) == 1000\n\n"+
			"def run(data):\n    return 1\n", "scikit-learn")
		d.Generation, d.Replicas = 3, 2
		d.ModelDir = "many"
		for i := range 1000 {
			d.Files = append(d.Files, w.file(fmt.Sprintf("many/%d", i), fmt.Append(nil, i)))
		}
		w.pack(&d)
		w.serve(d)
		pods, err := w.conn.Replicas(t.Context(), workspace, "berth.dev/serving=broken")
		pods = slices.DeleteFunc(pods, func(r kube.Replica) bool { return r.Deleting })
		if err != nil || len(pods) != 2 {
			t.Fatalf("%v, %v", pods, err)
		}
		q := serving.LogQuery{Namespace: workspace, Name: "broken", Lines: 100}
		text, err := w.s.Logs(t.Context(), w.conn, q)
		for _, pod := range pods {
			if !strings.Contains(text, "==> "+pod.Name+" <==\n") {
				t.Errorf("the log does not say what is of %s: %v\n%s", pod.Name, err, text)
			}
		}
		q.Pod = pods[1].Name
		if text, err := w.s.Logs(t.Context(), w.conn, q); err != nil || text == "" || strings.Contains(text, "==>") {
			t.Errorf("of one pod: %v\n%s", err, text)
		}
		q.Pod = "none"
		if _, err := w.s.Logs(t.Context(), w.conn, q); berth.ErrorCode(err) != berth.CodeNotFound || !strings.Contains(err.Error(), q.Name) {
			t.Errorf("of a pod that is not there: %v", err)
		}
	})
}

// answers is a small script that answers with a word.
func answers(word string) string {
	return "def init():\n    pass\n\ndef run(data):\n    return '" + word + "'\n"
}

// load sends requests until it is stopped, and counts the answers.
type load struct {
	stop  func()
	words map[string]int
	bad   []string
}

func (w *world) load(name string) *load {
	l := &load{words: map[string]int{}}
	ctx, cancel := context.WithCancel(w.Context())
	var all sync.WaitGroup
	var mu sync.Mutex
	for range 3 {
		all.Go(func() {
			for ctx.Err() == nil {
				status, answer, err := w.score(name, secretKey, "{}")
				mu.Lock()
				if l.words[answer]++; err != nil || status != http.StatusOK {
					l.bad = append(l.bad, fmt.Sprintf("%d %s %v", status, answer, err))
				}
				mu.Unlock()
			}
		})
	}
	l.stop = func() {
		cancel()
		all.Wait()
	}
	return l
}

// TestUpdate: while requests come, a new version takes over without one of them lost, and a broken one does not.
func TestUpdate(t *testing.T) {
	w := newWorld(t, 1)
	w.serve(w.deployment("words", answers("one")))
	w.route("words")
	if got := w.scored("words", "{}"); got != `"one"` {
		t.Fatalf("the first version answers %s", got)
	}
	l := w.load("words")
	broken := w.deployment("words", "import nothing_of_this_name\n")
	broken.Generation = 2
	start := time.Now()
	p := w.deploy(broken)
	t.Logf("a broken update was told in %.1f s: %v", time.Since(start).Seconds(), p.Failure)
	if p.Failure == nil || !strings.Contains(p.Failure.Message, "No module named 'nothing_of_this_name' (score.py, line 1)") {
		t.Errorf("a broken update is told as %v\n%s", p.Failure, p.Log)
	}
	now, err := w.s.Status(t.Context(), w.conn, workspace, "words")
	if err != nil || now.Served != 1 || now.Ready != 1 || now.Wanted != 1 {
		t.Errorf("after a broken update: %+v, %v", now, err)
	}
	if again := w.deploy(broken); again.Failure == nil || again.Failure.Message != p.Failure.Message {
		t.Errorf("told again: %v", again.Failure)
	}
	two := w.deployment("words", answers("two"))
	two.Generation = 3
	start = time.Now()
	w.serve(two)
	t.Logf("an update took %.1f s", time.Since(start).Seconds())
	if got := w.scored("words", "{}"); got != `"two"` {
		t.Errorf("the new version answers %s", got)
	}
	w.until("the old replica to end", func() error {
		pods, err := w.conn.Replicas(t.Context(), workspace, "berth.dev/serving=words")
		if err == nil && len(pods) != 1 {
			err = fmt.Errorf("there are %d replicas", len(pods))
		}
		return err
	})
	l.stop()
	t.Logf("%v", l.words)
	if len(l.bad) > 0 || l.words[`"one"`] == 0 || l.words[`"two"`] == 0 {
		t.Errorf("%d requests of %v were lost: %.5v", len(l.bad), l.words, l.bad)
	}
	big := w.deployment("words", answers("three"))
	content := make([]byte, 100<<20)
	_, _ = rand.Read(content) // never fails
	big.Files, big.Generation = append(big.Files, w.file("models/big.bin", content)), 4
	start = time.Now()
	w.serve(big)
	t.Logf("an update with a file of 100 MB took %.1f s", time.Since(start).Seconds())
	if err := w.s.SweepFiles(w.Context(), w.conn); err != nil {
		t.Error(err)
	}
	w.as(t).removes("words")
}

// TestInterrupted: each call is broken off somewhere, by a server that knows nothing of those before, and the deployment comes to its end.
func TestInterrupted(t *testing.T) {
	w := newWorld(t, 1)
	content := make([]byte, 40<<20)
	_, _ = rand.Read(content) // never fails
	d := w.deployment("words", answers("one"))
	d.Files = append(d.Files, w.file("models/big.bin", content))
	calls := 0
	w.until("the deployment", func() error {
		calls++
		ctx, cancel := context.WithTimeout(t.Context(), brokenOff(5+calls*13%250, calls))
		defer cancel()
		p, err := w.fresh().Advance(ctx, w.conn, d, w.open)
		if p.Failure != nil {
			t.Fatal(p.Failure)
		}
		if err == nil && !p.Done {
			err = fmt.Errorf("%+v", p.Steps)
		}
		return err
	})
	w.route("words")
	if got := w.scored("words", "{}"); got != `"one"` {
		t.Errorf("after %d calls it answers %s", calls, got)
	}
	t.Logf("%d calls", calls)
	broken := 0
	w.until("the removal", func() error {
		broken++
		ctx, cancel := context.WithTimeout(t.Context(), brokenOff(1+broken*7%50, broken))
		defer cancel()
		gone, err := w.fresh().Remove(ctx, w.conn, workspace, "words")
		if err == nil && !gone {
			err = errors.New("something is left")
		}
		return err
	})
	w.removes("words")
}

// brokenOff is the time of a call of so many milliseconds. It grows with the number of calls: a busy machine may need more for one step.
func brokenOff(milliseconds, calls int) time.Duration {
	return time.Duration(milliseconds+calls*calls/1000) * time.Millisecond
}

// TestSharedBuild: two deployments await one build, and both are told how it failed; a further try builds anew.
func TestSharedBuild(t *testing.T) {
	w := newWorld(t, 1)
	both := func(generation int64) {
		t.Helper()
		var all sync.WaitGroup
		for _, name := range []string{"one", "two"} {
			d := w.deployment(name, answers(name), "no-such-package-of-berth")
			d.Generation = generation
			all.Go(func() {
				if p := w.deploy(d); p.Failure == nil || !strings.Contains(p.Failure.Message, "'no-such-package-of-berth' does not exist") {
					t.Errorf("%s: %+v", name, p)
				}
			})
		}
		all.Wait()
	}
	both(1)
	both(2)
	type object struct{ Metadata kube.Meta }
	for _, kind := range []string{"Job", "PersistentVolumeClaim"} {
		w.until("what failed to be gone", func() error {
			left, err := kube.Objects[object](t.Context(), w.conn, kube.Ref{Kind: kind, Namespace: workspace}, "")
			if err == nil && len(left) > 0 {
				err = fmt.Errorf("there is %v", left)
			}
			return err
		})
	}
}

// removes sees that nothing of a deployment stays.
func (w *world) removes(name string) {
	w.Helper()
	w.until("the removal of "+name, func() error {
		gone, err := w.s.Remove(w.Context(), w.conn, workspace, name)
		if err == nil && !gone {
			err = errors.New("something is left")
		}
		return err
	})
	left, err := w.conn.Replicas(w.Context(), workspace, "berth.dev/serving="+serving.ObjectName(name))
	if err != nil || len(left) > 0 {
		w.Errorf("pods are left: %v, %v", left, err)
	}
	service := kube.Ref{Kind: "Service", Namespace: workspace, Name: serving.ObjectName(name)}
	if found, err := w.conn.Read(w.Context(), service, nil); found || err != nil {
		w.Errorf("the Service is left: %v", err)
	}
	if err := w.s.Sweep(w.Context(), w.conn, workspace, 0); err != nil {
		w.Error(err)
	}
	type object struct{ Metadata kube.Meta }
	w.until("the environments to be gone", func() error {
		claims, err := kube.Objects[object](w.Context(), w.conn, kube.Ref{Kind: "PersistentVolumeClaim", Namespace: workspace}, "")
		if err == nil && len(claims) > 0 {
			err = fmt.Errorf("%v", claims)
		}
		return err
	})
}
