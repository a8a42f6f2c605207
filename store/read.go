package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"berth.dev/berth"
)

const (
	resourceColumns = "id, type, location, tags, body, state, generation, created_at, created_by, modified_at, modified_by, operation_id, fault"
	// MaxPage is how many rows one List answers at the most.
	MaxPage = 200
)

type row interface{ Scan(dest ...any) error }

func scanResource(r row, more ...any) (*berth.Resource, error) {
	var id, typ, tags, body, fault string
	var created, modified int64
	out := &berth.Resource{}
	dest := []any{&id, &typ, &out.Location, &tags, &body, &out.State, &out.Generation, &created, &out.CreatedBy, &modified, &out.ModifiedBy, &out.OperationID, &fault}
	if err := r.Scan(append(dest, more...)...); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return nil, ErrNotFound
		}
		return nil, err
	}
	out.CreatedAt, out.ModifiedAt = fromMicros(created), fromMicros(modified)
	var err error
	if out.ID, err = berth.ParseID(id); err != nil {
		return nil, fmt.Errorf("a stored id: %w", err)
	}
	if out.Body = berth.NewBody(typ); out.Body == nil {
		return nil, fmt.Errorf("%s has type %q, which this Berth does not know", id, typ)
	}
	return out, errors.Join(fromJSON(body, out.Body), fromJSON(tags, &out.Tags), fromJSON(fault, &out.Fault))
}

func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("a noun that JSON cannot hold: %v", err)) // our own types only
	}
	return string(b)
}

func faultJSON(e *berth.Error) string {
	if e == nil {
		return ""
	}
	return toJSON(e)
}

// fromJSON reads what toJSON wrote; ” and "null" leave into as it is.
func fromJSON(s string, into any) error {
	if s == "" || s == "null" {
		return nil
	}
	return json.Unmarshal([]byte(s), into)
}

// Get reads one resource. ErrNotFound when it is not there. It takes microseconds, so it is not made cancelable: watching
// over a context costs the driver two goroutines, and more time than the read itself.
func (s *Store) Get(ctx context.Context, id berth.ID) (*berth.Resource, error) {
	return scanResource(s.get.QueryRowContext(context.WithoutCancel(ctx), id.Key()))
}

// Query selects resources. Empty fields select everything.
type Query struct {
	Type         string
	Subscription string
	Group        berth.ID // those in the group (the group itself is not in it)
	Parent       berth.ID // direct children
	Name         string   // the last name, in any casing
	After        string   // the key after which to go on, from List
	Limit        int      // at most MaxPage; MaxPage when 0
}

// List reads resources in the order of their keys. next is empty when there are no more.
func (s *Store) List(ctx context.Context, q Query) (page []*berth.Resource, next string, err error) {
	where, args := q.where()
	limit := min(max(q.Limit, 0), MaxPage)
	if limit == 0 {
		limit = MaxPage
	}
	args = append(args, limit+1)
	rows, err := s.read.QueryContext(ctx, "SELECT "+resourceColumns+" FROM resources WHERE "+where+" ORDER BY key LIMIT ?", args...) // #nosec G202 -- all parts are constants of this file
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		r, err := scanResource(rows)
		if err != nil {
			return nil, "", err
		}
		if len(page) == limit {
			return page, page[limit-1].ID.Key(), nil
		}
		page = append(page, r)
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

// All lists every match, page after page. For small sets: the children of one thing.
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

// Holder says which compute has taken up a cluster; the zero ID when none has.
func (s *Store) Holder(ctx context.Context, cluster berth.ID) (berth.ID, error) {
	var id string
	err := s.read.QueryRowContext(ctx, "SELECT holder_id FROM holds WHERE cluster_key = ?", cluster.Key()).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return berth.ID{}, nil
	}
	if err != nil {
		return berth.ID{}, err
	}
	return berth.ParseID(id)
}

// Counts says how many resources there are by type and state: for metrics.
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
