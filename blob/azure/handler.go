// Package azure serves a store of files by the protocol of Azure Blob Storage, as the storage libraries of Azure's SDKs speak it to one
// account whose host name is https://<account>.blob.<suffix>. The caller routes that host here and need only know the name and the key:
//
//	files, err := blob.Open(ctx, blob.Settings{Folder: filepath.Join(dataDir, "files")})
//	…
//	account := &azure.Account{Name: "berth", Key: key, Store: files, Log: log}
//	_, _, err = files.CreateContainer(ctx, "azureml", nil)
//	query := account.SAS("azureml", "LocalUpload/1/model.pkl", "rw", time.Now().Add(time.Hour))
//	uri := "https://berth.blob.example.com:8443/azureml/LocalUpload/1/model.pkl?" + query // for the client
//
// The handler must see the path as the client sent it: do not put it behind an [http.ServeMux], which cleans paths.
package azure

import (
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/jonboulle/clockwork"

	"berth.dev/berth/blob"
)

// Account is an [http.Handler] with the files of a store.
type Account struct {
	Name  string
	Key   []byte // signs SAS and SharedKey; NewKey makes one
	Store *blob.Store
	Clock clockwork.Clock // what ends a SAS; empty for the real one
	Log   *slog.Logger    // of errors that are not the caller's
	// Allow decides about requests with a bearer token; empty refuses them. It may look at the method and at the path.
	Allow func(*http.Request) bool

	patience time.Duration // shorter in tests
}

// NewKey makes an account key. Clients get it in base64.
func NewKey() []byte {
	key := make([]byte, 64)
	_, _ = rand.Read(key) // never fails
	return key
}

func (a *Account) now() time.Time {
	if a.Clock == nil {
		return time.Now()
	}
	return a.Clock.Now()
}

// call is one request on its way.
type call struct {
	*Account
	w     http.ResponseWriter
	r     *http.Request
	query url.Values
	at    blob.At
	grant grant
	id    string
}

// level is what an operation is about.
type level byte

// The levels, by the letters that a SAS has for them (srt).
const (
	service   level = 's'
	container level = 'c'
	object    level = 'o'
)

// operation is one row of the protocol.
type operation struct {
	serve func(*call) error
	needs string // permissions of a SAS of which one is enough; empty if every valid one is
	level level
	// account is true if a SAS for a container or a file is not enough.
	account bool
}

// operations by method, what it is about and comp.
var operations = map[string]operation{
	"PUT blob ":          {serve: (*call).putBlob, needs: "cw", level: object},
	"PUT blob block":     {serve: (*call).putBlock, needs: "cw", level: object},
	"PUT blob blocklist": {serve: (*call).putBlockList, needs: "cw", level: object},
	"PUT blob metadata":  {serve: (*call).setMetadata, needs: "w", level: object},
	"PUT blob properties": {
		serve: (*call).setProperties, needs: "w", level: object},
	"GET blob ":          {serve: (*call).getBlob, needs: "r", level: object},
	"HEAD blob ":         {serve: (*call).getBlob, needs: "r", level: object},
	"GET blob metadata":  {serve: (*call).getMetadata, needs: "r", level: object},
	"HEAD blob metadata": {serve: (*call).getMetadata, needs: "r", level: object},
	"GET blob blocklist": {serve: (*call).getBlockList, needs: "r", level: object},
	"DELETE blob ":       {serve: (*call).deleteBlob, needs: "d", level: object},

	"PUT container ":          {serve: (*call).createContainer, needs: "cw", level: container, account: true},
	"GET container ":          {serve: (*call).getContainer, needs: "r", level: container, account: true},
	"HEAD container ":         {serve: (*call).getContainer, needs: "r", level: container, account: true},
	"DELETE container ":       {serve: (*call).deleteContainer, needs: "d", level: container, account: true},
	"GET container list":      {serve: (*call).listBlobs, needs: "l", level: container},
	"GET service list":        {serve: (*call).listContainers, needs: "l", level: service, account: true},
	"GET account properties":  {serve: (*call).accountInfo, level: service},
	"HEAD account properties": {serve: (*call).accountInfo, level: service},
}

