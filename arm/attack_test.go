package arm_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestTemplateThatNeverEnds: a template that overflowed the stack and ended the server is refused, by each way in.
func TestTemplateThatNeverEnds(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	const template = `{"properties":{"mode":"Incremental","template":{"$schema":"x","contentVersion":"1.0.0.0",
		"functions":[{"namespace":"a","members":{"f":{"parameters":[{"name":"x","type":"int"}],
			"output":{"type":"int","value":"[a.f(parameters('x'))]"}}}}],
		"resources":[{"type":"Microsoft.Storage/storageAccounts","apiVersion":"2023-01-01","name":"[string(a.f(1))]","location":"westeurope"}]}}}`
	nested := strings.Replace(`{"properties":{"mode":"Incremental","template":{"resources":[
		{"type":"Microsoft.Resources/deployments","apiVersion":"2022-09-01","name":"inner",INNER}]}}}`,
		"INNER", strings.TrimSuffix(strings.TrimPrefix(template, "{"), "}"), 1)
	nested = strings.Replace(nested, `"properties":{"mode":"Incremental","template":{"$schema"`,
		`"properties":{"mode":"Incremental","expressionEvaluationOptions":{"scope":"inner"},"template":{"$schema"`, 1)
	at := s.group() + "/providers/Microsoft.Resources/deployments/endless"
	for name, body := range map[string]string{"plain": template, "nested": nested} {
		for _, way := range []struct{ method, path string }{{http.MethodPut, at}, {http.MethodPost, at + "/validate"},
			{http.MethodPost, at + "/whatIf"}} {
			a := s.send(way.method, way.path, nil, body)
			if a.status != http.StatusBadRequest || !strings.Contains(a.text, "cannot call itself") ||
				!strings.Contains(a.text, "resources[0].") {
				t.Errorf("%s, %s %s: %d %s", name, way.method, way.path, a.status, a.text)
			}
		}
	}
	s.must(s.send(http.MethodGet, at, nil, "").is(http.StatusNotFound))
}
