package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"berth.dev/berth"
)

// WorkspaceName identifies a workspace in the subscription of the client.
type WorkspaceName struct{ Group, Name string }

// The services beside Resource Manager, by what stands before the id of a workspace.
const (
	modelsService       = "/modelmanagement/v1.0"
	artifactsService    = "/artifact/v2.0"
	environmentsService = "/environment/v1.0"
)

// beside is an address of one of those services: below a workspace.
func (c *Client) beside(service string, w WorkspaceName, words ...string) string {
	path := service + c.escapedWorkspace(w)
	for _, word := range words {
		path += "/" + url.PathEscape(word)
	}
	return path
}

func (c *Client) escapedWorkspace(w WorkspaceName) string { return c.workspacePath(w.Group, w.Name) }

// File is a file to upload: its path there, and how it is read. Open is called once.
type File struct {
	Path string
	Open func() (io.ReadCloser, error)
}

// blockSize is how much of a file is in memory at a time, and in one request: what a request may take is limited by time.
const blockSize = 4 << 20

// origin is where Azure's own clients put what users upload.
const origin = "LocalUpload"

// content is where a file is read or written: the address is good for a while, without a token.
type content struct {
	URI  string `json:"contentUri"`
	Path string `json:"path"`
}

// Uploading is a place of its own in the store of a workspace, to which files are uploaded.
type Uploading struct {
	c      *Client
	w      WorkspaceName
	id     string
	folder string // below it, in which the files are: "" or with a slash at its end
}

// NewUpload makes a place for files.
func (c *Client) NewUpload(w WorkspaceName) *Uploading {
	return &Uploading{c: c, w: w, id: time.Now().UTC().Format("20060102150405") + "-" + uuid.NewString()[:8]}
}

// NewModelUpload makes a place for the files of a model. They are in a folder of it: the place itself is no folder to SDK v1.
func (c *Client) NewModelUpload(w WorkspaceName) *Uploading {
	u := c.NewUpload(w)
	u.folder = "model/"
	return u
}

// Prefix is what stands before the paths of the files in the store.
func (u *Uploading) Prefix() string { return origin + "/" + u.id + "/" + u.folder }

// Upload sends files to the store of a workspace, and answers what stands before their paths there.
func (c *Client) Upload(ctx context.Context, w WorkspaceName, files []File) (prefix string, err error) {
	u := c.NewUpload(w)
	return u.Prefix(), u.Add(ctx, files...)
}

// Add uploads files. Each is read once, while it is sent.
func (u *Uploading) Add(ctx context.Context, files ...File) error {
	paths := []Object{}
	for _, f := range files {
		paths = append(paths, Object{"path": u.folder + f.Path})
	}
	var out struct {
		Contents map[string]content `json:"artifactContentInformation"`
		Errors   map[string]struct {
			Error berth.Error `json:"error"`
		} `json:"errors"`
	}
	err := u.c.Post(ctx, u.c.beside(artifactsService, u.w, "artifacts", "batch", "metadata", origin, u.id), Object{"paths": paths}, &out)
	if err != nil {
		return err
	}
	for _, refused := range out.Errors {
		return &refused.Error
	}
	for _, f := range files {
		to, found := out.Contents[u.folder+f.Path]
		if !found {
			return fmt.Errorf("the server gave no address for the file %s", f.Path)
		}
		if err := u.c.uploadFile(ctx, to.URI, f); err != nil {
			return fmt.Errorf("the file %s could not be uploaded: %w", f.Path, err)
		}
	}
	return nil
}

// uploadFile sends one file: what fits into one block at once, and else block by block.
func (c *Client) uploadFile(ctx context.Context, address string, f File) (err error) {
	from, err := f.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	block := make([]byte, blockSize)
	var list bytes.Buffer
	for n := 0; ; n++ {
		size, err := io.ReadFull(from, block)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return err
		}
		if last && n == 0 {
			_, err := c.file(ctx, fileRequest{method: http.MethodPut, address: address, body: block[:size],
				header: map[string]string{"x-ms-blob-type": "BlockBlob"}})
			return err
		}
		if size > 0 {
			id := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%08d", n))
			query := "&comp=block&blockid=" + url.QueryEscape(id)
			if _, err := c.file(ctx, fileRequest{method: http.MethodPut, address: address + query, body: block[:size]}); err != nil {
				return err
			}
			list.WriteString("<Latest>" + id + "</Latest>")
		}
		if last {
			text := "<BlockList>" + list.String() + "</BlockList>"
			_, err := c.file(ctx, fileRequest{method: http.MethodPut, address: address + "&comp=blocklist", body: []byte(text)})
			return err
		}
	}
}

// downloadFile reads a file part by part, so that no single request takes long.
func (c *Client) downloadFile(ctx context.Context, address string, to io.Writer) error {
	for offset, total := int64(0), int64(1); offset < total; {
		span := fmt.Sprintf("bytes=%d-%d", offset, offset+blockSize-1)
		res, err := c.file(ctx, fileRequest{method: http.MethodGet, address: address, header: map[string]string{"x-ms-range": span}})
		if offset == 0 && StatusOf(err) == http.StatusRequestedRangeNotSatisfiable {
			return nil // the file is empty
		}
		if err != nil {
			return err
		}
		total = int64(len(res.body))
		if _, size, found := strings.Cut(res.Header.Get("Content-Range"), "/"); found {
			if total, err = strconv.ParseInt(size, 10, 64); err != nil {
				return fmt.Errorf("the size of the file cannot be read: %w", err)
			}
		}
		if len(res.body) == 0 && offset < total {
			return fmt.Errorf("the file ended after %d of %d bytes: %w", offset, total, io.ErrUnexpectedEOF)
		}
		if _, err := to.Write(res.body); err != nil {
			return err
		}
		offset += int64(len(res.body))
	}
	return nil
}

// fileRequest is a request to the store of files.
type fileRequest struct {
	method, address string
	header          map[string]string
	body            []byte
}

// fileTries is how often a part of a file is sent or read before that is given up.
const fileTries = 3

// file sends a request to the store of files, again when the connection breaks.
func (c *Client) file(ctx context.Context, r fileRequest) (res *Response, err error) {
	for try := range fileTries {
		if try > 0 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(time.Duration(try) * time.Second):
			}
		}
		if res, err = c.fileOnce(ctx, r); err == nil || !transient(err) {
			return res, err
		}
	}
	return nil, err
}

// fileOnce sends a request to the endpoint under the host name of the store: no name server needs to know that name.
func (c *Client) fileOnce(ctx context.Context, r fileRequest) (*Response, error) {
	where, err := local(r.address)
	if err != nil {
		return nil, err
	}
	u, _ := url.Parse(r.address) // local read it
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+where, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	req.Host = u.Host
	req.Header.Set("x-ms-version", "2021-12-02")
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	res, err := c.send(req, nil)
	if err != nil {
		return nil, err
	}
	if res.Status >= http.StatusMultipleChoices {
		return nil, fileError(res)
	}
	return res, nil
}

// fileError reads the XML in which the store of files refuses.
func fileError(res *Response) error {
	var out struct {
		Code, Message string
	}
	if xml.Unmarshal(res.body, &out) != nil || out.Code == "" {
		return decodeError(res)
	}
	message, _, _ := strings.Cut(out.Message, "\n")
	return &StatusError{Status: res.Status, Err: &berth.Error{Code: berth.Code(out.Code), Message: message}}
}
