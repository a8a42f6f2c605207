package azure

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// grant is what a request may do: the letters of a SAS.
type grant struct {
	all         bool // the account key, or a token
	permissions string
}

func (g grant) may(letter string) bool { return g.all || strings.ContainsAny(g.permissions, letter) }

// maxSkew is how far the date of a request that is signed with the account key may be from ours.
const maxSkew = 15 * time.Minute

// authorize finds out whether a request may carry out an operation.
func (c *call) authorize(op operation) (grant, error) {
	scheme, value, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	switch {
	case strings.EqualFold(scheme, "SharedKey"):
		return grant{all: true}, c.sharedKey(value)
	case strings.EqualFold(scheme, "Bearer"):
		if c.Allow == nil || !c.Allow(c.r) {
			return grant{}, denied("The bearer token does not give access to files here: use the SAS that the server gave you.")
		}
		return grant{all: true}, nil
	case scheme != "":
		return grant{}, denied("The scheme of the Authorization header is not supported: use SharedKey or a SAS.")
	case !c.query.Has("sig"):
		return grant{}, &fault{status: http.StatusUnauthorized, Code: "NoAuthenticationInformation",
			Message: "Server failed to authenticate the request: it has no SAS and no Authorization header."}
	}
	return c.signed(op)
}

// denied is the answer to a signature or a token that does not count.
func denied(detail string) *fault {
	return &fault{status: http.StatusForbidden, Code: "AuthenticationFailed", Detail: detail,
		Message: "Server failed to authenticate the request. Make sure the value of the Authorization header or of the SAS is formed " +
			"correctly including the signature."}
}

// sign computes a signature with the account key.
func (a *Account) sign(text string) string {
	mac := hmac.New(sha256.New, a.Key)
	_, _ = mac.Write([]byte(text)) // never fails
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signedBy compares a signature without telling by the time it takes how much of it is right.
func (a *Account) signedBy(text, signature string) bool {
	return hmac.Equal([]byte(a.sign(text)), []byte(signature))
}

// signedHeaders are the ones that a SharedKey signature has without their names.
var signedHeaders = []string{"Content-Encoding", "Content-Language", "Content-Length", "Content-MD5", "Content-Type", "Date",
	"If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range"}

// sharedKey verifies the signature of the account key over a request.
func (c *call) sharedKey(value string) error {
	name, signature, _ := strings.Cut(value, ":")
	if name != c.Name {
		return denied("The account of the Authorization header is not the account of this address.")
	}
	date := c.r.Header.Get("x-ms-date")
	if date == "" {
		date = c.r.Header.Get("Date")
	}
	at, err := http.ParseTime(date)
	if err != nil || c.now().Sub(at).Abs() > maxSkew {
		return denied("The date of the request is missing, or too far from the time of the server: set your clock.")
	}
	if !c.signedBy(c.sharedKeyText(), signature) {
		return denied("The signature of the Authorization header is wrong: check the account key.")
	}
	return nil
}

func (c *call) sharedKeyText() string {
	text := []string{c.r.Method}
	for _, name := range signedHeaders {
		value := c.r.Header.Get(name)
		switch {
		case name == "Content-Length" && c.r.ContentLength > 0: // HTTP/2 may not have the header
			value = strconv.FormatInt(c.r.ContentLength, 10)
		case name == "Content-Length": // 0 is signed as nothing
			value = ""
		case name == "Date" && c.r.Header.Get("x-ms-date") != "":
			value = ""
		}
		text = append(text, value)
	}
	var own []string
	for name, values := range c.r.Header {
		if name := strings.ToLower(name); strings.HasPrefix(name, "x-ms-") {
			own = append(own, name+":"+strings.TrimSpace(strings.Join(values, ",")))
		}
	}
	sort.Slice(own, func(i, j int) bool { return before(own[i], own[j]) })
	return strings.Join(append(append(text, own...), c.canonicalResource()), "\n")
}

// before orders headers by their names alone.
func before(a, b string) bool {
	a, _, _ = strings.Cut(a, ":")
	b, _, _ = strings.Cut(b, ":")
	return a < b
}

func (c *call) canonicalResource() string {
	path := c.r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	text := "/" + c.Name + path
	lower := url.Values{}
	for name, values := range c.query {
		name = strings.ToLower(name)
		lower[name] = append(lower[name], values...)
	}
	names := make([]string, 0, len(lower))
	for name := range lower {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := lower[name]
		slices.Sort(values)
		text += "\n" + name + ":" + strings.Join(values, ",")
	}
	return text
}
