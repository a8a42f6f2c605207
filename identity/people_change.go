package identity

import (
	"cmp"
	"context"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"berth.dev/berth"
)

const (
	minPassword = 12   // characters
	maxPassword = 1024 // bytes
)

// localName is the form of a local person's name. It has no @, which names of outside providers have.
var localName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// nobody is compared with the password of a name that nobody has, so that an answer takes as long as for a name that somebody has.
var nobody = sync.OnceValue(func() string { return hashPassword(NewSecret()) })

// Create makes a local person, who signs in with a password. A *berth.Error refuses.
func (p *People) Create(ctx context.Context, upn, name, password string) (berth.Person, error) {
	if !localName.MatchString(upn) {
		return berth.Person{}, berth.Errorf(berth.CodeBadRequest, "'%s' cannot be the userPrincipalName of a local user: 1 to 64 letters, "+
			"digits, '.', '_' and '-', beginning with a letter or a digit.", shown(upn))
	}
	if err := checkPassword(password); err != nil {
		return berth.Person{}, err
	}
	if name = cmp.Or(name, upn); line(name) == "" {
		return berth.Person{}, berth.Errorf(berth.CodeBadRequest, "The displayName of a user has 1 to %d characters, on one line.", maxName)
	}
	p.change.Lock()
	defer p.change.Unlock()
	if _, taken := p.Find(upn); taken {
		return berth.Person{}, berth.Errorf(berth.CodeConflict, "Another object with the same value for property userPrincipalName already "+
			"exists: '%s'.", upn)
	}
	one := berth.Person{ID: uuid.NewString(), Subject: strings.ToLower(upn), UPN: upn, Name: line(name), Hash: hashPassword(password),
		CreatedAt: p.now()}
	return one, p.keep(ctx, one)
}

func checkPassword(password string) error {
	if utf8.RuneCountInString(password) < minPassword || len(password) > maxPassword {
		return berth.Errorf(berth.CodeBadRequest, "A password has at least %d characters and at most %d bytes.", minPassword, maxPassword)
	}
	return nil
}

// keep stores a person: on the disk first, then in memory.
func (p *People) keep(ctx context.Context, one berth.Person) error {
	if err := p.keeper.PutPerson(ctx, one, nil); err != nil {
		return err
	}
	p.remember(one, nil)
	return nil
}

// alter changes a person and stores it. end also ends its sign-ins.
func (p *People) alter(ctx context.Context, id string, end bool, change func(*berth.Person) error) error {
	p.change.Lock()
	defer p.change.Unlock()
	one, ok := p.Find(id)
	if !ok {
		return noPerson(id)
	}
	if err := change(&one); err != nil {
		return err
	}
	if end {
		// Tokens have whole seconds: one of this second is ended too. See beginning.
		one.ValidFrom = p.now().Add(time.Second)
	}
	if err := p.keep(ctx, one); err != nil || !end {
		return err
	}
	return p.refresh.DeleteRefreshTokens(ctx, one.ID, "")
}

func noPerson(id string) error {
	return berth.Errorf(berth.CodeNotFound, "No user has the id '%s'.", shown(id))
}

// SetName gives a person another display name. That of an outside provider's person lasts until its next sign-in.
func (p *People) SetName(ctx context.Context, id, name string) error {
	if line(name) == "" {
		return berth.Errorf(berth.CodeBadRequest, "The displayName of a user has 1 to %d characters, on one line.", maxName)
	}
	return p.alter(ctx, id, false, func(one *berth.Person) error { one.Name = line(name); return nil })
}

// SetPassword gives a local person another password, and ends its sign-ins.
func (p *People) SetPassword(ctx context.Context, id, password string) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	return p.alter(ctx, id, true, func(one *berth.Person) error {
		if one.Issuer != "" {
			return berth.Errorf(berth.CodeBadRequest, "'%s' signs in at '%s' and has no password here.", one.UPN, one.Issuer)
		}
		one.Hash = hashPassword(password)
		return nil
	})
}

// Enable lets a person sign in, or ends its sign-ins and lets it no more.
func (p *People) Enable(ctx context.Context, id string, enabled bool) error {
	return p.alter(ctx, id, !enabled, func(one *berth.Person) error { one.Disabled = !enabled; return nil })
}

// EndSignIns ends the sign-ins of a person: it has to sign in again everywhere.
func (p *People) EndSignIns(ctx context.Context, id string) error {
	return p.alter(ctx, id, true, func(*berth.Person) error { return nil })
}

// Remove deletes a person: its tokens stop at once. If it signs in at an outside provider again, it is another person without roles.
func (p *People) Remove(ctx context.Context, id string) error {
	p.change.Lock()
	defer p.change.Unlock()
	one, ok := p.Find(id)
	if !ok {
		return noPerson(id)
	}
	if err := p.keeper.DeletePerson(ctx, one.ID); err != nil {
		return err
	}
	p.mu.Lock()
	delete(p.byID, one.ID)
	delete(p.byWho, who{one.Issuer, one.Subject})
	delete(p.byUPN, strings.ToLower(one.UPN))
	p.mu.Unlock()
	p.Changed()
	return nil
}

// SignInLocal signs a local person in with its password. Attempts from one address are slowed down as those of applications are. A
// *berth.Error refuses; which of name and password is wrong it does not say.
func (a *Authority) SignInLocal(r *http.Request, name, password string) (berth.Person, error) {
	one, known := a.people.known(who{subject: strings.ToLower(name)})
	now := a.clock.Now()
	tries := a.throttle.of(throttleKey(r, "user "+one.ID), now)
	tries.Lock()
	defer tries.Unlock()
	if rest := tries.wait(now); rest > 0 {
		return one, berth.Errorf(berth.CodeForbidden, "Too many sign-ins from this address have failed. Try again in %d seconds.", seconds(rest))
	}
	hash := cmp.Or(one.Hash, nobody())
	if len(password) > maxPassword || !secretMatches(hash, password) || !known {
		tries.failed(now)
		a.log.Warn("a sign-in was refused", "user", shown(name), "from", r.RemoteAddr)
		return berth.Person{}, berth.Errorf(berth.CodeAuthenticationFailed, "The user name or the password is wrong.")
	}
	if one.Disabled {
		return one, errDisabled(one)
	}
	err := a.people.alter(r.Context(), one.ID, false, func(one *berth.Person) error {
		if one.Hash != hash {
			return berth.Errorf(berth.CodeAuthenticationFailed, "The user name or the password is wrong.") // since a moment ago
		}
		one.SignedInAt = a.people.now()
		return nil
	})
	return one, err
}
