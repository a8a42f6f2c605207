package reconcile_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/provider/fake"
	"berth.dev/berth/reconcile"
	"berth.dev/berth/serving"
)

// TestTheLastSentenceSaysWhatIsAwaited: files that are there are not told as long as the environment, which takes longer, is awaited.
func TestTheLastSentenceSaysWhatIsAwaited(t *testing.T) {
	step := func(name string, state serving.State) serving.Step {
		return serving.Step{Name: name, State: state, Text: name[:1]}
	}
	of := func(files, environment, image serving.State) serving.Progress {
		return serving.Progress{Warnings: []string{"w"}, Steps: []serving.Step{step(serving.StepFiles, files),
			step(serving.StepEnvironment, environment), step(serving.StepImage, image), step(serving.StepPods, serving.Pending)}}
	}
	for want, p := range map[string]serving.Progress{
		"w e":     of(serving.Done, serving.Running, serving.Pending),
		"w f":     of(serving.Running, serving.Done, serving.Pending),
		"w f e":   of(serving.Done, serving.Done, serving.Pending),
		"w f e i": of(serving.Done, serving.Done, serving.Running),
	} {
		if got := strings.Join(reconcile.Sentences(p), " "); got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
}

// TestFailedUpdate: what is asked for next goes by what is served, and not by the request that has failed.
func TestFailedUpdate(t *testing.T) {
	w := newWorld(t, func(c clockwork.Clock) berth.Provider { return fake.New(c) })
	defer w.engine("a")()
	id := workspace.Child("services", "svc")
	body := func(request string, good *berth.ServiceGood) *berth.Service { // its compute is not there
		return &berth.Service{Request: json.RawMessage(request), Spec: berth.ServiceSpec{Compute: request[2:3]}, Good: good}
	}
	w.ends(w.create(id, body(`{"a":1}`, nil)), berth.StateFailed)
	if got := w.get(id).Body.(*berth.Service); string(got.Request) != `{"a":1}` || got.Good != nil {
		t.Errorf("what was never served is %s", got.Request)
	}
	good := body(`{"g":1}`, nil)
	good.Serves(2)
	w.ends(w.change(id, func(b berth.Body) { *b.(*berth.Service) = *body(`{"b":1}`, good.Good) }), berth.StateFailed)
	if got := w.get(id).Body.(*berth.Service); string(got.Request) != `{"g":1}` || got.Spec.Compute != "g" {
		t.Errorf("after a failed update it is %s on %s", got.Request, got.Spec.Compute)
	}
}
