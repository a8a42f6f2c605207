package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"berth.dev/berth"
)

// text and number accept a column with a value of any type, because one damaged row must not end the reading of all others. A
// wrong value becomes broken or noNumber, and decode refuses it.
type (
	text   string
	number int64
)

const (
	broken   text   = "\x00"
	noNumber number = math.MinInt64
)

// Scan implements sql.Scanner.
func (t *text) Scan(v any) error {
	switch v := v.(type) {
	case string:
		*t = text(v)
	case []byte:
		*t = text(v)
	default:
		*t = broken
	}
	return nil
}

// Scan implements sql.Scanner.
func (n *number) Scan(v any) error {
	i, isNumber := v.(int64)
	if !isNumber {
		i = int64(noNumber)
	}
	*n = number(i)
	return nil
}

type row interface{ Scan(dest ...any) error }

const resourceColumns = "key, id, type, location, tags, body, state, generation, created_at, created_by, modified_at, modified_by, " +
	"operation_id, fault"

// resourceRow is a row of the table resources, undecoded.
type resourceRow struct {
	key, id, typ, location, tags, body, state text
	generation, createdAt, modifiedAt         number
	createdBy, modifiedBy, operationID, fault text
	differs                                   int64 // the stored checksum from that of the content: 0 for a sound row
}

