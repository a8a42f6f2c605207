package azure_test

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"berth.dev/berth/blob/azure"
)

// TestBadNames sends names that could lead elsewhere. None makes a blob, and none reads what is not one.
func TestBadNames(t *testing.T) {
	w := newWorld(t)
	w.put("model", "weights")
	for _, name := range []string{"..", "../work/model", "a/../model", "a/..", ".", "./model", "%2e%2e", "%2e%2e/work/model", "a%2f..%2fmodel",
		"a/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/model", "//model", "%2fmodel", "a%5cb", `..%5c..%5cmodel`, "a%00b", "a%0ab", "a%0d%0ab", "a%7fb",
		"%ff", "%ef%bf%bf", strings.Repeat("a", 1025), strings.Repeat("a/", 254) + "b"} {
		for _, c := range []struct{ method, query string }{{"PUT", ""}, {"GET", ""}, {"HEAD", ""}, {"DELETE", ""}, {"PUT", "comp=metadata&"},
			{"PUT", "comp=block&blockid=AAAA&"}, {"GET", "comp=blocklist&"}} {
			got := w.do(c.method, "/work/"+name+"?"+c.query+w.hour("work", "", "rcwdl"), strings.NewReader(""), "x-ms-blob-type", "BlockBlob")
			if got.status != http.StatusBadRequest || got.code() != "InvalidResourceName" && got.code() != "InvalidUri" {
				t.Errorf("%s %q %s: %d %s", c.method, name, c.query, got.status, got.code())
			}
		}
	}
	for _, container := range []string{"..", "%2e%2e", "wo", "WORK", "work%2fmodel", "work%00"} {
		for _, target := range []string{"/" + container + "/model?", "/" + container + "?restype=container&comp=list&"} {
			if got := w.do("GET", target+w.hour("work", "", "rcwdl"), nil); got.status == http.StatusOK {
				t.Errorf("%s: %d", target, got.status)
			}
		}
	}
	list := w.want(http.StatusOK, "GET", "/work?restype=container&comp=list", nil)
	if n := strings.Count(list.body, "<Blob>"); n != 1 {
		t.Errorf("there are %d blobs: %s", n, list.body)
	}
}

func TestUnserved(t *testing.T) {
	w := newWorld(t)
	w.put("model", "weights")
	for name, c := range map[string]struct {
		method, target string
		headers        []string
		status         int
		code           string
	}{
		"a page blob":         {"PUT", "/work/new", []string{"x-ms-blob-type", "PageBlob"}, 400, "InvalidHeaderValue"},
		"an append blob":      {"PUT", "/work/new", []string{"x-ms-blob-type", "AppendBlob"}, 400, "InvalidHeaderValue"},
		"no type":             {"PUT", "/work/new", nil, 400, "InvalidHeaderValue"},
		"a copy":              {"PUT", "/work/new", []string{"x-ms-copy-source", "https://x/y"}, 400, "UnsupportedHeader"},
		"a customer's key":    {"PUT", "/work/new", []string{"x-ms-encryption-key", "abc"}, 400, "UnsupportedHeader"},
		"tags":                {"PUT", "/work/new", []string{"x-ms-tags", "a=b"}, 400, "UnsupportedHeader"},
		"tags as a condition": {"GET", "/work/model", []string{"x-ms-if-tags", "a='b'"}, 400, "UnsupportedHeader"},
		"a structured body":   {"PUT", "/work/new", []string{"x-ms-structured-body", "XSM/1.0; properties=crc64"}, 400, "UnsupportedHeader"},
		"a lease":             {"GET", "/work/model", []string{"x-ms-lease-id", "x"}, 412, "LeaseNotPresentWithBlobOperation"},
		"a snapshot":          {"GET", "/work/model?snapshot=2026-01-01T00:00:00Z", nil, 400, "UnsupportedQueryParameter"},
		"a version":           {"GET", "/work/model?versionid=1", nil, 400, "UnsupportedQueryParameter"},
		"taking a lease":      {"PUT", "/work/model?comp=lease", nil, 501, "NotImplemented"},
		"a query":             {"POST", "/work/model?comp=query", nil, 501, "NotImplemented"},
		"an unknown method":   {"PATCH", "/work/model", nil, 501, "NotImplemented"},
	} {
		headers := c.headers
		if !slices.Contains(headers, "x-ms-blob-type") && name != "no type" {
			headers = append(headers, "x-ms-blob-type", "BlockBlob")
		}
		if got := w.want(c.status, c.method, c.target, nil, headers...); got.code() != c.code || !strings.Contains(got.body, "RequestId:") {
			t.Errorf("%s: %s %s", name, got.code(), got.body)
		}
	}
	w.want(404, "HEAD", "/work/new", nil)
}

