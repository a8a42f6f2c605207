package arm

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"

	"berth.dev/berth"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// load reads a resource or says in ARM's words that it, or what it would be in, is not there.
func (s *Server) load(q *request, id berth.ID) (*berth.Resource, error) {
	r, err := s.Store.Get(q.Context(), id)
	if !errors.Is(err, store.ErrNotFound) {
		return r, err
	}
	return nil, s.missing(q, id)
}

func (s *Server) missing(q *request, id berth.ID) error {
	group := berth.GroupID(id.Subscription, id.Group)
	if id.IsGroup() {
		return berth.Errorf(berth.CodeGroupNotFound, "Resource group '%s' could not be found.", id.Group)
	}
	if _, err := s.Store.Get(q.Context(), group); errors.Is(err, store.ErrNotFound) {
		return berth.Errorf(berth.CodeGroupNotFound, "Resource group '%s' could not be found.", id.Group)
	}
	return berth.Errorf(berth.CodeNotFound, "The Resource '%s' under resource group '%s' was not found.", id.String()[len(group.String()+"/providers/"):], id.Group)
}

// get answers GET and HEAD of one resource: one SELECT and an encode.
func (s *Server) get(q *request, k *kind, id berth.ID) (*response, error) {
	r, err := s.load(q, id)
	if err != nil {
		return nil, err
	}
	if q.Method == http.MethodHead {
		return &response{status: http.StatusNoContent}, nil
	}
	if etagIn(q.Header.Get("If-None-Match"), wire.ETag(r.Generation)) {
		return &response{status: http.StatusNotModified}, nil
	}
	res := ok(k.encode(s, q, r))
	res.header = map[string]string{"ETag": wire.ETag(r.Generation)}
	return res, nil
}

// list answers the resources of a kind inside parent; in the whole subscription when parent is zero.
func (s *Server) list(q *request, k *kind, parent berth.ID) (*response, error) {
	query := store.Query{Type: k.typ, Subscription: s.Subscription, Parent: parent}
	if !parent.IsZero() {
		if _, err := s.load(q, parent); err != nil {
			return nil, err
		}
	}
	return s.page(q, query, func(r *berth.Resource) any { return k.encode(s, q, r) })
}

// page answers one page. nextLink is complete and only there when there is a next page.
func (s *Server) page(q *request, query store.Query, encode func(*berth.Resource) any) (*response, error) {
	after, err := base64.RawURLEncoding.DecodeString(q.URL.Query().Get("$skiptoken"))
	if err != nil {
		return nil, berth.Errorf(berth.CodeInvalidRequest, "The $skiptoken is not one that Berth gave out. Begin the list again without it.")
	}
	query.After = string(after)
	if query.Limit, err = top(q); err != nil {
		return nil, err
	}
	rows, next, err := s.Store.List(q.Context(), query)
	if err != nil {
		return nil, err
	}
	value := make([]any, 0, len(rows))
	for _, r := range rows {
		value = append(value, encode(r))
	}
	return ok(withNext(q, value, next)), nil
}

func withNext(q *request, value []any, next string) wire.Object {
	out := wire.Object{"value": value}
	if next != "" {
		query := q.URL.Query()
		query.Set("$skiptoken", base64.RawURLEncoding.EncodeToString([]byte(next)))
		out["nextLink"] = q.base + (&url.URL{Path: cleanPath(q.URL.Path), RawQuery: query.Encode()}).String()
	}
	return out
}
