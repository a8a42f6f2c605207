package arm

import (
	"encoding/base64"
	"errors"
	"maps"
	"net/url"
	"slices"

	"berth.dev/berth"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// load reads a resource. When it or its group does not exist, the error is ARM's.
func (s *Server) load(q *request, id berth.ID) (*berth.Resource, error) {
	r, err := s.Store.Get(q.Context(), id)
	if !errors.Is(err, store.ErrNotFound) {
		return r, err
	}
	return nil, s.missing(q, id)
}

// missing is ARM's error for a resource that does not exist, or whose group does not exist.
func (s *Server) missing(q *request, id berth.ID) error {
	if err := s.groupMissing(q, id); err != nil {
		return err
	}
	if id.Group == "" {
		return berth.Errorf(berth.CodeNotFound, "The Resource '%s/%s' was not found in the subscription.", id.Type(), id.Name())
	}
	name := id.String()[len(berth.GroupID(id.Subscription, id.Group).String()+"/providers/"):]
	return berth.Errorf(berth.CodeNotFound, "The Resource '%s' under resource group '%s' was not found.", name, id.Group)
}

// parent is the resource in which one is to be changed.
func (s *Server) parent(q *request, id berth.ID) (*berth.Resource, error) {
	r, err := s.stored(q, id.Parent())
	if errors.Is(err, store.ErrNotFound) {
		return nil, s.parentMissing(q, id)
	}
	return r, err
}

// parentMissing is ARM's error for a change of a resource whose parent or group does not exist.
func (s *Server) parentMissing(q *request, id berth.ID) error {
	if err := s.groupMissing(q, id); err != nil {
		return err
	}
	return berth.Errorf(berth.CodeParentNotFound, "Failed to perform 'write' on resource(s) of type '%s', "+
		"because the parent resource '%s' could not be found.", id.Type(), id.Parent())
}

// groupMissing is ARM's error for an id whose group does not exist, or that is the id of such a group; nil when the group exists.
func (s *Server) groupMissing(q *request, id berth.ID) error {
	if id.Group == "" {
		return nil
	}
	_, err := s.stored(q, berth.GroupID(id.Subscription, id.Group))
	if errors.Is(err, store.ErrNotFound) {
		return berth.Errorf(berth.CodeGroupNotFound, "Resource group '%s' could not be found.", id.Group)
	}
	return err
}

// get answers GET and HEAD of one resource: at most one SELECT and an encode.
func (s *Server) get(q *request, t target) (*response, error) {
	a, err := s.encoded(q, t)
	if err != nil {
		return nil, err
	}
	return a.response(q), nil
}

// list answers the resources of a kind inside another resource; in the whole subscription when the id of the target is zero.
func (s *Server) list(q *request, t target) (*response, error) {
	k, parent := t.kind, t.id
	query := store.Query{Type: k.typ, Subscription: s.Subscription, Parent: parent}
	if parent.IsZero() && berth.OfSubscription(k.typ) {
		query.Group = berth.GroupID(s.Subscription, "") // those of the subscription itself
	}
	if !parent.IsZero() {
		if _, err := s.load(q, parent); err != nil {
			return nil, err
		}
	}
	return s.page(q, query, func(r *berth.Resource) any { return k.encode(s, q, r) })
}

// page answers one page. nextLink is a complete address; the answer has it only when there is a next page.
func (s *Server) page(q *request, query store.Query, encode func(*berth.Resource) any) (*response, error) {
	var err error
	if query.After, query.Limit, err = paging(q); err != nil {
		return nil, err
	}
	rows, next, err := s.Store.List(q.Context(), query)
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(r *berth.Resource) bool { return !q.visible(r) })
	return ok(withNext(q, encodeAll(rows, encode), next)), nil
}

// pageOf answers one page of the resources that a filter accepts. Without $top the page has all of them.
func (s *Server) pageOf(q *request, query store.Query, lets func(*berth.Resource) bool) (*response, error) {
	after, limit, err := paging(q)
	if err != nil {
		return nil, err
	}
	all, err := s.Store.All(q.Context(), query)
	if err != nil {
		return nil, err
	}
	rows := slices.DeleteFunc(all, func(r *berth.Resource) bool { return r.ID.Key() <= after || !lets(r) || !q.visible(r) })
	next := ""
	if limit > 0 && len(rows) > limit {
		rows = rows[:limit]
		next = rows[limit-1].ID.Key()
	}
	return ok(withNext(q, encodeAll(rows, func(r *berth.Resource) any { return wire.Generic(r) }), next)), nil
}

// paging reads the key after which a page begins and the maximum length of the page: 0 when the request has none.
func paging(q *request) (after string, limit int, err error) {
	key, err := base64.RawURLEncoding.DecodeString(q.param("$skiptoken"))
	if err != nil {
		return "", 0, berth.Errorf(berth.CodeInvalidRequest, "The $skiptoken is not from Berth. Begin the list again without it.")
	}
	limit, err = top(q)
	return string(key), limit, err
}

func encodeAll(rows []*berth.Resource, encode func(*berth.Resource) any) []any {
	value := make([]any, 0, len(rows))
	for _, r := range rows {
		value = append(value, encode(r))
	}
	return value
}

func withNext(q *request, value []any, next string) wire.Object {
	out := wire.Object{"value": value}
	if next != "" {
		query := maps.Clone(q.params())
		query.Set("$skiptoken", base64.RawURLEncoding.EncodeToString([]byte(next)))
		out["nextLink"] = q.base + (&url.URL{Path: cleanPath(q.URL.Path), RawQuery: query.Encode()}).String()
	}
	return out
}
