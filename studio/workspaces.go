package studio

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/client"
)

func escape(s string) string { return url.PathEscape(s) }

func workspaceLink(group, name string) string {
	return Path + "/w/" + escape(group) + "/" + escape(name)
}

type workspaceView struct {
	Name, Group, Location, State, Link string
	Tags                               map[string]string
	Computes                           int
	Health                             healthView // the worst of its computes
	Since                              time.Time
}

type workspacesData struct {
	All       []workspaceView
	Locations []catalog.Location
	Form      workspaceForm
	Errors    []berth.Error
}

type workspaceForm struct{ Name, Group, Location, Tags string }

func (s *Studio) workspaces(v *visit) error {
	return v.showWorkspaces(workspacesData{Form: workspaceForm{Group: "rg", Location: "westeurope"}})
}

func (v *visit) showWorkspaces(data workspacesData) error {
	all, err := v.arm.ListWorkspaces(v.r.Context(), "")
	if err != nil {
		return err
	}
	for _, o := range all {
		id, err := berth.ParseID(text(o, "id"))
		if err != nil {
			continue
		}
		w := workspaceView{
			Name: id.Name(), Group: id.Group, Location: text(o, "location"), Link: workspaceLink(id.Group, id.Name()),
			State: text(o, "properties", "provisioningState"), Since: moment(o, "systemData", "createdAt"), Tags: map[string]string{},
		}
		for k := range objectsOf(o["tags"]) {
			w.Tags[k] = text(o, "tags", k)
		}
		computes, err := v.arm.ListComputes(v.r.Context(), id.Group, id.Name())
		if err != nil && !client.IsNotFound(err) {
			return err
		}
		w.Computes = len(computes)
		for _, c := range computes {
			w.Health = worse(w.Health, healthOf(c))
		}
		data.All = append(data.All, w)
	}
	data.Locations = catalog.Locations()
	return v.render("workspaces", data)
}

func objectsOf(v any) client.Object { o, _ := v.(client.Object); return o }

func (s *Studio) createWorkspace(v *visit) error {
	f := func(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }
	form := workspaceForm{Name: f("name"), Group: f("group"), Location: f("location"), Tags: f("tags")}
	if v.r.PostFormValue("resume") != "" {
		return v.showWorkspaces(workspacesData{Form: form})
	}
	for _, name := range []string{form.Name, form.Group} {
		if !nameable.MatchString(name) {
			v.status = http.StatusBadRequest
			return v.showWorkspaces(workspacesData{Form: form, Errors: []berth.Error{{Message: v.T("name.impossible", name)}}})
		}
	}
	tags := map[string]string{}
	for _, pair := range strings.FieldsFunc(form.Tags, func(r rune) bool { return r == ',' || r == '\n' }) {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		tags[key] = value
	}
	_, err := v.arm.GetGroup(v.r.Context(), form.Group)
	if client.IsNotFound(err) {
		_, err = v.arm.CreateGroup(v.r.Context(), form.Group, form.Location, nil)
	}
	if err == nil {
		_, err = v.arm.PutWorkspace(v.r.Context(), form.Group, form.Name, client.Object{"location": form.Location, "tags": tags})
	}
	if client.Refused(err) {
		v.status = client.StatusOf(err)
		return v.showWorkspaces(workspacesData{Form: form, Errors: detailsOf(err)})
	}
	if err != nil {
		return err
	}
	return v.redirect(workspaceLink(form.Group, form.Name))
}

type deleteWorkspaceData struct {
	Computes []computeView
	Errors   []berth.Error
}

func (s *Studio) askDeleteWorkspace(v *visit) error { return v.showDeleteWorkspace(nil) }

func (v *visit) showDeleteWorkspace(errs []berth.Error) error {
	all, err := v.arm.ListComputes(v.r.Context(), v.Group(), v.Workspace())
	if err != nil {
		return err
	}
	data := deleteWorkspaceData{Errors: errs}
	for _, o := range all {
		data.Computes = append(data.Computes, computeOf(o))
	}
	return v.render("workspace-delete", data)
}

func (s *Studio) deleteWorkspace(v *visit) error {
	if errs := v.unconfirmed(v.Workspace()); errs != nil {
		return v.showDeleteWorkspace(errs)
	}
	if _, err := v.arm.DeleteWorkspace(v.r.Context(), v.Group(), v.Workspace()); err != nil {
		return err
	}
	return v.redirect(Path + "/workspaces")
}
