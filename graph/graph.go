// Package graph is the part of Microsoft Graph that manages callers: applications, service principals and their credentials, and the
// people who sign in, as `az ad` and `berth ad` use them. An application and its service principal are one here: both have the same
// credentials, and deleting either deletes both.
package graph

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"berth.dev/berth"
	"berth.dev/berth/access"
	"berth.dev/berth/identity"
	"berth.dev/berth/korean"
	"berth.dev/berth/store"
)

// Path is what the addresses of this API begin with.
const Path = identity.GraphPath + "/v1.0/"

const maxBody = 256 << 10

// Options configures the API.
type Options struct {
	Authority *identity.Authority
	Directory *identity.Directory
	People    *identity.People
	Access    *access.Guard // who may change callers
	Keys      *identity.Keys
	Endpoint  string // https address of this server, without a trailing slash
	Log       *slog.Logger
	// RotateSecretKey encrypts the secrets in the database with a new key.
	RotateSecretKey func(context.Context) error
	// Activity writes an event into the activity log.
	Activity func(context.Context, berth.Activity) error
}

type server struct{ Options }

// answer is a status and a body; nil for none.
type answer struct {
	status int
	body   any
}

type handler func(r *http.Request) (answer, error)

// New creates the handler of the API.
func New(o Options) http.Handler {
	s := &server{o}
	mux := http.NewServeMux()
	for pattern, h := range s.peopleRoutes() {
		mux.Handle(pattern, s.handle(h))
	}
	for pattern, h := range map[string]handler{
		"GET " + Path + "{kind}":                      s.list,
		"POST " + Path + "{kind}":                     s.create,
		"GET " + Path + "{kind}/{id}":                 s.show,
		"PATCH " + Path + "{kind}/{id}":               s.change,
		"DELETE " + Path + "{kind}/{id}":              s.remove,
		"GET " + Path + "{kind}/{id}/owners":          s.owners,
		"POST " + Path + "{kind}/{id}/addPassword":    s.addPassword,
		"POST " + Path + "{kind}/{id}/removePassword": s.removePassword,
		"GET " + Path + "berth/signingKeys":           s.keys,
		"POST " + Path + "berth/rotateSigningKey":     s.rotate,
		"POST " + Path + "berth/rotateSecretKey":      s.rotateSecrets,
		Path:                                          s.nothing,
	} {
		mux.Handle(pattern, s.handle(h))
	}
	guarded := o.Authority.Require(identity.Graph, mux, s.fail)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("request-id", uuid.NewString())
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		guarded.ServeHTTP(w, r)
	})
}

func (s *server) handle(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, log := s.begin(r, w.Header().Get("request-id"))
		err := s.mayChange(r)
		var a answer
		if err == nil {
			a, err = h(r)
		}
		if err = s.log(r, log, err); err != nil {
			s.fail(w, r, err)
			return
		}
		if r.Method != http.MethodGet && !readsOnly(r) {
			caller, _ := identity.CallerFrom(r.Context())
			s.Log.Info("callers changed", "method", r.Method, "path", r.URL.Path, "by", caller.Called())
		}
		s.write(w, a)
	})
}

// begin notes who changes callers, people or keys, for the activity log; nil for who reads.
func (s *server) begin(r *http.Request, id string) (*http.Request, *store.Request) {
	if r.Method == http.MethodGet || readsOnly(r) {
		return r, nil
	}
	caller, _ := identity.CallerFrom(r.Context())
	o := caller.Origin(r)
	o.Request, o.Correlation = id, id
	o.Scope = "/providers/Microsoft.Graph/" + strings.TrimPrefix(r.URL.Path, Path)
	words := strings.Split(strings.TrimPrefix(r.URL.Path, Path), "/") // kind, id and action; of keys "berth" and the action
	o.Right = "Microsoft.Graph/" + words[0] + map[string]string{http.MethodDelete: "/delete"}[r.Method]
	switch {
	case r.Method == http.MethodPost && len(words) > 1:
		o.Right += "/" + words[len(words)-1] + "/action"
	case r.Method != http.MethodDelete:
		o.Right += "/write"
	}
	log := &store.Request{Origin: o}
	return r.WithContext(store.For(r.Context(), log)), log
}

