package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"berth.dev/berth"
)

// MaxPage is the largest number of rows that one List returns.
const MaxPage = 200

// Get reads one resource. ErrNotFound when there is none. It cannot be canceled: it takes microseconds, and the driver would
// spend more time on watching the context than on the read.
func (s *Store) Get(ctx context.Context, id berth.ID) (*berth.Resource, error) {
	var w resourceRow
	if err := w.scan(s.get.QueryRowContext(context.WithoutCancel(ctx), id.Key())); err != nil {
		return nil, err
	}
	if r := s.resource(&w); r != nil {
		return r, nil
	}
	return nil, ErrNotFound
}

// Query selects resources. Empty fields select everything.
type Query struct {
	Type         string
	Subscription string
	Group        berth.ID // the resources of a group, without the group itself
	Parent       berth.ID // direct children
	Name         string   // the last name, in any casing
	After        string   // the key after which the page begins: next of the List before
	Limit        int      // at most MaxPage; MaxPage when 0
}

// List reads resources in the order of their keys. next is empty on the last page. A row that cannot be read is shown as an
// Unreadable resource; in a list of one type only when its id has that type.
func (s *Store) List(ctx context.Context, q Query) (page []*berth.Resource, next string, err error) {
	where, args := q.where()
	limit := min(max(q.Limit, 0), MaxPage)
	if limit == 0 {
		limit = MaxPage
	}
	args = append(args, limit+1)
	// #nosec G202 -- all parts are constants of this file
	rows, err := s.read.QueryContext(ctx, "SELECT "+resourceColumns+", checksum FROM resources WHERE "+where+" ORDER BY key LIMIT ?", args...)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	last := q.After
	for n := 0; rows.Next(); n++ {
		if n == limit {
			return page, last, nil
		}
		var w resourceRow
		if err := w.scan(rows); err != nil {
			return nil, "", err
		}
		if string(w.key) <= last { // no text: a page must never lead back
			s.setAside("resources", string(w.key), errors.New("its key is damaged"))
			continue
		}
		last = string(w.key)
		if r := s.resource(&w); r != nil && (q.Type == "" || q.Type == r.Body.ResourceType()) {
			page = append(page, r)
		}
	}
	return page, "", rows.Err()
}

func (q Query) where() (string, []any) {
	conditions, args := []string{"key > ?"}, []any{q.After}
	add := func(condition string, arg any) {
		conditions, args = append(conditions, condition), append(args, arg)
	}
	if q.Type != "" {
		add("type = ?", q.Type)
	}
	if q.Subscription != "" {
		add("subscription = ?", strings.ToLower(q.Subscription))
	}
	if !q.Group.IsZero() {
		add("group_key = ?", q.Group.Key())
		add("key <> ?", q.Group.Key())
	}
	if !q.Parent.IsZero() {
		add("parent_key = ?", q.Parent.Key())
	}
	if q.Name != "" {
		add(`key LIKE ? ESCAPE '\'`, "%/"+strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(q.Name)))
	}
	return strings.Join(conditions, " AND "), args
}

// All lists every match, page after page. Use it for small sets only, such as the children of one resource.
func (s *Store) All(ctx context.Context, q Query) ([]*berth.Resource, error) {
	var all []*berth.Resource
	for {
		page, next, err := s.List(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if next == "" {
			return all, nil
		}
		q.After = next
	}
}

// Holder is the compute that holds a cluster; the zero ID when none does.
func (s *Store) Holder(ctx context.Context, cluster berth.ID) (berth.ID, error) {
	h, err := s.readHolder(ctx, s.read, cluster)
	if errors.Is(err, sql.ErrNoRows) {
		return berth.ID{}, nil
	}
	if err != nil {
		return berth.ID{}, err
	}
	holder, err := berth.ParseID(h.id)
	if err != nil {
		s.setAside("holds", cluster.Key(), err)
		holder, err = berth.ParseID(h.key)
	}
	return holder, err
}

// Counts is the number of resources by type and state, for metrics.
func (s *Store) Counts(ctx context.Context) (counts map[[2]string]int, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT type, state, COUNT(*) FROM resources GROUP BY type, state")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	counts = map[[2]string]int{}
	for rows.Next() {
		var typ, state string
		var n int
		if err := rows.Scan(&typ, &state, &n); err != nil {
			return nil, err
		}
		counts[[2]string{typ, state}] = n
	}
	return counts, rows.Err()
}
