package berth

import "unicode"

// Invisible reports whether a character acts instead of being seen: a control, or one that changes the direction of text. New lines and
// tabs are seen.
func Invisible(r rune) bool {
	switch r {
	case '\n', '\t':
		return false
	case '\u061c', '\u200e', '\u200f':
		return true
	}
	return unicode.IsControl(r) || '\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069'
}
