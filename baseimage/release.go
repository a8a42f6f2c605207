package baseimage

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"

	"berth.dev/berth"
)

// readSuite adds the packages of a suite to an index, after it has verified who signed it.
func (b *build) readSuite(ctx context.Context, m mirror, to *index) error {
	base := m.uri + "/dists/" + m.suite + "/"
	text, err := b.archives.get(ctx, base+"InRelease", maxRelease)
	if err != nil {
		return unreachable(base+"InRelease", err)
	}
	release, err := m.verify(text)
	if err != nil {
		return err
	}
	if err := b.accept(m, release); err != nil {
		return err
	}
	if b.Mirror == "" && !strings.EqualFold(release["Origin"], osRelease()["ID"]) {
		b.say("leaving out %s %s: it is not of %s", m.host(), m.suite, osRelease()["ID"])
		return nil
	}
	var file, sum string
	var size int64
	for _, packing := range []string{".gz", ".xz", ""} { // the quickest first
		file = mainComponent + "/binary-" + architecture() + "/Packages" + packing
		if sum, size = listed(release["SHA256"], file); sum != "" {
			break
		}
	}
	if sum == "" {
		return berth.Errorf(berth.CodeBadRequest, "The suite %s of %s has no packages for %s. Name another mirror (--mirror).", m.suite, m.host(),
			architecture())
	}
	if size == 0 {
		return nil // a suite without packages yet
	}
	packed, err := b.archives.get(ctx, base+file, maxIndex)
	if err != nil {
		return unreachable(base+file, err)
	}
	if digest(packed) != sum {
		return wrongDigest(base + file)
	}
	plain, err := unpack(file, packed)
	if err != nil {
		return err
	}
	return to.add(string(plain))
}

// verify answers the fields of a Release file that one of the keys has signed.
func (m mirror) verify(text []byte) (map[string]string, error) {
	block, _ := clearsign.Decode(text)
	if block == nil {
		return nil, berth.Errorf(berth.CodeBadRequest, "The suite %s of %s has no signed list of its files (InRelease). Name another mirror "+
			"(--mirror).",
			m.suite, m.host())
	}
	keys := m.readKeys()
	if _, err := block.VerifySignature(keys, nil); err != nil {
		return nil, berth.Errorf(berth.CodeBadRequest, "The suite %s of %s is not signed by a key that this machine trusts (%d keys; %v). "+
			"Install the "+
			"keyring of the distribution, or name the file of its keys (--keyring).", m.suite, m.host(), len(keys), err)
	}
	for fields := range paragraphs(string(block.Plaintext)) {
		return fields, nil
	}
	return map[string]string{}, nil
}

// readKeys reads what can be read: a machine may have old files of keys in forms that nobody writes any more.
func (m mirror) readKeys() (all openpgp.EntityList) {
	texts := [][]byte{[]byte(unfold(m.inline))}
	for _, path := range m.keys {
		if text, err := os.ReadFile(path); err == nil {
			texts = append(texts, text)
		}
	}
	for _, text := range texts {
		read := openpgp.ReadKeyRing
		if bytes.HasPrefix(bytes.TrimSpace(text), []byte("-----BEGIN")) {
			read = openpgp.ReadArmoredKeyRing
		}
		if keys, err := read(bytes.NewReader(bytes.TrimLeft(text, "\n"))); err == nil {
			all = append(all, keys...)
		}
	}
	return all
}

// unfold makes the lines of a field out of its text, in which "." stands for an empty line.
func unfold(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		if lines[i] = strings.TrimSpace(lines[i]); lines[i] == "." {
			lines[i] = ""
		}
	}
	return strings.Join(lines, "\n")
}

// accept reports a Release file that is of another suite, or too old: both are ways to offer packages with known faults.
func (b *build) accept(m mirror, release map[string]string) error {
	suite := strings.TrimSuffix(m.suite, "/")
	if !slices.Contains([]string{release["Suite"], release["Codename"]}, suite) {
		return berth.Errorf(berth.CodeBadRequest, "%s answers with the suite %s instead of %s. Name another mirror (--mirror).", m.host(),
			release["Codename"], suite)
	}
	until, err := time.Parse(time.RFC1123, release["Valid-Until"])
	if err != nil || b.anyAge() || time.Now().Before(until) {
		return nil
	}
	return berth.Errorf(berth.CodeBadRequest, "The suite %s of %s was valid until %s. Name a mirror that is up to date (--mirror), or "+
		"allow old ones "+
		"in apt's settings (Acquire::Check-Valid-Until \"false\").", m.suite, m.host(), until.Format(time.DateOnly))
}

// listed is the digest and the size of a file in a list of "digest size path".
func listed(list, file string) (sum string, size int64) {
	for line := range strings.Lines(list) {
		var name string
		if n, err := fmt.Sscan(line, &sum, &size, &name); n == 3 && err == nil && name == file {
			return sum, size
		}
	}
	return "", 0
}

// paragraphs are the blocks of "Field: value" of a text; a value's further lines follow it.
func paragraphs(text string) iter.Seq[map[string]string] {
	return func(yield func(map[string]string) bool) {
		fields, last := map[string]string{}, ""
		for line := range strings.Lines(text + "\n\n") {
			line = strings.TrimRight(line, " \t\r\n")
			switch {
			case line == "":
				if len(fields) > 0 && !yield(fields) {
					return
				}
				fields, last = map[string]string{}, ""
			case line[0] == '#':
			case line[0] == ' ' || line[0] == '\t':
				fields[last] += "\n" + line[1:]
			default:
				name, value, _ := strings.Cut(line, ":")
				last = name
				fields[name] = strings.TrimSpace(value)
			}
		}
	}
}
