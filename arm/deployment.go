package arm

import (
	"cmp"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/models"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

func encodeOnlineDeployment(s *Server, _ *request, r *berth.Resource) wire.Object {
	return wire.Deployment(r, faultStatus(r.Fault), s.Authority.TenantID())
}

// onlineDeployment is a request for a deployment of an endpoint, with what was found about it.
type onlineDeployment struct {
	*Server
	q          *request
	id         berth.ID
	in         wire.DeploymentPut
	spec       berth.DeploymentSpec
	facts      rules.DeploymentFacts
	violations []rules.Violation
}

// putOnlineDeployment plans a deployment of an endpoint. Everything that is wrong with it is reported together.
func putOnlineDeployment(s *Server, q *request, id berth.ID, old *berth.Resource) (*plan, error) {
	d := &onlineDeployment{Server: s, q: q, id: id}
	if err := wire.Decode(q.body, &d.in); err != nil {
		return nil, err
	}
	endpoint, err := s.parent(q, id)
	if err != nil {
		return nil, err
	}
	if endpoint.Unreadable {
		return nil, endpoint.Fault
	}
	if err := notAks(endpoint.ID, endpoint.Body.(*berth.Endpoint)); err != nil {
		return nil, err
	}
	where, err := location(d.in.Location, old, endpoint.Location)
	violations, isOurs := rules.Of(err)
	if err != nil && !isOurs {
		return nil, err
	}
	d.violations = violations
	if err := d.fill(endpoint.Body.(*berth.Endpoint), old); err != nil {
		return nil, err
	}
	body := &berth.Deployment{Spec: d.spec}
	if old != nil {
		body.Status, body.Good = old.Body.(*berth.Deployment).Status, old.Body.(*berth.Deployment).Good
	}
	r := &berth.Resource{ID: id, Location: where, Tags: keepTags(d.in.Tags, old), Body: body}
	names, err := wire.KeepDeployment(q.body, r)
	if err != nil {
		return nil, err
	}
	violations = slices.Concat(d.violations, rules.Deployment(id.Name(), d.spec, d.facts), rules.Tags(r.Tags), rules.NotActedOn(names))
	body.Warnings = rules.Reported(violations, true)
	return &plan{change: store.Change{Resource: r}, violations: violations}, nil
}

// fill sets the spec and the facts from the request.
func (d *onlineDeployment) fill(endpoint *berth.Endpoint, old *berth.Resource) error {
	in := d.in.Properties
	if old != nil {
		d.spec.Kept = old.Body.(*berth.Deployment).Spec.Kept
	}
	d.spec.Description = in.Description
	if len(in.Properties) > 0 { // none and an empty object are the same request
		d.spec.Properties = in.Properties
	}
	if len(in.Variables) > 0 {
		d.spec.Variables = in.Variables
	}
	d.facts = rules.DeploymentFacts{ComputeType: in.ComputeType, Environment: in.EnvironmentID != ""}
	if !strings.EqualFold(cmp.Or(in.Egress, "Enabled"), "Enabled") {
		d.facts.Egress = in.Egress
	}
	others, err := d.Store.All(d.q.Context(), store.Query{Type: berth.TypeDeployment, Parent: d.id.Parent()})
	if err != nil {
		return err
	}
	if old == nil {
		d.facts.Others = len(others)
	}
	d.requests()
	d.scale()
	if err := d.observed(); err != nil {
		return err
	}
	for _, find := range []func() error{d.content, func() error { return d.size(endpoint) }} {
		if err := find(); err != nil {
			return err
		}
	}
	identity, violations, err := d.identity(d.q, d.in.Identity, d.spec.Identity)
	d.spec.Identity, d.violations = identity, append(d.violations, violations...)
	return err
}

// content finds the model, the code and the environment.
func (d *onlineDeployment) content() error {
	in := d.in.Properties
	model, err := d.version("properties.model", in.Model, berth.TypeModelVersion, "model")
	if err != nil {
		return err
	}
	if model != nil {
		d.spec.Models = []berth.ID{model.ID}
		if in.Code == nil && models.IsMLflow(model.Body.(*berth.ModelVersion)) {
			d.spec.NoCode = &berth.ServiceFramework{Name: berth.FrameworkMLflow}
		}
	}
	d.spec.ModelMount = in.ModelMount
	if in.Code != nil {
		d.facts.Code, d.facts.Script = true, in.Code.Script
		code, err := d.version("properties.codeConfiguration.codeId", in.Code.CodeID, berth.TypeCodeVersion, "code")
		if err != nil {
			return err
		}
		if code != nil {
			d.spec.Code = code.ID
		}
		d.spec.EntryScript = path.Join(berth.CodeFolder, in.Code.Script)
	}
	return d.environment()
}

// environment finds the environment, and adds the variables of the request to its own.
func (d *onlineDeployment) environment() error {
	in := d.in.Properties
	found, err := d.version("properties.environmentId", in.EnvironmentID, berth.TypeEnvironmentVersion, "environment")
	if err != nil {
		return err
	}
	e := models.Environment{}
	if found != nil {
		e, err = models.EnvironmentOf(found)
		d.spec.EnvironmentID = found.ID
	}
	if wrong, isOurs := rules.Of(err); isOurs {
		d.violations = append(d.violations, wrong...)
		return nil
	}
	if err != nil {
		return err
	}
	d.spec.PodSpec.Environment = e.ServiceEnvironment
	d.facts.EnvironmentToServe = d.Models.EnvironmentToServe(e)
	if e.HasImage() { // a ready image knows how to load its model
		d.spec.NoCode = nil
	}
	if len(in.Variables) > 0 {
		all := maps.Clone(e.Variables)
		if all == nil {
			all = map[string]string{}
		}
		maps.Copy(all, in.Variables)
		d.spec.PodSpec.Environment.Variables = all
	}
	return nil
}

// version finds a version of an asset of the workspace by its id; nil for none, which is a violation unless the request names none.
func (d *onlineDeployment) version(target, text, typ, what string) (*berth.Resource, error) {
	if text == "" {
		return nil, nil
	}
	wrong := func(violations []rules.Violation) (*berth.Resource, error) {
		d.violations = append(d.violations, violations...)
		return nil, nil
	}
	id, err := berth.ParseID(strings.TrimPrefix(text, "azureml:"))
	if err != nil || !id.Is(typ) || id.Parent().Parent().Key() != d.id.Parent().Parent().Key() {
		return wrong(rules.Reference(target, text, what))
	}
	r, err := d.stored(d.q, id)
	if own := models.CuratedVersion(id); own != nil && typ == berth.TypeEnvironmentVersion && errors.Is(err, store.ErrNotFound) {
		return own, nil
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return wrong(rules.NoVersion(target, id, what))
	case err != nil:
		return nil, err
	case r.Unreadable:
		return wrong([]rules.Violation{{Code: r.Fault.Code, Target: target, Message: r.Fault.Message}})
	}
	return r, nil
}

// read reads what a request may leave out; the violation is kept.
func read[T any](d *onlineDeployment, target string, text *string, parse func(target, text string) (T, []rules.Violation), otherwise T) T {
	if text == nil || *text == "" {
		return otherwise
	}
	v, violations := parse(target, *text)
	if len(violations) > 0 {
		d.violations = append(d.violations, violations...)
		return otherwise
	}
	return v
}

// or is a value that may have been left out.
func or[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}

// requests sets how requests are taken, and how health is asked. The defaults are those of the original (KubernetesOnlineDeployment).
func (d *onlineDeployment) requests() {
	in := cmp.Or(d.in.Properties.Requests, &wire.RequestFields{})
	const at = "properties.requestSettings"
	d.spec.Concurrent = or(in.Concurrent, 1)
	d.spec.Timeout = read(d, at+".requestTimeout", in.Timeout, rules.Duration, 5*time.Second)
	d.spec.QueueWait = read(d, at+".maxQueueWait", in.QueueWait, rules.Duration, 500*time.Millisecond)
	d.spec.Liveness = d.probe("properties.livenessProbe", d.in.Properties.Liveness)
	d.spec.Readiness = d.probe("properties.readinessProbe", d.in.Properties.Readiness)
}

func (d *onlineDeployment) probe(at string, in *wire.ProbeFields) berth.ServiceProbe {
	in = cmp.Or(in, &wire.ProbeFields{})
	return berth.ServiceProbe{
		Delay:  read(d, at+".initialDelay", in.Delay, rules.Duration, 10*time.Second),
		Period: read(d, at+".period", in.Period, rules.Duration, 10*time.Second), Successes: or(in.Successes, 1),
		Timeout: read(d, at+".timeout", in.Timeout, rules.Duration, 2*time.Second), Failures: or(in.Failures, 30),
	}
}

// scale sets the number of pods.
func (d *onlineDeployment) scale() {
	d.spec.Replicas = 1
	if d.in.SKU != nil {
		d.spec.Replicas = or(d.in.SKU.Capacity, 1)
	}
	in := d.in.Properties.Scale
	if in == nil {
		return
	}
	if d.facts.ScaleType = in.Type; !strings.EqualFold(in.Type, "TargetUtilization") {
		return
	}
	d.spec.Scale = &berth.ServiceScale{Min: or(in.Min, 1), Max: or(in.Max, 1), Target: or(in.Target, 70),
		Refresh: read(d, "properties.scaleSettings.pollingInterval", in.Polling, rules.Duration, time.Second)}
	d.spec.Replicas = d.spec.Scale.Min
}

// size sets what each pod needs: what the request says, else the instance type.
func (d *onlineDeployment) size(endpoint *berth.Endpoint) error {
	in := d.in.Properties
	d.spec.InstanceType = in.InstanceType
	if in.Resources != nil {
		d.spec.Requests, d.spec.Limits = or(in.Resources.Requests, berth.ContainerSize{}), or(in.Resources.Limits, berth.ContainerSize{})
	}
	requests, limits := rules.DefaultRequests, rules.DefaultLimits
	if err := d.instanceType(endpoint, &requests, &limits); err != nil {
		return err
	}
	requests, limits = sized(d.spec.Requests, requests), sized(d.spec.Limits, limits)
	const at = "properties.containerResourceRequirements.containerResource"
	d.spec.CPU = read(d, at+"Requests.cpu", &requests.CPU, rules.Quantity, 1)
	d.spec.MemoryGB = read(d, at+"Requests.memory", &requests.Memory, rules.Gigabytes, 1)
	d.spec.CPULimit = read(d, at+"Limits.cpu", &limits.CPU, rules.Quantity, 0)
	d.spec.MemoryLimit = read(d, at+"Limits.memory", &limits.Memory, rules.Gigabytes, 0)
	d.spec.GPUs = read(d, at+"Requests.gpu", &requests.GPU, rules.Count, 0)
	d.spec.GPUs = max(d.spec.GPUs, read(d, at+"Limits.gpu", &limits.GPU, rules.Count, 0))
	if d.spec.Limits.CPU == "" && d.spec.CPULimit != 0 { // the default limit must not be less than what was requested
		d.spec.CPULimit = max(d.spec.CPULimit, d.spec.CPU)
	}
	if d.spec.Limits.Memory == "" && d.spec.MemoryLimit != 0 {
		d.spec.MemoryLimit = max(d.spec.MemoryLimit, d.spec.MemoryGB)
	}
	return nil
}

// instanceType finds the instance type that the request names, or the default one, among those of the compute.
func (d *onlineDeployment) instanceType(endpoint *berth.Endpoint, requests, limits *berth.ContainerSize) error {
	d.facts.Types = []string{rules.DefaultInstanceType}
	compute := d.id.Parent().Parent().Child("computes", endpoint.Spec.Compute)
	found, err := models.ComputeToServe(d.q.Context(), d.Store, compute)
	if err != nil || found.Compute == nil {
		return err // without a compute: the engine tells what is wrong with it
	}
	d.facts.ComputeToServe, d.facts.ComputeName = found, compute.Name()
	types := wire.InstanceTypesOf(found.Compute)
	d.facts.Types = append(d.facts.Types, types.Names()...)
	wanted := cmp.Or(d.spec.InstanceType, types.Default, rules.DefaultInstanceType)
	if asked, atMost, nodes, found := types.Size(wanted); found {
		*requests, *limits = sized(asked, rules.DefaultRequests), atMost
		d.spec.NodeSelector = nodes
	}
	return nil
}

// sized is a size with what it leaves out taken from another one.
func sized(size, otherwise berth.ContainerSize) berth.ContainerSize {
	return berth.ContainerSize{CPU: cmp.Or(size.CPU, otherwise.CPU), Memory: cmp.Or(size.Memory, otherwise.Memory),
		GPU: cmp.Or(size.GPU, otherwise.GPU)}
}

// removeOnlineDeployment refuses to remove a deployment that has traffic.
func removeOnlineDeployment(s *Server, q *request, old *berth.Resource) (berth.Verb, error) {
	endpoint, err := s.Store.Get(q.Context(), old.ID.Parent())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	if err == nil && !endpoint.Unreadable && endpoint.State != berth.StateDeleting {
		if err := notAks(endpoint.ID, endpoint.Body.(*berth.Endpoint)); err != nil {
			return "", err
		}
		if e := rules.DeploymentUnused(old.ID.Name(), &endpoint.Body.(*berth.Endpoint).Spec); e != nil {
			return "", e
		}
	}
	return berth.VerbDelete, nil
}

// deploymentSKUs answers the sizes that a deployment can be scaled to.
func deploymentSKUs(s *Server, q *request, t target) (*response, error) {
	if _, err := s.load(q, t.id); err != nil {
		return nil, err
	}
	return ok(wire.DeploymentSKUs(rules.MaxReplicas)), nil
}

// Bounds of the lines of a log.
const (
	usualLines = 5000
	mostLines  = 100_000
)

// deploymentLogs answers the end of the log of a pod.
func deploymentLogs(s *Server, q *request, r *berth.Resource) (*response, error) {
	var in struct {
		Container string `json:"containerType"`
		Tail      *int   `json:"tail"`
	}
	if len(q.body) > 0 {
		if err := wire.Decode(q.body, &in); err != nil {
			return nil, err
		}
	}
	prepares := strings.EqualFold(in.Container, "StorageInitializer")
	if in.Container != "" && !prepares && !strings.EqualFold(in.Container, "InferenceServer") {
		return nil, berth.Errorf(berth.CodeBadRequest, "The containerType is '%.40s'; InferenceServer and StorageInitializer are possible.",
			in.Container)
	}
	lines := or(in.Tail, usualLines)
	if lines < 1 || lines > mostLines {
		return nil, berth.Errorf(berth.CodeBadRequest, "The tail is %d lines; it is between 1 and %d.", lines, mostLines)
	}
	text, err := s.Models.ServedLog(q.Context(), r, models.LogQuery{Init: prepares, Lines: lines})
	if err != nil {
		return nil, err
	}
	return ok(wire.Object{"content": text}), nil
}
