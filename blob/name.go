package blob

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// At says where a file is: its name in a container.
type At struct{ Container, Name string }

// The keys of objects. Names are written in hexadecimal: so no name can leave its folder or meet another one, whatever the file
// system thinks of slashes, dots, capitals and Unicode, and the order of keys is the order of names. A slash comes after every 64
// digits, because a file name has at most 255 bytes, and an end mark that sorts before digits comes last, because a name may be the
// beginning of another.
const (
	contentKey   = "content/"
	containerKey = "containers/"
	nameKey      = "names/"
	nameEnd      = "!"
	nameDigits   = 64
	maxSegments  = 254
)

var (
	containerPattern = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9]){2,62}$`)
	digestPattern    = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// CheckContainer returns ErrName if no container can have this name: the rule is Azure's.
func CheckContainer(name string) error {
	if len(name) > 63 || !containerPattern.MatchString(name) {
		return fmt.Errorf("%w: a container has 3 to 63 lower-case letters, digits and single hyphens", ErrName)
	}
	return nil
}

// check returns ErrName if the store cannot have a file there. A name becomes a path where files are unpacked, so those that lead
// elsewhere are refused here.
func (s *Store) check(at At) error {
	if err := CheckContainer(at.Container); err != nil {
		return err
	}
	name := at.Name
	segments := strings.Split(name, "/")
	switch {
	case name == "" || len(name) > s.longest:
		return fmt.Errorf("%w: it must have 1 to %d bytes", ErrName, s.longest)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unprintable):
		return fmt.Errorf("%w: it must be UTF-8 without control characters", ErrName)
	case strings.HasPrefix(name, "/") || strings.Contains(name, `\`):
		return fmt.Errorf("%w: it must not begin with a slash or contain a backslash", ErrName)
	case slices.Contains(segments, ".") || slices.Contains(segments, ".."):
		return fmt.Errorf("%w: '.' and '..' must not be parts of it", ErrName)
	case len(segments) > maxSegments:
		return fmt.Errorf("%w: it must have at most %d parts between slashes", ErrName, maxSegments)
	}
	return nil
}

// unprintable is true for what XML, in which names are listed, cannot contain.
func unprintable(r rune) bool { return unicode.IsControl(r) || r == 0xFFFE || r == 0xFFFF }

// namePrefix is what the keys of all names have in common that begin with a prefix.
func namePrefix(at At) string {
	var key strings.Builder
	key.WriteString(nameKey + at.Container)
	digits := hex.EncodeToString([]byte(at.Name))
	for len(digits) >= nameDigits {
		key.WriteString("/" + digits[:nameDigits])
		digits = digits[nameDigits:]
	}
	key.WriteString("/" + digits)
	return key.String()
}

func recordKey(at At) string { return namePrefix(at) + nameEnd }

// nameOf reads a key that recordKey made.
func nameOf(container, key string) (string, bool) {
	digits, ok := strings.CutPrefix(key, nameKey+container+"/")
	if !ok || !strings.HasSuffix(digits, nameEnd) {
		return "", false
	}
	name, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSuffix(digits, nameEnd), "/", ""))
	return string(name), err == nil
}

// contentOf is the key of the content with a digest; the first byte chooses one of 256 folders.
func contentOf(digest string) string { return contentKey + digest[:2] + "/" + digest }
