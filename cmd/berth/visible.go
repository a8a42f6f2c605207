package main

import (
	"fmt"
	"strings"

	"berth.dev/berth"
)

// visible is a text that does nothing to a terminal: what a cluster, a model or another caller has put into it could move the cursor,
// write into the clipboard, or reverse the order of what is read. Such characters appear as in JSON, \u001b for an escape. New lines and
// tabs stay.
func visible(text string) string {
	if !strings.ContainsFunc(text, berth.Invisible) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if berth.Invisible(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// cleaned is a value as JSON knows it with visible texts.
func cleaned(v any) any {
	switch v := v.(type) {
	case string:
		return visible(v)
	case []any:
		for i := range v {
			v[i] = cleaned(v[i])
		}
	case map[string]any:
		for key, value := range v {
			delete(v, key)
			v[visible(key)] = cleaned(value)
		}
	}
	return v
}

// forTerminal is a text that is not Berth's own: on a terminal only what can be seen, and in a file or a pipe as it is.
func (c *cli) forTerminal(text string) string {
	if !c.outTerminal {
		return text
	}
	return visible(strings.ReplaceAll(text, "\r\n", "\n"))
}

// raw prints such a text.
func (c *cli) raw(text string) error {
	_, err := fmt.Fprintln(c.out, strings.TrimRight(c.forTerminal(text), "\n"))
	return err
}
