// Package studio is the web site where users create, attach, watch, scale, detach and delete clusters. The server renders the
// pages, and they work without scripts; scripts keep them up to date. The studio calls Resource Manager as every other client
// does, with the token of the user who has signed in.
package studio

import (
	"context"
	"embed"
	"log/slog"
	"net"
	"net/http"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

//go:embed templates/*.html static/* text/*.yaml
var files embed.FS

// Path is the path under which the studio is served.
const Path = "/studio"

// Options are the dependencies of a Studio.
type Options struct {
	Endpoint       string // https address of Resource Manager
	TenantID       string
	SubscriptionID string
	CAFile         string                              // of Berth's own certificates; empty for none
	Transport      http.RoundTripper                   // to Resource Manager, and to the files of models
	Bearer         func(*http.Request) (string, error) // the access token that a request carries
	// Dial connects to the services of clusters, whose addresses the clusters name.
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Sessions Sessions
	// Changes calls f after each change of any resource, until cancel is called.
	Changes func(f func()) (cancel func())
	// NameOf is the name of an application or a person by its id; empty for an unknown id.
	NameOf func(id string) string
	// Principals are those to which roles can be given: applications, people and groups.
	Principals func() []Principal
	People     People
	Log        *slog.Logger
}

// Principal is an application, a person or a group.
type Principal struct{ ID, Name string }

// Sessions are the sign-ins of browsers. Errors that are *berth.Error refuse.
type Sessions interface {
	// Begin makes a session for who has just signed in and got a token.
	Begin(ctx context.Context, token string) (berth.Session, error)
	// Find is a session that has not ended. Its use makes it last longer.
	Find(ctx context.Context, key string) (berth.Session, error)
	End(ctx context.Context, key string) error
	// Link makes the code of a link that signs in once. proven says that the token was got for this, with a secret.
	Link(ctx context.Context, token string, proven bool) (code string, err error)
	// Use begins the session of a link.
	Use(ctx context.Context, code string) (berth.Session, error)
}

// Studio serves the pages.
type Studio struct {
	Options
	mux   *http.ServeMux
	text  *texts
	pages *pages
	feed  *feed
	// submitted are the kubeconfigs of connections that wait for a confirmation.
	submitted *submissions
	sizeLists sizeLists
	tests     chan struct{} // one for each request to an endpoint that is under way
}

// New creates a studio. Call Close when it is no longer served.
func New(o Options) (*Studio, error) {
	t, err := loadTexts()
	if err != nil {
		return nil, err
	}
	p, err := loadPages()
	if err != nil {
		return nil, err
	}
	s := &Studio{
		Options: o, mux: http.NewServeMux(), text: t, pages: p, feed: newFeed(o.Changes), submitted: newSubmissions(),
		tests: make(chan struct{}, maxTests),
	}
	s.routes()
	return s, nil
}

// Close ends the event streams.
func (s *Studio) Close() { s.feed.close() }

func (s *Studio) routes() {
	s.open("GET /studio/sign-in", s.signInPage)
	s.open("POST /studio/sign-in", s.signIn)
	s.open("POST /studio/sign-out", s.signOut)
	s.open("GET /studio/link", s.showLink)
	s.open("POST /studio/link", s.useLink)
	s.open("GET /studio/people", s.leave)
	s.open("GET "+s.People.Redirect, s.comeBack)
	s.open("POST /studio/language", s.chooseLanguage)
	s.mux.HandleFunc("POST /studio/links", s.makeLink)
	s.mux.HandleFunc("GET /studio/static/{version}/{file}", serveStatic)
	s.mux.HandleFunc("GET /studio/events", s.events)
	s.open("GET /studio/", s.missing)
	for pattern, page := range map[string]handler{
		"GET /studio/{$}":                                                s.overview,
		"GET /studio/workspaces":                                         s.workspaces,
		"POST /studio/workspaces":                                        s.createWorkspace,
		"GET /studio/w/{group}/{ws}/delete":                              s.askDeleteWorkspace,
		"POST /studio/w/{group}/{ws}/delete":                             s.deleteWorkspace,
		"GET /studio/w/{group}/{ws}":                                     s.computes,
		"GET /studio/w/{group}/{ws}/new":                                 s.newCompute,
		"POST /studio/w/{group}/{ws}/new":                                s.createCompute,
		"POST /studio/w/{group}/{ws}/check":                              s.checkCompute,
		"GET /studio/w/{group}/{ws}/c/{name}":                            s.compute,
		"GET /studio/w/{group}/{ws}/c/{name}/{do}":                       s.askCompute,
		"POST /studio/w/{group}/{ws}/c/{name}/{do}":                      s.changeCompute,
		"GET /studio/clusters":                                           s.clusters,
		"POST /studio/clusters":                                          s.createCluster,
		"GET /studio/clusters/connect":                                   s.askConnect,
		"POST /studio/clusters/connect":                                  s.connect,
		"GET /studio/k/{group}/{kind}/{name}":                            s.cluster,
		"GET /studio/k/{group}/{kind}/{name}/workloads":                  s.workloads,
		"GET /studio/k/{group}/{kind}/{name}/pods/{namespace}/{pod}":     s.pod,
		"GET /studio/k/{group}/{kind}/{name}/pods/{namespace}/{pod}/log": s.followLog,
		"GET /studio/k/{group}/{kind}/{name}/{do}":                       s.askCluster,
		"POST /studio/k/{group}/{kind}/{name}/{do}":                      s.changeCluster,
		"GET /studio/versions":                                           s.versions,
		"GET /studio/access":                                             s.access,
		"POST /studio/access":                                            s.changeAccess,
		"GET /studio/operations":                                         s.operations,
		"GET /studio/operations/{id}":                                    s.operation,
		"GET /studio/w/{group}/{ws}/sizes.json":                          s.sizes,
	} {
		s.guarded(pattern, page)
	}
	s.routesOfModels()
}

// routesOfModels are the pages of models and of what serves them.
func (s *Studio) routesOfModels() {
	for pattern, page := range map[string]handler{
		"GET /studio/w/{group}/{ws}/models":                                  s.models,
		"GET /studio/w/{group}/{ws}/models/{name}":                           s.model,
		"GET /studio/w/{group}/{ws}/models/{name}/{version}":                 s.model,
		"GET /studio/w/{group}/{ws}/models/{name}/{version}/{do}":            s.askModel,
		"POST /studio/w/{group}/{ws}/models/{name}/{version}/{do}":           s.changeModel,
		"GET /studio/w/{group}/{ws}/models/{name}/{version}/files/{path...}": s.modelFile,
		"GET /studio/w/{group}/{ws}/register":                                s.newModel,
		"GET /studio/w/{group}/{ws}/endpoints":                               s.endpoints,
		"GET /studio/w/{group}/{ws}/endpoints/{name}":                        s.endpoint,
		"GET /studio/w/{group}/{ws}/endpoints/{name}/{do}":                   s.askEndpoint,
		"POST /studio/w/{group}/{ws}/endpoints/{name}/{do}":                  s.changeEndpoint,
		"GET /studio/w/{group}/{ws}/online/{name}":                           s.endpoint,
		"GET /studio/w/{group}/{ws}/online/{name}/{do}":                      s.askEndpoint,
		"POST /studio/w/{group}/{ws}/online/{name}/{do}":                     s.changeEndpoint,
		"GET /studio/w/{group}/{ws}/online/{name}/d/{deployment}/{do}":       s.askDeployment,
		"POST /studio/w/{group}/{ws}/online/{name}/d/{deployment}/{do}":      s.changeDeployment,
		"GET /studio/w/{group}/{ws}/deploy":                                  s.newEndpoint,
		"POST /studio/w/{group}/{ws}/deploy/check":                           s.checkEndpoint,
	} {
		s.guarded(pattern, page)
	}
	s.streamed("POST /studio/w/{group}/{ws}/register", s.register)
	s.streamed("POST /studio/w/{group}/{ws}/deploy", s.deploy)
}

// policy lets a page load only files of the studio, send forms only to the studio, and be in no frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP implements http.Handler.
func (s *Studio) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if r.URL.Path == Path {
		http.Redirect(w, r, Path+"/", http.StatusSeeOther)
		return
	}
	// A page of another site must not use the session of this one. The browser names the site of a request in its headers.
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		v := &visit{Studio: s, w: w, r: r, lang: s.language(r), status: http.StatusForbidden}
		if err := v.render("trouble", trouble{Status: v.status, Title: v.T("trouble.title"), Detail: v.T("trouble.site")}); err != nil {
			s.Log.Error("a page cannot be shown", "error", err)
		}
		return
	}
	s.mux.ServeHTTP(w, r)
}

// client is a client of Resource Manager with a token, whose answers have their sentences in a language.
func (s *Studio) client(token, language string) (*client.Client, error) {
	return client.New(client.Options{
		Credentials: client.Credentials{Endpoint: s.Endpoint, TenantID: s.TenantID, SubscriptionID: s.SubscriptionID, CAFile: s.CAFile},
		Token:       token, HTTPClient: &http.Client{Transport: s.Transport, Timeout: time.Minute}, UserAgent: "berth-studio", Language: language,
	})
}
