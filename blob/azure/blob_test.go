package azure_test

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func md5Of(text string) string {
	sum := md5.Sum([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func crcOf(text string) string {
	sum := crc64.Checksum([]byte(text), crc64.MakeTable(0x9A6C9329AC4BC9B5))
	return base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, sum))
}

func TestPutAndGetBlob(t *testing.T) {
	w := newWorld(t)
	put := w.put("dir/model%20%ED%95%9C.pkl", "weights", "x-ms-meta-Version", "1", "x-ms-blob-content-type", "text/x",
		"x-ms-blob-content-encoding", "zz", "x-ms-client-request-id", "mine", "x-ms-version", "2099-01-01")
	for name, want := range map[string]string{
		"Content-MD5": md5Of("weights"), "Last-Modified": "Thu, 26 Nov 2026 12:00:00 GMT",
		"x-ms-client-request-id": "mine", "x-ms-version": "2099-01-01",
	} {
		if got := put.header.Get(name); got != want {
			t.Errorf("%s is %q; want %q", name, got, want)
		}
	}
	if put.header.Get("x-ms-request-id") == "" || put.header.Get("Date") == "" {
		t.Error("the answer has no request id or no date")
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		got := w.want(http.StatusOK, method, "/work/dir/model%20%ED%95%9C.pkl", nil)
		if want := map[string]string{"GET": "weights"}[method]; got.body != want {
			t.Errorf("%s has %q", method, got.body)
		}
		for name, want := range map[string]string{
			"ETag": put.header.Get("ETag"), "Content-Length": "7", "Content-Type": "text/x", "Content-Encoding": "zz", "x-ms-meta-version": "1",
			"x-ms-blob-type": "BlockBlob", "Content-MD5": md5Of("weights"), "x-ms-creation-time": "Thu, 26 Nov 2026 12:00:00 GMT",
			"Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff",
		} {
			if got := got.header.Get(name); got != want {
				t.Errorf("%s: %s is %q; want %q", method, name, got, want)
			}
		}
	}
	sas := w.SAS("work", "dir/model 한.pkl", "r", w.clock.Now().Add(time.Hour))
	if got := w.do(http.MethodGet, "/work/dir/model%20%ED%95%9C.pkl?"+sas, nil); got.body != "weights" {
		t.Errorf("by a SAS of the blob: %d %q", got.status, got.body)
	}
}

func TestRanges(t *testing.T) {
	w := newWorld(t)
	w.put("digits", "0123456789")
	w.put("empty", "")
	for _, c := range []struct {
		name, header, value string
		status              int
		body, span          string
	}{
		{"digits", "Range", "bytes=2-4", 206, "234", "bytes 2-4/10"},
		{"digits", "x-ms-range", "bytes=7-", 206, "789", "bytes 7-9/10"},
		{"digits", "x-ms-range", "bytes=0-99999999999999", 206, "0123456789", "bytes 0-9/10"},
		{"digits", "Range", "bytes=10-", 416, "", "bytes */10"},
		{"empty", "x-ms-range", "bytes=0-3", 416, "", "bytes */0"},
		{"digits", "Range", "bytes=4-2", 200, "0123456789", ""},
		{"digits", "Range", "bytes=-3", 200, "0123456789", ""},
		{"digits", "Range", "bytes=1-2,4-5", 200, "0123456789", ""},
		{"digits", "Range", "lines=1-2", 200, "0123456789", ""},
		{"digits", "Range", "bytes=99999999999999999999-", 200, "0123456789", ""},
	} {
		got := w.want(c.status, http.MethodGet, "/work/"+c.name, nil, c.header, c.value)
		if c.status != 416 && got.body != c.body || got.header.Get("Content-Range") != c.span {
			t.Errorf("%s: %q, %q", c.value, got.body, got.header.Get("Content-Range"))
		}
	}
	got := w.want(206, http.MethodGet, "/work/digits", nil, "x-ms-range", "bytes=2-4", "x-ms-range-get-content-md5", "true")
	if got.header.Get("Content-MD5") != md5Of("234") || got.header.Get("x-ms-blob-content-md5") != md5Of("0123456789") {
		t.Errorf("the hashes of a range: %v", got.header)
	}
	got = w.want(206, http.MethodGet, "/work/digits", nil, "x-ms-range", "bytes=2-4", "x-ms-range-get-content-crc64", "true")
	if got.header.Get("x-ms-content-crc64") != crcOf("234") {
		t.Errorf("the hashes of a range: %v", got.header)
	}
}

func TestConditions(t *testing.T) {
	w := newWorld(t)
	w.put("model", "weights")
	const before = "Thu, 26 Nov 2026 11:59:59 GMT"
	const now = "Thu, 26 Nov 2026 12:00:00 GMT"
	const after = "Thu, 26 Nov 2026 12:00:01 GMT"
	w.clock.Advance(500 * time.Millisecond)
	for _, c := range []struct {
		headers     []string
		read, write int
	}{
		{[]string{"If-Match", "ETAG"}, 200, 200},
		{[]string{"If-Match", `"0x1", ETAG`}, 200, 200},
		{[]string{"If-Match", "*"}, 200, 200},
		{[]string{"If-Match", `"0x1"`}, 412, 412},
		{[]string{"If-None-Match", "ETAG"}, 304, 412},
		{[]string{"If-None-Match", "*"}, 304, 409},
		{[]string{"If-None-Match", `"0x1"`}, 200, 200},
		{[]string{"If-Modified-Since", before}, 200, 200},
		{[]string{"If-Modified-Since", now}, 304, 412},
		{[]string{"If-Modified-Since", after}, 304, 412},
		{[]string{"If-Unmodified-Since", before}, 412, 412},
		{[]string{"If-Unmodified-Since", now}, 200, 200},
		{[]string{"If-None-Match", "ETAG", "If-Modified-Since", before}, 200, 200},
		{[]string{"If-Match", "ETAG", "If-Unmodified-Since", before}, 412, 412},
		{[]string{"If-Modified-Since", "yesterday"}, 400, 400},
	} {
		etag := w.want(200, http.MethodHead, "/work/model", nil).header.Get("ETag")
		for i := range c.headers {
			c.headers[i] = strings.ReplaceAll(c.headers[i], "ETAG", etag)
		}
		w.want(c.read, http.MethodGet, "/work/model", nil, c.headers...)
		w.want(c.read, http.MethodHead, "/work/model", nil, c.headers...)
		w.want(c.write, http.MethodPut, "/work/model?comp=metadata", nil, c.headers...)
	}
	for status, headers := range map[int][]string{409: {"If-None-Match", "*"}, 412: {"If-Match", `"0x1"`}} {
		headers = append(headers, "x-ms-blob-type", "BlockBlob")
		w.want(status, http.MethodPut, "/work/model", strings.NewReader("other"), headers...)
		w.want(status, http.MethodPut, "/work/model?comp=blocklist", strings.NewReader("<BlockList></BlockList>"), headers...)
	}
	w.want(412, http.MethodDelete, "/work/model", nil, "If-Match", `"0x1"`)
	w.want(412, http.MethodPut, "/work/new", strings.NewReader("x"), "If-Match", "*", "x-ms-blob-type", "BlockBlob")
	w.put("new", "x", "If-None-Match", "*")
	if got := w.want(200, http.MethodGet, "/work/model", nil).body; got != "weights" {
		t.Errorf("the blob has %q", got)
	}
}

func TestHashes(t *testing.T) {
	w := newWorld(t)
	list := "<BlockList></BlockList>"
	for name, c := range map[string]struct {
		target, body, header, value, code string
	}{
		"MD5":              {"/work/a", "weights", "Content-MD5", md5Of("weights"), ""},
		"MD5 of the blob":  {"/work/a", "weights", "x-ms-blob-content-md5", md5Of("weights"), ""},
		"CRC":              {"/work/a", "weights", "x-ms-content-crc64", crcOf("weights"), ""},
		"another MD5":      {"/work/b", "weights", "Content-MD5", md5Of("other"), "Md5Mismatch"},
		"another of blob":  {"/work/b", "weights", "x-ms-blob-content-md5", md5Of("other"), "Md5Mismatch"},
		"another CRC":      {"/work/b", "weights", "x-ms-content-crc64", crcOf("other"), "Crc64Mismatch"},
		"no MD5":           {"/work/b", "weights", "Content-MD5", "weights", "InvalidMd5"},
		"MD5 of a block":   {"/work/b?comp=block&blockid=AAAA", "weights", "Content-MD5", md5Of("other"), "Md5Mismatch"},
		"CRC of a block":   {"/work/b?comp=block&blockid=AAAA", "weights", "x-ms-content-crc64", crcOf("other"), "Crc64Mismatch"},
		"MD5 of the list":  {"/work/b?comp=blocklist", list, "Content-MD5", md5Of("other"), "Md5Mismatch"},
		"empty and an MD5": {"/work/b", "", "Content-MD5", md5Of("other"), "Md5Mismatch"},
	} {
		status := http.StatusCreated
		if c.code != "" {
			status = http.StatusBadRequest
		}
		got := w.want(status, http.MethodPut, c.target, strings.NewReader(c.body), c.header, c.value, "x-ms-blob-type", "BlockBlob")
		if got.code() != c.code {
			t.Errorf("%s: %s", name, got.code())
		}
	}
	w.want(404, http.MethodHead, "/work/b", nil)
	w.want(404, http.MethodGet, "/work/b?comp=blocklist", nil)
}

func blockList(kind string, ids ...string) io.Reader {
	var list strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&list, "<%s>%s</%[1]s>", kind, id)
	}
	return strings.NewReader(`<?xml version="1.0" encoding="utf-8"?><BlockList>` + list.String() + "</BlockList>")
}

