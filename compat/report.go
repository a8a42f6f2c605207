package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// report is what a client could do.
type report struct {
	title, version string
	operations     []operation
}

// operation is one line that a client's tests wrote.
type operation struct {
	Name    string  `json:"operation"`
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"`
	Note    string  `json:"note,omitempty"` // a known limitation
}

func readReport(file string) (all []operation, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("the tests reported nothing: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var o operation
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, lines.Err()
}

const head = `# What the real clients can do

Written by ` + "`make compat`" + `, which installs each client from its registry, unmodified, and runs it against a real server with
real clusters. A row is a test that passed; a change in what passes makes the run fail until this file is written anew
(` + "`make compat-write`" + `). How to point each client at Berth: ` + "`eval \"$(berth env)\"`" + `, and see the tests in compat/.
`

// document writes or compares docs/compatibility.md. Dates are not compared.
func document(path string, reports []report, write bool) error {
	var b bytes.Buffer
	b.WriteString(head)
	for _, r := range reports {
		fmt.Fprintf(&b, "\n## %s %s\n\n| operation | |\n|---|---|\n", r.title, r.version)
		for _, o := range r.operations {
			word := "works"
			if o.Note != "" {
				word = o.Note
			}
			fmt.Fprintf(&b, "| %s | %s |\n", strings.ReplaceAll(o.Name, "|", "\\|"), word)
		}
	}
	if write {
		fmt.Fprintf(&b, "\nLast written on %s.\n", time.Now().UTC().Format("2006-01-02"))
		return os.WriteFile(path, b.Bytes(), 0o644)
	}
	have, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w; write it with 'make compat-write'", err)
	}
	text, _, _ := strings.Cut(string(have), "\nLast written on ")
	if text != b.String() {
		return errors.New("docs/compatibility.md differs from what the clients can do today; " +
			"write it anew with 'make compat-write' and read the difference")
	}
	return nil
}
