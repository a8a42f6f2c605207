package kube

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// listTime is how long a list may take, with all its pages; a connection whose requests may each take longer has that time.
const listTime = 30 * time.Second

// metadataOnly asks for the metadata of objects and for nothing else of them.
const metadataOnly = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

// listing is a list to be read, and its bounds.
type listing struct {
	call
	page  int   // items that are asked for at once; 0 for all
	items int   // most items in all
	pages int   // most pages; with 1 the rest is not asked for
	bytes int64 // most bytes in all
}

// list reads a list item by item: no more than one is held at a time, besides what each keeps. whole is false when only the
// first page was wanted and there are more. A list that exceeds its bounds is Nonsense.
func list[T any](ctx context.Context, c *Conn, l listing, each func(*T) error) (whole bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, max(listTime, c.timeout))
	defer cancel()
	r := &reader{what: "list of " + l.what, most: l.bytes, value: maxValue}
	defer r.close()
	l.method, l.query = http.MethodGet, withLimit(l.query, l.page)
	n := 0
	counted := func(item *T) error {
		if n++; n > l.items {
			return nonsense("the cluster sent more than %d %s in one list, and the rest was not read", l.items, l.what)
		}
		if n == largeList {
			if err := r.enlarge(); err != nil {
				return err
			}
		}
		return each(item)
	}
	for page := 1; ; page++ {
		next := ""
		err := c.do(ctx, l.call, func(ctx context.Context, answer *http.Response) (err error) {
			r.open(ctx, answer.Body)
			next, err = readPage(r.decoder, counted)
			return r.judge(err)
		})
		switch {
		case err != nil:
			return false, err
		case next == "" || l.pages == 1:
			return next == "", nil
		case len(next) > maxContinue:
			return false, nonsense("the cluster sent a continue token of %d bytes in a list of %s", len(next), l.what)
		case page == l.pages:
			return false, nonsense("the cluster sent more than %d pages in one list of %s, and the rest was not read", l.pages, l.what)
		}
		l.query.Set("continue", next)
	}
}

func withLimit(query url.Values, limit int) url.Values {
	out := url.Values{}
	for key, values := range query {
		out[key] = values
	}
	if limit > 0 {
		out.Set("limit", strconv.Itoa(limit))
	}
	return out
}

// readPage reads one page of a list: {"metadata":{"continue":…},"items":[…]}, in any order.
func readPage[T any](d *json.Decoder, each func(*T) error) (next string, err error) {
	if err := expect(d, '{'); err != nil {
		return "", err
	}
	isList := false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return "", err
		}
		switch key {
		case "items":
			isList = true
			err = readItems(d, each)
		case "metadata":
			var m struct{ Continue string }
			err = d.Decode(&m)
			next = m.Continue
		default:
			var skipped json.RawMessage
			err = d.Decode(&skipped)
		}
		if err != nil {
			return "", err
		}
	}
	if !isList {
		return "", nonsense("the cluster answered with something else than a list")
	}
	return next, expect(d, '}')
}

func readItems[T any](d *json.Decoder, each func(*T) error) error {
	switch t, err := d.Token(); {
	case err != nil:
		return err
	case t == nil: // null is an empty list
		return nil
	case t != json.Delim('['):
		return nonsense("the cluster answered with a list whose items are none")
	}
	for d.More() {
		var item T
		if err := d.Decode(&item); err != nil {
			return err
		}
		if err := each(&item); err != nil {
			return err
		}
	}
	return expect(d, ']')
}
