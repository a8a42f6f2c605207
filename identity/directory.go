package identity

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
)

const (
	// maxCredentials limits how long one sign-in can take: each secret with a matching beginning costs a slow hash.
	maxCredentials = 20
	maxName        = 120
	minRSA         = 2048 // bits
)

// Keeper stores applications across restarts. The store is one.
type Keeper interface {
	Applications(ctx context.Context) ([]berth.Application, error)
	PutApplication(ctx context.Context, a berth.Application) error
	// AlterApplication changes the stored application in one step, and returns it as it is then; the zero Application when there is
	// none. An error of change is returned as it is.
	AlterApplication(ctx context.Context, id string, change func(*berth.Application) error) (berth.Application, error)
	DeleteApplication(ctx context.Context, id string) error
}

// Directory has the applications that may sign in. It answers from memory, because every request needs it, and writes every change
// to its Keeper.
type Directory struct {
	keeper Keeper
	clock  clockwork.Clock

	change sync.Mutex // one change at a time, from reading to storing
	kept
	byID map[string]berth.Application
}

// OpenDirectory reads the stored applications.
func OpenDirectory(ctx context.Context, keeper Keeper, clock clockwork.Clock) (*Directory, error) {
	d := &Directory{keeper: keeper, clock: clock}
	return d, d.read(ctx)
}

// read reads all that is stored. Without it there are none: an application that was removed must not get in.
func (d *Directory) read(ctx context.Context) error {
	d.byID = map[string]berth.Application{}
	all, err := d.keeper.Applications(ctx)
	if err != nil {
		return err
	}
	for _, a := range all {
		d.byID[a.ID] = a
	}
	return nil
}

// Find is the application with a client id, in any casing. The result is shared: do not change it.
func (d *Directory) Find(id string) (berth.Application, bool) {
	d.fresh(d.read)
	d.mu.RLock()
	defer d.mu.RUnlock()
	a, ok := d.byID[strings.ToLower(id)]
	return a, ok
}

// List is all applications, by name.
func (d *Directory) List() []berth.Application {
	d.fresh(d.read)
	d.mu.RLock()
	defer d.mu.RUnlock()
	all := make([]berth.Application, 0, len(d.byID))
	for _, a := range d.byID {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b berth.Application) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// Seed adds the first client of a data folder.
func (d *Directory) Seed(ctx context.Context, c Credentials) error {
	a := c.Application()
	a.CreatedAt = d.Now()
	a.Credentials = []berth.Credential{{KeyID: uuid.NewString(), Name: "credentials.json", Hash: HashSecret(c.ClientSecret),
		Hint: hint(c.ClientSecret), Start: d.Now()}}
	d.change.Lock()
	defer d.change.Unlock()
	return d.keep(ctx, a)
}

// Add creates an application that cannot sign in yet: it has no credential. A *berth.Error refuses the name.
func (d *Directory) Add(ctx context.Context, name string) (berth.Application, error) {
	if err := checkName(name); err != nil {
		return berth.Application{}, err
	}
	a := berth.Application{ID: uuid.NewString(), ObjectID: uuid.NewString(), RegistrationID: uuid.NewString(), Name: name, CreatedAt: d.Now(),
		ByRoles: true}
	d.change.Lock()
	defer d.change.Unlock()
	return a, d.keep(ctx, a)
}

// HasRoles records that roles decide from now on what an application may do.
func (d *Directory) HasRoles(ctx context.Context, id string) error {
	return d.alter(ctx, id, func(a *berth.Application) error { a.ByRoles = true; return nil })
}

// Rename gives an application another name.
func (d *Directory) Rename(ctx context.Context, id, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	return d.alter(ctx, id, func(a *berth.Application) error { a.Name = name; return nil })
}

func checkName(name string) error {
	if strings.TrimSpace(name) == "" || len(name) > maxName || strings.ContainsFunc(name, unicode.IsControl) {
		return berth.Errorf(berth.CodeBadRequest, "The displayName of an application has 1 to %d characters, on one line.", maxName)
	}
	return nil
}

// AddSecret creates a secret for an application and returns it; it cannot be read again later. A *berth.Error refuses the request.
func (d *Directory) AddSecret(ctx context.Context, id string, asked berth.Credential) (secret string, kept berth.Credential, err error) {
	secret = NewSecret()
	asked.Hash, asked.Hint = HashSecret(secret), hint(secret)
	kept, err = d.addCredential(ctx, id, asked)
	return secret, kept, err
}

// AddCertificate adds a certificate (asked.Certificate, X.509 in DER) with whose private key the application may sign in. A
// *berth.Error refuses the request.
func (d *Directory) AddCertificate(ctx context.Context, id string, asked berth.Credential) (berth.Credential, error) {
	cert, err := x509.ParseCertificate(asked.Certificate)
	if err != nil {
		return asked, berth.Errorf(berth.CodeBadRequest, "The key of the credential is not an X.509 certificate in base64.")
	}
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSA {
			return asked, berth.Errorf(berth.CodeBadRequest, "The RSA key of the certificate has %d bits; at least %d are needed.", key.N.BitLen(),
				minRSA)
		}
	case *ecdsa.PublicKey:
	default:
		return asked, berth.Errorf(berth.CodeBadRequest, "The key of the certificate is neither RSA nor ECDSA.")
	}
	// The end is that of the certificate, not the requested one.
	if asked.End.IsZero() || asked.End.After(cert.NotAfter) {
		asked.End = cert.NotAfter
	}
	asked.Name = cmp.Or(asked.Name, cert.Subject.String())
	return d.addCredential(ctx, id, asked)
}

