package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// column is one named value of a row.
type column struct{ name, value string }

// row is a line of a table: its columns in order.
type row []column

// renderTable draws rows as az does: headers underlined, two spaces between columns, and each column at least two wider
// than its header.
func renderTable(rows []row) string {
	names := columnNames(rows)
	if len(names) == 0 {
		return ""
	}
	cells := [][]string{}
	widths := make([]int, len(names))
	for i, n := range names {
		widths[i] = utf8.RuneCountInString(n) + 2
	}
	for _, r := range rows {
		line := make([]string, len(names))
		for _, c := range r {
			i := slices.Index(names, c.name)
			line[i] = strings.ReplaceAll(c.value, "\n", " ")
			widths[i] = max(widths[i], utf8.RuneCountInString(line[i]))
		}
		cells = append(cells, line)
	}
	dashes := make([]string, len(names))
	for i, w := range widths {
		dashes[i] = strings.Repeat("-", w)
	}
	var b strings.Builder
	for _, line := range append([][]string{names, dashes}, cells...) {
		text := ""
		for i, cell := range line {
			text += cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2)
		}
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	return b.String()
}

// columnNames are all columns of all rows, in the order in which they come.
func columnNames(rows []row) []string {
	names := []string{}
	for _, r := range rows {
		for _, c := range r {
			if !slices.Contains(names, c.name) {
				names = append(names, c.name)
			}
		}
	}
	return names
}

// hidden are columns that az leaves out of tables without a layout of their own.
var hidden = []string{"id", "type", "etag", "revision"}

// autoTable makes rows of any result: the scalars of each object, or a column Result.
func autoTable(v any, order []string) []row {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	rows := []row{}
	for _, item := range list {
		r := row{}
		switch item := item.(type) {
		case map[string]any:
			for _, key := range sortedKeys(item, order) {
				if isScalar(item[key]) && (order != nil || !slices.Contains(hidden, strings.ToLower(key))) {
					r = append(r, column{capital(key), tableText(item[key])})
				}
			}
		case []any:
			for i, cell := range item {
				if isScalar(cell) {
					r = append(r, column{fmt.Sprintf("Column%d", i+1), tableText(cell)})
				}
			}
		default:
			r = row{{"Result", tableText(item)}}
		}
		rows = append(rows, r)
	}
	return rows
}

// renderTSV writes the values without names, one line per item, as az does.
func renderTSV(v any, order []string) string {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var b strings.Builder
	for _, item := range list {
		cells := []string{}
		switch item := item.(type) {
		case map[string]any:
			for _, key := range sortedKeys(item, order) {
				cells = append(cells, tsvText(item[key]))
			}
		case []any:
			for _, cell := range item {
				cells = append(cells, tsvText(cell))
			}
		default:
			cells = append(cells, tsvText(item))
		}
		b.WriteString(strings.Join(cells, "\t") + "\n")
	}
	return b.String()
}

func isScalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

func capital(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + s[size:]
}

// tableText is a scalar in a table: nothing for null, True and False.
func tableText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return capital(fmt.Sprint(v))
	}
	return number(v)
}

// tsvText is a value in a TSV line. A list is its length and an object nothing, so that the number of cells stays the same.
func tsvText(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case string:
		return v
	case bool:
		return fmt.Sprint(v)
	case []any:
		return fmt.Sprint(len(v))
	case map[string]any:
		return ""
	}
	return number(v)
}

func number(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

var queryKey = regexp.MustCompile(`([A-Za-z_]\w*|"[^"]+")\s*:`)

// columnOrder is the order in which the query names its keys ({Name:name, State:…}): JMESPath in Go forgets it. nil
// without a query.
func (c *cli) columnOrder() []string {
	if c.query == nil {
		return nil
	}
	order := []string{}
	for _, m := range queryKey.FindAllStringSubmatch(c.queryText, -1) {
		order = append(order, strings.Trim(m[1], `"`))
	}
	return order
}

// sortedKeys are the keys of an order, then the rest by name.
func sortedKeys(o map[string]any, order []string) []string {
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	place := func(k string) int {
		if i := slices.Index(order, k); i >= 0 {
			return i
		}
		return len(order)
	}
	sort.Slice(keys, func(i, j int) bool {
		if a, b := place(keys[i]), place(keys[j]); a != b {
			return a < b
		}
		return keys[i] < keys[j]
	})
	return keys
}