func TestBlockLists(t *testing.T) {
	w := newWorld(t)
	for id, content := range map[string]string{"AAAA": "one ", "AAAB": "two ", "AAAC": "never"} {
		w.want(201, http.MethodPut, "/work/big?comp=block&blockid="+id, strings.NewReader(content))
	}
	w.want(404, http.MethodHead, "/work/big", nil)
	got := w.want(200, http.MethodGet, "/work/big?comp=blocklist&blocklisttype=all", nil)
	if !strings.Contains(got.body, "<UncommittedBlocks><Block><Name>AAAA</Name><Size>4</Size></Block>") {
		t.Errorf("the list is %s", got.body)
	}
	for name, c := range map[string]struct {
		body io.Reader
		code string
	}{
		"a block that is not there": {blockList("Latest", "AAAA", "BBBB"), "InvalidBlockList"},
		"a committed block":         {blockList("Committed", "AAAA"), "InvalidBlockList"},
		"no base64":                 {blockList("Latest", "!"), "InvalidQueryParameterValue"},
		"no XML":                    {strings.NewReader("AAAA"), "InvalidXmlDocument"},
		"another document":          {strings.NewReader("<Blocks/>"), "InvalidXmlDocument"},
		"too many":                  {blockList("Latest", make([]string, 50_001)...), "BlockListTooLong"},
		"too long":                  {strings.NewReader("<BlockList>" + strings.Repeat(" ", 9<<20)), "RequestBodyTooLarge"},
	} {
		got := w.do(http.MethodPut, "/work/big?comp=blocklist&"+w.hour("work", "", "w"), c.body)
		if got.code() != c.code {
			t.Errorf("%s: %d %s", name, got.status, got.code())
		}
	}
	for range 2 { // the second one has lost the answer
		w.want(201, http.MethodPut, "/work/big?comp=blocklist", blockList("Uncommitted", "AAAB", "AAAA", "AAAB"),
			"x-ms-meta-a", "b", "x-ms-blob-content-type", "text/x")
	}
	got = w.want(200, http.MethodGet, "/work/big", nil)
	if got.body != "two one two " || got.header.Get("x-ms-meta-a") != "b" || got.header.Get("Content-Type") != "text/x" {
		t.Errorf("the blob is %q, %v", got.body, got.header)
	}
	if got := w.want(200, http.MethodGet, "/work/big?comp=blocklist", nil); strings.Contains(got.body, "<Block>") {
		t.Errorf("blocks stayed: %s", got.body)
	}
	for _, id := range []string{"", "!", base64.StdEncoding.EncodeToString(make([]byte, 65))} {
		w.want(400, http.MethodPut, "/work/big?comp=block&blockid="+id, strings.NewReader("x"))
	}
}

