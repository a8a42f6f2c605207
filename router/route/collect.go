package route

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Collect says what is kept of the requests to a version and of its answers.
type Collect struct {
	// Workspace is the id of the workspace among whose files the events end, and Source that of the service or the deployment.
	Workspace string `json:"workspace"`
	Source    string `json:"source"`
	// Rolling is how much time one folder of events is about.
	Rolling Rolling `json:"rolling"`
	// Headers are those of requests that are kept too, in lower case.
	Headers  []string    `json:"headers,omitempty"`
	Request  *Collection `json:"request,omitempty"`
	Response *Collection `json:"response,omitempty"`
	// Custom are the collections that a scoring script fills by itself, by their names in lower case.
	Custom map[string]*Collection `json:"custom,omitempty"`
}

// Collection is one kind of events.
type Collection struct {
	Folder string `json:"folder"` // of the files, with slashes: the folders of Rolling are below
	// Rate is the part of the requests that is kept: 1 for all. Of a request that is kept in both collections of the same rate, both are.
	Rate float64 `json:"rate"`
}

// Rolling is how much time one folder of events is about.
type Rolling string

// The values of Rolling.
const (
	ByYear   Rolling = "year"
	ByMonth  Rolling = "month"
	ByDay    Rolling = "day"
	ByHour   Rolling = "hour"
	ByMinute Rolling = "minute"
)

// Rollings are the values of Rolling, the longest first.
var Rollings = []Rolling{ByYear, ByMonth, ByDay, ByHour, ByMinute}

// Layout is the folder of a moment, as time.Format has it.
func (r Rolling) Layout() string {
	const whole = "2006/01/02/15/04"
	return whole[:4+3*max(slices.Index(Rollings, r), 0)]
}

// Bounds of what a collection may say.
const (
	maxFolder  = 700
	maxHeaders = 32
	maxCustom  = 32
)

// SecretHeaders are headers that are never kept: whoever reads them could call the service.
var SecretHeaders = []string{
	"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key", "ocp-apim-subscription-key",
}

func (c *Collect) check() error {
	if c == nil {
		return nil
	}
	switch {
	case !slices.Contains(Rollings, c.Rolling):
		return fmt.Errorf("events are rolled by %q, not year, month, day, hour or minute", c.Rolling)
	case c.Workspace == "" || len(c.Workspace) > maxFolder || len(c.Source) > maxFolder:
		return errors.New("events are of no workspace")
	case len(c.Headers) > maxHeaders:
		return fmt.Errorf("more than %d headers are kept", maxHeaders)
	}
	for _, name := range c.Headers {
		if slices.Contains(SecretHeaders, strings.ToLower(name)) {
			return fmt.Errorf("the header %s is a secret and cannot be kept", name)
		}
	}
	err := errors.Join(c.Request.check(), c.Response.check())
	if len(c.Custom) > maxCustom {
		return errors.Join(err, fmt.Errorf("more than %d collections are kept", maxCustom))
	}
	for _, one := range c.Custom {
		err = errors.Join(err, one.check())
	}
	return err
}

func (c *Collection) check() error {
	switch {
	case c == nil:
		return nil
	case c.Rate < 0 || c.Rate > 1:
		return errors.New("the part of the requests that is kept is not between 0 and 1")
	case len(c.Folder) > maxFolder || !isFolder(c.Folder):
		return errors.New("the folder of the events is no path")
	}
	return nil
}

// CollectedPath is where the internal port of a router has collected data: POST ends the files that are written to and lists them
// (Collected), GET and DELETE of one below are for the file. Who asks shows the peer key in HeaderPeer.
const (
	CollectedPath = "/internal/collected"
	HeaderPeer    = "X-Berth-Peer"
	// RequestsPath is where it has the lines about the last requests of a version (kind, name, version; tail of them).
	RequestsPath = "/internal/requests"
	// ModelDataPath is where it takes what scoring scripts collect by themselves: POST by a replica, with the headers of
	// azureml-ai-monitoring.
	ModelDataPath = "/modeldata/log"
	// TablePath is where it says by which table it leads: the Digest.
	TablePath = "/internal/table"
	// AtPath, the address of a router (host:port) and one of the paths ask that router by way of another one. Who asks shows the peer key.
	AtPath = "/internal/at/"
)

// Collected is what waits at a router to be fetched.
type Collected struct {
	Segments []Segment `json:"segments"`
	Dropped  int64     `json:"dropped"` // events that were not kept, since the last time that this was asked
}

// Segment is a file of events that waits to be fetched.
type Segment struct {
	ID        string `json:"id"`
	Workspace string `json:"workspace"`
	Path      string `json:"path"` // among the files of the workspace
	Size      int64  `json:"size"`
}

// MaxSegment is how large a file of events may be.
const MaxSegment = 4 << 20

// isFolder tells whether a path leads from folder to folder, and not elsewhere.
func isFolder(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." || !utf8.ValidString(part) || strings.ContainsFunc(part, unfit) {
			return false
		}
	}
	return true
}

func unfit(r rune) bool { return unicode.IsControl(r) || r == '\\' }
