package studio

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/yaml"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/client"
)

const (
	submissionLife = 10 * time.Minute
	maxSubmissions = 64
	maxKubeconfig  = 256 << 10 // bytes; the server accepts no more
)

// submission is a kubeconfig that was submitted for a connection and waits for the confirmation. It is in memory only: no page
// shows it again.
type submission struct {
	kubeconfig []byte
	by         string // the application that submitted it
	until      time.Time
}

// submissions are found by a code that only the page of the confirmation has.
type submissions struct {
	mu  sync.Mutex
	all map[string]submission
}

func newSubmissions() *submissions { return &submissions{all: map[string]submission{}} }

func (s *submissions) put(kubeconfig []byte, by string, now time.Time) (code string) {
	code = rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, old := range s.all {
		if now.After(old.until) || len(s.all) >= maxSubmissions {
			delete(s.all, c)
		}
	}
	s.all[code] = submission{kubeconfig, by, now.Add(submissionLife)}
	return code
}

// get is the kubeconfig of a code; nil when there is none, or when another application submitted it.
func (s *submissions) get(code, by string, now time.Time) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.all[code]; one.by == by && now.Before(one.until) {
		return one.kubeconfig
	}
	return nil
}

func (s *submissions) drop(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, code)
}

// connectForm is the form of a connection as it was typed, without the kubeconfig.
type connectForm struct {
	Name, Group, Location, Context string
	Keep, Force, Inference         bool
	Code                           string // of the kubeconfig that was submitted before
}

type connectData struct {
	connectForm
	Step      int // 1: the form, 2: what was found and will be created
	Errors    []berth.Error
	Locations []catalog.Location
	Verdict   client.Validation
	Failed    bool // a check failed
	Creates   []string
	Manifest  string
}

func (s *Studio) askConnect(v *visit) error {
	return v.showConnect(connectData{connectForm: connectForm{Group: "rg", Location: "westeurope"}})
}

func (v *visit) showConnect(d connectData) error {
	d.Step, d.Locations = max(d.Step, 1), catalog.Locations()
	return v.render("connect", d)
}

// connect checks what was submitted and shows the result, or connects the cluster after that.
func (s *Studio) connect(v *visit) error {
	if err := v.r.ParseMultipartForm(maxForm); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		v.status = http.StatusBadRequest
		return v.showConnect(connectData{Errors: []berth.Error{{Message: v.T("connect.unread")}}})
	}
	f := func(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }
	d := connectData{connectForm: connectForm{
		Name: f("name"), Group: f("group"), Location: f("location"), Context: f("context"),
		Keep: f("keep") != "", Force: f("force") != "", Inference: f("inference") != "", Code: f("code"),
	}}
	kubeconfig, err := v.submittedKubeconfig(&d)
	if err != nil {
		d.Errors = append(d.Errors, berth.Error{Message: v.Said(err.Error())})
	}
	if f("resume") != "" || f("go") == "back" {
		return v.showConnect(d)
	}
	for _, name := range []string{d.Name, d.Group} {
		if !nameable.MatchString(name) {
			d.Errors = append(d.Errors, berth.Error{Message: v.T("name.impossible", name)})
		}
	}
	if kubeconfig == nil && err == nil {
		d.Errors = append(d.Errors, berth.Error{Message: v.T("connect.missing")})
	}
	if len(d.Errors) > 0 {
		v.status = http.StatusBadRequest
		return v.showConnect(d)
	}
	cluster := client.ConnectedCluster{Kubeconfig: kubeconfig, Location: d.Location, Force: d.Force, KeepCredential: d.Keep,
		Inference: d.Inference}
	if f("go") == "connect" {
		return v.connectCluster(d, cluster)
	}
	return v.checkConnection(d, cluster)
}

