package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// pgConnector opens connections that take the SQL of this package.
type pgConnector struct{ driver.Connector }

// pgConn numbers the placeholders of a statement: PostgreSQL has $1, $2 where this package writes ?.
type pgConn struct{ *stdlib.Conn }

func openPostgres(config *pgx.ConnConfig, conns int) *sql.DB {
	db := sql.OpenDB(pgConnector{stdlib.GetConnector(*config)})
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db
}

// Connect implements driver.Connector.
func (c pgConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return pgConn{conn.(*stdlib.Conn)}, nil
}

// PrepareContext implements driver.ConnPrepareContext.
func (c pgConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	return c.Conn.PrepareContext(ctx, numbered(text))
}

// ExecContext implements driver.ExecerContext. Without arguments, the text may be several statements.
func (c pgConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) > 0 {
		text = numbered(text)
	}
	return c.Conn.ExecContext(ctx, text, args)
}

// QueryContext implements driver.QueryerContext.
func (c pgConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	return c.Conn.QueryContext(ctx, numbered(text), args)
}

// CheckNamedValue implements driver.NamedValueChecker. PostgreSQL's texts are UTF-8 without zeros. What this package writes is, but a
// client may ask for a resource by any bytes: those find nothing.
func (c pgConn) CheckNamedValue(v *driver.NamedValue) (err error) {
	if v.Value, err = driver.DefaultParameterConverter.ConvertValue(v.Value); err != nil {
		return err
	}
	if s, isText := v.Value.(string); isText {
		v.Value = plain(s)
	}
	return nil
}

// numbered replaces each ? by its number. No statement of this package has a ? in a literal or in a comment.
func numbered(text string) string {
	if !strings.Contains(text, "?") {
		return text
	}
	var b strings.Builder
	for i, part := range strings.Split(text, "?") {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	return b.String()
}
