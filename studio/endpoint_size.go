package studio

import (
	"strconv"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// sizeForm is the size of an endpoint, as typed.
type sizeForm struct {
	CPU, Memory           string
	Scaling               string // fixed | auto
	Replicas              string
	Least, Most, Occupied string
}

func sizeOf(e endpointView) sizeForm {
	f := sizeForm{CPU: decimal(e.CPU), Memory: decimal(e.MemoryGB), Scaling: "fixed", Replicas: strconv.Itoa(max(e.Replicas, 1)),
		Least: "1", Most: "10", Occupied: "70"}
	if e.Scale != nil {
		f.Scaling, f.Least = "auto", strconv.Itoa(e.Scale.Min)
		f.Most, f.Occupied = strconv.Itoa(e.Scale.Max), strconv.Itoa(e.Scale.Target)
	}
	return f
}

// sizeOfDeployment is that of a deployment of an online endpoint, whose replicas have the size of their instance type, or of a version of
// an AksEndpoint.
func sizeOfDeployment(d deploymentView) sizeForm {
	return sizeOf(endpointView{Replicas: d.Wanted, Scale: d.Scale, CPU: d.CPU, MemoryGB: d.MemoryGB})
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// figure is a number of a form: where a request has it.
type figure struct {
	field, typed, path string
	whole              bool
}

func (f sizeForm) figures() []figure {
	return append([]figure{{"cpu", f.CPU, "/containerResourceRequirements/cpu", false},
		{"memory", f.Memory, "/containerResourceRequirements/memoryInGB", false}}, f.counts()...)
}

// Where a request of a web service has the counts.
const (
	atReplicas = "/numReplicas"
	atLeast    = "/autoScaler/minReplicas"
	atMost     = "/autoScaler/maxReplicas"
	atOccupied = "/autoScaler/targetUtilization"
)

// counts are the figures about the number of replicas.
func (f sizeForm) counts() []figure {
	if f.Scaling != "auto" {
		return []figure{{"replicas", f.Replicas, atReplicas, true}}
	}
	return []figure{{"least", f.Least, atLeast, true}, {"most", f.Most, atMost, true}, {"occupied", f.Occupied, atOccupied, true}}
}

// value reads a figure; nil when it is no number.
func (g figure) value() any {
	if n, err := strconv.Atoi(g.typed); err == nil {
		return n
	}
	if n, err := strconv.ParseFloat(g.typed, 64); err == nil && !g.whole && n < 1e9 && n > -1e9 {
		return n
	}
	return nil
}

// read are the numbers of a form by their paths in a request, and what is no number.
func (f sizeForm) read(v *visit) (values map[string]any, wrong []berth.Error) {
	return v.readFigures(f.figures())
}

func (v *visit) readFigures(figures []figure) (values map[string]any, wrong []berth.Error) {
	values = map[string]any{}
	for _, g := range figures {
		if values[g.path] = g.value(); values[g.path] == nil {
			wrong = append(wrong, berth.Error{Target: g.field, Message: v.T("number.wrong", v.T("field."+g.field), g.typed)})
		}
	}
	return values, wrong
}

// scale is the size of a deployment of an online endpoint, as the request of one has it: its sku and its scaleSettings.
func (f sizeForm) scale(v *visit) (sku, settings client.Object, wrong []berth.Error) {
	values, wrong := v.readFigures(f.counts())
	if f.Scaling == "auto" {
		return nil, client.Object{"scaleType": "TargetUtilization", "minInstances": values[atLeast], "maxInstances": values[atMost],
			"targetUtilizationPercentage": values[atOccupied]}, wrong
	}
	return client.Object{"name": "Default", "capacity": values[atReplicas]}, client.Object{"scaleType": "Default"}, wrong
}

// patch is the JSON Patch that gives an endpoint the size of the form.
func (f sizeForm) patch(v *visit) (patch []client.Object, wrong []berth.Error) {
	values, wrong := f.read(v)
	if wrong != nil {
		return nil, wrong
	}
	add := func(path string, value any) {
		patch = append(patch, client.Object{"op": "add", "path": path, "value": value})
	}
	if f.Scaling == "auto" {
		add("/numReplicas", nil)
	}
	for _, g := range f.figures() {
		add(g.path, values[g.path])
	}
	if f.Scaling == "auto" {
		add("/autoScaler/autoscaleEnabled", true)
	} else {
		add("/autoScaler", client.Object{"autoscaleEnabled": false})
	}
	return patch, nil
}
