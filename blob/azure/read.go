package azure

import (
	"bytes"
	"crypto/md5" // #nosec G501 -- the protocol's check of transport
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth/blob"
)

func quoted(etag string) string { return `"` + etag + `"` }

func httpTime(t time.Time) string { return t.UTC().Format(http.TimeFormat) }

// conditions compares the conditional headers of a request with the blob that is there, or nil:
// If-Match and If-Unmodified-Since and (If-None-Match or If-Modified-Since).
func (c *call) conditions(now *blob.Info) error {
	h := c.r.Header
	failed := &fault{status: http.StatusPreconditionFailed, Code: "ConditionNotMet",
		Message: "The condition specified using HTTP conditional header(s) is not met."}
	if want := h.Get("If-Match"); want != "" && (now == nil || !matches(want, now.ETag)) {
		return failed
	}
	unmodified, err := timeOf(h, "If-Unmodified-Since")
	if err != nil {
		return err
	}
	if !unmodified.IsZero() && now != nil && now.Modified.Truncate(time.Second).After(unmodified) {
		return failed
	}
	modified, err := timeOf(h, "If-Modified-Since")
	if err != nil {
		return err
	}
	none := h.Get("If-None-Match")
	other := none != "" && (now == nil || !matches(none, now.ETag))
	newer := !modified.IsZero() && (now == nil || now.Modified.Truncate(time.Second).After(modified))
	if none == "" && modified.IsZero() || other || newer {
		return nil
	}
	switch {
	case c.r.Method == http.MethodGet || c.r.Method == http.MethodHead:
		failed.status = http.StatusNotModified
	case none == "*":
		return &fault{status: http.StatusConflict, Code: "BlobAlreadyExists", Message: "The specified blob already exists."}
	}
	return failed
}

func matches(header, etag string) bool {
	for _, want := range strings.Split(header, ",") {
		if want = strings.TrimSpace(want); want == "*" || strings.Trim(want, `"`) == etag {
			return true
		}
	}
	return false
}

func timeOf(h http.Header, name string) (time.Time, error) {
	text := h.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := http.ParseTime(text)
	if err != nil {
		return time.Time{}, invalidHeader(name, "it must be a date of HTTP.")
	}
	return t, nil
}

// maxHashed is the longest range of which a client may ask for a hash.
const maxHashed = 4 << 20

// getBlob serves Get Blob and Get Blob Properties.
func (c *call) getBlob() error {
	info, err := c.Store.Stat(c.r.Context(), c.at)
	if err != nil {
		return err
	}
	if err := c.conditions(&info); err != nil {
		return err
	}
	c.describe(info)
	h := c.w.Header()
	h.Set("Accept-Ranges", "bytes")
	if c.r.Method == http.MethodHead {
		h.Set("Content-Length", strconv.FormatInt(info.Size, 10))
		return c.answer(http.StatusOK, nil)
	}
	span, part, err := c.span(info.Size)
	if err != nil {
		return err
	}
	content, err := c.Store.Content(c.r.Context(), info.Digest, span)
	if err != nil {
		return fmt.Errorf("the content of '%s' in '%s' cannot be read: %w", c.at.Name, c.at.Container, err)
	}
	defer func() { _ = content.Close() }() // only read
	status := http.StatusOK
	body := io.Reader(content)
	if part {
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", span.Offset, span.Offset+span.Length-1, info.Size))
		whole := h.Get("Content-MD5")
		h.Del("Content-MD5")
		if whole != "" {
			h.Set("x-ms-blob-content-md5", whole)
		}
		if body, err = c.hashed(content, span.Length); err != nil {
			return err
		}
	}
	h.Set("Content-Length", strconv.FormatInt(span.Length, 10))
	c.w.WriteHeader(status)
	if n, err := io.CopyBuffer(patientWriter{c}, body, make([]byte, 256<<10)); err != nil || n != span.Length {
		panic(http.ErrAbortHandler) // the client must see that the answer is not complete
	}
	return nil
}

// hashed adds the hash of a range to the answer if the client asks for it.
func (c *call) hashed(content io.Reader, length int64) (io.Reader, error) {
	wantMD5 := c.r.Header.Get("x-ms-range-get-content-md5") == "true"
	wantCRC := c.r.Header.Get("x-ms-range-get-content-crc64") == "true"
	if !wantMD5 && !wantCRC {
		return content, nil
	}
	if length > maxHashed {
		return nil, &fault{status: http.StatusBadRequest, Code: "OutOfRangeInput",
			Message: fmt.Sprintf("A hash can be asked for of at most %d bytes: ask for a shorter range.", maxHashed)}
	}
	data, err := io.ReadAll(content)
	if err != nil {
		return nil, err
	}
	if wantMD5 {
		sum := md5.Sum(data) // #nosec G401 -- see the import
		c.w.Header().Set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	}
	if wantCRC {
		sum := binary.LittleEndian.AppendUint64(nil, crc64.Checksum(data, crcTable))
		c.w.Header().Set("x-ms-content-crc64", base64.StdEncoding.EncodeToString(sum))
	}
	return bytes.NewReader(data), nil
}

// span reads which part of a blob is asked for. A Range that is not of the form bytes=a-b or bytes=a- is none, as HTTP has it.
func (c *call) span(size int64) (span blob.Span, part bool, err error) {
	text := c.r.Header.Get("x-ms-range")
	if text == "" {
		text = c.r.Header.Get("Range")
	}
	value, ok := strings.CutPrefix(text, "bytes=")
	first, last, dash := strings.Cut(value, "-")
	from, err := strconv.ParseUint(first, 10, 63)
	if !ok || !dash || err != nil {
		return blob.Span{Length: size}, false, nil
	}
	to := uint64(size) - 1
	if last != "" {
		end, err := strconv.ParseUint(last, 10, 63)
		if err != nil || end < from {
			return blob.Span{Length: size}, false, nil
		}
		to = min(to, end)
	}
	if from >= uint64(size) {
		c.w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		return blob.Span{}, false, &fault{status: http.StatusRequestedRangeNotSatisfiable, Code: "InvalidRange",
			Message: "The range specified is invalid for the current size of the resource."}
	}
	return blob.Span{Offset: int64(from), Length: int64(to-from) + 1}, true, nil
}
