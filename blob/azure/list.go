package azure

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"berth.dev/berth/blob"
)

type xmlList struct {
	XMLName    xml.Name `xml:"EnumerationResults"`
	Endpoint   string   `xml:"ServiceEndpoint,attr"`
	Container  string   `xml:"ContainerName,attr,omitempty"`
	Prefix     string   `xml:",omitempty"`
	Marker     string   `xml:",omitempty"`
	MaxResults int      `xml:",omitempty"`
	Delimiter  string   `xml:",omitempty"`
	Blobs      *struct {
		Blobs    []xmlBlob   `xml:"Blob"`
		Prefixes []xmlPrefix `xml:"BlobPrefix"`
	}
	Containers *struct {
		Containers []xmlContainer `xml:"Container"`
	}
	NextMarker string
}

type xmlPrefix struct{ Name string }

type xmlBlob struct {
	Name       string
	Properties xmlProperties
	Metadata   *xmlMetadata
}

type xmlProperties struct {
	Created      string `xml:"Creation-Time"`
	Modified     string `xml:"Last-Modified"`
	ETag         string `xml:"Etag"`
	Length       int64  `xml:"Content-Length"`
	Type         string `xml:"Content-Type"`
	Encoding     string `xml:"Content-Encoding"`
	Language     string `xml:"Content-Language"`
	MD5          string `xml:"Content-MD5"`
	CacheControl string `xml:"Cache-Control"`
	Disposition  string `xml:"Content-Disposition"`
	BlobType     string
	LeaseStatus  string
	LeaseState   string
	Encrypted    bool `xml:"ServerEncrypted"`
}

type xmlContainer struct {
	Name       string
	Properties struct {
		Modified    string `xml:"Last-Modified"`
		ETag        string `xml:"Etag"`
		LeaseStatus string
		LeaseState  string
	}
	Metadata *xmlMetadata
}

// xmlMetadata has one element for each name; metadataName is what keeps them good XML.
type xmlMetadata map[string]string

// MarshalXML writes the elements in the order of their names.
func (m xmlMetadata) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := e.EncodeElement(m[name], xml.StartElement{Name: xml.Name{Local: name}}); err != nil {
			return err
		}
	}
	return e.EncodeToken(start.End())
}

// listed reads what both kinds of lists have.
func (c *call) listed() (xmlList, error) {
	list := xmlList{Prefix: c.query.Get("prefix"), Marker: c.query.Get("marker"), Delimiter: c.query.Get("delimiter")}
	scheme := "http://"
	if c.r.TLS != nil {
		scheme = "https://"
	}
	list.Endpoint = scheme + c.r.Host + "/"
	if text := c.query.Get("maxresults"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return list, invalidQuery("maxresults", "it must be a number above 0.")
		}
		list.MaxResults = min(n, blob.MaxPage)
	}
	return list, nil
}

// including is true if the list shall contain something beyond the usual.
func (c *call) including(what string) bool {
	return slices.Contains(strings.Split(c.query.Get("include"), ","), what)
}

func (c *call) listBlobs() error {
	list, err := c.listed()
	if err != nil {
		return err
	}
	page, err := c.Store.List(c.r.Context(), c.at.Container, blob.Query{
		Prefix: list.Prefix, Delimiter: list.Delimiter, Marker: list.Marker, Max: list.MaxResults,
	})
	if err != nil {
		return err
	}
	list.Container, list.NextMarker = c.at.Container, page.Next
	list.Blobs = new(struct {
		Blobs    []xmlBlob   `xml:"Blob"`
		Prefixes []xmlPrefix `xml:"BlobPrefix"`
	})
	for _, info := range page.Files {
		b := xmlBlob{Name: info.Name, Properties: xmlProperties{
			Created: httpTime(info.Created), Modified: httpTime(info.Modified), ETag: info.ETag, Length: info.Size,
			Type: info.ContentType, Encoding: info.ContentEncoding, Language: info.ContentLanguage,
			MD5: base64.StdEncoding.EncodeToString(info.MD5), CacheControl: info.CacheControl, Disposition: info.ContentDisposition,
			BlobType: "BlockBlob", LeaseStatus: "unlocked", LeaseState: "available",
		}}
		if c.including("metadata") {
			m := xmlMetadata(info.Metadata)
			b.Metadata = &m
		}
		list.Blobs.Blobs = append(list.Blobs.Blobs, b)
	}
	for _, prefix := range page.Prefixes {
		list.Blobs.Prefixes = append(list.Blobs.Prefixes, xmlPrefix{prefix})
	}
	return c.answer(http.StatusOK, list)
}

// listContainers answers all containers at once: an account has few.
func (c *call) listContainers() error {
	list, err := c.listed()
	if err != nil {
		return err
	}
	all, err := c.Store.Containers(c.r.Context())
	if err != nil {
		return err
	}
	list.Containers = new(struct {
		Containers []xmlContainer `xml:"Container"`
	})
	for _, one := range all {
		if !strings.HasPrefix(one.Name, list.Prefix) {
			continue
		}
		x := xmlContainer{Name: one.Name}
		x.Properties.Modified, x.Properties.ETag = httpTime(one.Modified), one.ETag
		x.Properties.LeaseStatus, x.Properties.LeaseState = "unlocked", "available"
		if c.including("metadata") {
			m := xmlMetadata(one.Metadata)
			x.Metadata = &m
		}
		list.Containers.Containers = append(list.Containers.Containers, x)
	}
	return c.answer(http.StatusOK, list)
}

func (c *call) describeContainer(one blob.Container) {
	h := c.w.Header()
	h.Set("ETag", quoted(one.ETag))
	h.Set("Last-Modified", httpTime(one.Modified))
}

func (c *call) createContainer() error {
	if c.r.Header.Get("x-ms-blob-public-access") != "" {
		return invalidHeader("x-ms-blob-public-access", "there is no access without a SAS or a key here; leave it out.")
	}
	metadata, err := metadataOf(c.r.Header)
	if err != nil {
		return err
	}
	one, made, err := c.Store.CreateContainer(c.r.Context(), c.at.Container, metadata)
	if err != nil {
		return err
	}
	if !made {
		return &fault{status: http.StatusConflict, Code: "ContainerAlreadyExists", Message: "The specified container already exists."}
	}
	c.describeContainer(one)
	return c.answer(http.StatusCreated, nil)
}

func (c *call) getContainer() error {
	one, err := c.Store.Container(c.r.Context(), c.at.Container)
	if err != nil {
		return err
	}
	c.describeContainer(one)
	c.metadata(one.Metadata)
	h := c.w.Header()
	h.Set("x-ms-lease-status", "unlocked")
	h.Set("x-ms-lease-state", "available")
	h.Set("x-ms-has-immutability-policy", "false")
	h.Set("x-ms-has-legal-hold", "false")
	return c.answer(http.StatusOK, nil)
}

func (c *call) deleteContainer() error {
	if err := c.Store.DeleteContainer(c.r.Context(), c.at.Container); err != nil {
		return err
	}
	return c.answer(http.StatusAccepted, nil)
}

// accountInfo says what kind of account this is: the libraries ask before they choose a protocol.
func (c *call) accountInfo() error {
	h := c.w.Header()
	h.Set("x-ms-sku-name", "Standard_LRS")
	h.Set("x-ms-account-kind", "StorageV2")
	h.Set("x-ms-is-hns-enabled", "false")
	return c.answer(http.StatusOK, nil)
}
