package template

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"berth.dev/berth"
)

// runtime answers references from a table, and lists nothing.
type runtime map[string]any

func (r runtime) Reference(id, _ string, _ bool) (any, error) {
	if v, there := r[id]; there {
		return v, nil
	}
	return nil, fmt.Errorf("no %s", id)
}

func (r runtime) List(function, _, _ string, _ any) (any, error) { return function, nil }

func document(t *testing.T, text string) map[string]any {
	t.Helper()
	v, err := decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v.(map[string]any)
}

func planned(t *testing.T, text string, values map[string]any) *Plan {
	t.Helper()
	tpl, err := Parse(context.Background(), document(t, text), values, testScope)
	if err != nil {
		t.Fatalf("%v", err)
	}
	plan, err := tpl.Plan()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return plan
}

// outline is a plan in one line: name(dependencies).
func outline(plan *Plan) string {
	var out []string
	for _, r := range plan.Resources {
		out = append(out, fmt.Sprintf("%s%v", r.Name, r.DependsOn))
	}
	return strings.Join(out, " ")
}

func body(t *testing.T, r *Resource, rt Runtime) string {
	t.Helper()
	b, err := r.Body(rt)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOrder(t *testing.T) {
	for name, c := range map[string]struct{ resources, want string }{
		"by name": {`[{"type":"A.B/c","name":"two","apiVersion":"1","dependsOn":["one"]},
			{"type":"A.B/c","name":"one","apiVersion":"1"}]`, "one[] two[0]"},
		"by id": {`[{"type":"A.B/c","name":"two","apiVersion":"1","dependsOn":["[resourceId('A.B/c','one')]"]},
			{"type":"A.B/c","name":"one","apiVersion":"1"}]`, "one[] two[0]"},
		"by parent": {`[{"type":"A.B/c/d","name":"p/x","apiVersion":"1"},{"type":"A.B/c","name":"p","apiVersion":"1"}]`, "p[] p/x[0]"},
		"by child":  {`[{"type":"A.B/c","name":"p","apiVersion":"1","resources":[{"type":"d","name":"x","apiVersion":"1"}]}]`, "p[] p/x[0]"},
		"by use": {`[{"type":"A.B/c","name":"two","apiVersion":"1","properties":{"x":"[reference('one').y]"}},
			{"type":"A.B/c","name":"one","apiVersion":"1"}]`, "one[] two[0]"},
		"by symbol": {`{"b":{"type":"A.B/c","name":"two","apiVersion":"1","dependsOn":["a"]},
			"a":{"type":"A.B/c","name":"one","apiVersion":"1"}}`, "one[] two[0]"},
		"by loop": {`[{"type":"A.B/c","name":"all","apiVersion":"1","dependsOn":["l"]},
			{"type":"A.B/c","name":"[concat('n',copyIndex())]","apiVersion":"1","copy":{"name":"l","count":2}}]`, "n0[] n1[] all[0 1]"},
		"in batches": {`[{"type":"A.B/c","name":"[concat('n',copyIndex())]","apiVersion":"1",
			"copy":{"name":"l","count":5,"mode":"serial","batchSize":2}}]`, "n0[] n1[] n2[0 1] n3[0 1] n4[2 3]"},
		"not wanted": {`[{"type":"A.B/c","name":"two","apiVersion":"1","dependsOn":["one"]},
			{"type":"A.B/c","name":"one","apiVersion":"1","condition":"[equals(1,2)]"}]`, "two[]"},
		"none at all": {`[]`, ""},
	} {
		if got := outline(planned(t, `{"resources":`+c.resources+`}`, nil)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestBody(t *testing.T) {
	plan := planned(t, `{"parameters":{"ssl":{"type":"bool","defaultValue":false},"tags":{"type":"object","defaultValue":{}}},"resources":[
		{"type":"Microsoft.ContainerService/managedClusters","name":"mine","apiVersion":"2024-01-01","location":"[resourceGroup().location]"},
		{"type":"Microsoft.MachineLearningServices/workspaces/computes","name":"ws/myaks","apiVersion":"2024-04-01",
			"tags":"[parameters('tags')]","location":"westeurope","properties":{"computeType":"AKS",
			"resourceId":"[resourceId('Microsoft.ContainerService/managedClusters','mine')]","fqdn":"[reference('mine').fqdn]",
			"properties":{"sslConfiguration":"[if(parameters('ssl'), createObject('status','Enabled'), null())]",
				"copy":[{"name":"pools","count":2,"input":{"name":"[concat('p',copyIndex('pools'))]"}}]}}}]}`,
		map[string]any{"tags": map[string]any{"a": "b"}})
	id := "/subscriptions/" + testScope.SubscriptionID + "/resourceGroups/Team-RG/providers/Microsoft.ContainerService/managedClusters/mine"
	if got := body(t, plan.Resources[0], nil); got != `{"location":"westeurope"}` {
		t.Error(got)
	}
	if _, err := plan.Resources[1].Body(nil); !Late(err) {
		t.Errorf("a reference before there is anything: %v", err)
	}
	want := `{"location":"westeurope","properties":{"computeType":"AKS","fqdn":"x.example",` +
		`"properties":{"pools":[{"name":"p0"},{"name":"p1"}],"sslConfiguration":null},"resourceId":"` + id + `"},"tags":{"a":"b"}}`
	if got := body(t, plan.Resources[1], runtime{id: map[string]any{"fqdn": "x.example"}}); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestNested: an inner template has its own parameters, an outer one its parent's, and both create their resources in their own group.
func TestNested(t *testing.T) {
	for scope, want := range map[string]string{"inner": "from-inside", "outer": "from-parent"} {
		plan := planned(t, `{"parameters":{"name":{"type":"string","defaultValue":"from-parent"}},"resources":[
			{"type":"Microsoft.Resources/deployments","name":"sub","apiVersion":"1","resourceGroup":"Other",
			"properties":{"mode":"Incremental","expressionEvaluationOptions":{"scope":"`+scope+`"},"parameters":{"name":{"value":"from-inside"}},
			"template":{"parameters":{"name":{"type":"string"}},
				"resources":[{"type":"A.B/c","name":"[parameters('name')]","apiVersion":"1"}],
				"outputs":{"o":{"type":"string","value":"[parameters('name')]"}}}}}]}`, nil)
		inside := testScope
		inside.Group = "Other"
		nested, err := plan.Resources[0].Nested(nil, inside)
		if err != nil {
			t.Fatal(err)
		}
		inner, err := nested.Plan()
		if err != nil {
			t.Fatal(err)
		}
		if r := inner.Resources[0]; r.Name != want || r.Group != "Other" {
			t.Errorf("%s: %s in %s", scope, r.Name, r.Group)
		}
		if out, err := nested.Outputs(inner, nil); err != nil || out["o"].(map[string]any)["value"] != want {
			t.Errorf("%s: %v, %v", scope, out, err)
		}
	}
}

func TestSecrets(t *testing.T) {
	const secret = "s3cr3t-value"
	text := `{"parameters":{"key":{"type":"securestring","maxLength":5},"plain":{"type":"string"}},"resources":[],
		"outputs":{"o":{"type":"securestring","value":"[parameters('key')]"}}}`
	values := map[string]any{"key": secret, "plain": "x"}
	if _, err := Parse(context.Background(), document(t, text), values, testScope); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("%v", err)
	}
	text = strings.Replace(text, `,"maxLength":5`, "", 1)
	tpl, err := Parse(context.Background(), document(t, text), values, testScope)
	if err != nil {
		t.Fatal(err)
	}
	plan, _ := tpl.Plan()
	outputs, err := tpl.Outputs(plan, nil)
	if shown := fmt.Sprint(tpl.Shown(), outputs, err); strings.Contains(shown, secret) || !strings.Contains(shown, "securestring") {
		t.Error(shown)
	}
	if !tpl.IsSecure("key") || tpl.IsSecure("plain") || tpl.Parameters()["key"] != secret {
		t.Error("the secret parameter is not kept apart")
	}
}

// TestEverythingAtOnce: one error reports every mistake with its path.
func TestEverythingAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		values map[string]any
		paths  []string
	}{
		"parameters": {`{"parameters":{"a":{"type":"int"},"b":{"type":"int","minValue":3},
			"c":{"type":"string","allowedValues":["x"]},"d":{"type":"string"},"f":{"type":"thing","defaultValue":1}},"resources":[]}`,
			map[string]any{"a": "1", "b": 1, "c": "y", "e": 1},
			[]string{"parameters.a", "parameters.b", "parameters.c", "parameters.d", "parameters.e", "parameters.f"}},
		"a circle of defaults": {`{"parameters":{"a":{"type":"string","defaultValue":"[parameters('b')]"},
			"b":{"type":"string","defaultValue":"[parameters('a')]"}},"resources":[]}`,
			nil, []string{"parameters.a.defaultValue", "parameters.b.defaultValue"}},
		"a misspelt key": {`{"resource":[]}`, nil, []string{"resource", "resources"}},
		"resources": {`{"resources":[{"type":"A.B/c","apiVersion":"1"},{"type":"A.B/c/d","name":"x","apiVersion":"1"},
			{"type":"A.B/c","name":"[nothing()]","apiVersion":"1"},{"type":"A.B/c","name":"y","apiVersion":"1","condition":"yes"},
			{"type":"A.B/c","name":"z","apiVersion":"1","copy":{"name":"l","count":"many"}},7]}`,
			nil, []string{"resources[0].name", "resources[1].name", "resources[2].name", "resources[3].condition",
				"resources[4].copy", "resources[5]"}},
		"dependencies": {`{"resources":[{"type":"A.B/c","name":"a","apiVersion":"1","dependsOn":["nothing"]},
			{"type":"A.B/c","name":"b","apiVersion":"1","dependsOn":["c"]},{"type":"A.B/c","name":"c","apiVersion":"1","dependsOn":["b"]}]}`, nil,
			[]string{"resources[0].dependsOn[0]", "resources[1]"}},
		"twins": {`{"resources":[{"type":"A.B/c","name":"a","apiVersion":"1"},{"type":"A.B/c","name":"A","apiVersion":"1"}]}`,
			nil, []string{"resources[1]"}},
	} {
		tpl, err := Parse(context.Background(), document(t, c.text), c.values, testScope)
		if err == nil {
			_, err = tpl.Plan()
		}
		e, isOurs := err.(*berth.Error) //nolint:errorlint // it must be just that
		if !isOurs || e.Code != CodeInvalidTemplate {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, d := range e.Details {
			got = append(got, d.Target)
		}
		for _, want := range c.paths {
			if !strings.Contains(" "+strings.Join(got, " ")+" ", " "+want) {
				t.Errorf("%s: no detail for %s: %v", name, want, e.Details)
			}
		}
		if len(got) != len(c.paths) {
			t.Errorf("%s: %d details: %v", name, len(got), e.Details)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add(`{"parameters":{"a":{"type":"int","defaultValue":"[add(1,2)]"}},"resources":[
		{"type":"A.B/c","name":"[concat('n',copyIndex())]","apiVersion":"1","copy":{"name":"l","count":2},"dependsOn":["x"]}],
		"outputs":{"o":{"type":"int","value":"[parameters('a')]"}}}`)
	f.Add(`{"resources":{"a":{"type":"Microsoft.Resources/deployments","name":"n","apiVersion":"1",
		"properties":{"template":{"resources":[]}}}}}`)
	f.Fuzz(func(_ *testing.T, s string) {
		v, err := decode([]byte(s))
		doc, isObject := v.(map[string]any)
		if err != nil || !isObject {
			return
		}
		tpl, err := Parse(context.Background(), doc, nil, testScope)
		if err != nil {
			return
		}
		plan, err := tpl.Plan()
		if err != nil {
			return
		}
		for _, r := range plan.Resources {
			_, _ = r.Body(runtime{})
			_, _ = r.Nested(runtime{}, testScope)
		}
		_, _ = tpl.Outputs(plan, runtime{})
	})
}
