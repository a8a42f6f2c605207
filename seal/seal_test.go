package seal

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func box(t *testing.T, dir string) *Box {
	t.Helper()
	b, err := LoadOrMake(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sealed(t *testing.T, b *Box, label, value string) []byte {
	t.Helper()
	s, err := b.Seal(label, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSeal(t *testing.T) {
	dir := t.TempDir()
	b := box(t, dir)
	one := sealed(t, b, "a/key", "s3cr3t")
	if bytes.Contains(one, []byte("s3cr3t")) || bytes.Equal(one, sealed(t, b, "a/key", "s3cr3t")) {
		t.Error("it can be read, or looks the same twice")
	}
	if info, err := os.Stat(filepath.Join(dir, fileName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	again := box(t, dir) // the next start
	if got, err := again.Open("a/key", one); err != nil || string(got) != "s3cr3t" {
		t.Errorf("%q %v", got, err)
	}
	if _, err := again.Open("b/key", one); err == nil || !strings.Contains(err.Error(), "belongs to another one") {
		t.Errorf("opened under another label: %v", err)
	}
	if got, err := again.Open("a/key", []byte("from before")); err != nil || string(got) != "from before" {
		t.Errorf("%q %v", got, err)
	}
	one[len(one)-1] ^= 1
	if _, err := again.Open("a/key", one); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("changed, and opened: %v", err)
	}
	other := box(t, t.TempDir())
	if _, err := other.Open("a/key", sealed(t, b, "a/key", "x")); err == nil || !strings.Contains(err.Error(), fileName) {
		t.Errorf("opened by another key: %v", err)
	}
}

func TestRotate(t *testing.T) {
	dir := t.TempDir()
	b := box(t, dir)
	old := sealed(t, b, "l", "v")
	if err := b.AddKey(); err != nil {
		t.Fatal(err)
	}
	again := box(t, dir) // killed in the middle
	if !again.Rotating() || again.Sealed(old) {
		t.Error("the rotation is forgotten")
	}
	if got, err := again.Open("l", old); err != nil || string(got) != "v" {
		t.Errorf("%q %v", got, err)
	}
	fresh := sealed(t, again, "l", "v")
	if err := again.DropOldKeys(); err != nil || again.Rotating() || !again.Sealed(fresh) {
		t.Error(err)
	}
	if _, err := box(t, dir).Open("l", old); err == nil {
		t.Error("the old key is still known")
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"empty": {"", 0o600, "is damaged"}, "junk": {"junk\n", 0o600, "is damaged"}, "open to all": {"", 0o644, "chmod 600"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, fileName)
		if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOrMake(dir); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	x, err := Ephemeral()
	if err != nil {
		b.Fatal(err)
	}
	value := bytes.Repeat([]byte("x"), 5000)
	for b.Loop() {
		if _, err := x.Seal("l", value); err != nil {
			b.Fatal(err)
		}
	}
}
