package identity

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
)

func makeKeys(t *testing.T, dir string, clock clockwork.Clock) *Keys {
	t.Helper()
	k, err := LoadOrMakeKeys(dir, clock)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSigningKeysAreKept(t *testing.T) {
	dir, clock := t.TempDir(), clockwork.NewFakeClockAt(testNow)
	path := filepath.Join(dir, "signing-key.pem")
	first := makeKeys(t, dir, clock)
	if err := first.Rotate(false); err != nil {
		t.Fatal(err)
	}
	again := makeKeys(t, dir, clock)
	want, got := first.List(), again.List()
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] || mode(t, path) != 0o600 {
		t.Errorf("got %v, want %v, mode %o", got, want, mode(t, path))
	}
	if !got[0].Signs || got[1].Signs || !got[1].Retired.Equal(testNow) {
		t.Errorf("%+v", got)
	}
	put("signing-key.pem", "junk")(t, dir)
	if _, err := LoadOrMakeKeys(dir, clock); err == nil || !strings.Contains(err.Error(), "signing-key.pem is damaged") {
		t.Errorf("%v", err)
	}
}

// A data folder of before keys were rotated holds one key without a date.
func TestSigningKeyWithoutDate(t *testing.T) {
	dir, clock := t.TempDir(), clockwork.NewFakeClockAt(testNow)
	key, err := makeKey(filepath.Join(dir, "signing-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	k := makeKeys(t, dir, clock)
	if len(k.list) != 1 || !k.list[0].private.Equal(key) || !k.list[0].made.Equal(testNow) {
		t.Errorf("%+v", k.List())
	}
}

func TestKeysRotateWithOverlap(t *testing.T) {
	w := newWorld(t)
	old := w.token(t, testBase)
	w.clock.Advance(keyLife)
	fresh := w.token(t, testBase) // the time has come: a new key signs
	if list := w.keys.List(); len(list) != 2 || list[0].ID == list[1].ID {
		t.Fatalf("%+v", list)
	}
	if n := len(w.keys.public().Keys); n != 2 {
		t.Errorf("%d keys are told", n)
	}
	if _, err := w.Verify(fresh, ResourceManager); err != nil {
		t.Error(err)
	}
	if _, err := w.Verify(old, ResourceManager); berth.ErrorCode(err) != berth.CodeExpiredToken { // the signature is still known
		t.Errorf("%v", err)
	}
	// A token of the last moment lives out its hour.
	last := w.token(t, testBase)
	if err := w.keys.Rotate(false); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(59 * time.Minute)
	if _, err := w.Verify(last, ResourceManager); err != nil {
		t.Error(err)
	}
	w.clock.Advance(2 * time.Minute)
	if n := len(w.keys.public().Keys); n != 1 {
		t.Errorf("%d keys are told after the overlap", n)
	}
}

func TestForgottenKeyEndsItsTokens(t *testing.T) {
	w := newWorld(t)
	token := w.token(t, testBase)
	if _, err := w.Verify(token, ResourceManager); err != nil { // now it is in the cache
		t.Fatal(err)
	}
	if err := w.keys.Rotate(true); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Verify(token, ResourceManager); berth.ErrorCode(err) != berth.CodeInvalidToken ||
		!strings.Contains(err.Error(), "no longer in use") {
		t.Errorf("%v", err)
	}
	if _, err := w.Verify(w.token(t, testBase), ResourceManager); err != nil {
		t.Error(err)
	}
}

// On a full disk the old key continues to sign, so that clients can still sign in.
func TestRotationThatCannotBeKept(t *testing.T) {
	w := newWorld(t)
	if err := os.RemoveAll(filepath.Dir(w.keys.path)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Dir(w.keys.path), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(2 * keyLife)
	if _, err := w.Verify(w.token(t, testBase), ResourceManager); err != nil || len(w.keys.List()) != 1 {
		t.Errorf("%v, %+v", err, w.keys.List())
	}
}