func TestMetadataAndProperties(t *testing.T) {
	w := newWorld(t)
	first := w.put("model", "weights", "x-ms-meta-old", "1", "x-ms-blob-content-type", "text/x").header.Get("ETag")
	got := w.want(200, http.MethodPut, "/work/model?comp=metadata", nil, "x-ms-meta-name", "m", "x-ms-meta-version", "2")
	if got.header.Get("ETag") == first {
		t.Error("the ETag did not change")
	}
	got = w.want(200, http.MethodGet, "/work/model?comp=metadata", nil)
	if h := got.header; h.Get("x-ms-meta-name") != "m" || h.Get("x-ms-meta-version") != "2" || h.Get("x-ms-meta-old") != "" || got.body != "" {
		t.Errorf("the metadata are %v", got.header)
	}
	w.want(200, http.MethodPut, "/work/model?comp=properties", nil, "x-ms-blob-content-type", "text/y", "x-ms-blob-content-md5", md5Of("x"))
	got = w.want(200, http.MethodHead, "/work/model", nil)
	if h := got.header; h.Get("Content-Type") != "text/y" || h.Get("Content-MD5") != md5Of("x") || h.Get("x-ms-meta-name") != "m" {
		t.Errorf("the properties are %v", got.header)
	}
	for name, code := range map[string]string{
		"x-ms-meta-1a": "InvalidMetadata", "x-ms-meta-a-b": "InvalidMetadata", "x-ms-meta-": "InvalidMetadata",
		"x-ms-meta-big": "MetadataTooLarge", "x-ms-meta-text": "InvalidMetadata",
	} {
		value := map[string]string{"x-ms-meta-big": strings.Repeat("x", 9000), "x-ms-meta-text": "é"}[name]
		if got := w.want(400, http.MethodPut, "/work/model?comp=metadata", nil, name, value); got.code() != code {
			t.Errorf("%s: %s", name, got.code())
		}
	}
	w.want(202, http.MethodDelete, "/work/model", nil)
	for _, target := range []string{"/work/model", "/work/model?comp=metadata"} {
		got := w.want(404, http.MethodGet, target, nil)
		if got.code() != "BlobNotFound" || !strings.Contains(got.body, "<Code>BlobNotFound</Code>") {
			t.Errorf("%s of a deleted blob: %s %s", target, got.code(), got.body)
		}
	}
	if got := w.want(404, http.MethodHead, "/work/model", nil); got.code() != "BlobNotFound" || got.body != "" {
		t.Errorf("HEAD of a deleted blob: %s %s", got.code(), got.body)
	}
}
