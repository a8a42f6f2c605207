// Package models answers what version 1 of the Azure Machine Learning SDK (azureml-core) asks beside Resource Manager: artifacts, assets,
// models and web services. It also plans and shows what version 2 (azure-ai-ml) registers through Resource Manager (Assets): one model is
// the same for both. Everything it accepts is a resource in the store, which the engine works on like any other.
package models

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/blob"
	"berth.dev/berth/store"
)

// Options is what a Server works with.
type Options struct {
	Store *store.Store
	Files *blob.Store
	Clock clockwork.Clock
	// Subscription is the only subscription: a GUID.
	Subscription string
	// FilesURL is the https address at which Files are served, without a slash at its end. Its host name has the form that the SDK takes
	// apart: account.blob.suffix.
	FilesURL string
	// Sign makes the query that permits access to a file.
	Sign func(container, name, permissions string, until time.Time) string
	// SignFolder makes the query that permits access to all files of a folder.
	SignFolder func(container, folder, permissions string, until time.Time) string
	// Token makes a token for an audience and a caller. It also says when it was made; see identity.ScoringRefresh and ScoringLife.
	Token func(audience, caller string) (token string, made time.Time, err error)
	// TokenRefresh and TokenLife are how long it should be and can be used.
	TokenRefresh, TokenLife time.Duration
	// HasPython reports whether nodes have the image in which entry scripts run.
	HasPython func() bool
	// Judge is why an environment cannot be built, as far as that is known before; nil when nothing speaks against it.
	Judge func(e berth.ServiceEnvironment) *berth.Error
	// Logs reads the log of the pods of a service.
	Logs func(ctx context.Context, service *berth.Resource, q LogQuery) (string, error)
}

// Server answers those requests.
type Server struct{ Options }

// New makes a server.
func New(o Options) *Server { return &Server{o} }

// Request is a request of a caller who is known.
type Request struct {
	Context context.Context
	Method  string
	Path    string // clean
	Query   url.Values
	Body    []byte
	Caller  string // application id
	Base    string // https address of this server, as the client knows it

	workspace *berth.Resource
	words     []string // of the path, where the route has {}
}

// Answer is what is answered.
type Answer struct {
	Status int
	Header map[string]string
	Body   any // nil for none
}

func ok(body any) *Answer { return &Answer{Status: http.StatusOK, Body: body} }

// object is a JSON object.
type object = map[string]any

// address is one address below a workspace.
type address struct {
	method, path string // {} stands for one word, {…} at the end for the rest
	serve        func(s *Server, q *Request) (*Answer, error)
}

// prefixes are what stands before the id of the workspace.
var prefixes = []string{"/modelmanagement/v1.0", "/artifact/v2.0", "/environment/v1.0"}

// addresses are those, the more exact ones first. init fills them: their handlers refer to them.
var addresses []address

func init() {
	const get, post = http.MethodGet, http.MethodPost
	const patch, remove = http.MethodPatch, http.MethodDelete
	addresses = []address{
		{post, "artifacts/batch/metadata/{}/{}", (*Server).createArtifacts},
		{get, "artifacts/contentinfo/{}/{}/{…}", (*Server).artifactContent},
		{get, "artifacts/prefix/contentinfo/{}/{}/{…}", (*Server).artifactContents},
		{post, "assets", (*Server).createAsset}, {get, "assets", (*Server).listAssets},
		{get, "assets/{}", (*Server).getAsset}, {remove, "assets/{}", (*Server).removeAsset},
		{post, "models", (*Server).registerModel}, {get, "models", (*Server).listModels}, {get, "models/{}", (*Server).getModel},
		{patch, "models/{}", (*Server).patchModel}, {remove, "models/{}", (*Server).removeModel},
		{post, "services/validate/name/{}", (*Server).validateName}, {post, "services/validate", (*Server).validateService},
		{post, "services/validate/resource", (*Server).validateResources},
		{post, "services", (*Server).createService}, {get, "services", (*Server).listServices},
		{get, "services/{}", (*Server).getService}, {patch, "services/{}", (*Server).patchService},
		{remove, "services/{}", (*Server).removeService},
		{post, "services/{}/listkeys", (*Server).listKeys}, {post, "services/{}/regenerateKeys", (*Server).regenerateKeys},
		{post, "services/{}/token", (*Server).serviceToken},
		{get, "services/{}/logs", (*Server).serviceLogs},
		{get, "operations/{}", (*Server).getOperation},
		{http.MethodPut, "environments/{}", (*Server).registerEnvironment},
		{http.MethodPut, "environments/{}/versions/{}", (*Server).registerEnvironment},
		{get, "environments", (*Server).listEnvironments}, {get, "environments/{}", (*Server).getEnvironment},
		{get, "environments/{}/versions/{}", (*Server).getEnvironment},
	}
}

// Routes lists the addresses below a prefix and the id of a workspace, each as "METHOD path"; {} stands for one word, {…} for the rest.
// They are for documentation.
func Routes() (prefixed, routes []string) {
	for _, a := range addresses {
		routes = append(routes, a.method+" "+a.path)
	}
	return prefixes, routes
}

// Serves reports whether an address is one of this package's: nobody else answers it then.
func Serves(path string) bool {
	for _, p := range prefixes {
		if rest, has := cutPrefix(path, p+"/subscriptions/"); has {
			return strings.Count(rest, "/") >= 6 // {subscription}/resourceGroups/{}/providers/{}/workspaces/{}/…
		}
	}
	return false
}

