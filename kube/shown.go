package kube

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// shown is a text of a cluster as users may see it: cut, on one line, and with escapes in place of characters that a terminal or a
// browser acts on, such as those that turn the direction of what follows.
func shown(s string, most int) string {
	return escaped(strings.Join(strings.Fields(cut(s, most)), " "))
}

// colours are the sequences by which programs colour their logs.
var colours = regexp.MustCompile("\x1b\\[[0-9;:]*m")

// logText is a line of a log as users may see it.
func logText(s string) string { return escaped(colours.ReplaceAllString(s, "")) }

func escaped(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if !strings.ContainsFunc(s, acts) {
		return s
	}
	var out strings.Builder
	for _, r := range s {
		switch {
		case !acts(r):
			out.WriteRune(r)
		case r > 0xffff:
			_, _ = fmt.Fprintf(&out, `\U%08x`, r)
		default:
			_, _ = fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

// acts reports whether a character is an instruction and not a sign: controls, besides the tab, and those of Unicode that are not seen,
// besides the two joiners that some scripts need.
func acts(r rune) bool {
	const nonJoiner, joiner = 0x200c, 0x200d
	return r != '\t' && unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) && r != joiner && r != nonJoiner
}
