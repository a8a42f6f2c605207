package korean

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

//go:embed sentences/*.txt
var files embed.FS

// pair is an English format and its Korean one.
type pair struct {
	english, korean string
	file            string   // where it is
	literals        []string // of the English format, before, between and after its verbs
	verbs           []byte   // of the English format
	weight          int      // bytes of the literals: of two formats that match, the one with more is meant
}

// book is all pairs.
type book struct {
	whole map[string]*pair // without verbs, by their text
	// formats are the others, by their first byte, the heaviest first; under 0 those that begin with a verb.
	formats map[byte][]*pair
}

var sentences = sync.OnceValue(func() *book {
	all, err := read(files)
	if err != nil {
		panic(err) // a test reads the same files
	}
	return bind(all)
})

// read reads the files of pairs: a line of English, a line of Korean, an empty line. Lines that begin with # are comments.
func read(files fs.FS) ([]*pair, error) {
	names, err := fs.Glob(files, "sentences/*.txt")
	if err != nil {
		return nil, err
	}
	var all []*pair
	seen := map[string]bool{}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		english := ""
		for i, line := range strings.Split(string(text), "\n") {
			switch {
			case strings.HasPrefix(line, "#"):
			case english == "":
				english = line
			case line == "" || seen[english]:
				return nil, fmt.Errorf("%s:%d: %q has no Korean line, or has one in another place", name, i+1, english)
			default:
				seen[english] = true
				p := newPair(english, line)
				p.file = path.Base(name)
				all = append(all, p)
				english = ""
			}
		}
	}
	return all, nil
}

// verb is a verb of fmt, or the sign for %.
var verb = regexp.MustCompile(`%(?:%|[-+# 0-9.\[\]]*([a-zA-Z]))`)

func newPair(english, korean string) *pair {
	p := &pair{english: english, korean: korean, literals: []string{""}}
	last := &p.literals[0]
	for rest := english; ; {
		m := verb.FindStringSubmatchIndex(rest)
		if m == nil {
			*last += rest
			break
		}
		*last += rest[:m[0]]
		if m[2] < 0 {
			*last += "%"
		} else {
			p.verbs = append(p.verbs, rest[m[2]])
			p.literals = append(p.literals, "")
			last = &p.literals[len(p.literals)-1]
		}
		rest = rest[m[1]:]
	}
	for _, l := range p.literals {
		p.weight += len(l)
	}
	return p
}

func bind(all []*pair) *book {
	b := &book{whole: map[string]*pair{}, formats: map[byte][]*pair{}}
	for _, p := range all {
		if len(p.verbs) == 0 {
			b.whole[p.literals[0]] = p
			continue
		}
		key := byte(0)
		if p.literals[0] != "" {
			key = p.literals[0][0]
		}
		b.formats[key] = append(b.formats[key], p)
	}
	for _, list := range b.formats {
		slices.SortStableFunc(list, func(x, y *pair) int { return y.weight - x.weight })
	}
	return b
}

// find is the pair whose English format makes a text, with the arguments.
func (b *book) find(text string) (p *pair, args []string, found bool) {
	if text == "" {
		return nil, nil, false
	}
	if p, found = b.whole[text]; found {
		return p, nil, true
	}
	for _, key := range []byte{text[0], 0} {
		for _, p := range b.formats[key] {
			if args, found = p.match(text); found {
				return p, args, true
			}
		}
	}
	return nil, nil, false
}

// match takes the arguments out of a text. Each is as short as possible, except for the last; so the work is linear.
func (p *pair) match(text string) (args []string, ok bool) {
	last := len(p.literals) - 1
	rest, ok := strings.CutPrefix(text, p.literals[0])
	if !ok {
		return nil, false
	}
	if rest, ok = strings.CutSuffix(rest, p.literals[last]); !ok {
		return nil, false
	}
	for i := range p.verbs {
		arg := rest
		if i+1 < last {
			if arg, rest, ok = strings.Cut(rest, p.literals[i+1]); !ok {
				return nil, false
			}
		}
		if p.verbs[i] == 'd' && !number(arg) {
			return nil, false
		}
		args = append(args, arg)
	}
	return args, true
}

func number(s string) bool {
	s = strings.TrimPrefix(s, "-")
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// named reports whether an argument is in quotation marks.
func (p *pair) named(i int) bool {
	return strings.HasSuffix(p.literals[i], "'") && strings.HasPrefix(p.literals[i+1], "'") || p.verbs[i] == 'q'
}