// listing is the answer of List Blobs.
type listing struct {
	Blobs struct {
		Blob []struct {
			Name       string
			Properties struct {
				Size int64  `xml:"Content-Length"`
				ETag string `xml:"Etag"`
				Type string `xml:"Content-Type"`
				MD5  string `xml:"Content-MD5"`
			}
			Metadata struct {
				All []struct {
					XMLName xml.Name
					Value   string `xml:",chardata"`
				} `xml:",any"`
			}
		}
		BlobPrefix []struct{ Name string }
	}
	NextMarker string
}

func (w *world) list(query string) (l listing) {
	w.t.Helper()
	got := w.want(http.StatusOK, "GET", "/work?restype=container&comp=list&"+query, nil)
	if err := xml.Unmarshal([]byte(got.body), &l); err != nil {
		w.t.Fatalf("%v: %s", err, got.body)
	}
	return l
}

func TestListBlobs(t *testing.T) {
	w := newWorld(t)
	etag := w.put("dir/a%20%3C&%3E%EB%AA%A8", "weights", "x-ms-meta-b", "<&>", "x-ms-meta-a", "1", "x-ms-blob-content-type", "text/x").
		header.Get("ETag")
	for i := range 5 {
		w.put(fmt.Sprint("dir/sub/", i), "x")
		w.put(fmt.Sprint("top", i), "x")
	}
	first := w.list("prefix=dir/a&include=metadata").Blobs.Blob
	if len(first) != 1 || first[0].Name != "dir/a <&>모" || first[0].Properties.Size != 7 || `"`+first[0].Properties.ETag+`"` != etag ||
		first[0].Properties.Type != "text/x" || first[0].Properties.MD5 != md5Of("weights") {
		t.Errorf("the blob is listed as %+v", first)
	}
	if m := first[0].Metadata.All; len(m) != 2 || m[0].XMLName.Local != "a" || m[1].Value != "<&>" {
		t.Errorf("the metadata are %+v", m)
	}
	if m := w.list("prefix=dir/a").Blobs.Blob[0].Metadata.All; len(m) != 0 {
		t.Errorf("metadata that nobody asked for: %+v", m)
	}
	var names, prefixes []string
	marker := ""
	for pages := 1; ; pages++ {
		l := w.list("prefix=dir/&delimiter=/&maxresults=2&marker=" + url.QueryEscape(marker))
		for _, b := range l.Blobs.Blob {
			names = append(names, b.Name)
		}
		for _, p := range l.Blobs.BlobPrefix {
			prefixes = append(prefixes, p.Name)
		}
		if marker = l.NextMarker; marker == "" || pages > 10 {
			break
		}
	}
	if !slices.Equal(names, []string{"dir/a <&>모"}) || !slices.Equal(prefixes, []string{"dir/sub/"}) {
		t.Errorf("the folder has %q and %q", names, prefixes)
	}
	for _, query := range []string{"maxresults=0", "maxresults=x", "marker=x", "marker=!"} {
		w.want(400, "GET", "/work?restype=container&comp=list&"+query, nil)
	}
}

