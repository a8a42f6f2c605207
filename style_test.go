package berth_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The budgets of CONTRIBUTING that no linter holds as they are meant. A tab counts as one column.
const (
	maxColumns = 140
	maxLines   = 400
	maxTargets = 2 // of one assignment of separate values; one call may have any number of results
)

// TestStyle holds the budgets for the Go files of all modules of this repository.
func TestStyle(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go":
		default:
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, fault := range styleFaults(path, string(text)) {
				t.Error(fault)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNoConflictMarkers: what a merge left undecided is in no file that people read or programs run.
func TestNoConflictMarkers(t *testing.T) {
	others := []string{"node_modules", "dist", "bin"}
	read := map[string]bool{".go": true, ".md": true, ".yaml": true, ".txt": true, ".sql": true, ".html": true, ".sh": true, ".json": true}
	for _, dir := range []string{".", ".ci"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && path != dir && (strings.HasPrefix(d.Name(), ".") || slices.Contains(others, d.Name())):
				return fs.SkipDir
			case d.IsDir() || !read[filepath.Ext(path)] && filepath.Ext(path) != "":
				return nil
			}
			text, err := os.ReadFile(path)
			for _, mark := range []string{"\n<<<<<<< ", "\n>>>>>>> "} {
				if strings.Contains("\n"+string(text), mark) {
					t.Errorf("%s has a line that begins with %s", path, strings.TrimSpace(mark))
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// styleFaults lists what breaks a budget in a file, each with its place.
func styleFaults(path, text string) (faults []error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) > maxLines {
		faults = append(faults, fmt.Errorf("%s has %d lines; at most %d", path, len(lines), maxLines))
	}
	for i, line := range lines {
		if n := utf8.RuneCountInString(line); n > maxColumns {
			faults = append(faults, fmt.Errorf("%s:%d has %d columns; at most %d", path, i+1, n, maxColumns))
		}
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, text, parser.SkipObjectResolution)
	if err != nil {
		return append(faults, err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		values := 0
		switch n := n.(type) {
		case *ast.AssignStmt:
			values = len(n.Rhs)
		case *ast.ValueSpec:
			values = len(n.Values)
		}
		if values > maxTargets {
			faults = append(faults, fmt.Errorf("%s assigns %d values at once; at most %d", files.Position(n.Pos()), values, maxTargets))
		}
		return true
	})
	return faults
}

func TestStyleFaults(t *testing.T) {
	const head = "package p\n\nfunc f() {\n"
	for name, c := range map[string]struct {
		text, want string // the beginning of the one fault; empty for none
	}{
		"140 columns":     {"package p // " + strings.Repeat("é", 127) + "\n", ""},
		"141 columns":     {"package p // " + strings.Repeat("é", 128) + "\n", "f.go:1 has 141 columns"},
		"400 lines":       {"package p\n" + strings.Repeat("//\n", 399), ""},
		"401 lines":       {"package p\n" + strings.Repeat("//\n", 400), "f.go has 401 lines"},
		"two values":      {head + "\ta, b := 1, 2\n}\n", ""},
		"three values":    {head + "\ta, b, c := 1, 2, 3\n}\n", "f.go:4:2 assigns 3 values at once"},
		"assigned anew":   {head + "\ta, b, c = c, a, b\n}\n", "f.go:4:2 assigns 3 values at once"},
		"three results":   {head + "\ta, b, c := g()\n}\n", ""},
		"three variables": {"package p\n\nvar a, b, c int\n", ""},
		"three constants": {"package p\n\nconst a, b, c = 1, 2, 3\n", "f.go:3:7 assigns 3 values at once"},
		"no Go":           {"package\n", "f.go:1:9: expected"},
	} {
		got := errors.Join(styleFaults("f.go", c.text)...)
		if (got == nil) != (c.want == "") || got != nil && (!strings.HasPrefix(got.Error(), c.want) || strings.Contains(got.Error(), "\n")) {
			t.Errorf("%s: %v; want %q", name, got, c.want)
		}
	}
}
