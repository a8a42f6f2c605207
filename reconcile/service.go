package reconcile

import (
	"context"
	"errors"
	"io"
	"maps"
	"path"
	"slices"

	"berth.dev/berth"
	"berth.dev/berth/blob"
	"berth.dev/berth/clusters"
	"berth.dev/berth/kube"
	"berth.dev/berth/models"
	"berth.dev/berth/serving"
	"berth.dev/berth/store"
)

// serviceLifecycle is that of a web service.
func serviceLifecycle() lifecycle {
	return lifecycle{apply: []phase{rekeyed, served, routed, swept}, remove: []phase{unrouted, podsGone}, check: []phase{stillServed}}
}

// served is the service or the deployment that the claim is on.
func (s *scope) served() berth.Served { return s.claim.Resource.Body.(berth.Served) }

// atCompute connects to the cluster of the compute on which the resource runs.
func (s *scope) atCompute(ctx context.Context) (*kube.Conn, *berth.Resource, error) {
	compute, err := s.Clusters.ComputeOf(ctx, s.claim.Resource)
	if err != nil {
		return nil, nil, err
	}
	conn, err := s.Clusters.Connect(ctx, compute.Body.(*berth.Compute).Spec.ClusterID)
	return conn, compute, err
}

// served brings the pods of a service or a deployment about. What served before goes on until they answer.
func served(ctx context.Context, s *scope) (verdict, error) {
	conn, compute, err := s.atCompute(ctx)
	if err != nil {
		return verdict{}, err
	}
	defer conn.Close()
	d, open, err := s.toServe(ctx, compute)
	if err == nil {
		err = s.givePulls(ctx, conn, compute)
	}
	if err != nil {
		return verdict{}, err
	}
	p, err := s.Serving.Advance(ctx, conn, d, open)
	if err != nil {
		return verdict{}, clusters.Unreachable(compute.Body.(*berth.Compute).Spec.ClusterID, err)
	}
	s.served().Now().Ready = p.Replicas
	if err := s.tell(ctx, p); err != nil {
		return verdict{}, err
	}
	switch {
	case p.Failure != nil:
		failure := *p.Failure
		if p.Log != "" {
			failure.Details = append(failure.Details, berth.Error{Code: failure.Code, Target: "log", Message: p.Log})
		}
		return verdict{}, &failure
	case !p.Done:
		if over := s.overdue(s.claim); over != nil {
			if err := s.Serving.GiveUp(ctx, conn, d, over); err != nil {
				return verdict{}, clusters.Unreachable(compute.Body.(*berth.Compute).Spec.ClusterID, err)
			}
			return verdict{}, over
		}
		return aside(p.Await), nil
	}
	s.notes = append(s.notes, p.Warnings...)
	return verdict{}, nil
}

// tell reports warnings once, and each step that is under way or was done.
func (s *scope) tell(ctx context.Context, p serving.Progress) error {
	texts := append(s.warned(), sentences(p)...)
	told := map[string]bool{}
	if op := s.claim.Operation; op != nil {
		for _, step := range op.Steps {
			told[step.Message] = true
		}
	}
	for _, text := range texts {
		if told[text] {
			continue
		}
		if err := s.progress(ctx, "%s", text); err != nil {
			return err
		}
		told[text] = true
	}
	return nil
}

// warned are the warnings of the rules about a service: version 1 of the SDK shows what an operation tells, and nothing else.
func (s *scope) warned() (texts []string) {
	if service, is := s.claim.Resource.Body.(*berth.Service); is {
		for _, w := range service.Warnings {
			texts = append(texts, w.Message)
		}
	}
	return texts
}

// sentences are what there is to tell. Files and environment come at the same time: as long as one of them is under way, it is not told
// that the other one is done, because the last sentence should say what is awaited.
func sentences(p serving.Progress) []string {
	texts := append([]string{}, p.Warnings...)
	together := func(step serving.Step) bool {
		return step.Name == serving.StepFiles || step.Name == serving.StepEnvironment
	}
	awaits := slices.ContainsFunc(p.Steps, func(step serving.Step) bool { return together(step) && step.State == serving.Running })
	for _, step := range p.Steps {
		if step.State == serving.Pending || step.Text == "" || step.State == serving.Done && together(step) && awaits {
			continue
		}
		texts = append(texts, step.Text)
	}
	return texts
}

// content opens a file by its digest.
func (e *Engine) content(ctx context.Context, digest string, offset int64) (io.ReadCloser, error) {
	return e.Files.Content(ctx, digest, blob.Span{Offset: offset, Length: -1})
}

