package azure

import (
	"bytes"
	"context"
	"crypto/md5" // #nosec G501 -- the protocol's check of transport
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"hash"
	"hash/crc64"
	"io"
	"net/http"
	"slices"
	"strings"

	"berth.dev/berth/blob"
)

// The limits of the protocol.
const (
	maxBlob      = 5000 << 20
	maxBlock     = 4000 << 20
	maxBlocks    = 50_000
	maxBlockList = 8 << 20 // of XML
)

// crcTable is the polynomial of x-ms-content-crc64.
var crcTable = crc64.MakeTable(0x9A6C9329AC4BC9B5)

// body is what a request sends, up to a limit. Its last read fails if it does not have the CRC that came with it.
func (c *call) body(limit int64) (io.Reader, error) {
	if c.r.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit} // before the client sends it
	}
	if err := c.Store.Fits(c.r.ContentLength); err != nil {
		return nil, err
	}
	want, err := hashOf(c.r.Header, "X-Ms-Content-Crc64", crc64.Size)
	if err != nil {
		return nil, err
	}
	slices.Reverse(want) // the protocol has the last byte first
	return check(http.MaxBytesReader(c.w, io.NopCloser(patientReader{c.r.Body, c}), limit), crc64.New(crcTable), want, "Crc64Mismatch"), nil
}

// check lets the end of content fail if it does not have a hash that is wanted.
func check(r io.Reader, sum hash.Hash, want []byte, code string) io.Reader {
	if want == nil {
		return r
	}
	return &checked{Reader: io.TeeReader(r, sum), sum: sum, want: want, code: code}
}

type checked struct {
	io.Reader
	sum  hash.Hash
	want []byte
	code string
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if errors.Is(err, io.EOF) && !bytes.Equal(c.sum.Sum(nil), c.want) {
		err = &fault{status: http.StatusBadRequest, Code: c.code,
			Message: "The hash specified in the request did not match with the one calculated by the server: send it again."}
	}
	return n, err
}

// hashOf reads a hash in base64, or nil if the header is not there.
func hashOf(h http.Header, name string, size int) ([]byte, error) {
	text := h.Get(name)
	if text == "" {
		return nil, nil
	}
	sum, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(sum) != size {
		return nil, &fault{status: http.StatusBadRequest, Code: "InvalidMd5",
			Message: fmt.Sprintf("The value of the header %s must be %d bytes in base64.", name, size)}
	}
	return sum, nil
}

// change is what a request makes of a blob, if its conditions hold and the SAS permits it.
func (c *call) change() (blob.Change, error) {
	properties, err := propertiesOf(c.r.Header)
	return blob.Change{Properties: properties, Allow: func(now *blob.Info) error {
		if now != nil && !c.grant.may("w") {
			return &fault{status: http.StatusForbidden, Code: "AuthorizationPermissionMismatch",
				Message: "This request is not authorized to perform this operation using this permission: the blob exists."}
		}
		return c.conditions(now)
	}}, err
}

// allowed asks early what will be asked again when the blob is written, so that nobody uploads gigabytes for nothing.
func (c *call) allowed(change blob.Change) error {
	if _, err := c.Store.Container(c.r.Context(), c.at.Container); err != nil {
		return err
	}
	now, err := c.Store.Stat(c.r.Context(), c.at)
	if errors.Is(err, blob.ErrNotFound) {
		return change.Allow(nil)
	}
	if err != nil {
		return err
	}
	return change.Allow(&now)
}

func (c *call) putBlob() error {
	if kind := c.r.Header.Get("x-ms-blob-type"); kind != "BlockBlob" {
		return invalidHeader("x-ms-blob-type", "it must be BlockBlob; page blobs and append blobs are not served here.")
	}
	change, err := c.change()
	if err != nil {
		return err
	}
	if err := c.allowed(change); err != nil {
		return err
	}
	sent, err := hashOf(c.r.Header, "Content-MD5", md5.Size)
	if err != nil {
		return err
	}
	if change.MD5 == nil {
		change.MD5 = sent
	} else if sent != nil && !bytes.Equal(sent, change.MD5) {
		return blob.ErrMD5
	}
	body, err := c.body(maxBlob)
	if err != nil {
		return err
	}
	info, err := c.Store.Put(c.r.Context(), c.at, body, change)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-MD5", base64.StdEncoding.EncodeToString(info.MD5))
	return c.changed(http.StatusCreated, info)
}

// changed answers a request that has changed a blob.
func (c *call) changed(status int, info blob.Info) error {
	h := c.w.Header()
	h.Set("ETag", quoted(info.ETag))
	h.Set("Last-Modified", httpTime(info.Modified))
	h.Set("x-ms-request-server-encrypted", "false")
	return c.answer(status, nil)
}

