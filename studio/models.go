package studio

import (
	"archive/zip"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// modelView is a version of a model as the pages show it.
type modelView struct {
	Name, Version, Description, Framework string
	Tags                                  map[string]string
	Created                               time.Time
	By                                    string
	Link                                  string
	Servers                               []endpointView // what serves it
	Versions                              int            // of the model, on the list
}

func (v *visit) modelOf(o client.Object) modelView {
	m := modelView{Name: text(o, "name"), Version: fmt.Sprint(number(o, "version")), Description: text(o, "description"),
		Framework: strings.TrimSpace(text(o, "framework") + " " + text(o, "frameworkVersion")), Tags: tagsOf(at(o, "kvTags")),
		Created: moment(o, "createdTime"), By: text(o, "createdBy", "userObjectId")}
	if version, isText := at(o, "version").(string); isText {
		m.Version = version
	}
	m.Link = v.modelLink(m.Name) + "/" + escape(m.Version)
	return m
}

// ID is how the SDK names the version.
func (m modelView) ID() string { return m.Name + ":" + m.Version }

func tagsOf(v any) map[string]string {
	out := map[string]string{}
	for name, value := range objectsOf(v) {
		out[name] = fmt.Sprint(value)
	}
	return out
}

func (v *visit) modelLink(name string) string {
	return workspaceLink(v.Group(), v.Workspace()) + "/models/" + escape(name)
}

type modelsData struct {
	All    []modelView
	Search string
	Total  int
}

// models is the list of the models of a workspace, each with its newest version.
func (s *Studio) models(v *visit) error {
	all, err := v.arm.ListModels(v.r.Context(), v.space(), client.ModelQuery{})
	if err != nil {
		return err
	}
	served, err := v.servers()
	if err != nil {
		return err
	}
	d := modelsData{Search: strings.TrimSpace(v.r.URL.Query().Get("q"))}
	at := map[string]int{}
	var found []modelView
	for _, o := range all { // the newest first
		m := v.modelOf(o)
		key := strings.ToLower(m.Name)
		i, seen := at[key]
		if !seen {
			i = len(found)
			at[key], found = i, append(found, m)
		}
		found[i].Versions++
		found[i].Servers = append(found[i].Servers, served[strings.ToLower(m.ID())]...)
	}
	d.Total = len(found)
	for _, m := range found {
		words := strings.ToLower(m.Name + " " + m.Description + " " + fmt.Sprint(m.Tags))
		if d.Search == "" || strings.Contains(words, strings.ToLower(d.Search)) {
			d.All = append(d.All, m)
		}
	}
	slices.SortFunc(d.All, func(a, b modelView) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return v.render("models", d)
}

// servers are what serves models, by the id of the version in lower case.
func (v *visit) servers() (map[string][]endpointView, error) {
	all, err := v.endpointViews()
	out := map[string][]endpointView{}
	for _, e := range all {
		for _, id := range e.Models {
			id = strings.ToLower(id)
			out[id] = append(out[id], e)
		}
	}
	return out, err
}

type modelData struct {
	modelView
	All        []modelView // versions, the newest first
	Files      []client.ModelFile
	More       int // files that are not listed
	FilesError string
	Do         string
	Errors     []berth.Error
	Code       []snippet
}

// maxListed is how many files of a model a page lists.
const maxListed = 200

// model is the page of one version of a model; of the newest when the address names none.
func (s *Studio) model(v *visit) error { return v.showModel(modelData{}) }

func (v *visit) showModel(d modelData) error {
	ctx := v.r.Context()
	name, version := v.r.PathValue("name"), v.r.PathValue("version")
	all, err := v.arm.ListModels(ctx, v.space(), client.ModelQuery{Name: name})
	if err != nil {
		return err
	}
	served, err := v.servers()
	if err != nil {
		return err
	}
	for _, o := range all {
		m := v.modelOf(o)
		m.Servers = served[strings.ToLower(m.ID())]
		if d.Name == "" && (version == "" || version == m.Version) {
			d.modelView = m
		}
		d.All = append(d.All, m)
	}
	if d.Name == "" {
		_, err := v.arm.GetModel(ctx, v.space(), strings.TrimSuffix(name+":"+version, ":")) // says that there is none
		return err
	}
	if d.Files, err = v.arm.ModelFiles(ctx, v.space(), d.ID(), maxListed); err != nil {
		d.FilesError = v.Said(err.Error())
	}
	d.More = max(0, len(d.Files)-maxListed)
	d.Files = d.Files[:len(d.Files)-d.More]
	d.Code = v.modelCode(d.modelView)
	return v.render("model", d)
}

// FileLink is the address of a file.
func (m modelView) FileLink(file string) string {
	words := strings.Split(file, "/")
	for i := range words {
		words[i] = escape(words[i])
	}
	return m.Link + "/files/" + strings.Join(words, "/")
}

// modelFile downloads one file of a model.
func (s *Studio) modelFile(v *visit) error {
	files, err := v.arm.ModelFiles(v.r.Context(), v.space(), v.modelID(), 0)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Path == v.r.PathValue("path") {
			return v.sendFile(f)
		}
	}
	return s.missing(v)
}

// sendFile sends a file. When it breaks off, so does the answer: a browser must not take half a file for the whole.
func (v *visit) sendFile(f client.ModelFile) error {
	v.attach(path.Base(f.Path), "application/octet-stream")
	if err := v.arm.ReadModelFile(v.r.Context(), f, v.w); err != nil {
		v.Log.Info("a download has broken off", "file", f.Path, "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

func (v *visit) attach(name, contentType string) {
	v.w.Header().Set("Content-Type", contentType)
	v.w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
}

// modelID is the version that the address names.
func (v *visit) modelID() string { return v.r.PathValue("name") + ":" + v.r.PathValue("version") }

// askModel asks for a confirmation of a deletion, or downloads all files of a version.
func (s *Studio) askModel(v *visit) error {
	switch do := v.r.PathValue("do"); do {
	case "delete":
		return v.showModel(modelData{Do: do})
	case "download":
		return v.downloadModel()
	}
	return v.redirect(v.modelLink(v.r.PathValue("name")) + "/" + escape(v.r.PathValue("version")))
}

// downloadModel sends the file of a model, or its files as a zip.
func (v *visit) downloadModel() error {
	files, err := v.arm.ModelFiles(v.r.Context(), v.space(), v.modelID(), 0)
	if err != nil {
		return err
	}
	if len(files) == 1 {
		return v.sendFile(files[0])
	}
	v.attach(strings.ReplaceAll(v.modelID(), ":", "-")+".zip", "application/zip")
	out := zip.NewWriter(v.w)
	for _, f := range files {
		to, err := out.CreateHeader(&zip.FileHeader{Name: f.Path, Method: zip.Store}) // weights do not get smaller
		if err == nil {
			err = v.arm.ReadModelFile(v.r.Context(), f, to)
		}
		if err != nil {
			v.Log.Info("a download has broken off", "file", f.Path, "error", err)
			panic(http.ErrAbortHandler)
		}
	}
	return ignoreGone(out.Close())
}

// changeModel deletes a version.
func (s *Studio) changeModel(v *visit) error {
	d := modelData{Do: v.r.PathValue("do")}
	if d.Do != "delete" {
		return s.missing(v)
	}
	if v.r.PostFormValue("resume") != "" {
		return v.showModel(d)
	}
	if d.Errors = v.unconfirmed(v.r.PathValue("name")); d.Errors != nil {
		return v.showModel(d)
	}
	err := v.arm.DeleteModel(v.r.Context(), v.space(), v.modelID())
	if client.Refused(err) && !client.IsNotFound(err) {
		d.Errors, v.status = detailsOf(err), client.StatusOf(err)
		return v.showModel(d)
	}
	if err != nil {
		return err
	}
	return v.redirect(workspaceLink(v.Group(), v.Workspace()) + "/models")
}

// registerData is the form of a new model.
type registerData struct {
	Name, Description, Tags string
	ModelKind               string          // custom_model or client.KindMLflow; empty for what the files are
	Files                   client.Uploaded // that have come
	Errors                  []berth.Error
}

// Kept is how the form names its files.
func (d registerData) Kept() string { return keptText(d.Files) }

func (s *Studio) newModel(v *visit) error {
	return v.render("register", registerData{Name: v.r.URL.Query().Get("name")})
}

// register uploads the files of a model and gives it its next version.
func (s *Studio) register(v *visit) error {
	form, wrong, err := v.receive()
	switch {
	case err != nil:
		return err
	case form == nil:
		v.status = http.StatusBadRequest
		return v.render("register", registerData{Errors: wrong})
	}
	d := registerData{Name: form.text("name"), Description: form.text("description"), Tags: form.text("tags"),
		ModelKind: form.text("modelkind"), Files: form.kept("file")}
	switch {
	case form.Get("resume") != "":
		return v.render("register", d)
	case len(d.Files.Paths) == 0:
		d.Errors = []berth.Error{{Message: v.T("register.none")}}
	}
	if why := v.judgeKind(d.ModelKind, d.Files.Paths); why != "" {
		d.Errors = append(d.Errors, berth.Error{Message: why})
	}
	asked := client.ModelRequest{Name: d.Name, Description: d.Description, Kind: modelKind(d.ModelKind, d.Files.Paths)}
	if asked.Kind != "" && !assetName(d.Name) {
		d.Errors = append(d.Errors, berth.Error{Message: v.T("register.name.wrong", d.Name)})
	}
	tags, wrong := v.tags(d.Tags)
	if d.Errors = append(d.Errors, wrong...); d.Errors != nil {
		v.status = http.StatusBadRequest
		return v.render("register", d)
	}
	asked.Tags = tags
	made, err := v.arm.RegisterUploaded(v.r.Context(), v.space(), asked, d.Files)
	if client.Refused(err) {
		d.Errors, v.status = detailsOf(err), client.StatusOf(err)
		return v.render("register", d)
	}
	if err != nil {
		return err
	}
	return v.redirect(v.modelOf(made).Link)
}

// tags reads "key=value, key=value".
func (v *visit) tags(typed string) (map[string]string, []berth.Error) {
	out := map[string]string{}
	for _, pair := range strings.FieldsFunc(typed, func(r rune) bool { return r == ',' || r == '\n' }) {
		key, value, paired := strings.Cut(strings.TrimSpace(pair), "=")
		if key == "" || !paired {
			return nil, []berth.Error{{Message: v.T("tags.wrong", strings.TrimSpace(pair))}}
		}
		out[key] = value
	}
	return out, nil
}

// Weight is a number of bytes.
func (*visit) Weight(bytes int64) string {
	const kibi = 1 << 10
	switch {
	case bytes < 0:
		return ""
	case bytes < kibi:
		return strconv.FormatInt(bytes, 10) + " B"
	}
	value, unit := float64(bytes)/kibi, 0
	for ; value >= kibi && unit < 3; unit++ {
		value /= kibi
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + " " + []string{"KiB", "MiB", "GiB", "TiB"}[unit]
}

// modelCode does with other tools what the page does.
func (v *visit) modelCode(m modelView) []snippet {
	where := " -g " + sh(v.Group()) + " -w " + sh(v.Workspace())
	get := v.v1Path("/models/" + url.PathEscape(m.ID()))
	return []snippet{
		{"SDK v1", v.v1Workspace("Model") + "model = Model(ws, name=" + py(m.Name) + ", version=" + pyVersion(m.Version) + ")\n" +
			"model.download(target_dir=\".\", exist_ok=True)"},
		{"berth ml", "berth ml model download -n " + sh(m.Name) + " -v " + sh(m.Version) + " -t ." + where},
		{"curl", "curl --cacert \"$SSL_CERT_FILE\" -H \"Authorization: Bearer $TOKEN\" \\\n  " + sh(v.Endpoint+get)},
	}
}

// v1Path is an address of the model management service.
func (v *visit) v1Path(rest string) string {
	return "/modelmanagement/v1.0/subscriptions/" + v.SubscriptionID + "/resourceGroups/" + escape(v.Group()) +
		"/providers/Microsoft.MachineLearningServices/workspaces/" + escape(v.Workspace()) + rest
}

// v1Workspace begins a program with the SDK v1.
func (v *visit) v1Workspace(imports string) string {
	head := "from azureml.core import Workspace\n"
	if imports != "" {
		head = "from azureml.core import Workspace, " + imports + "\n"
	}
	return head + "\nws = Workspace(" + py(v.SubscriptionID) + ", " + py(v.Group()) + ", " + py(v.Workspace()) + ", auth=auth)\n"
}