// submittedKubeconfig is the kubeconfig of the form: the file, else the text, else the one that was submitted before; nil when there
// is none. A new one is kept for the confirmation.
func (v *visit) submittedKubeconfig(d *connectData) (config []byte, err error) {
	config = []byte(strings.TrimSpace(v.r.PostFormValue("kubeconfig")))
	if file, _, fileErr := v.r.FormFile("file"); fileErr == nil {
		uploaded, readErr := io.ReadAll(file)
		if err := errors.Join(readErr, file.Close()); err != nil {
			return nil, errors.New(v.T("connect.unread"))
		}
		if len(uploaded) > 0 {
			config = uploaded
		}
	}
	if len(config) == 0 {
		config = v.submitted.get(d.Code, v.session.Name, time.Now())
		if config == nil {
			d.Code = ""
		}
		return config, nil
	}
	if len(config) > maxKubeconfig {
		return nil, errors.New(v.T("connect.large", maxKubeconfig>>10))
	}
	if d.Context != "" {
		if config, err = withContext(config, d.Context); err != nil {
			return nil, errors.New(v.T("connect.unread"))
		}
	}
	v.submitted.drop(d.Code)
	d.Code = v.submitted.put(config, v.session.Name, time.Now())
	return config, nil
}

// withContext is a kubeconfig with another current context.
func withContext(config []byte, name string) ([]byte, error) {
	o := client.Object{}
	if err := yaml.Unmarshal(config, &o); err != nil {
		return nil, err
	}
	o["current-context"] = name
	return yaml.Marshal(o)
}

// checkConnection shows what a connection would find and create.
func (v *visit) checkConnection(d connectData, cluster client.ConnectedCluster) (err error) {
	ctx, id := v.r.Context(), v.arm.ID(d.Group, berth.TypeConnected, d.Name)
	d.Verdict, err = v.arm.ValidateConnection(ctx, id, cluster)
	if client.Refused(err) {
		d.Errors, v.status = detailsOf(err), client.StatusOf(err)
		return v.showConnect(d)
	}
	if err != nil {
		return err
	}
	if len(d.Verdict.Violations) > 0 { // a check that failed is shown on the second step, with its reason
		d.Errors, v.status = d.Verdict.Violations, http.StatusBadRequest
		return v.showConnect(d)
	}
	for _, c := range d.Verdict.Checks {
		d.Failed = d.Failed || !c.OK
	}
	if !d.Keep {
		if d.Manifest, err = v.arm.ConnectionManifest(ctx, id, d.Inference); err != nil {
			return err
		}
		d.Creates = objectsIn(d.Manifest)
	}
	d.Step = 2
	return v.showConnect(d)
}

// objectsIn are the objects of a manifest, such as "Namespace berth-system".
func objectsIn(manifest string) (out []string) {
	for part := range strings.SplitSeq(manifest, "---\n") {
		var o struct {
			Kind     string
			Metadata struct{ Name, Namespace string }
		}
		if yaml.Unmarshal([]byte(part), &o) == nil && o.Kind != "" {
			name := strings.TrimPrefix(o.Metadata.Namespace+"/"+o.Metadata.Name, "/")
			out = append(out, fmt.Sprintf("%s %s", o.Kind, name))
		}
	}
	return out
}

func (v *visit) connectCluster(d connectData, cluster client.ConnectedCluster) error {
	ctx, id := v.r.Context(), v.arm.ID(d.Group, berth.TypeConnected, d.Name)
	_, err := v.arm.GetGroup(ctx, d.Group)
	if client.IsNotFound(err) {
		_, err = v.arm.CreateGroup(ctx, d.Group, cmp.Or(d.Location, "westeurope"), nil)
	}
	if err == nil {
		_, _, err = v.arm.ConnectCluster(ctx, id, cluster)
	}
	if client.Refused(err) {
		d.Errors, v.status = detailsOf(err), client.StatusOf(err)
		return v.showConnect(d)
	}
	if err != nil {
		return err
	}
	v.submitted.drop(d.Code)
	return v.redirect(clusterLink(id))
}