// log writes what the store has not written with the change: what was refused, and changes of keys. The answer, which may have a secret,
// waits for it. The error is the one to answer.
func (s *server) log(r *http.Request, log *store.Request, failed error) error {
	if log == nil || log.Logged() && failed == nil {
		return failed
	}
	a := berth.Activity{Origin: log.Origin, Resource: log.Origin.Scope, Status: berth.StateSucceeded}
	if failed != nil {
		a.Status, a.Code = berth.StateFailed, berth.ErrorCode(failed)
		a.HTTP = failures[a.Code].status
		if e, ours := errors.AsType[*berth.Error](failed); ours {
			a.Message = e.Message
		}
	}
	if err := s.Activity(r.Context(), a); err != nil && failed == nil {
		return err
	}
	return failed
}

// mayChange refuses a change of callers and keys to who may not give rights: a new secret of a caller gives all the rights of that caller,
// so it gives nothing new to who may give them anyway.
func (s *server) mayChange(r *http.Request) error {
	if r.Method == http.MethodGet || readsOnly(r) {
		return nil
	}
	caller, _ := identity.CallerFrom(r.Context())
	may, err := s.Access.May(r.Context(), caller.ObjectID, access.GiveRoles)
	if err != nil || may {
		return err
	}
	return berth.Errorf(berth.CodeForbidden, "Insufficient privileges to complete the operation. Callers and keys are changed by who may "+
		"assign roles in the subscription, such as its Owner ('%s').", access.GiveRoles)
}

func (s *server) write(w http.ResponseWriter, a answer) {
	w.Header().Set("Cache-Control", "no-store") // some answers contain secrets
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body) // an error means that the client has disconnected
}

// failure is an error as Graph answers it.
type failure struct {
	status int
	code   string
}

// failures are the status and code of Graph for each error code.
var failures = map[berth.Code]failure{
	berth.CodeBadRequest:           {http.StatusBadRequest, "Request_BadRequest"},
	berth.CodeNotFound:             {http.StatusNotFound, "Request_ResourceNotFound"},
	berth.CodeConflict:             {http.StatusConflict, "Request_MultipleObjectsWithSameKeyValue"},
	berth.CodeTooLarge:             {http.StatusRequestEntityTooLarge, "Request_BadRequest"},
	berth.CodeStorageFull:          {http.StatusInsufficientStorage, "Directory_QuotaExceeded"},
	berth.CodeAuthenticationFailed: {http.StatusUnauthorized, "InvalidAuthenticationToken"},
	berth.CodeForbidden:            {http.StatusForbidden, "Authorization_RequestDenied"},
	berth.CodeInvalidToken:         {http.StatusUnauthorized, "InvalidAuthenticationToken"},
	berth.CodeExpiredToken:         {http.StatusUnauthorized, "InvalidAuthenticationToken"},
}

func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	id := w.Header().Get("request-id")
	e, ours := errors.AsType[*berth.Error](err)
	f, known := failures[berth.ErrorCode(err)]
	message := ""
	if ours && known {
		message = e.Message
	} else {
		f = failure{http.StatusInternalServerError, "Service_InternalServerError"}
		message = "Berth met an unexpected error. The server's log has the reason under the id " + id + "."
		s.Log.Error("unexpected error", "id", id, "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", identity.Challenge(s.Endpoint, s.Authority.TenantID(), err))
	}
	if language := r.Header.Get("Accept-Language"); language != "" {
		w.Header().Set("Vary", "Accept-Language")
		if korean.Wanted(language) {
			w.Header().Set("Content-Language", "ko")
			message = korean.Text(message)
		}
	}
	s.write(w, answer{f.status, map[string]any{"error": map[string]any{"code": f.code, "message": message,
		"innerError": map[string]any{"date": time.Now().UTC().Format("2006-01-02T15:04:05"), "request-id": id, "client-request-id": id}}}})
}