// ServeHTTP answers a request of the protocol.
func (a *Account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{Account: a, w: w, r: r, id: uuid.NewString()}
	c.common()
	err := c.serve()
	if err == nil {
		return
	}
	var f *fault
	if !errors.As(faultOf(err), &f) {
		a.log().Error("a request for files failed", "id", c.id, "method", r.Method, "err", err)
		f = &fault{status: http.StatusInternalServerError, Code: "InternalError", Message: "The server encountered an internal error. " +
			"Try again; if it stays, look for the request id in the log of the server."}
	}
	c.refuse(f)
}

func (a *Account) log() *slog.Logger {
	if a.Log == nil {
		return slog.Default()
	}
	return a.Log
}

var versionPattern = regexp.MustCompile(`^20\d\d-\d\d-\d\d$`)

// common sets what every answer has. Files are what users uploaded: no browser may take them for a page of this server.
func (c *call) common() {
	h := c.w.Header()
	h.Set("Server", "Berth")
	h.Set("x-ms-request-id", c.id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	version := c.r.Header.Get("x-ms-version")
	if !versionPattern.MatchString(version) {
		version = "2021-12-02"
	}
	h.Set("x-ms-version", version)
	if id := c.r.Header.Get("x-ms-client-request-id"); id != "" && len(id) <= 1024 {
		h.Set("x-ms-client-request-id", id)
	}
}

func (c *call) serve() error {
	var err error
	if c.query, err = url.ParseQuery(c.r.URL.RawQuery); err != nil {
		return &fault{status: http.StatusBadRequest, Code: "InvalidQueryParameterValue", Message: "The query of the address cannot be read."}
	}
	if strings.ContainsFunc(c.r.URL.Path, unicode.IsControl) { // also in what a SAS signs
		return &fault{status: http.StatusBadRequest, Code: "InvalidUri", Message: "The address must not contain control characters."}
	}
	kind := "blob"
	c.at.Container, c.at.Name, _ = strings.Cut(strings.TrimPrefix(c.r.URL.Path, "/"), "/")
	switch restype := c.query.Get("restype"); {
	case restype == "account":
		kind = restype
	case c.at.Container == "" && restype != "container":
		kind = "service"
	case c.at.Name == "" && restype == "container":
		kind = restype
	}
	op, known := operations[c.r.Method+" "+kind+" "+strings.ToLower(c.query.Get("comp"))]
	if known {
		c.grant, err = c.authorize(op)
	} else {
		// Who may not do anything here does not learn what there is.
		_, err = c.authorize(operation{level: service})
	}
	if err != nil {
		return err
	}
	if !known {
		return &fault{status: http.StatusNotImplemented, Code: "NotImplemented",
			Message: "This operation is not served here; docs/009-files.md lists those that are."}
	}
	if err := c.unserved(); err != nil {
		return err
	}
	return op.serve(c)
}

// unserved refuses what a request asks for beyond an operation: to ignore it would be wrong.
func (c *call) unserved() error {
	for name := range c.r.Header {
		name = strings.ToLower(name)
		switch {
		case name == "x-ms-lease-id":
			return &fault{status: http.StatusPreconditionFailed, Code: "LeaseNotPresentWithBlobOperation",
				Message: "There is no lease on this blob: leave the lease id out."}
		case strings.HasPrefix(name, "x-ms-encryption-"), strings.HasPrefix(name, "x-ms-copy-source"), name == "x-ms-tags",
			name == "x-ms-if-tags", strings.HasPrefix(name, "x-ms-structured-"), strings.HasPrefix(name, "x-ms-immutability-"),
			name == "x-ms-legal-hold":
			return &fault{status: http.StatusBadRequest, Code: "UnsupportedHeader",
				Message: fmt.Sprintf("The header %s is not supported here: leave it out.", name)}
		}
	}
	for _, name := range []string{"snapshot", "versionid"} {
		if c.query.Has(name) {
			return &fault{status: http.StatusBadRequest, Code: "UnsupportedQueryParameter",
				Message: fmt.Sprintf("The query parameter %s is not supported here: blobs have no snapshots and no versions.", name)}
		}
	}
	return nil
}

// answer writes a body of XML, or none.
func (c *call) answer(status int, body any) error {
	if body == nil {
		c.w.WriteHeader(status)
		return nil
	}
	data, err := xml.Marshal(body)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/xml")
	c.w.WriteHeader(status)
	_, _ = io.WriteString(c.w, xml.Header) // the client has gone if these fail
	_, _ = c.w.Write(data)
	return nil
}
