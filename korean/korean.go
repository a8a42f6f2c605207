// Package korean says in Korean what Berth says in English.
//
// All other packages write their sentences in English, and English is what is stored, logged and answered to SDKs. Text translates a
// finished sentence at the edge, for a reader who asked for Korean. It finds the format that the sentence was made of, takes the
// arguments out of it, and puts them into the Korean format: see sentences/. Text that it does not know stays as it is.
package korean

import (
	"fmt"
	"strings"

	"golang.org/x/text/language"
)

var matcher = language.NewMatcher([]language.Tag{language.English, language.Korean})

// Wanted reports whether the value of a header Accept-Language prefers Korean to English.
func Wanted(acceptLanguage string) bool {
	const most = 1000 // bytes
	if acceptLanguage == "" || len(acceptLanguage) > most {
		return false
	}
	tags, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil || len(tags) == 0 {
		return false
	}
	_, index, sure := matcher.Match(tags...)
	return index == 1 && sure != language.No
}

// Messages contain texts from requests and from clusters, so the work on one is limited.
const (
	maxMessage = 8 << 10  // bytes; a longer one stays as it is
	maxDepth   = 6        // of messages inside messages
	maxWork    = 64 << 10 // bytes that are looked up for one message, its parts again and again
	maxJoined  = 8        // sentences that one format can have, with those in its arguments
)

// Text is a message in Korean; what is not known of it stays as it is.
func Text(message string) string {
	if len(message) > maxMessage {
		return message
	}
	t := translation{book: sentences(), left: maxWork}
	lines := strings.Split(message, "\n")
	for i, line := range lines {
		lines[i], _ = t.text(line, 0)
	}
	return strings.Join(lines, "\n")
}

// translation is the work on one message.
type translation struct {
	book *book
	left int // bytes that may still be looked up
}

// text translates a message, and reports whether any of it is known: one sentence, or several that follow each other.
func (t *translation) text(message string, depth int) (out string, known bool) {
	core := strings.TrimSpace(message)
	if core == "" || depth > maxDepth {
		return message, false
	}
	before, after, _ := strings.Cut(message, core)
	if out, known = t.sentence(core, depth); !known {
		out, known = t.parts(core, depth)
	}
	return before + out + after, known
}

// sentence translates a text that one format has made. A reason becomes a sentence by a capital and a period.
func (t *translation) sentence(text string, depth int) (string, bool) {
	if text == "" {
		return text, false
	}
	forms := []string{text}
	if first := text[0]; first >= 'A' && first <= 'Z' {
		forms = append(forms, string(first|0x20)+text[1:])
	}
	for _, form := range forms {
		if out, known := t.lookUp(form, depth); known {
			return out, true
		}
		if bare, hasPeriod := strings.CutSuffix(form, "."); hasPeriod {
			if out, known := t.lookUp(bare, depth); known {
				return out + ".", true
			}
		}
	}
	return text, false
}

func (t *translation) lookUp(text string, depth int) (string, bool) {
	if t.left -= len(text) + 32; t.left < 0 {
		return text, false
	}
	p, args, found := t.book.find(text)
	if !found {
		return text, false
	}
	return t.fill(p, args, depth), true
}

// fill puts the arguments into the Korean format. Those in quotation marks are names; others may be messages.
func (t *translation) fill(p *pair, args []string, depth int) string {
	all := make([]any, len(args))
	for i, arg := range args {
		all[i] = arg
		if !p.named(i) && p.verbs[i] != 'd' {
			all[i], _ = t.text(arg, depth+1)
		}
	}
	return fmt.Sprintf(p.korean, all...)
}

// separators stand between messages that were joined, the strongest first.
var separators = []string{". ", "; "}

// parts translates messages that were joined: as much as possible at once, from the beginning. What is before a message and a colon,
// such as the path of a field, stays.
func (t *translation) parts(text string, depth int) (string, bool) {
	before, message, hasColon := strings.Cut(text, ": ")
	if hasColon && message != "" && !strings.Contains(before, separators[0]) {
		if out, known := t.sentence(message, depth+1); known {
			return before + ": " + out, true
		}
	}
	for _, separator := range separators {
		if !strings.Contains(text, separator) {
			continue
		}
		if out, known := t.joined(text, separator, depth); known {
			return out, true
		}
	}
	if hasColon {
		out, known := t.text(message, depth+1)
		return before + ": " + out, known
	}
	return text, false
}

func (t *translation) joined(text, separator string, depth int) (string, bool) {
	var out strings.Builder
	pieces := strings.SplitAfter(text, separator)
	known := false
	for len(pieces) > 0 && t.left > 0 {
		n := min(len(pieces), maxJoined)
		for ; n > 0; n-- {
			if n == len(pieces) && out.Len() == 0 {
				continue // the whole text is not known
			}
			whole := strings.Join(pieces[:n], "")
			core := strings.TrimSuffix(whole, strings.TrimLeft(separator, "."))
			if korean, ok := t.sentence(core, depth+1); ok {
				out.WriteString(korean + whole[len(core):])
				known = true
				break
			}
		}
		if n == 0 {
			n = 1
			piece := pieces[0]
			if len(piece) < len(text) && separator == separators[0] {
				var ok bool
				piece, ok = t.text(piece, depth+1)
				known = known || ok
			}
			out.WriteString(piece)
		}
		pieces = pieces[n:]
	}
	return out.String() + strings.Join(pieces, ""), known
}