// scan reads resourceColumns, the checksum, and more behind them. ErrNotFound when there is no row.
func (w *resourceRow) scan(r row, more ...any) error {
	var sum checksum
	err := r.Scan(append([]any{
		&w.key, &w.id, &w.typ, &w.location, &w.tags, &w.body, &w.state, &w.generation,
		&w.createdAt, &w.createdBy, &w.modifiedAt, &w.modifiedBy, &w.operationID, &w.fault, &sum,
	}, more...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	w.differs = sum.differs(w.content())
	return err
}

// content is the checksum of the row's content.
func (w *resourceRow) content() int64 {
	return checksumOf(w.key, w.id, w.typ, w.location, w.tags, w.body, w.state, w.generation,
		w.createdAt, w.createdBy, w.modifiedAt, w.modifiedBy, w.operationID, w.fault)
}

// rowOf is the row of a resource.
func rowOf(r *berth.Resource) *resourceRow {
	return &resourceRow{
		key: text(r.ID.Key()), id: text(r.ID.String()), typ: text(r.Body.ResourceType()), location: text(r.Location),
		tags: text(toJSON(r.Tags)), body: text(toJSON(r.Body)), state: text(r.State), generation: number(r.Generation),
		createdAt: number(micros(r.CreatedAt)), createdBy: text(r.CreatedBy),
		modifiedAt: number(micros(r.ModifiedAt)), modifiedBy: text(r.ModifiedBy),
		operationID: text(r.OperationID), fault: text(faultJSON(r.Fault)),
	}
}

// resourceUpdate writes the columns of a row that can change, and its checksum; set returns the values. Append the columns of the
// queue and the condition.
const resourceUpdate = "UPDATE resources SET body = ?, state = ?, generation = ?, modified_at = ?, modified_by = ?, " +
	"operation_id = ?, fault = ?, checksum = ?"

func (w *resourceRow) set(more ...any) []any {
	return append([]any{
		w.body, w.state, w.generation, w.modifiedAt, w.modifiedBy, w.operationID, w.fault, w.content() ^ w.differs,
	}, more...)
}

// decode turns a row into a resource. The error is the reason why a row cannot be read; the resource then has the fields that
// can be.
func (w *resourceRow) decode() (*berth.Resource, error) {
	r := &berth.Resource{
		Location: string(w.location), State: berth.State(w.state), Generation: int64(w.generation), Body: berth.NewBody(string(w.typ)),
		CreatedAt: fromMicros(int64(w.createdAt)), CreatedBy: string(w.createdBy),
		ModifiedAt: fromMicros(int64(w.modifiedAt)), ModifiedBy: string(w.modifiedBy), OperationID: string(w.operationID),
	}
	var err error
	if r.ID, err = berth.ParseID(string(w.id)); err != nil {
		return r, fmt.Errorf("its id: %w", err)
	}
	switch {
	case w.differs != 0:
		return r, errChecksum
	case r.ID.Key() != string(w.key):
		return r, errors.New("its id differs from its key")
	case r.Body == nil:
		return r, fmt.Errorf("this version of Berth does not know the type %q", w.typ)
	case !r.ID.Is(string(w.typ)):
		return r, errors.New("its type differs from that of its id")
	case !known(r.State):
		return r, fmt.Errorf("%q is not a state", w.state)
	case w.generation == noNumber, w.createdAt == noNumber, w.modifiedAt == noNumber:
		return r, errors.New("a column that must be a number is not one")
	}
	for _, part := range []struct {
		name string
		from text
		into any
	}{{"body", w.body, r.Body}, {"tags", w.tags, &r.Tags}, {"fault", w.fault, &r.Fault}} {
		if err := fromJSON(string(part.from), part.into); err != nil {
			return r, fmt.Errorf("its %s: %w", part.name, err)
		}
	}
	return r, nil
}

func known(s berth.State) bool {
	switch s {
	case berth.StateAccepted, berth.StateCreating, berth.StateUpdating, berth.StateDeleting:
		return true
	}
	return s.Terminal()
}

// resource is the resource of a row. A row that cannot be read is set aside: it is shown as Failed, with the reason, and can be
// deleted. Nil for a row whose key is not an id, because no request could name it.
func (s *Store) resource(w *resourceRow) *berth.Resource {
	r, err := w.decode()
	if err == nil {
		s.unreadable.forget("resources", string(w.key))
		return r
	}
	id, keyErr := berth.ParseID(string(w.key))
	s.setAside("resources", string(w.key), err)
	if keyErr != nil {
		return nil
	}
	if r.ID.Key() != id.Key() { // else it has the caller's casing
		r.ID = id
	}
	if r.State != berth.StateDeleting {
		r.State = berth.StateFailed
	}
	r.Unreadable, r.Fault = true, s.explain(&berth.UnreadableError{Name: r.ID.Name(), Why: err})
	r.Tags, r.Body = nil, emptyBody(r.ID)
	return r
}

// emptyBody is an empty body of the id's type, as encoders expect it. A type that this Berth does not know is shown as a record.
func emptyBody(id berth.ID) berth.Body {
	for _, typ := range []string{berth.TypeResourceGroup, berth.TypeWorkspace, berth.TypeCompute, berth.TypeCluster, berth.TypeConnected,
		berth.TypeTemplateDeployment, id.Type()} {
		if id.Is(typ) {
			if body := berth.NewBody(typ); body != nil {
				return body
			}
		}
	}
	return &berth.Record{Type: id.Type()}
}

const resourceByKey = "SELECT " + resourceColumns + ", checksum FROM resources WHERE key = ?"

// queryResource reads one resource, and its row. ErrNotFound when there is none.
func (s *Store) queryResource(ctx context.Context, tx *txn, key string) (*berth.Resource, *resourceRow, error) {
	var w resourceRow
	if err := w.scan(tx.QueryRowContext(ctx, resourceByKey, key)); err != nil {
		return nil, nil, err
	}
	if r := s.resource(&w); r != nil {
		return r, &w, nil
	}
	return nil, nil, ErrNotFound
}

// plain is a text that every engine stores as it is: UTF-8 without zeros.
func plain(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("a value that JSON cannot hold: %v", err)) // the package's own types only
	}
	return string(b)
}

func faultJSON(e *berth.Error) string {
	if e == nil {
		return ""
	}
	return toJSON(e)
}

// fromJSON reads what toJSON wrote; "" and "null" leave into as it is.
func fromJSON(s string, into any) error {
	if s == "" || s == "null" {
		return nil
	}
	return json.Unmarshal([]byte(s), into)
}