// blockID reads the id of a block.
func blockID(text string) ([]byte, error) {
	id, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(id) == 0 || len(id) > blob.MaxBlockID {
		return nil, &fault{status: http.StatusBadRequest, Code: "InvalidQueryParameterValue",
			Message: fmt.Sprintf("The id of a block must be 1 to %d bytes in base64.", blob.MaxBlockID)}
	}
	return id, nil
}

func (c *call) putBlock() error {
	id, err := blockID(c.query.Get("blockid"))
	if err != nil {
		return err
	}
	if _, err := c.Store.Container(c.r.Context(), c.at.Container); err != nil {
		return err
	}
	want, err := hashOf(c.r.Header, "Content-MD5", md5.Size)
	if err != nil {
		return err
	}
	body, err := c.body(maxBlock)
	if err != nil {
		return err
	}
	body = check(body, md5.New(), want, "Md5Mismatch") // #nosec G401 -- see the import
	if err := c.Store.Stage(c.r.Context(), c.at, id, body); err != nil {
		return err
	}
	h := c.w.Header()
	for _, name := range []string{"Content-MD5", "x-ms-content-crc64"} {
		if value := c.r.Header.Get(name); value != "" {
			h.Set(name, value)
		}
	}
	h.Set("x-ms-request-server-encrypted", "false")
	return c.answer(http.StatusCreated, nil)
}

// blockList is the body of Put Block List: elements named Latest, Uncommitted or Committed, in the order of the file.
type blockList struct {
	XMLName xml.Name `xml:"BlockList"`
	Blocks  []struct {
		XMLName xml.Name
		ID      string `xml:",chardata"`
	} `xml:",any"`
}

func (c *call) putBlockList() error {
	change, err := c.change()
	if err != nil {
		return err
	}
	ids, err := c.blockIDs()
	if err != nil {
		return err
	}
	if err := c.allowed(change); err != nil {
		return err
	}
	// A client that has lost patience will ask again, and then find the blob.
	info, err := c.Store.Assemble(context.WithoutCancel(c.r.Context()), c.at, ids, change)
	if err != nil {
		return err
	}
	return c.changed(http.StatusCreated, info)
}

func (c *call) blockIDs() ([][]byte, error) {
	want, err := hashOf(c.r.Header, "Content-MD5", md5.Size)
	if err != nil {
		return nil, err
	}
	body, err := c.body(maxBlockList)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(check(body, md5.New(), want, "Md5Mismatch")) // #nosec G401 -- see the import
	if err != nil {
		return nil, err
	}
	var list blockList
	if err := xml.Unmarshal(data, &list); err != nil {
		return nil, &fault{status: http.StatusBadRequest, Code: "InvalidXmlDocument", Message: "The block list is not XML as it should be."}
	}
	if len(list.Blocks) > maxBlocks {
		return nil, &fault{status: http.StatusBadRequest, Code: "BlockListTooLong",
			Message: fmt.Sprintf("The block list may not contain more than %d blocks.", maxBlocks)}
	}
	ids := make([][]byte, 0, len(list.Blocks))
	for _, block := range list.Blocks {
		if kind := block.XMLName.Local; kind != "Latest" && kind != "Uncommitted" {
			return nil, &fault{status: http.StatusBadRequest, Code: "InvalidBlockList",
				Message: "Only uploaded blocks can be in the list (Latest, Uncommitted): blocks of a finished blob are not kept."}
		}
		id, err := blockID(strings.TrimSpace(block.ID))
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// xmlBlock is a block in the answer of Get Block List.
type xmlBlock struct {
	Name string
	Size int64
}

type xmlBlockList struct {
	XMLName     xml.Name   `xml:"BlockList"`
	Committed   []xmlBlock `xml:"CommittedBlocks>Block"`
	Uncommitted []xmlBlock `xml:"UncommittedBlocks>Block"`
}

func (c *call) getBlockList() error {
	blocks, err := c.Store.Blocks(c.at)
	if err != nil {
		return err
	}
	info, err := c.Store.Stat(c.r.Context(), c.at)
	switch {
	case err == nil:
		h := c.w.Header()
		h.Set("ETag", quoted(info.ETag))
		h.Set("Last-Modified", httpTime(info.Modified))
		h.Set("x-ms-blob-content-length", fmt.Sprint(info.Size))
	case !errors.Is(err, blob.ErrNotFound) || len(blocks) == 0:
		return err
	}
	var list xmlBlockList
	if c.query.Get("blocklisttype") != "committed" {
		for _, b := range blocks {
			list.Uncommitted = append(list.Uncommitted, xmlBlock{base64.StdEncoding.EncodeToString(b.ID), b.Size})
		}
	}
	return c.answer(http.StatusOK, list)
}
