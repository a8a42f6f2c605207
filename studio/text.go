package studio

import (
	"fmt"
	"net/http"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"
	"sigs.k8s.io/yaml"

	"berth.dev/berth/korean"
)

// languages are the languages of the texts. The first is the default.
var languages = []language.Tag{language.English, language.Korean}

var matcher = language.NewMatcher(languages)

// texts is every string of the pages, in every language, by its key.
type texts struct {
	keys     map[language.Tag]map[string]string
	printers map[language.Tag]*message.Printer
}

func loadTexts() (*texts, error) {
	t := &texts{keys: map[language.Tag]map[string]string{}, printers: map[language.Tag]*message.Printer{}}
	b := catalog.NewBuilder(catalog.Fallback(language.English))
	for _, l := range languages {
		data, err := files.ReadFile("text/" + l.String() + ".yaml")
		if err != nil {
			return nil, err
		}
		all := map[string]string{}
		if err := yaml.UnmarshalStrict(data, &all); err != nil {
			return nil, fmt.Errorf("text/%s.yaml: %w", l, err)
		}
		for key, text := range all {
			if err := b.SetString(l, key, text); err != nil {
				return nil, fmt.Errorf("text/%s.yaml: %s: %w", l, key, err)
			}
		}
		t.keys[l] = all
		t.printers[l] = message.NewPrinter(l, message.Catalog(b))
	}
	return t, nil
}

// has reports whether a language has a text by that key.
func (t *texts) has(l language.Tag, key string) bool { _, ok := t.keys[l][key]; return ok }

// T is the text of a key in the visitor's language.
func (v *visit) T(key string, args ...any) string {
	return v.text.printers[v.lang].Sprintf(key, args...)
}

// Word is the text of a word of the service, such as a state, and the word itself when there is no text.
func (v *visit) Word(kind string, word any) string {
	key := kind + "." + fmt.Sprint(word)
	if v.text.has(v.lang, key) {
		return v.T(key)
	}
	return fmt.Sprint(word)
}

// Said is a sentence of Berth's own in the visitor's language. The answers of Resource Manager have it in that language already: see
// client.Options. Said is for what comes another way: from the sign-in, or from the client itself.
func (v *visit) Said(message string) string {
	if v.lang == language.Korean {
		return korean.Text(message)
	}
	return message
}

// language is the one that the user selected, else the browser's.
func (s *Studio) language(r *http.Request) language.Tag {
	wanted := r.Header.Get("Accept-Language")
	if c, err := r.Cookie(languageName); err == nil {
		wanted = c.Value
	}
	tags, _, _ := language.ParseAcceptLanguage(wanted) // an invalid header selects the default
	_, index, _ := matcher.Match(tags...)
	return languages[index]
}

func (s *Studio) chooseLanguage(v *visit) error {
	http.SetCookie(v.w, &http.Cookie{
		Name: languageName, Value: v.r.PostFormValue("language"), MaxAge: 365 * 24 * 3600,
		Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	return v.redirect(local(v.r.PostFormValue("next")))
}