// kind is the object that an address names: an application or its service principal.
func (s *server) kind(r *http.Request) (k kind, err error) {
	k, known := kinds[r.PathValue("kind")]
	if !known {
		_, err = s.nothing(r)
	}
	return k, err
}

// find is the application that an address names by one of its object ids.
func (s *server) find(r *http.Request) (kind, berth.Application, error) {
	k, err := s.kind(r)
	if err != nil {
		return k, berth.Application{}, err
	}
	id := r.PathValue("id")
	for _, a := range s.Directory.List() {
		if strings.EqualFold(k.id(a), id) {
			return k, a, nil
		}
	}
	return k, berth.Application{}, berth.Errorf(berth.CodeNotFound,
		"Resource '%.64s' does not exist or one of its queried reference-property objects are not present.", id)
}

func (s *server) nothing(r *http.Request) (answer, error) {
	return answer{}, berth.Errorf(berth.CodeNotFound,
		"Berth has no '%s %.120s'. It serves the applications and servicePrincipals of Microsoft Graph with their passwords and keys, "+
			"users and groups, but no owners or permissions.", r.Method, r.URL.Path)
}

func (s *server) list(r *http.Request) (answer, error) {
	k, err := s.kind(r)
	if err != nil {
		return answer{}, err
	}
	match, err := parseFilter(r.URL.Query().Get("$filter"))
	if err != nil {
		return answer{}, err
	}
	value := []any{}
	for _, a := range s.Directory.List() {
		if match(a) {
			value = append(value, k.view(s, a))
		}
	}
	return answer{http.StatusOK, map[string]any{"@odata.context": s.Endpoint + Path + "$metadata#" + r.PathValue("kind"), "value": value}}, nil
}

// conditions are the filters that az and the SDKs send.
var conditions = []struct {
	form *regexp.Regexp
	test func(a berth.Application, value string) bool
}{
	{regexp.MustCompile(`^displayName eq '(.*)'$`), func(a berth.Application, v string) bool { return strings.EqualFold(a.Name, v) }},
	{regexp.MustCompile(`^startswith\(displayName,\s*'(.*)'\)$`), func(a berth.Application, v string) bool {
		return strings.HasPrefix(strings.ToLower(a.Name), strings.ToLower(v))
	}},
	{regexp.MustCompile(`^appId eq '?([^']*)'?$`), func(a berth.Application, v string) bool { return strings.EqualFold(a.ID, v) }},
	{regexp.MustCompile(`^servicePrincipalNames/any\(\w+:\s*\w+ eq '(.*)'\)$`),
		func(a berth.Application, v string) bool { return strings.EqualFold(a.ID, v) }},
	{regexp.MustCompile(`^identifierUris/any\(\w+:\s*\w+ eq '(.*)'\)$`),
		func(berth.Application, string) bool { return false }}, // there are none here
}

func parseFilter(text string) (func(berth.Application) bool, error) {
	if text == "" {
		return func(berth.Application) bool { return true }, nil
	}
	for _, c := range conditions {
		if m := c.form.FindStringSubmatch(strings.TrimSpace(text)); m != nil && !strings.Contains(strings.ReplaceAll(m[1], "''", ""), "'") {
			value := strings.ReplaceAll(m[1], "''", "'")
			return func(a berth.Application) bool { return c.test(a, value) }, nil
		}
	}
	return nil, berth.Errorf(berth.CodeBadRequest,
		"The $filter '%.120s' is not supported. Use displayName eq '…', startswith(displayName,'…'), appId eq '…' or "+
			"servicePrincipalNames/any(c:c eq '…').", text)
}
