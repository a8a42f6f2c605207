package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// view turns a result into the rows of its table. Commands without one get their top-level scalars as columns.
type view func(result any) []row

// emit prints the result of a command in the format and with the query that were asked for.
func (c *cli) emit(result any, table view) error {
	v, err := plain(result)
	if err != nil {
		return err
	}
	if c.query != nil {
		if v, err = c.query.Search(v); err != nil {
			return usage("--query cannot be applied to this result: %v", err)
		}
		table = nil // its columns are those of the whole result
	}
	if v == nil || c.output == "none" {
		return nil // as az does
	}
	text, err := c.render(v, table)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(c.out, text)
	return err
}

// render writes a result in the format that was asked for. What others have put into it does nothing to a terminal, and nothing to people
// who read a table; JSON has such characters as it writes them itself.
func (c *cli) render(v any, table view) (string, error) {
	switch c.output {
	case "table":
		if table != nil {
			return visible(renderTable(table(v))), nil
		}
		return visible(renderTable(autoTable(v, c.columnOrder()))), nil
	case "tsv":
		return c.forTerminal(renderTSV(v, c.columnOrder())), nil
	case "yaml":
		text, err := yaml.Marshal(cleaned(v)) // which has no way to write some of them
		return string(text), err
	}
	text, err := toJSON(v)
	text = visible(text)
	if err == nil && c.output == "jsonc" && c.outTerminal && os.Getenv("NO_COLOR") == "" {
		return colourJSON(text), nil
	}
	return text, err
}

// plain is a value as JSON knows it: JMESPath and the formats work on nothing else.
func plain(v any) (any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out any
	err = json.Unmarshal(data, &out)
	return out, err
}

func toJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // this goes to people and jq, not into a page
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.String(), err
}

var jsonToken = regexp.MustCompile(`("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|-?\d[\d.eE+-]*`)

// colourJSON paints keys blue, strings green and the other values yellow.
func colourJSON(text string) string {
	return jsonToken.ReplaceAllStringFunc(text, func(s string) string {
		colour := yellow
		switch {
		case strings.HasSuffix(s, ":"):
			colour = blue
		case strings.HasPrefix(s, `"`):
			colour = green
		}
		return "\x1b[" + colour + "m" + s + "\x1b[0m"
	})
}
