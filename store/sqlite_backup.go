package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// Backup copies the database file at from to a new file, readable by its owner only. It is safe while a server works with the
// database: the copy is that of one moment, and no writer waits.
func Backup(ctx context.Context, from, to string) (err error) {
	db, err := existing(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // SQLite writes into an empty file
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", to); err != nil {
		return openError(from, err)
	}
	return nil
}

// CheckFile compares the tables and indexes of a database file. It changes nothing, and is safe while a server works with the
// file. The error is a *berth.FileError when the file is damaged or cannot be used.
func CheckFile(ctx context.Context, path string) (err error) {
	db, err := existing(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	found, err := integrity(ctx, db)
	if err != nil {
		return openError(path, err)
	}
	if found != "" {
		return damaged(path, found)
	}
	return nil
}

// existing opens a database file for reading. The file must exist.
func existing(path string) (*sql.DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=rw&_pragma=busy_timeout(10000)")
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// integrity lists the faults of tables and indexes; empty when there are none.
func integrity(ctx context.Context, db *sql.DB) (found string, err error) {
	rows, err := db.QueryContext(ctx, "PRAGMA integrity_check(10)")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return "", err
		}
		lines = append(lines, line)
	}
	if len(lines) == 1 && lines[0] == "ok" {
		lines = nil
	}
	return strings.Join(lines, "; "), rows.Err()
}