func (d *Directory) addCredential(ctx context.Context, id string, c berth.Credential) (berth.Credential, error) {
	now := d.Now()
	c.KeyID = uuid.NewString()
	if c.Start.IsZero() {
		c.Start = now
	}
	switch {
	case !c.End.IsZero() && !c.End.After(now):
		return c, berth.Errorf(berth.CodeBadRequest, "The credential would have ended at %s already; it is %s now.", stamp(c.End), stamp(now))
	case !c.End.IsZero() && !c.End.After(c.Start):
		return c, berth.Errorf(berth.CodeBadRequest, "The credential would end at %s, before it begins at %s.", stamp(c.End), stamp(c.Start))
	case len(c.Name) > maxName:
		return c, berth.Errorf(berth.CodeBadRequest, "The displayName of a credential has at most %d characters.", maxName)
	}
	return c, d.alter(ctx, id, func(a *berth.Application) error {
		if len(a.Credentials) >= maxCredentials {
			return berth.Errorf(berth.CodeBadRequest, "'%s' has %d credentials, which is the maximum. Remove one first.", a.Name, maxCredentials)
		}
		a.Credentials = append(a.Credentials, c)
		return nil
	})
}

// RemoveCredential removes a credential. Tokens that were issued for it stay valid until they expire. Its errors are *berth.Error
// when there is no such application or credential.
func (d *Directory) RemoveCredential(ctx context.Context, id, keyID string) error {
	return d.alter(ctx, id, func(a *berth.Application) error {
		n := len(a.Credentials)
		a.Credentials = slices.DeleteFunc(a.Credentials, func(c berth.Credential) bool { return strings.EqualFold(c.KeyID, keyID) })
		if len(a.Credentials) == n {
			return berth.Errorf(berth.CodeNotFound, "'%s' has no credential with the keyId '%s'.", a.Name, shown(keyID))
		}
		return nil
	})
}

// Remove deletes an application: its tokens stop at once. It refuses to remove the last application that can sign in (Conflict).
func (d *Directory) Remove(ctx context.Context, id string) error {
	d.change.Lock()
	defer d.change.Unlock()
	a, ok := d.Find(id)
	if !ok {
		return notFound(id)
	}
	if !slices.ContainsFunc(d.List(), func(o berth.Application) bool { return o.ID != a.ID && d.canSignIn(o) }) {
		return berth.Errorf(berth.CodeConflict, "'%s' is the last application that can sign in. Create another one before you delete it.",
			a.Name)
	}
	if err := d.keeper.DeleteApplication(ctx, a.ID); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.byID, a.ID)
	return nil
}

func (d *Directory) canSignIn(a berth.Application) bool {
	return slices.ContainsFunc(a.Credentials, func(c berth.Credential) bool { return c.End.IsZero() || d.Now().Before(c.End) })
}

// alter changes an application: on the disk first, then in memory.
func (d *Directory) alter(ctx context.Context, id string, change func(*berth.Application) error) error {
	d.change.Lock()
	defer d.change.Unlock()
	a, ok := d.Find(id)
	if !ok {
		return notFound(id)
	}
	a, err := d.keeper.AlterApplication(ctx, a.ID, change)
	if err != nil {
		return err
	}
	if a.ID == "" { // another server has removed it
		return notFound(id)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byID[a.ID] = a
	return nil
}

func (d *Directory) keep(ctx context.Context, a berth.Application) error {
	if err := d.keeper.PutApplication(ctx, a); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byID[a.ID] = a
	return nil
}

func notFound(id string) error {
	return berth.Errorf(berth.CodeNotFound, "No application has the id '%s'.", shown(id))
}

// Now is the time in UTC and whole seconds, as clients write and read it.
func (d *Directory) Now() time.Time { return d.clock.Now().UTC().Truncate(time.Second) }