// sharedKey sends a request that is signed with the account key over a text that the test writes by hand.
func (w *world) sharedKey(method, target, canonical string, headers ...string) answer {
	w.t.Helper()
	date := w.clock.Now().UTC().Format(http.TimeFormat)
	own := []string{"x-ms-date:" + date, "x-ms-version:2021-12-02"}
	for i := 0; i < len(headers); i += 2 {
		own = append(own, headers[i]+":"+headers[i+1])
	}
	slices.Sort(own)
	text := method + strings.Repeat("\n", 12) + strings.Join(own, "\n") + "\n" + canonical
	return w.do(method, target, nil, append(headers, "x-ms-date", date, "Authorization", "SharedKey berth:"+azure.Sign(w.Account, text))...)
}

func TestContainers(t *testing.T) {
	w := newWorld(t)
	const made = "/berth/made\nrestype:container"
	if got := w.sharedKey("PUT", "/made?restype=container", made, "x-ms-meta-of", "x"); got.status != 201 || got.header.Get("ETag") == "" {
		t.Errorf("made: %d %s", got.status, got.body)
	}
	if got := w.sharedKey("PUT", "/made?restype=container", made); got.status != 409 || got.code() != "ContainerAlreadyExists" {
		t.Errorf("made again: %d %s", got.status, got.body)
	}
	if got := w.sharedKey("GET", "/made?restype=container", made); got.status != 200 || got.header.Get("x-ms-meta-of") != "x" {
		t.Errorf("got: %d %v", got.status, got.header)
	}
	got := w.sharedKey("GET", "/?prefix=ma&comp=list&include=metadata", "/berth/\ncomp:list\ninclude:metadata\nprefix:ma")
	if got.status != 200 || strings.Count(got.body, "<Container>") != 1 || !strings.Contains(got.body, "<Metadata><of>x</of></Metadata>") {
		t.Errorf("listed: %d %s", got.status, got.body)
	}
	if got := w.sharedKey("DELETE", "/made?restype=container", made); got.status != 202 {
		t.Errorf("deleted: %d %s", got.status, got.body)
	}
	for _, target := range []string{"/made?restype=container", "/made/model"} {
		path, _, query := strings.Cut(target, "?")
		if query {
			path = "/made\nrestype:container"
		}
		if got := w.sharedKey("GET", target, "/berth"+path); got.status != 404 {
			t.Errorf("%s after it was deleted: %d %s", target, got.status, got.body)
		}
	}
	got = w.sharedKey("PUT", "/open?restype=container", "/berth/open\nrestype:container", "x-ms-blob-public-access", "blob")
	if got.status != 400 {
		t.Errorf("open to everybody: %d %s", got.status, got.body)
	}
	w.clock.Advance(-time.Hour)
	date := w.clock.Now().Add(time.Hour).Format(http.TimeFormat)
	late := w.do("GET", "/?comp=list", nil, "x-ms-date", date, "Authorization", "SharedKey berth:x")
	if late.status != 403 || !strings.Contains(late.body, "clock") {
		t.Errorf("an hour off: %d %s", late.status, late.body)
	}
}

// accountSAS signs a SAS of the account.
func (w *world) accountSAS(services, types, permissions string) string {
	q := url.Values{"sv": {"2021-12-02"}, "ss": {services}, "srt": {types}, "sp": {permissions}, "se": {"2026-11-26T13:00:00Z"}}
	q.Set("sig", azure.Sign(w.Account, "berth\n"+permissions+"\n"+services+"\n"+types+"\n\n2026-11-26T13:00:00Z\n\n\n2021-12-02\n\n"))
	return q.Encode()
}