// cutPrefix is strings.CutPrefix in any casing.
func cutPrefix(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// deep is how many words the id of a workspace has: "", subscriptions, {}, resourceGroups, {}, providers, {}, workspaces, {}.
const deep = 9

// Answer answers a request. The error is a *berth.Error if it is the caller's.
func (s *Server) Answer(q *Request) (*Answer, error) {
	var path string
	for _, p := range prefixes {
		if rest, has := cutPrefix(q.Path, p); has {
			path = rest
		}
	}
	words := strings.Split(path, "/")
	if len(words) <= deep {
		return nil, unknown(q)
	}
	id, err := berth.ParseID(strings.Join(words[:deep], "/"))
	if err != nil || !id.Is(berth.TypeWorkspace) {
		return nil, unknown(q)
	}
	if !strings.EqualFold(id.Subscription, s.Subscription) {
		return nil, berth.Errorf(berth.CodeSubscriptionNotFound, "The subscription '%s' could not be found.", id.Subscription)
	}
	for _, r := range addresses {
		if q.Method != r.method || !q.match(r.path, words[deep:]) {
			continue
		}
		if q.workspace, err = s.Store.Get(q.Context, id); err != nil {
			return nil, missing(err, "workspace", id.Name())
		}
		if q.workspace.Unreadable {
			return nil, q.workspace.Fault
		}
		return r.serve(s, q)
	}
	return nil, unknown(q)
}

// match compares the words of a path with a route, and keeps those in the places of its {}.
func (q *Request) match(path string, words []string) bool {
	q.words = nil
	want := strings.Split(path, "/")
	for i, w := range want {
		switch {
		case i >= len(words):
			return false
		case w == "{…}":
			q.words = append(q.words, strings.Join(words[i:], "/"))
			return true
		case w == "{}":
			q.words = append(q.words, words[i])
		case !strings.EqualFold(w, words[i]):
			return false
		}
	}
	return len(want) == len(words)
}

func unknown(q *Request) error {
	return berth.Errorf(berth.CodeInvalidResourceType, "Berth does not serve %s of %s. Of models and web services it serves artifacts, "+
		"assets, models, and web services on AKS computes (AksWebservice).", q.Method, q.Path)
}

// missing is the error for something that the store does not have; other errors stay.
func missing(err error, what, name string) error {
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return berth.Errorf(berth.CodeNotFound, "There is no %s with the name '%s'.", what, name)
}

// decode reads a body.
func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return berth.Errorf(berth.CodeInvalidRequest, "The request body cannot be read: %s.", err)
	}
	return nil
}

// fields are a stored request as an object. What the store has is JSON.
func fields(request json.RawMessage) object {
	out := object{}
	if json.Unmarshal(request, &out) != nil || out == nil { // it was encoded here
		return object{}
	}
	return out
}

// encode is an object as it is stored.
func encode(o object) (json.RawMessage, error) { return json.Marshal(o) }

// clockTime is how the SDK reads a time.
func clockTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// tagFilter is a filter "name,name=value": what must be there.
func tagFilter(filter string, has map[string]string) bool {
	if filter == "" {
		return true
	}
	return !slices.ContainsFunc(strings.Split(filter, ","), func(one string) bool {
		name, value, hasValue := strings.Cut(one, "=")
		got, there := has[name]
		return !there || hasValue && got != value
	})
}

// texts are the fields of an object that are texts.
func texts(v any) map[string]string {
	out := map[string]string{}
	o, _ := v.(object)
	for name, value := range o {
		if text, isText := value.(string); isText {
			out[name] = text
		}
	}
	return out
}

// attempts is how often a change is planned anew when another one comes first.
const attempts = 8

// accept stores a change that plan makes, again when another change came first.
func (s *Server) accept(ctx context.Context, plan func() (store.Change, error)) (*berth.Resource, *berth.Operation, error) {
	for range attempts {
		change, err := plan()
		if err != nil {
			return nil, nil, err
		}
		r, op, err := s.Store.Accept(ctx, change)
		if !errors.Is(err, store.ErrMoved) {
			return r, op, err
		}
	}
	return nil, nil, berth.Errorf(berth.CodePreconditionFailed, "Other requests change the same resource all the time. Repeat the request.")
}

// Right is the action that a caller needs for a request of version 1 of the SDK, and the workspace on which it needs it.
func Right(method, path string) (right, scope string) {
	for _, p := range prefixes {
		if rest, has := cutPrefix(path, p); has {
			path = rest
		}
	}
	words := strings.Split(path, "/")
	scope = strings.Join(words[:min(deep, len(words))], "/")
	return rightOf(method, words[min(deep, len(words)):]), scope
}

// rightOf is the action for the words below a workspace.
func rightOf(method string, words []string) string {
	kind, last := "", ""
	if len(words) > 0 {
		kind, last = strings.ToLower(words[0]), strings.ToLower(words[len(words)-1])
	}
	right := berth.TypeWorkspace
	switch kind {
	case "services":
		right = berth.TypeService
	case "models", "environments", "assets", "artifacts", "operations":
		right += "/" + kind
	}
	switch {
	case kind == "services" && (last == "listkeys" || last == "regeneratekeys" || last == "token"):
		return right + "/" + last + "/action"
	case method == http.MethodGet:
		return right + "/read"
	case method == http.MethodDelete:
		return right + "/delete"
	}
	return right + "/write"
}
