package serving

import (
	"cmp"
	_ "embed" // the program
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

//go:embed builder.py
var builderProgram string

const (
	envRoot            = "/opt/berth" // where the volume of an environment is, in the pod that builds it and in those that use it
	envBin             = envRoot + "/env/bin"
	envPycache         = envRoot + "/env/pycache" // what Python has compiled
	specDir            = "/berth/environment"
	authoritiesFile    = "/berth/authorities/ca.pem"
	buildSeconds       = 1800
	labelEnv           = "berth.dev/environment" // the digest of the plan
	annotationBuiltFor = "berth.dev/built-for"   // the deployment and the generation that saw it end
	annotationBuilt    = "berth.dev/built"       // what the builder said, on the claim of a complete environment
	annotationAwait    = "await.berth.dev/"      // and the name of a deployment: its generation awaits the build
	envSize            = "20Gi"
)

// built is what the builder says at its end.
type built struct {
	Resolve  float64 `json:"resolve"` // seconds
	Install  float64 `json:"install"`
	All      float64 `json:"all"`
	Packages int     `json:"packages"`
	// Pycache: what is compiled, the standard library too, is in a folder of the environment. Older environments have it beside the sources.
	Pycache bool `json:"pycache"`
	// Silent are sources of packages that did not answer, and were left out.
	Silent []string `json:"silent"`
	Error  string   `json:"error"`
}

func (b *built) text() string {
	text := fmt.Sprintf("%d packages were resolved in %.1f s and installed in %.1f s.", b.Packages, b.Resolve, b.Install)
	if len(b.Silent) > 0 {
		text += " These sources of packages did not answer and were left out: " + strings.Join(b.Silent, ", ") + "."
	}
	return text
}

// environment sees to the environment; true when pods can use it.
func (a *advance) environment(open Source) (ready bool, err error) {
	if a.d.Environment.Dockerfile != nil {
		return a.dockerfile(open)
	}
	if !a.base {
		a.step(StepEnvironment, Done, fmt.Sprintf("The image %s is used as it is.", a.d.Environment.Image))
		return true, nil
	}
	plan, fault := a.newPlan(a.d.Environment)
	if fault != nil {
		a.fail(StepEnvironment, fault, "")
		return false, nil
	}
	plan.Image = cmp.Or(a.images.Python, plan.Image)
	a.plan = plan
	a.p.Warnings = append(a.p.Warnings, plan.notes...)
	name := envName(plan)
	var claim struct{ Metadata kube.Meta }
	found, err := a.conn.Read(a.ctx, a.in("PersistentVolumeClaim", name), &claim)
	if err != nil {
		return false, err
	}
	if a.known(name, &claim.Metadata) {
		return true, nil
	}
	if found && claim.Metadata.DeletionTimestamp != "" { // of a build that failed; a pod could not use it
		a.step(StepEnvironment, Running, "What a former build of the environment left is being removed.")
		return false, nil
	}
	if !found {
		if err := a.prepareBuild(plan); err != nil {
			return false, err
		}
		class, shared, err := a.sharedClass()
		if err != nil {
			return false, err
		}
		if !shared { // each replica builds its own
			a.pycache = true
			a.step(StepEnvironment, Done, "The cluster has no volumes for several nodes; each replica builds the environment itself.")
			return true, nil
		}
		if err := a.makeClaim(plan, class); err != nil {
			return false, err
		}
	}
	a.claim = name
	return a.build(plan)
}

// known reports whether an environment is complete, and uses it then.
func (a *advance) known(name string, claim *kube.Meta) bool {
	var done built
	if json.Unmarshal([]byte(claim.Annotations[annotationBuilt]), &done) != nil || claim.DeletionTimestamp != "" {
		return false
	}
	a.claim, a.pycache = name, done.Pycache
	text := "The environment is known: " + done.text()
	if claim.Annotations[annotationBuiltFor] == a.d.object()+"/"+a.generation() {
		text = done.text()
	}
	a.step(StepEnvironment, Done, text)
	return true
}

// makeClaim makes the volume of an environment.
func (a *advance) makeClaim(p *plan, class string) error {
	return a.conn.Apply(a.ctx, a.in("PersistentVolumeClaim", envName(p)), kube.Object{
		"metadata": kube.Object{"labels": map[string]string{labelPart: "environment", labelEnv: p.digest()}},
		"spec": kube.Object{"accessModes": []string{"ReadWriteMany"}, "storageClassName": class,
			"resources": kube.Object{"requests": kube.Object{"storage": envSize}}},
	}, nil)
}

func envName(p *plan) string { return "env-" + p.digest() }

func (a *advance) in(kind, name string) kube.Ref {
	return kube.Ref{Kind: kind, Namespace: a.d.Namespace, Name: name}
}

type storageClass struct {
	Metadata    kube.Meta
	Provisioner string
}

func (c *storageClass) isDefault() bool {
	return c.Metadata.Annotations["storageclass.kubernetes.io/is-default-class"] == "true"
}

// sharedClass is a class of volumes that pods on several nodes can use at a time.
func (a *advance) sharedClass() (name string, found bool, err error) {
	all, err := kube.Objects[storageClass](a.ctx, a.conn, kube.Ref{Kind: "StorageClass"}, "")
	if err != nil {
		return "", false, err
	}
	shared := []string{"berth.dev/local", "file.csi.azure.com", "efs.csi.aws.com", "filestore.csi.storage.gke.io", "nfs.csi.k8s.io"}
	for _, c := range all {
		if slices.Contains(shared, c.Provisioner) && (name == "" || c.isDefault()) {
			name = c.Metadata.Name
		}
	}
	return name, name != "", nil
}

// prepareBuild writes what the builder reads. What may hold a password is a Secret.
func (a *advance) prepareBuild(p *plan) error {
	labels := kube.Object{"labels": map[string]string{labelPart: "environment", labelEnv: p.digest()}}
	if err := a.conn.Apply(a.ctx, a.in("ConfigMap", envName(p)), kube.Object{"metadata": labels,
		"data": map[string]string{"requirements.in": strings.Join(p.Requirements, "\n") + "\n"}}, nil); err != nil {
		return err
	}
	if len(a.o.Index) > 0 {
		if err := a.secret(a.in("Secret", "env-index"), a.o.Index); err != nil {
			return err
		}
	}
	if err := a.fence("builders", labelEnv, nil); err != nil {
		return err
	}
	return a.giveAuthorities()
}

// giveAuthorities writes the certificates that pods trust, if there are any.
func (a *advance) giveAuthorities() error { return a.authoritiesIn(a.d.Namespace) }

func (a *advance) authoritiesIn(namespace string) error {
	if len(a.o.Authorities) == 0 {
		return nil
	}
	data := map[string]string{"ca.pem": string(a.o.Authorities)}
	ref := kube.Ref{Kind: "ConfigMap", Namespace: namespace, Name: "authorities"}
	return a.conn.Apply(a.ctx, ref, kube.Object{"data": data}, nil)
}

// job is what is read of a Job.
type job struct {
	Metadata kube.Meta
	Status   struct {
		Succeeded  int
		Conditions []struct{ Type, Status string }
	}
}

// failed reports whether no further pod will be tried.
func (j *job) failed() bool {
	for _, c := range j.Status.Conditions {
		if c.Type == "Failed" && c.Status == "True" {
			return true
		}
	}
	return false
}

// build runs the builder once, whoever else awaits it, and keeps what it says.
func (a *advance) build(p *plan) (ready bool, err error) {
	ref := a.in("Job", envName(p))
	var job job
	found, err := a.conn.Read(a.ctx, ref, &job)
	if err != nil {
		return false, err
	}
	a.step(StepEnvironment, Running, "The packages of the environment are being resolved and installed.")
	await, generation := annotationAwait+a.d.object(), strconv.FormatInt(a.d.Generation, 10)
	switch {
	case !found:
		return false, a.beginBuild(p, map[string]string{await: generation})
	case job.Metadata.DeletionTimestamp != "":
		return false, nil
	}
	// By the Job itself and not by its name: what a builder of before has filled may be gone.
	pods, err := a.conn.Replicas(a.ctx, a.d.Namespace, labelEnv+"="+p.digest()+",batch.kubernetes.io/controller-uid="+job.Metadata.UID)
	if err != nil {
		return false, err
	}
	said, complete := builderSaid(pods)
	switch {
	case complete: // that the Job says so, too, takes a second more
		marks := map[string]string{annotationBuilt: kube.JSON(said), annotationBuiltFor: a.d.object() + "/" + a.generation()}
		if err := a.conn.Annotate(a.ctx, a.in("PersistentVolumeClaim", ref.Name), marks); err != nil {
			return false, err
		}
		a.step(StepEnvironment, Done, said.text())
		a.pycache = said.Pycache
		return true, a.conn.Delete(a.ctx, ref)
	case job.Status.Succeeded > 0, job.failed() && job.Metadata.Annotations[await] != generation: // what it said is lost; another's failure
		return false, a.conn.Delete(a.ctx, ref)
	case job.failed():
		a.buildFailed(said, pods)
		return false, a.leaveBuild(ref, await)
	}
	for _, r := range pods {
		if e := a.stuck(r); e != nil {
			a.fail(StepEnvironment, e, "")
			return false, a.dropBuild(ref.Name)
		}
	}
	if job.Metadata.Annotations[await] != generation {
		return false, a.conn.Annotate(a.ctx, ref, map[string]string{await: generation})
	}
	return false, nil
}

// leaveBuild removes what a failed build left, unless another deployment has still to be told. It looks after it has left: of two that
// leave at once, one sees that nobody is there.
func (a *advance) leaveBuild(ref kube.Ref, await string) error {
	if err := a.conn.Annotate(a.ctx, ref, map[string]string{await: ""}); err != nil {
		return err
	}
	var now job
	found, err := a.conn.Read(a.ctx, ref, &now)
	if err != nil || !found {
		return err
	}
	for name, generation := range now.Metadata.Annotations {
		if strings.HasPrefix(name, annotationAwait) && generation != "" {
			return nil
		}
	}
	return a.dropBuild(ref.Name)
}

// dropBuild removes an environment that is not complete.
func (a *advance) dropBuild(name string) error {
	return dropEnvironment(a.ctx, a.conn, a.d.Namespace, name)
}

// beginBuild makes the Job, if there is room for the replicas: the build takes its time.
func (a *advance) beginBuild(p *plan, annotations map[string]string) error {
	if e, err := a.capacity(); err != nil || e != nil {
		a.refuse(StepPods, e)
		return err
	}
	if err := a.prepareBuild(p); err != nil {
		return err
	}
	return a.conn.Apply(a.ctx, a.in("Job", envName(p)), a.buildJob(p, annotations), nil)
}

// builderSaid is what a builder said at its end, and whether the environment is complete by that.
func builderSaid(pods []kube.Replica) (said *built, complete bool) {
	for _, r := range pods {
		for _, c := range r.Containers {
			var b built
			if c.Name != builderName || c.Ended == nil || json.Unmarshal([]byte(c.Ended.Message), &b) != nil {
				continue
			}
			if said = &b; c.Ended.ExitCode == 0 && b.Error == "" {
				return said, true
			}
		}
	}
	return said, false
}

func (a *advance) buildFailed(said *built, pods []kube.Replica) {
	if said != nil && said.Error != "" {
		a.fail(StepEnvironment, uvFault(said.Error, a.pythonVersion()), said.Error)
		return
	}
	why := "it did not end in time"
	for _, r := range pods {
		for _, c := range r.Containers {
			if c.Ended != nil {
				why = fmt.Sprintf("it ended with %s, exit code %d", c.Ended.Reason, c.Ended.ExitCode)
			}
		}
	}
	a.fail(StepEnvironment, berth.Errorf(CodeEnvironment, "The environment could not be built: %s. Deploy again.", why), "")
}

var (
	drawn      = regexp.MustCompile(`[×╰─▶│├]+|\bcause:`)
	absent     = regexp.MustCompile(`(\S+) was not found in (?:the package registry|the provided package locations|the cache)`)
	wheelless  = regexp.MustCompile(`(\S+) ha(?:s|ve) no (?:usable )?wheels`)
	noVersion  = regexp.MustCompile(`[Bb]ecause there (?:is|are) no versions? of (\S+?),? and`)
	unreadable = regexp.MustCompile(`(?:Failed to fetch|error sending request|Could not connect|Request failed)[^\n]*`)
)

// uvFault is one sentence for what uv says.
func uvFault(text, python string) *berth.Error {
	said, _, _ := strings.Cut(text, "\nhint:")
	plain := strings.Join(strings.Fields(drawn.ReplaceAllString(said, " ")), " ")
	var message string
	switch {
	case absent.MatchString(plain):
		message = fmt.Sprintf("The package '%s' does not exist on the index of Python packages. Correct its name, or name the index that has it "+
			"(--extra-index-url).", absent.FindStringSubmatch(plain)[1])
	case wheelless.MatchString(plain):
		message = fmt.Sprintf("The package '%s' has no wheel for Python %s, and Berth compiles none. Name another version or package that has "+
			"one, or use an image that has it.", wheelless.FindStringSubmatch(plain)[1], python)
	case noVersion.MatchString(plain):
		message = fmt.Sprintf("The index of Python packages has no version %s for Python %s. Name a version that it has.",
			noVersion.FindStringSubmatch(plain)[1], python)
	case unreadable.MatchString(text):
		message = fmt.Sprintf("The index of Python packages cannot be read from the cluster: %.300s. Check the network of the pods, and "+
			"UV_INDEX_URL of the server.", strings.TrimSpace(unreadable.FindString(text)))
	default:
		_, why, found := strings.Cut(plain, "dependencies")
		if !found {
			why = plain
		}
		message = fmt.Sprintf("The packages cannot be installed together: %.600s", strings.Trim(why, ": "))
	}
	return &berth.Error{Code: CodeEnvironment, Message: message}
}
