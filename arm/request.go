package arm

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/access"
	"berth.dev/berth/identity"
	"berth.dev/berth/store"
)

// request is one request, parsed once.
type request struct {
	*http.Request
	id       string // x-ms-request-id
	base     string // https address of this server in answers
	inside   bool   // a Call: it must not wait
	caller   identity.Caller
	version  string // api-version as it was sent
	body     []byte
	path     string // clean
	query    url.Values
	kindName string // for metrics
	allow    string // the possible methods, after another one was refused
	answered int
	// assumed are the resources that the handler of the request takes as existing; see rehearsal.
	assumed map[string]*berth.Resource
	policy  *access.Policy // once the request is authorized
	right   string         // what it was authorized for
	partly  bool           // lists show what the caller may read, and not all
	// correlation is x-ms-correlation-request-id; of a request from inside it is that of the operation.
	correlation string
	unexpected  *berth.Error   // what the caller is told of an error that the log has
	logs        *store.Request // what the activity log has of it; nil for what only reads
}

// params are the parameters in the query. They are read once.
func (q *request) params() url.Values {
	if q.query == nil {
		q.query = q.URL.Query()
	}
	return q.query
}

// param is one of them; empty when the query does not have it.
func (q *request) param(name string) string { return q.params().Get(name) }

// notAllowed refuses the method and stores the possible ones for the header Allow, which HTTP requires.
func (q *request) notAllowed(possible ...string) error {
	q.allow = strings.Join(possible, ", ")
	return berth.Errorf(berth.CodeMethodNotAllowed, "%.20s is not possible here; use %s.", q.Method, q.allow)
}

var versionFormat = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(-(preview|alpha|beta|rc|privatepreview))?$`)

// oldestVersion is the oldest api-version that Berth accepts. It accepts all later ones: clients raise theirs every quarter.
const oldestVersion = "2014-01-01"

// checkVersion takes the api-version from the query.
func (q *request) checkVersion() error {
	q.version = q.param("api-version")
	switch {
	case q.version == "":
		return berth.Errorf(berth.CodeMissingAPIVersion, "The api-version query parameter (?api-version=) is required for all requests.")
	case !versionFormat.MatchString(q.version) || q.version < oldestVersion:
		return berth.Errorf(berth.CodeInvalidAPIVersion,
			"The api-version '%.40s' is invalid. Write a date, such as '2024-04-01' or '2024-10-01-preview'.", q.version)
	}
	return nil
}

// readBody reads the body, at most maxBody bytes, of methods that have one. It must be JSON.
func (q *request) readBody(w http.ResponseWriter) error {
	if q.Method == http.MethodGet || q.Method == http.MethodHead || q.Method == http.MethodDelete {
		return nil
	}
	if q.ContentLength > maxBody {
		return tooLarge()
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, maxBody))
	if _, isLarge := errors.AsType[*http.MaxBytesError](err); isLarge {
		return tooLarge()
	}
	if err != nil {
		return berth.Errorf(berth.CodeInvalidRequest, "The request body could not be read to its end: %v.", err)
	}
	q.body = body
	media := q.Header.Get("Content-Type")
	if len(body) == 0 || media == "" {
		return nil
	}
	if t, _, err := mime.ParseMediaType(media); err != nil || (t != "application/json" && t != "text/json" && !strings.HasSuffix(t, "+json")) {
		return berth.Errorf(berth.CodeUnsupportedMedia, "The content type '%.100s' is not supported; send application/json.", media)
	}
	return nil
}

func tooLarge() error {
	return berth.Errorf(berth.CodeTooLarge, "The request body is larger than %d MB.", maxBody>>20)
}

// match checks If-Match and If-None-Match against the resource (nil when there is none).
func (q *request) match(etag string) error {
	if want := q.Header.Get("If-Match"); want != "" && !etagIn(want, etag) {
		return berth.Errorf(berth.CodePreconditionFailed,
			"The resource does not match If-Match (%.80s): it has changed, or does not exist. Read it again and repeat the request.", want)
	}
	if q.Header.Get("If-None-Match") == "*" && etag != "" && q.Method != http.MethodGet {
		return berth.Errorf(berth.CodePreconditionFailed, "The resource already exists, and If-None-Match: * requires that it does not.")
	}
	return nil
}

func etagIn(list, etag string) bool {
	if etag == "" {
		return false
	}
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == "*" || strings.Trim(tag, `"`) == strings.Trim(etag, `"`) {
			return true
		}
	}
	return false
}
