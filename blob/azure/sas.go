package azure

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"berth.dev/berth/blob"
)

// A shared access signature (SAS) is a query that gives access to one container (sr=c), the blobs of one folder (sr=d, with the number of
// parts of its path in sdd), one blob (sr=b) or the account (ss, srt), with
// some permissions and for some time. Its text to sign has one line for each of its fields, in an order that depends on the kind.

const (
	oldestSAS = "2018-11-09" // the first with the field sr in the signature
	scopedSAS = "2020-12-06" // the first with the field ses in the signature
	madeSAS   = "2021-12-02" // what SAS makes; every library of today can carry it

	sasTime = "2006-01-02T15:04:05Z"
)

// unchecked are the fields that would limit a SAS in a way that is not looked at here, or that name what is not kept here.
var unchecked = map[string]string{
	"sip":   "it is limited to addresses, which are not checked here",
	"si":    "it names a stored access policy, and there are none",
	"ses":   "it names an encryption scope, and there are none",
	"skoid": "it is signed with a user delegation key, and there are none",
	"srh":   "it is bound to headers, which are not checked here",
	"srq":   "it is bound to query parameters, which are not checked here",
}

// SAS makes a shared access signature for a blob, or for a container if the name is empty: the query of an address. The permissions are
// letters: r reads, c creates, w writes, d deletes, l lists.
func (a *Account) SAS(container, name, permissions string, expiry time.Time) string {
	at := blob.At{Container: container, Name: name}
	q := url.Values{"sv": {madeSAS}, "sr": {"b"}, "sp": {permissions}, "se": {expiry.UTC().Format(sasTime)}}
	if name == "" {
		q.Set("sr", "c")
	}
	q.Set("sig", a.sign(a.serviceText(q, at)))
	return q.Encode()
}

// FolderSAS makes a shared access signature for the blobs whose names begin with the name of a folder and a slash.
func (a *Account) FolderSAS(container, folder, permissions string, expiry time.Time) string {
	q := url.Values{"sv": {madeSAS}, "sr": {"d"}, "sdd": {strconv.Itoa(strings.Count(folder, "/") + 1)}, "sp": {permissions},
		"se": {expiry.UTC().Format(sasTime)}}
	q.Set("sig", a.sign(a.serviceText(q, blob.At{Container: container, Name: folder + "/"})))
	return q.Encode()
}

// folderOf is the folder that a SAS with sr=d is for, if a blob with this name is in it; else it is empty, which no signature is for.
func folderOf(name, depth string) string {
	n, err := strconv.Atoi(depth)
	words := strings.Split(name, "/")
	if err != nil || n < 1 || n >= len(words) {
		return ""
	}
	return strings.Join(words[:n], "/")
}

// serviceText is what the signature of a SAS for a container or a blob is made of.
func (a *Account) serviceText(q url.Values, at blob.At) string {
	resource := "/blob/" + a.Name + "/" + at.Container
	switch q.Get("sr") {
	case "b":
		resource += "/" + at.Name
	case "d":
		resource += "/" + folderOf(at.Name, q.Get("sdd"))
	}
	lines := []string{q.Get("sp"), q.Get("st"), q.Get("se"), resource, q.Get("si"), q.Get("sip"), q.Get("spr"), q.Get("sv"), q.Get("sr"),
		""} // of a snapshot
	if q.Get("sv") >= scopedSAS {
		lines = append(lines, q.Get("ses"))
	}
	return strings.Join(append(lines, q.Get("rscc"), q.Get("rscd"), q.Get("rsce"), q.Get("rscl"), q.Get("rsct")), "\n")
}

// accountText is what the signature of a SAS for the account is made of.
func (a *Account) accountText(q url.Values) string {
	lines := []string{a.Name}
	for _, name := range []string{"sp", "ss", "srt", "st", "se", "sip", "spr", "sv"} {
		lines = append(lines, q.Get(name))
	}
	if q.Get("sv") >= scopedSAS {
		lines = append(lines, q.Get("ses"))
	}
	return strings.Join(lines, "\n") + "\n"
}

// signed verifies the SAS of a request and finds out whether it is enough for an operation.
func (c *call) signed(op operation) (grant, error) {
	q := c.query
	for name, why := range unchecked {
		if q.Get(name) != "" {
			return grant{}, denied("This SAS is refused: " + why + " (" + name + ").")
		}
	}
	for _, values := range q {
		// A line break would move what is signed from one field to the next.
		if len(values) > 1 || strings.ContainsFunc(values[0], unicode.IsControl) {
			return grant{}, denied("The query has a parameter twice, or with a control character.")
		}
	}
	if v := q.Get("sv"); !versionPattern.MatchString(v) || v < oldestSAS {
		return grant{}, denied("The version of the SAS (sv) must be " + oldestSAS + " or later.")
	}
	ofAccount := q.Has("ss")
	text := ""
	switch sr := q.Get("sr"); {
	case ofAccount:
		text = c.accountText(q)
	case sr == "d" && folderOf(c.at.Name, q.Get("sdd")) == "":
		return grant{}, denied("The SAS is for the files of a folder (sr=d), and this is none of them.")
	case sr == "b" || sr == "c" || sr == "d":
		text = c.serviceText(q, c.at)
	default:
		return grant{}, denied("The resource of the SAS (sr) must be b, c or d.")
	}
	if !c.signedBy(text, q.Get("sig")) {
		return grant{}, denied("Signature did not match: the SAS was changed, is for another resource, or was signed with another key.")
	}
	if err := c.inTime(q); err != nil {
		return grant{}, err
	}
	if q.Get("spr") == "https" && c.r.TLS == nil {
		return grant{}, &fault{status: http.StatusForbidden, Code: "AuthorizationProtocolMismatch",
			Message: "This request is not authorized by this SAS without HTTPS."}
	}
	return grant{permissions: q.Get("sp")}, c.enough(op, ofAccount)
}

// inTime refuses a SAS that has ended or not begun.
func (c *call) inTime(q url.Values) error {
	end, ok := parseTime(q.Get("se"))
	if !ok || !c.now().Before(end) {
		return denied("Signature not valid in the specified time frame: the SAS ended at " + q.Get("se") + ". Ask for a new one.")
	}
	if st := q.Get("st"); st != "" {
		if begin, ok := parseTime(st); !ok || c.now().Before(begin) {
			return denied("Signature not valid in the specified time frame: the SAS begins at " + st + ".")
		}
	}
	return nil
}

// parseTime reads the forms of ISO 8601 that a SAS may have.
func parseTime(text string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// enough compares a valid SAS with an operation.
func (c *call) enough(op operation, ofAccount bool) error {
	mismatch := func(code, message string) error {
		return &fault{status: http.StatusForbidden, Code: code, Message: message}
	}
	switch {
	case ofAccount && !strings.Contains(c.query.Get("ss"), "b"):
		return mismatch("AuthorizationServiceMismatch", "This request is not authorized to perform this operation using this service.")
	case op.needs == "":
		return nil
	case ofAccount && !strings.ContainsRune(c.query.Get("srt"), rune(op.level)), !ofAccount && op.account,
		c.query.Get("sr") != "c" && !ofAccount && op.level != object:
		return mismatch("AuthorizationResourceTypeMismatch",
			"This request is not authorized to perform this operation using this resource type.")
	case !strings.ContainsAny(c.query.Get("sp"), op.needs):
		return mismatch("AuthorizationPermissionMismatch",
			"This request is not authorized to perform this operation using this permission.")
	}
	return nil
}
