package signin

import (
	"bytes"
	"crypto/rand"
	"embed"
	"html/template"
	"net/http"
	"net/url"

	"github.com/google/uuid"
	"sigs.k8s.io/yaml"

	"berth.dev/berth/identity"
	"berth.dev/berth/korean"
)

//go:embed page.html text/*.yaml
var files embed.FS

var pages = template.Must(template.ParseFS(files, "page.html"))

// texts are the words of the pages, by language.
var texts = map[string]map[string]string{"en": words("en"), "ko": words("ko")}

func words(language string) map[string]string {
	out := map[string]string{}
	text, err := files.ReadFile("text/" + language + ".yaml")
	if err == nil {
		err = yaml.UnmarshalStrict(text, &out)
	}
	if err != nil {
		panic(err) // it is in the program
	}
	return out
}

// page is what a page shows.
type page struct {
	Name, Lang, Key string // Key lets the page's own style and script pass the policy
	Problem         string
	Client, Who     string
	Device          bool
	User            string
	Action          string // of the form for local people; empty for none
	Ways            []link // to providers
	To              string // where a form_post goes
	Fields          url.Values

	status int
	formTo *url.URL // where a form leads to, beside this server
}

type link struct{ Title, URL string }

// T is a text in the language of the page.
func (p page) T(key string) string { return texts[p.Lang][key] }

// choice is a request to sign in and what is known about who does.
type choice struct {
	auth          identity.Authorization
	User, Problem string
	status        int
}

// choose shows the ways to sign in.
func (p *Pages) choose(w http.ResponseWriter, r *http.Request, c choice) {
	q := c.auth.Query.Encode()
	out := page{Name: "choose", Problem: c.Problem, Client: c.auth.ClientName, Device: c.auth.UserCode != "", User: c.User, status: c.status}
	for _, provider := range p.Providers {
		out.Ways = append(out.Ways, link{provider.Title, Path + "with/" + provider.Name + "?" + q})
	}
	if p.People.HasLocal() {
		out.Action = Path + "local?" + q
		out.formTo, _ = url.Parse(c.auth.Redirect) // judged
	}
	p.show(w, r, out)
}

// trouble shows why something does not work.
func (p *Pages) trouble(w http.ResponseWriter, r *http.Request, status int, err error) {
	p.show(w, r, page{Name: "trouble", Problem: err.Error(), status: status})
}

// fail shows that something unexpected happened, whose reason is in the log.
func (p *Pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	id := uuid.NewString()
	p.Log.Error("unexpected error", "id", id, "path", r.URL.Path, "error", err)
	p.show(w, r, page{Name: "trouble", Problem: "Berth met an unexpected error. The server's log has the reason under the id " + id + ".",
		status: http.StatusInternalServerError})
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request, c page) {
	c.Lang, c.Key = "en", rand.Text()
	if korean.Wanted(r.Header.Get("Accept-Language")) {
		c.Lang, c.Problem = "ko", korean.Text(c.Problem)
	}
	form := "'self'"
	if c.formTo != nil && c.formTo.Host != "" {
		form += " " + c.formTo.Scheme + "://" + c.formTo.Host // browsers judge where an answer to a form leads
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+c.Key+"'; script-src 'nonce-"+c.Key+"'; form-action "+form+
		"; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", c.Lang)
	h.Set("Vary", "Accept-Language")
	var text bytes.Buffer
	if err := pages.Execute(&text, c); err != nil {
		p.Log.Error("a page cannot be shown", "page", c.Name, "error", err)
		http.Error(w, "Berth met an unexpected error.", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(max(c.status, http.StatusOK))
	_, _ = text.WriteTo(w) // an error means that the client has disconnected
}
