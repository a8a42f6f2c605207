package main

import (
	"cmp"
	"strings"

	"berth.dev/berth/korean"
)

// languageOf is the language that the user reads, if Berth has its sentences in that language; else it is empty. As in every program,
// LC_ALL comes before LC_MESSAGES, and that before LANG.
func languageOf(getenv func(string) string) string {
	locale := cmp.Or(getenv("LC_ALL"), getenv("LC_MESSAGES"), getenv("LANG"))
	name, _, _ := strings.Cut(locale, ".")
	if name == "ko" || strings.HasPrefix(name, "ko_") || name == "korean" {
		return "ko"
	}
	return ""
}

// text is a sentence of Berth's own in the language of the user. What the server sends is in that language already; the client and
// the commands write theirs in English.
func (c *cli) text(english string) string {
	if c.language == "ko" {
		english = korean.Text(english)
	}
	return visible(english)
}