// toServe is the service as the package that serves it takes it, and where that finds the files.
func (s *scope) toServe(ctx context.Context, compute *berth.Resource) (serving.Deployment, serving.Source, error) {
	spec := s.served().Pods()
	d := serving.Deployment{
		Namespace: clusters.NamespaceOf(compute.ID, compute.Body.(*berth.Compute)), Name: clusters.ServedName(s.id()),
		Generation: s.claim.Resource.Generation,
		Environment: serving.Environment{Python: spec.Environment.Python, Requirements: spec.Environment.Pip, Conda: spec.Environment.Conda,
			Image: spec.Environment.Image, Variables: spec.Environment.Variables},
		EntryScript: spec.EntryScript, SourceDir: spec.Environment.Variables["AZUREML_SOURCE_DIRECTORY"], ModelDir: "azureml-models",
		Replicas: spec.Replicas, KeepReplicas: spec.Scale != nil, CPU: spec.CPU, CPULimit: spec.CPULimit,
		MemoryGB: spec.MemoryGB, MemoryLimitGB: spec.MemoryLimit, GPU: spec.GPUs, Drain: spec.Timeout,
		ModelMount: spec.ModelMount, NodeSelector: spec.NodeSelector, Logins: spec.Environment.Login != nil,
		Liveness: probe(spec.Liveness), Readiness: probe(spec.Readiness), Collects: len(spec.Collect.Custom()) > 0,
	}
	if !spec.Code.IsZero() {
		d.SourceDir, d.Environment.Variables = berth.CodeFolder, maps.Clone(spec.Environment.Variables)
		if d.Environment.Variables == nil {
			d.Environment.Variables = map[string]string{}
		}
		d.Environment.Variables["AML_APP_ROOT"] = path.Join(serving.AppRoot, berth.CodeFolder) // as version 2 has it
	}
	if len(spec.Models) == 1 { // AZUREML_MODEL_DIR is the model's own folder then
		d.ModelDir = models.ModelFolder(spec.Models[0])
	}
	if spec.NoCode != nil { // the rules have seen to it that there is one model, of a framework for which there is a script
		d.NoCode = &serving.NoCode{Format: serving.ScikitLearn, Path: d.ModelDir, Version: spec.NoCode.Version}
		if spec.NoCode.Name == berth.FrameworkMLflow {
			d.NoCode.Format = serving.MLflow
		}
	}
	if i := spec.Environment.Inference; i != nil && spec.Environment.HasImage() {
		d.Environment.Port = i.Scoring.Port
		d.Liveness.Path, d.Liveness.Port = i.Liveness.Path, i.Liveness.Port
		d.Readiness.Path, d.Readiness.Port = i.Readiness.Path, i.Readiness.Port
	}
	var err error
	if d.Images, err = s.images(ctx, compute.Body.(*berth.Compute).Spec.ClusterID, true); err != nil {
		return d, nil, err
	}
	f, err := s.resolve(ctx, spec)
	d.Files, d.Environment.Dockerfile = f.files, f.dockerfile
	return d, f.open, err
}

// images are those of a connected cluster, which pulls them from a registry. Nodes that Berth runs have theirs.
func (s *scope) images(ctx context.Context, cluster berth.ID, python bool) (serving.Images, error) {
	if s.Images == nil {
		return serving.Images{}, nil
	}
	if connected, err := s.Clusters.IsConnected(ctx, cluster); err != nil || !connected {
		return serving.Images{}, err
	}
	return s.Images(ctx, python)
}

// filesToServe are the files that the pods fetch.
func (s *scope) filesToServe(ctx context.Context, spec *berth.PodSpec) (out []serving.File, err error) {
	ws, err := s.Store.Get(ctx, s.id().Top())
	if err != nil {
		return nil, err
	}
	container := models.Container(ws.Body.(*berth.Workspace))
	for _, f := range spec.Files {
		found, err := models.FilesOf(ctx, s.Files, container, []berth.AssetFiles{{ID: f.File}})
		if err != nil {
			return nil, err
		}
		name := f.Name
		if f.Unpack {
			name = ""
		}
		out = append(out, serving.File{Path: name, Digest: found[0].Digest, Size: found[0].Size, Unpack: f.Unpack})
	}
	sources := models.Sources{Store: s.Store, Files: s.Files}
	for _, id := range spec.Models {
		files, err := sources.ModelFiles(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			out = append(out, serving.File(f))
		}
	}
	if spec.Code.IsZero() {
		return out, nil
	}
	files, err := sources.CodeFiles(ctx, spec.Code)
	for _, f := range files {
		f.Path = path.Join(berth.CodeFolder, f.Path)
		out = append(out, serving.File(f))
	}
	return out, err
}

