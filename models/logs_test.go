package models_test

import (
	"context"
	"net/http"
	"testing"

	"berth.dev/berth"
	"berth.dev/berth/models"
	"berth.dev/berth/store"
)

// TestLogs: what failed has no pods any more, and its log is what they wrote last.
func TestLogs(t *testing.T) {
	fault := &berth.Error{Code: "UserScriptInitFailed", Message: "The entry script failed.",
		Details: []berth.Error{{Code: "UserScriptInitFailed", Target: "log", Message: "one\ntwo\nthree"}}}
	const alone = "one\ntwo\nthree\n"
	gone := berth.Errorf(berth.CodeServiceUnavailable, "The cluster is stopped.")
	both := models.LogHead("failed") + alone + models.LogHead("served") + "lines\n"
	for name, c := range map[string]struct {
		fault      *berth.Error
		pods, tail string
		unread     error
		want       string
	}{
		"what failed":             {fault: fault, want: alone},
		"its end":                 {fault: fault, tail: "2", want: "two\nthree\n"},
		"of a stopped cluster":    {fault: fault, unread: gone, want: alone},
		"what wrote nothing":      {fault: &berth.Error{Message: "The image cannot be pulled."}, want: "The image cannot be pulled.\n"},
		"what is served":          {pods: "lines\n", want: "lines\n"},
		"an update that failed":   {fault: fault, pods: "lines\n", want: both},
		"a cluster that is still": {},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := workspace.Child("services", "svc")
			_, _, err := w.store.Accept(t.Context(), store.Change{Verb: berth.VerbCreate,
				Resource: &berth.Resource{ID: id, Body: &berth.Service{}}})
			w.must(err)
			claim, err := w.store.Claim(t.Context(), "engine", 1e9)
			w.must(err)
			state := berth.StateSucceeded
			if c.fault != nil {
				state = berth.StateFailed
			}
			w.must(w.store.Finish(t.Context(), claim, store.Outcome{State: state, Fault: c.fault}))
			w.server.Logs = func(_ context.Context, service *berth.Resource, q models.LogQuery) (string, error) {
				if service.ID.Key() != id.Key() || q.Init || c.tail == "" && q.Lines != 5000 {
					t.Errorf("%v %+v", service.ID, q)
				}
				return c.pods, c.unread
			}
			out := w.want(http.MethodGet, "/services/svc/logs?tail="+c.tail, nil)
			if out["content"] != c.want {
				t.Errorf("%q; want %q", out["content"], c.want)
			}
		})
	}
}

// TestModelsOfWhatIsServed: while an update is under way, the model that is served cannot be deleted.
func TestModelsOfWhatIsServed(t *testing.T) {
	w := newWorld(t)
	var ids []berth.ID
	for _, name := range []string{"LocalUpload/a/x", "LocalUpload/b/x", "LocalUpload/c/x"} {
		w.upload(name)
		m := w.want(http.MethodPost, "/models", modelOf(w.asset(name)))
		ids = append(ids, workspace.Child("models", "m").Child("versions", m["id"].(string)[len("m:"):]))
	}
	of := func(id berth.ID) berth.ServiceSpec {
		return berth.ServiceSpec{PodSpec: berth.PodSpec{Models: []berth.ID{id}}}
	}
	w.accept(workspace.Child("services", "svc"), &berth.Service{Spec: of(ids[1]), Good: &berth.ServiceGood{Spec: of(ids[0])}})
	for i, want := range []berth.Code{berth.CodeConflict, berth.CodeConflict, ""} {
		if _, err := w.ask(http.MethodDelete, "/models/m:"+ids[i].Name(), nil); berth.ErrorCode(err) != want {
			t.Errorf("%s: %v; want %s", ids[i], err, want)
		}
	}
}
