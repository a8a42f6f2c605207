package blob

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"

	cloud "gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Query says which files of a container to list.
type Query struct {
	Prefix    string // of the names
	Delimiter string // if not empty, names that have it after the prefix are listed as one of Page.Prefixes
	Marker    string // Page.Next of the page before
	Max       int    // of files and prefixes in a page; 0 for MaxPage
}

// Page is a part of a list. Files and prefixes are in the order of their bytes.
type Page struct {
	Files    []Info
	Prefixes []string
	Next     string // the marker of the next page; empty for the last one. A page may have less than Query.Max entries
}

// MaxPage is the most that one page has.
const MaxPage = 5000

// readers is how many records are read at a time: in a bucket, each takes a round trip.
const readers = 16

// listTries is far above the number of deletions that can come in between one list.
const listTries = 1000

// ErrMarker is returned for a marker that List did not give.
var ErrMarker = errors.New("the marker does not come from a list")

// List lists the files of a container whose names have a prefix.
func (s *Store) List(ctx context.Context, container string, q Query) (Page, error) {
	if _, err := s.Container(ctx, container); err != nil {
		return Page{}, err
	}
	token, last, err := readMarker(q.Marker)
	if err != nil {
		return Page{}, err
	}
	if q.Max <= 0 || q.Max > MaxPage {
		q.Max = MaxPage
	}
	keys := cloud.ListOptions{Prefix: namePrefix(At{container, q.Prefix})}
	var page Page
	var names []string
	for len(names)+len(page.Prefixes) == 0 && len(token) > 0 {
		var objects []*cloud.ListObject
		objects, token, err = s.objects(ctx, token, q.Max, &keys)
		if err != nil {
			return Page{}, err
		}
		for _, object := range objects {
			name, ok := nameOf(container, object.Key)
			if !ok {
				continue
			}
			if prefix := q.group(name); prefix == "" {
				names = append(names, name)
			} else if prefix != last {
				page.Prefixes, last = append(page.Prefixes, prefix), prefix
			}
		}
	}
	page.Next = marker(token, last)
	page.Files, err = s.infos(ctx, container, names)
	return page, err
}

// objects is one page of the bucket. A folder refuses to list a file that is deleted at that moment; then it is asked again.
func (s *Store) objects(ctx context.Context, token []byte, max int, keys *cloud.ListOptions) (
	objects []*cloud.ListObject, next []byte, err error) {
	for range listTries {
		objects, next, err = s.bucket.ListPage(ctx, token, max, keys)
		if gcerrors.Code(err) != gcerrors.NotFound {
			break
		}
	}
	return objects, next, err
}

// group is the part of a name up to the delimiter after the prefix, or nothing.
func (q Query) group(name string) string {
	if q.Delimiter == "" {
		return ""
	}
	i := strings.Index(name[len(q.Prefix):], q.Delimiter)
	if i < 0 {
		return ""
	}
	return name[:len(q.Prefix)+i+len(q.Delimiter)]
}

// infos reads the records of names; those that are gone since are left out.
func (s *Store) infos(ctx context.Context, container string, names []string) ([]Info, error) {
	found, failed := make([]*Info, len(names)), make([]error, len(names))
	var all sync.WaitGroup
	for first := range min(readers, len(names)) {
		all.Go(func() {
			for i := first; i < len(names); i += readers {
				found[i], failed[i] = s.read(ctx, At{container, names[i]})
			}
		})
	}
	all.Wait()
	infos := make([]Info, 0, len(names))
	for i, info := range found {
		if errors.Is(failed[i], ErrNotFound) {
			continue
		}
		if failed[i] != nil {
			return nil, failed[i]
		}
		infos = append(infos, *info)
	}
	return infos, nil
}

// A marker has the bucket's token and the last prefix of the page, so that the next page does not repeat it.

func marker(token []byte, prefix string) string {
	if len(token) == 0 {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(token) + "." + base64.RawURLEncoding.EncodeToString([]byte(prefix))
}

func readMarker(marker string) (token []byte, prefix string, err error) {
	if marker == "" {
		return cloud.FirstPageToken, "", nil
	}
	first, second, _ := strings.Cut(marker, ".")
	token, err = base64.RawURLEncoding.DecodeString(first)
	last, also := base64.RawURLEncoding.DecodeString(second)
	if err = errors.Join(err, also); err != nil || len(token) == 0 {
		return nil, "", fmt.Errorf("%w: leave it out to begin again", ErrMarker)
	}
	return token, string(last), nil
}
