package apptest

import (
	"regexp"

	"berth.dev/berth/korean"
)

var (
	quoted  = regexp.MustCompile("'[^']*'|\"[^\"]*\"|`[^`]*`|‘[^’]*’")
	english = regexp.MustCompile(`(?i)(^|[^-./=\w])(the|is|are|was|must|cannot|has|have|that|which|with|there|does|it|this|and|not|of|an)` +
		`([^-/=\w]|$)`)
)

// EnglishIn is the first words of English in a text, without what is in quotation marks; empty when there are none. Names, commands
// and addresses are not English: they have none of the words that hold a sentence together.
func EnglishIn(text string) string {
	text = quoted.ReplaceAllString(text, "''")
	at := english.FindStringIndex(text)
	if at == nil {
		return ""
	}
	from, to := max(at[0]-20, 0), min(at[1]+40, len(text))
	return text[from:to]
}

// translates fails the test when a message has no Korean, or not for all of it.
func (s *Server) translates(messages ...string) {
	s.t.Helper()
	for _, english := range messages {
		if text := korean.Text(english); EnglishIn(text) != "" || text == english && english != "" {
			s.t.Errorf("%q is %q in Korean", english, text)
		}
	}
}
