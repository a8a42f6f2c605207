package arm_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestEndedDeploymentIsNotTouched: after a template deployment has ended, nothing of it is evaluated again. In mode Complete it
// would delete what users create in the group later; with reference() in its outputs a phase panicked at every check.
func TestEndedDeploymentIsNotTouched(t *testing.T) {
	t.Parallel()
	for name, output := range map[string]string{"a constant": "done", "a reference": "[reference('kept').provisioningState]"} {
		t.Run(name, func(t *testing.T) { endedDeploymentIsNotTouched(newStage(t), output) })
	}
}

func endedDeploymentIsNotTouched(s *stage, output string) {
	t := s.t
	template := `{"properties":{"mode":"Complete","template":{"$schema":"x","contentVersion":"1.0.0.0",
		"resources":[{"type":"Microsoft.Storage/storageAccounts","apiVersion":"2023-01-01","name":"kept","location":"westeurope"},
			{"type":"Microsoft.MachineLearningServices/workspaces","apiVersion":"2024-04-01","name":"` + workspace + `","location":"westeurope"}],
		"outputs":{"state":{"type":"string","value":"` + output + `"}}}}}`
	at := s.group() + "/providers/Microsoft.Resources/deployments/whole"
	s.must(s.send(http.MethodPut, at, nil, template).is(http.StatusCreated))
	s.settle()
	ended := s.send(http.MethodGet, at, nil, "")
	if !strings.Contains(ended.text, `"provisioningState":"Succeeded"`) {
		t.Fatalf("the deployment is %s", ended.text)
	}
	later := s.group() + "/providers/Microsoft.Storage/storageAccounts/later"
	s.must(s.send(http.MethodPut, later, nil, `{"location":"westeurope"}`).is(http.StatusOK))
	end := s.clock.Now().Add(30 * time.Minute)
	s.workUntil(func() bool {
		due, err := s.store.NextDue(t.Context())
		s.must(err)
		if due.IsZero() || due.After(s.clock.Now()) {
			s.clock.Advance(time.Minute)
		}
		return s.clock.Now().After(end)
	})
	s.must(s.send(http.MethodGet, later, nil, "").is(http.StatusOK))
	if again := s.send(http.MethodGet, at, nil, ""); again.text != ended.text {
		t.Errorf("half an hour later the template deployment is\n%s\nand was\n%s", again.text, ended.text)
	}
	if due, err := s.store.NextDue(t.Context()); err != nil || !due.IsZero() {
		t.Errorf("something is due at %v (%v)", due, err)
	}
}