func TestAccountSAS(t *testing.T) {
	w := newWorld(t)
	w.put("model", "weights")
	for _, c := range []struct {
		services, types, permissions, method, target string
		status                                       int
		code                                         string
	}{
		{"b", "o", "r", "GET", "/work/model?", 200, ""},
		{"qb", "sco", "r", "GET", "/work/model?", 200, ""},
		{"b", "c", "l", "GET", "/work?restype=container&comp=list&", 200, ""},
		{"b", "c", "r", "GET", "/work?restype=container&", 200, ""},
		{"b", "s", "l", "GET", "/?comp=list&", 200, ""},
		{"b", "s", "", "GET", "/?restype=account&comp=properties&", 200, ""},
		{"b", "c", "c", "PUT", "/made?restype=container&", 201, ""},
		{"q", "o", "r", "GET", "/work/model?", 403, "AuthorizationServiceMismatch"},
		{"q", "o", "r", "GET", "/?restype=account&comp=properties&", 403, "AuthorizationServiceMismatch"},
		{"b", "sc", "r", "GET", "/work/model?", 403, "AuthorizationResourceTypeMismatch"},
		{"b", "so", "l", "GET", "/work?restype=container&comp=list&", 403, "AuthorizationResourceTypeMismatch"},
		{"b", "co", "l", "GET", "/?comp=list&", 403, "AuthorizationResourceTypeMismatch"},
		{"b", "sco", "wcdl", "GET", "/work/model?", 403, "AuthorizationPermissionMismatch"},
		{"b", "sco", "rl", "PUT", "/other?restype=container&", 403, "AuthorizationPermissionMismatch"},
	} {
		got := w.do(c.method, c.target+w.accountSAS(c.services, c.types, c.permissions), nil)
		if got.status != c.status || got.code() != c.code {
			t.Errorf("%s/%s/%s: %s %s: %d %s", c.services, c.types, c.permissions, c.method, c.target, got.status, got.code())
		}
	}
}

// TestRefusedBeforeTheBody: a client that waits for 100 Continue does not send gigabytes that will be refused.
func TestRefusedBeforeTheBody(t *testing.T) {
	w := newWorld(t)
	w.put("old", "weights")
	for name, c := range map[string]struct{ target, header, want string }{
		"no access":       {"/work/new?", "", "401"},
		"too large":       {"/work/new?" + w.hour("work", "", "w"), "Content-Length: 99999999999\r\n", "413"},
		"exists":          {"/work/old?" + w.hour("work", "", "w"), "If-None-Match: *\r\n", "409"},
		"may only create": {"/work/old?" + w.hour("work", "", "c"), "", "403"},
		"welcome":         {"/work/new?" + w.hour("work", "", "w"), "", "100"},
	} {
		if !strings.Contains(c.header, "Content-Length") {
			c.header += "Content-Length: 1000000\r\n"
		}
		connection, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(connection, "PUT %s HTTP/1.1\r\nHost: berth\r\nx-ms-blob-type: BlockBlob\r\nExpect: 100-continue\r\n%s\r\n",
			c.target, c.header)
		if err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(connection).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if got, _, _ := strings.Cut(strings.TrimPrefix(line, "HTTP/1.1 "), " "); got != c.want {
			t.Errorf("%s: %q; want %s", name, line, c.want)
		}
		connection.Close()
	}
}

// TestPatience: a server that is impatient with other requests lets a large body arrive, and ends the one that stalls.
func TestPatience(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewUnstartedServer(w.Account)
	server.Config.ReadTimeout, server.Config.ReadHeaderTimeout = time.Nanosecond, time.Minute
	server.Start()
	w.serve(server)
	w.want(http.StatusCreated, "PUT", "/work/large", bytes.NewReader(make([]byte, 8<<20)), "x-ms-blob-type", "BlockBlob")
	if got := len(w.want(http.StatusOK, "GET", "/work/large", nil).body); got != 8<<20 {
		t.Errorf("%d bytes came", got)
	}

	azure.SetPatience(w.Account, time.Millisecond)
	connection, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	_, err = fmt.Fprintf(connection, "PUT /work/stalled?%s HTTP/1.1\r\nHost: berth\r\nx-ms-blob-type: BlockBlob\r\n"+
		"Content-Length: 9\r\n\r\nhalf", w.hour("work", "", "w"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(connection) // to the end: the connection is closed
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 408") || !strings.Contains(string(answer), "OperationTimedOut") {
		t.Errorf("the answer is %q, %v", answer, err)
	}
	w.want(http.StatusNotFound, "HEAD", "/work/stalled", nil)
}
