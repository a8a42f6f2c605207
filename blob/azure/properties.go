package azure

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"

	"berth.dev/berth/blob"
)

const (
	metadataPrefix = "X-Ms-Meta-"
	maxMetadata    = 8 << 10
	unknownType    = "application/octet-stream"
)

// metadataName is what a name of metadata may be: it is an element in lists and a part of a header.
var metadataName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// propertiesOf reads the properties that a request gives to a blob. A property of the header that begins with x-ms-blob- wins.
func propertiesOf(h http.Header) (blob.Properties, error) {
	either := func(name string) string {
		if value := h.Get("x-ms-blob-" + name); value != "" {
			return value
		}
		return h.Get(name)
	}
	p := blob.Properties{
		ContentType:        either("content-type"),
		ContentEncoding:    either("content-encoding"),
		ContentLanguage:    either("content-language"),
		CacheControl:       either("cache-control"),
		ContentDisposition: h.Get("x-ms-blob-content-disposition"),
	}
	if p.ContentType == "" {
		p.ContentType = unknownType
	}
	var err error
	if p.MD5, err = hashOf(h, "X-Ms-Blob-Content-Md5", 16); err != nil {
		return blob.Properties{}, err
	}
	p.Metadata, err = metadataOf(h)
	return p, err
}

// metadataOf reads metadata. Names are in lower case: HTTP does not keep the case of headers.
func metadataOf(h http.Header) (map[string]string, error) {
	var metadata map[string]string
	size := 0
	for header, values := range h {
		name, ok := strings.CutPrefix(header, metadataPrefix)
		if !ok {
			continue
		}
		name = strings.ToLower(name)
		value := strings.Join(values, ",")
		if !metadataName.MatchString(name) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
			return nil, &fault{status: http.StatusBadRequest, Code: "InvalidMetadata",
				Message: "The metadata specified is invalid: names are letters, digits and underscores, and values are printable ASCII."}
		}
		if size += len(name) + len(value); size > maxMetadata {
			return nil, &fault{status: http.StatusBadRequest, Code: "MetadataTooLarge",
				Message: "The metadata specified exceeds the maximum of 8 KiB."}
		}
		if metadata == nil {
			metadata = map[string]string{}
		}
		metadata[name] = value
	}
	return metadata, nil
}

// describe writes the headers that describe a blob.
func (c *call) describe(info blob.Info) {
	h := c.w.Header()
	h.Set("ETag", quoted(info.ETag))
	h.Set("Last-Modified", httpTime(info.Modified))
	h.Set("x-ms-creation-time", httpTime(info.Created))
	h.Set("x-ms-blob-type", "BlockBlob")
	h.Set("x-ms-lease-status", "unlocked")
	h.Set("x-ms-lease-state", "available")
	h.Set("x-ms-server-encrypted", "false")
	if len(info.MD5) > 0 {
		h.Set("Content-MD5", base64.StdEncoding.EncodeToString(info.MD5))
	}
	for _, row := range []struct{ name, override, value string }{
		{"Content-Type", "rsct", info.ContentType},
		{"Content-Encoding", "rsce", info.ContentEncoding},
		{"Content-Language", "rscl", info.ContentLanguage},
		{"Content-Disposition", "rscd", info.ContentDisposition},
		{"Cache-Control", "rscc", info.CacheControl},
	} {
		value := row.value
		if c.query.Has("sig") && c.query.Get(row.override) != "" { // these are signed with the SAS
			value = c.query.Get(row.override)
		}
		if value == "" && row.override == "rsct" {
			value = unknownType // otherwise the server guesses
		}
		if value != "" {
			h.Set(row.name, value)
		}
	}
	c.metadata(info.Metadata)
}

// metadata writes metadata with names as they were sent: the libraries hand them on in the case of the header.
func (c *call) metadata(metadata map[string]string) {
	for name, value := range metadata {
		c.w.Header()[strings.ToLower(metadataPrefix)+name] = []string{value}
	}
}

func (c *call) getMetadata() error {
	info, err := c.Store.Stat(c.r.Context(), c.at)
	if err != nil {
		return err
	}
	if err := c.conditions(&info); err != nil {
		return err
	}
	c.metadata(info.Metadata)
	return c.changed(http.StatusOK, info)
}

func (c *call) setMetadata() error {
	metadata, err := metadataOf(c.r.Header)
	if err != nil {
		return err
	}
	return c.update(func(info *blob.Info) { info.Metadata = metadata })
}

// setProperties replaces all properties, but not the metadata.
func (c *call) setProperties() error {
	h := c.r.Header
	sum, err := hashOf(h, "X-Ms-Blob-Content-Md5", 16)
	if err != nil {
		return err
	}
	return c.update(func(info *blob.Info) {
		info.Properties = blob.Properties{
			ContentType:        h.Get("x-ms-blob-content-type"),
			ContentEncoding:    h.Get("x-ms-blob-content-encoding"),
			ContentLanguage:    h.Get("x-ms-blob-content-language"),
			ContentDisposition: h.Get("x-ms-blob-content-disposition"),
			CacheControl:       h.Get("x-ms-blob-cache-control"),
			MD5:                sum,
			Metadata:           info.Metadata,
		}
	})
}

func (c *call) update(change func(*blob.Info)) error {
	info, err := c.Store.Update(c.r.Context(), c.at, func(now *blob.Info) error {
		if err := c.conditions(now); err != nil {
			return err
		}
		change(now)
		return nil
	})
	if err != nil {
		return err
	}
	return c.changed(http.StatusOK, info)
}

func (c *call) deleteBlob() error {
	if err := c.Store.Delete(c.r.Context(), c.at, c.conditions); err != nil {
		return err
	}
	return c.answer(http.StatusAccepted, nil)
}
