package fake

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const maxBody = 3 << 20 // as the real API server has it

// serve answers one request to one cluster; path begins behind the cluster's own prefix.
func (c *cluster) serve(w http.ResponseWriter, r *http.Request, path string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		write(w, nil, fail(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the request is too large"), 0)
		return
	}
	text, code, failed := c.handle(r, path, body)
	write(w, text, failed, code)
}

func (c *cluster) handle(r *http.Request, path string, body []byte) ([]byte, int, *failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	u, refused := c.authenticate(r)
	if refused != nil {
		return nil, 0, refused
	}
	if text, ok := c.plain(path); ok {
		return text, http.StatusOK, nil
	}
	a, unknown := parse(path)
	if unknown != nil {
		return nil, 0, unknown
	}
	return c.answer(u, r, a, body)
}

// plain answers the paths that are no objects and open to every authenticated caller.
func (c *cluster) plain(path string) ([]byte, bool) {
	switch path {
	case "/readyz", "/healthz", "/livez":
		return []byte("ok"), true
	case "/version":
		major, minor, _ := strings.Cut(c.version(), ".")
		minor, _, _ = strings.Cut(minor, ".")
		return object{"major": major, "minor": minor, "gitVersion": "v" + c.version(), "platform": "linux/amd64"}.bytes(), true
	}
	if text, ok := c.openID(path); ok {
		return text, true
	}
	text, ok := discovery()[path]
	return text, ok
}

func write(w http.ResponseWriter, text []byte, failed *failure, code int) {
	w.Header().Set("Content-Type", "application/json")
	if failed != nil {
		code = failed.code
		text = object{"kind": "Status", "apiVersion": "v1", "metadata": object{}, "status": "Failure", "message": failed.message,
			"reason": failed.reason, "code": code}.bytes()
	}
	w.WriteHeader(code)
	_, _ = w.Write(text) // a client that has disconnected misses its answer
}

// parse reads /api/v1/… and /apis/group/v1/…, in a namespace or not.
func parse(path string) (at, *failure) {
	unknown := fail(http.StatusNotFound, "NotFound", "the server could not find the requested resource")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	var a at
	var group string
	switch {
	case len(parts) > 2 && parts[0] == "api" && parts[1] == "v1":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis" && parts[2] == "v1":
		group, parts = parts[1], parts[3:]
	default:
		return a, unknown
	}
	if parts[0] == "namespaces" && len(parts) > 2 && find(group, parts[2]) != nil {
		a.namespace, parts = parts[1], parts[2:]
	}
	a.resource = find(group, parts[0])
	if a.resource == nil || len(parts) > 3 || a.resource.cluster && a.namespace != "" {
		return a, unknown
	}
	if len(parts) > 1 {
		a.name = parts[1]
	}
	if len(parts) > 2 {
		a.sub = parts[2]
	}
	return a, nil
}

func (a at) question(method string) question {
	q := question{Group: a.group, Resource: a.resource.name, Subresource: a.sub, Namespace: a.namespace, Name: a.name}
	switch method {
	case http.MethodGet:
		q.Verb = "get"
		if a.name == "" {
			q.Verb = "list"
		}
	case http.MethodPost:
		q.Verb = "create"
	case http.MethodPut:
		q.Verb = "update"
	case http.MethodDelete:
		q.Verb = "delete"
	}
	if a.resource == namespacesResource { // a namespace counts as in itself
		q.Namespace = a.name
	}
	return q
}

func (c *cluster) answer(u caller, r *http.Request, a at, body []byte) ([]byte, int, *failure) {
	q := a.question(r.Method)
	unsupported := fail(http.StatusMethodNotAllowed, "MethodNotAllowed", "the server does not allow this method on the requested resource")
	switch {
	case !c.allowed(u, q):
		return nil, 0, fail(http.StatusForbidden, "Forbidden", "%s %q is forbidden: User %q cannot %s resource %q in API group %q in the "+
			"namespace %q", a.resource.qualified(), a.name, u.user(), q.Verb, q.target(), q.Group, q.Namespace)
	case !a.cluster && a.namespace == "" && q.Verb != "list":
		return nil, 0, unsupported
	case q.Verb == "list":
		return c.page(r, a)
	case q.Verb == "get" && a.sub == "" && !a.ask:
		o, missing := c.load(a)
		if missing != nil {
			return nil, 0, missing
		}
		if a.resource == quotasResource {
			c.count(a, o)
		}
		return o.bytes(), http.StatusOK, nil
	case q.Verb == "delete" && a.name != "" && a.sub == "":
		var o struct{ Preconditions preconditions }
		if len(body) > 0 && json.Unmarshal(body, &o) != nil {
			return nil, 0, fail(http.StatusBadRequest, "BadRequest", "the delete options are not JSON")
		}
		return object{"kind": "Status", "apiVersion": "v1", "status": "Success"}.bytes(), http.StatusOK, c.delete(a, o.Preconditions)
	case q.Verb != "create" && q.Verb != "update", (a.name == "") != (q.Verb == "create" && a.sub == ""):
		return nil, 0, unsupported
	}
	o, err := decode(body)
	if err != nil || o == nil {
		return nil, 0, fail(http.StatusBadRequest, "BadRequest", "the body is not a JSON object")
	}
	return c.write(u, q, a, o)
}

// write creates, updates, or answers a question.
func (c *cluster) write(u caller, q question, a at, o object) ([]byte, int, *failure) {
	var out object
	var failed *failure
	code := http.StatusCreated
	switch {
	case a.ask:
		out = c.review(u, o)
	case a.sub == "token" && a.resource == accountsResource && q.Verb == "create":
		out, failed = c.tokenRequest(a, o)
	case a.sub != "":
		failed = fail(http.StatusNotFound, "NotFound", "the server could not find the requested resource")
	case q.Verb == "create":
		out, failed = c.create(a, o)
	default:
		code = http.StatusOK
		out, failed = c.update(a, o)
	}
	if failed != nil {
		return nil, 0, failed
	}
	return out.bytes(), code, nil
}

func (c *cluster) page(r *http.Request, a at) ([]byte, int, *failure) {
	query := r.URL.Query()
	for _, unknown := range []string{"watch", "fieldSelector"} {
		if query.Has(unknown) {
			return nil, 0, fail(http.StatusBadRequest, "BadRequest", "%s is not simulated", unknown)
		}
	}
	limit, _ := strconv.Atoi(query.Get("limit"))
	return c.list(a, limit, query.Get("continue"), query.Get("labelSelector")), http.StatusOK, nil
}

// review answers a SelfSubjectAccessReview.
func (c *cluster) review(u caller, o object) object {
	var asked struct {
		Spec struct{ ResourceAttributes question }
	}
	_ = json.Unmarshal(o.bytes(), &asked) // a question about nothing is answered with no
	q := asked.Spec.ResourceAttributes
	o["status"] = object{"allowed": c.allowed(u, q)}
	return o
}

func (c *cluster) tokenRequest(a at, o object) (object, *failure) {
	account, missing := c.load(at{resource: accountsResource, namespace: a.namespace, name: a.name})
	if missing != nil {
		return nil, missing
	}
	var asked struct {
		Spec struct{ ExpirationSeconds *int64 }
	}
	if err := json.Unmarshal(o.bytes(), &asked); err != nil {
		return nil, fail(http.StatusBadRequest, "BadRequest", "the token request cannot be read: %v", err)
	}
	seconds := int64(3600)
	if asked.Spec.ExpirationSeconds != nil {
		seconds = *asked.Spec.ExpirationSeconds
	}
	if seconds < 600 || seconds > 1<<32 {
		return nil, fail(http.StatusUnprocessableEntity, "Invalid", "spec.expirationSeconds: Invalid value: %d: "+
			"may not specify a duration less than 10 minutes or larger than 2^32 seconds", seconds)
	}
	expires := c.clock.Now().Add(time.Duration(seconds) * time.Second)
	o["status"] = object{
		"token": c.issue(caller{Namespace: a.namespace, Name: a.name, UID: fmt.Sprint(account.meta()["uid"]),
			Expires: expires.Unix()}),
		"expirationTimestamp": expires.UTC().Format(time.RFC3339),
	}
	return o, nil
}