func probe(p berth.ServiceProbe) serving.Probe {
	return serving.Probe{Period: p.Period, InitialDelay: p.Delay, Timeout: p.Timeout, SuccessThreshold: p.Successes,
		FailureThreshold: p.Failures}
}

// stillServed observes how many pods are ready.
func stillServed(ctx context.Context, s *scope) (verdict, error) {
	status := s.served().Now()
	if status.Served == 0 {
		return s.unchanged(), nil
	}
	conn, compute, err := s.atCompute(ctx)
	if err != nil {
		status.Ready, status.Trouble = 0, berth.Sentence(err)
		return s.checkAgain(s.CheckEvery), nil
	}
	defer conn.Close()
	namespace := clusters.NamespaceOf(compute.ID, compute.Body.(*berth.Compute))
	now, err := s.Serving.Status(ctx, conn, namespace, clusters.ServedName(s.id()))
	if renewed := s.givePulls(ctx, conn, compute); renewed != nil && err == nil {
		s.Log.Warn("what nodes sign in with at registries could not be renewed", "service", s.id(), "error", renewed) // what they have stays
	}
	if err == nil && !now.Found { // somebody has deleted it
		err = s.bringBack(ctx, conn, compute)
	}
	if err != nil {
		s.Log.Info("a service could not be checked", "service", s.id(), "error", err)
		return s.checkAgain(s.CheckEvery), nil
	}
	status.Ready, status.Trouble = now.Ready, now.Trouble
	address, err := s.Serving.Address(ctx, conn)
	if err == nil && address.Host == "" { // somebody has deleted the router
		_, err = s.giveRoutes(ctx, conn, compute)
	}
	if err == nil && address.Host != "" { // it changes with the certificate of the compute
		s.addressed(address, compute)
	}
	return s.checkAgain(s.CheckEvery), nil
}

// bringBack takes the next step to make what a service consists of again. The next checks take the others.
func (s *scope) bringBack(ctx context.Context, conn *kube.Conn, compute *berth.Resource) error {
	d, open, err := s.toServe(ctx, compute)
	if err != nil {
		return err
	}
	_, err = s.Serving.Advance(ctx, conn, d, open)
	return err
}

// keptEnvironments is how many environments stay in a namespace although no service uses them: the next one often does.
const keptEnvironments = 3

// podsGone removes the pods of a service or a deployment, and then itself. A compute that is gone has taken them along.
func podsGone(ctx context.Context, s *scope) (verdict, error) {
	conn, compute, err := s.atCompute(ctx)
	if berth.ErrorCode(err) == berth.CodeNotFound {
		return ended(store.Outcome{State: berth.StateSucceeded, Gone: true}), nil
	}
	if err != nil {
		return verdict{}, err
	}
	defer conn.Close()
	namespace := clusters.NamespaceOf(compute.ID, compute.Body.(*berth.Compute))
	gone, err := s.Serving.Remove(ctx, conn, namespace, clusters.ServedName(s.id()))
	if err != nil {
		return verdict{}, clusters.Unreachable(compute.Body.(*berth.Compute).Spec.ClusterID, err)
	}
	if !gone {
		return again(s.soon()), s.progress(ctx, "removing the pods of '%s'", s.id().Name())
	}
	s.sweep(ctx, conn, compute)
	return ended(store.Outcome{State: berth.StateSucceeded, Gone: true}), nil
}

// swept removes what the former version of a service has left in the cluster.
func swept(ctx context.Context, s *scope) (verdict, error) {
	if s.claim.Operation.Verb != berth.VerbUpdate {
		return verdict{}, nil
	}
	conn, compute, err := s.atCompute(ctx)
	if err != nil {
		return verdict{}, err
	}
	defer conn.Close()
	s.sweep(ctx, conn, compute)
	return verdict{}, nil
}

func (s *scope) sweep(ctx context.Context, conn *kube.Conn, compute *berth.Resource) {
	namespace := clusters.NamespaceOf(compute.ID, compute.Body.(*berth.Compute))
	if err := errors.Join(s.Serving.Sweep(ctx, conn, namespace, keptEnvironments), s.Serving.SweepFiles(ctx, conn),
		s.loginsGone(ctx, conn, compute)); err != nil {
		s.Log.Warn("what no service uses could not be removed from a cluster", "service", s.id(), "error", err) // the next one does it
	}
}
