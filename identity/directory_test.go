package identity

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
)

// memory is a Keeper that can fail.
type memory struct {
	apps map[string]berth.Application
	err  error
}

func (m *memory) Applications(context.Context) (all []berth.Application, err error) {
	for _, a := range m.apps {
		all = append(all, a)
	}
	return all, m.err
}

func (m *memory) PutApplication(_ context.Context, a berth.Application) error {
	if m.err == nil {
		m.apps[a.ID] = a.Clone()
	}
	return m.err
}

func (m *memory) AlterApplication(ctx context.Context, id string, change func(*berth.Application) error) (berth.Application, error) {
	a, there := m.apps[id]
	if !there {
		return berth.Application{}, m.err
	}
	a = a.Clone()
	if err := change(&a); err != nil {
		return a, err
	}
	return a, m.PutApplication(ctx, a)
}

func (m *memory) DeleteApplication(_ context.Context, id string) error {
	if m.err == nil {
		delete(m.apps, id)
	}
	return m.err
}

func newDirectory(t *testing.T) (*Directory, *memory, *clockwork.FakeClock) {
	t.Helper()
	m, clock := &memory{apps: map[string]berth.Application{}}, clockwork.NewFakeClockAt(testNow)
	d, err := OpenDirectory(t.Context(), m, clock)
	if err != nil {
		t.Fatal(err)
	}
	return d, m, clock
}

// certificate is a self-signed one, with its key.
func certificate(t testing.TB, key crypto.Signer, until time.Time) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ci"}, NotBefore: testNow.Add(-time.Hour),
		NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestDirectoryKeepsWhatItSays(t *testing.T) {
	d, m, clock := newDirectory(t)
	ctx := t.Context()
	c := newCredentials()
	if err := d.Seed(ctx, c); err != nil {
		t.Fatal(err)
	}
	a, err := d.Add(ctx, "ci")
	if err != nil {
		t.Fatal(err)
	}
	secret, kept, err := d.AddSecret(ctx, a.ID, berth.Credential{Name: "first", End: testNow.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	end := testNow.Add(24 * time.Hour)
	cert, err := d.AddCertificate(ctx, a.ID, berth.Credential{Certificate: certificate(t, ec, end), End: end.Add(time.Hour)})
	if err != nil || !cert.End.Equal(end) || cert.Name != "CN=ci" {
		t.Fatalf("%+v %v", cert, err)
	}
	again, err := OpenDirectory(ctx, m, clock)
	if err != nil {
		t.Fatal(err)
	}
	got, known := again.Find(strings.ToUpper(a.ID))
	if !known || len(got.Credentials) != 2 || got.Credentials[0].KeyID != kept.KeyID || !secretMatches(got.Credentials[0].Hash, secret) {
		t.Fatalf("%+v", got)
	}
	if strings.Contains(got.Credentials[0].Hash, secret) || got.Credentials[0].Hint != secret[:3] {
		t.Error("more than a hash and a hint is kept")
	}
	admin, known := again.Find(c.ClientID)
	if !known || admin.ObjectID != c.Application().ObjectID || !secretMatches(admin.Credentials[0].Hash, c.ClientSecret) {
		t.Errorf("%+v", admin)
	}
}

func TestDirectoryRefuses(t *testing.T) {
	d, m, _ := newDirectory(t)
	ctx := t.Context()
	a, err := d.Add(ctx, "only")
	if err != nil {
		t.Fatal(err)
	}
	_, public, _ := ed25519.GenerateKey(rand.Reader)
	secretUntil := func(start, end time.Time) error {
		_, _, err := d.AddSecret(ctx, a.ID, berth.Credential{Start: start, End: end})
		return err
	}
	certOf := func(key crypto.Signer, until time.Time) error {
		_, err := d.AddCertificate(ctx, a.ID, berth.Credential{Certificate: certificate(t, key, until)})
		return err
	}
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, empty := d.Add(ctx, " ")
	_, control := d.Add(ctx, "two\nlines")
	_, junk := d.AddCertificate(ctx, a.ID, berth.Credential{Certificate: []byte("junk")})
	for name, c := range map[string]struct {
		err  error
		word string
	}{
		"no name": {empty, "displayName"}, "two lines": {control, "one line"}, "rename": {d.Rename(ctx, a.ID, ""), "displayName"},
		"past": {secretUntil(time.Time{}, testNow), "ended"}, "backwards": {secretUntil(testNow.Add(2*time.Hour), testNow.Add(time.Hour)),
			"before it begins"},
		"junk": {junk, "not an X.509"}, "small RSA": {certOf(rsaKey(t, 1024), testNow.Add(time.Hour)),
			"1024 bits"}, "Ed25519": {certOf(public, testNow.Add(time.Hour)), "neither"},
		"certificate of yesterday": {certOf(ec, testNow.Add(-time.Minute)), "ended"},
		"unknown":                  {d.Rename(ctx, "x", "y"), "No application"}, "unknown credential": {d.RemoveCredential(ctx, a.ID, "x"),
			"no credential"},
		"last": {d.Remove(ctx, a.ID), "last application"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.word) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	for range maxCredentials {
		if err := secretUntil(time.Time{}, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := secretUntil(time.Time{}, time.Time{}); err == nil || !strings.Contains(err.Error(), "which is the maximum") {
		t.Errorf("too many: %v", err)
	}
	m.err = errors.New("full")
	if _, err := d.Add(ctx, "lost"); err == nil || len(d.List()) != 1 {
		t.Errorf("what was not kept is said: %v", d.List())
	}
}

// What another server has changed is known after Forget. While it cannot be read, nobody gets in.
func TestDirectoryForgets(t *testing.T) {
	d, m, _ := newDirectory(t)
	a, err := d.Add(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	delete(m.apps, a.ID)
	if _, known := d.Find(a.ID); !known {
		t.Error("the directory does not answer from memory")
	}
	d.Forget()
	if _, known := d.Find(a.ID); known {
		t.Error("an application that was removed elsewhere is known")
	}
	m.apps[a.ID] = a
	m.err = errors.New("no database")
	d.Forget()
	if _, known := d.Find(a.ID); known {
		t.Error("an application is known that could not be read again")
	}
	m.err = nil
	if _, known := d.Find(a.ID); !known {
		t.Error("the directory does not read again")
	}
	delete(m.apps, a.ID)
	if err := d.Rename(t.Context(), a.ID, "two"); berth.ErrorCode(err) != berth.CodeNotFound {
		t.Errorf("rename of what another server has removed: %v", err)
	}
}
