package studio

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// pages are the templates, each inside the frame.
type pages struct{ all map[string]*template.Template }

var functions = template.FuncMap{"asset": asset, "pct": percent, "cut": cut, "milli": milli}

func loadPages() (*pages, error) {
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	p := &pages{all: map[string]*template.Template{}}
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".html")
		if base == "frame" {
			continue
		}
		t, err := template.New("frame.html").Funcs(functions).ParseFS(files, "templates/frame.html", name)
		if err != nil {
			return nil, err
		}
		p.all[base] = t
	}
	return p, nil
}

func percent(part, whole int) int {
	if whole <= 0 {
		return 0
	}
	return min(100*part/whole, 100)
}

// view is the data of a template: the visit, and the data of the page.
type view struct {
	*visit
	Page string
	Data any
}

// Lang is the language of the page.
func (v *visit) Lang() string { return v.lang.String() }

// Here is the address of the page.
func (v *visit) Here() string { return v.r.URL.RequestURI() }

// Caller is the name of the application that has signed in; empty without a session.
func (v *visit) Caller() string { return v.session.Name }

// Group is the resource group that the address names.
func (v *visit) Group() string { return v.r.PathValue("group") }

// Workspace is the workspace that the address names.
func (v *visit) Workspace() string { return v.r.PathValue("ws") }

// Ago is the time that has passed since a moment, such as "3 min ago".
func (v *visit) Ago(t time.Time) string {
	d := time.Since(t)
	switch {
	case t.IsZero():
		return ""
	case d < time.Minute:
		return v.T("ago.seconds", max(int(d.Seconds()), 0))
	case d < time.Hour:
		return v.T("ago.minutes", int(d.Minutes()))
	case d < 48*time.Hour:
		return v.T("ago.hours", int(d.Hours()))
	}
	return v.T("ago.days", int(d.Hours()/24))
}

// Exact is a moment to the second, in UTC.
func (*visit) Exact(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// render answers a page. It renders the whole page before it sends the first byte, so that an error can replace it.
func (v *visit) render(name string, data any) error {
	var out bytes.Buffer
	if err := v.pages.all[name].Execute(&out, view{visit: v, Page: name, Data: data}); err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.Lang())
	h.Set("Vary", "Accept-Language, Cookie")
	status := cmp.Or(v.status, http.StatusOK)
	if !strings.Contains(v.r.Header.Get("Accept-Encoding"), "gzip") {
		v.w.WriteHeader(status)
		_, err := v.w.Write(out.Bytes())
		return ignoreGone(err)
	}
	h.Set("Content-Encoding", "gzip")
	v.w.WriteHeader(status)
	z := gzip.NewWriter(v.w)
	_, err := z.Write(out.Bytes())
	return ignoreGone(errors.Join(err, z.Close()))
}

// ignoreGone drops the error of a write to a client that has closed its connection.
func ignoreGone(error) error { return nil }

// trouble is the page that replaces one that could not be rendered.
type trouble struct {
	Status        int
	Title, Detail string
	Errors        []berth.Error
}

// answer runs a handler and shows its error as a page.
func (v *visit) answer(h handler) {
	err := h(v)
	if err == nil {
		return
	}
	t := trouble{Status: http.StatusInternalServerError, Title: v.T("trouble.title"), Detail: v.Said(err.Error())}
	if status := client.StatusOf(err); status != 0 {
		t.Status = status
		for _, e := range detailsOf(err) {
			e.Message = v.Said(e.Message)
			t.Errors = append(t.Errors, e)
		}
	}
	switch t.Status {
	case http.StatusUnauthorized:
		if err := v.askSignIn(); err != nil {
			v.Log.Error("the sign-in page cannot be shown", "error", err)
		}
		return
	case http.StatusNotFound:
		t.Title = v.T("trouble.gone")
	case http.StatusInternalServerError:
		v.Log.Error("a page cannot be shown", "path", v.r.URL.Path, "error", err)
	}
	v.status = t.Status
	if err := v.render("trouble", t); err != nil {
		v.Log.Error("a page cannot be shown", "path", v.r.URL.Path, "error", err)
	}
}

// detailsOf are the violations that an error reports; the error itself when it has no details.
func detailsOf(err error) []berth.Error {
	e, ok := errors.AsType[*berth.Error](err)
	switch {
	case !ok:
		return nil
	case len(e.Details) > 0:
		return e.Details
	}
	return []berth.Error{*e}
}

// assets are the addresses of the static files. An address contains a hash of the files, because browsers keep them for ever.
var assets = func() map[string]string {
	out := map[string]string{}
	names, _ := fs.Glob(files, "static/*") // the pattern is valid and the files are embedded
	all := sha256.New()
	for _, name := range names {
		data, _ := files.ReadFile(name)
		_, _ = all.Write(data)
	}
	version := hex.EncodeToString(all.Sum(nil))[:12]
	for _, name := range names {
		out[path.Base(name)] = Path + "/static/" + version + "/" + path.Base(name)
	}
	return out
}()

func asset(name string) (string, error) {
	at, ok := assets[name]
	if !ok {
		return "", fmt.Errorf("there is no file %s", name)
	}
	return at, nil
}

var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

func serveStatic(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	data, err := files.ReadFile("static/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if assets[name] == r.URL.Path {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && !strings.HasSuffix(name, ".png") {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", contentTypes[path.Ext(name)])
		z := gzip.NewWriter(w)
		_, _ = z.Write(data)
		_ = z.Close()
		return
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
}
