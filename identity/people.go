package identity

import (
	"cmp"
	"context"
	"maps"
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
	// MaxGroups limits the groups of one person. More are refused and not cut off: a person who signs in with a part of the groups
	// would have some rights and miss others, and nobody would know why.
	MaxGroups  = 2000
	maxSubject = 255 // OpenID Connect Core, 2
	maxGroup   = 256 // bytes of a name
)

// PeopleKeeper stores people across restarts. The store is one.
type PeopleKeeper interface {
	People(ctx context.Context) ([]berth.Person, error)
	Groups(ctx context.Context) ([]berth.UserGroup, error)
	PutPerson(ctx context.Context, p berth.Person, groups []berth.UserGroup) error
	DeletePerson(ctx context.Context, id string) error // and its refresh tokens
}

// RefreshKeeper stores refresh tokens. The store is one.
type RefreshKeeper interface {
	AddRefreshToken(ctx context.Context, t berth.RefreshToken, now time.Time) error
	// ExchangeRefreshToken replaces a token by another one of the same sign-in. The result has no hash when the old one is refused.
	ExchangeRefreshToken(ctx context.Context, x berth.Exchange) (berth.RefreshToken, error)
	// DeleteRefreshTokens deletes those of a person, or of one sign-in.
	DeleteRefreshTokens(ctx context.Context, person, family string) error
}

// People has the persons who may sign in and the groups that they are in. Like Directory it answers from memory.
type People struct {
	keeper  PeopleKeeper
	refresh RefreshKeeper
	clock   clockwork.Clock
	// Changed is called after the groups of a person have changed. Set it before anybody signs in.
	Changed func()

	change sync.Mutex // one change at a time, from reading to storing
	kept
	byID   map[string]berth.Person
	byWho  map[who]string    // id
	byUPN  map[string]string // id, by the name in lower case
	groups map[string]berth.UserGroup
}

// who is a person as the place where it signs in knows it.
type who struct{ issuer, subject string }

// OpenPeople reads the stored persons and groups.
func OpenPeople(ctx context.Context, keeper interface {
	PeopleKeeper
	RefreshKeeper
}, clock clockwork.Clock) (*People, error) {
	p := &People{keeper: keeper, refresh: keeper, clock: clock, Changed: func() {}}
	return p, p.read(ctx)
}

// read reads all that is stored. Without it there is nobody: who was removed must not get in.
func (p *People) read(ctx context.Context) error {
	p.byID, p.byWho = map[string]berth.Person{}, map[who]string{}
	p.byUPN, p.groups = map[string]string{}, map[string]berth.UserGroup{}
	all, err := p.keeper.People(ctx)
	if err != nil {
		return err
	}
	groups, err := p.keeper.Groups(ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		p.hold(one, nil)
	}
	for _, g := range groups {
		p.groups[g.ID] = g
	}
	return nil
}

// remember holds a person in memory.
func (p *People) remember(one berth.Person, groups []berth.UserGroup) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold(one, groups)
}

func (p *People) hold(one berth.Person, groups []berth.UserGroup) {
	p.byID[one.ID], p.byWho[who{one.Issuer, one.Subject}] = one, one.ID
	p.byUPN[strings.ToLower(one.UPN)] = one.ID
	for _, g := range groups {
		p.groups[g.ID] = g
	}
}

// Find is the person with an object id or a user principal name, in any casing. The result is shared: do not change it.
func (p *People) Find(id string) (berth.Person, bool) {
	id = strings.ToLower(id)
	p.fresh(p.read)
	p.mu.RLock()
	defer p.mu.RUnlock()
	one, ok := p.byID[id]
	if !ok {
		one, ok = p.byID[p.byUPN[id]]
	}
	return one, ok
}

// known is the person that signs in at an issuer as subject.
func (p *People) known(w who) (berth.Person, bool) {
	p.fresh(p.read)
	p.mu.RLock()
	defer p.mu.RUnlock()
	one, ok := p.byID[p.byWho[w]]
	return one, ok
}

// List is all persons, by name.
func (p *People) List() []berth.Person {
	p.fresh(p.read)
	p.mu.RLock()
	all := slices.Collect(maps.Values(p.byID))
	p.mu.RUnlock()
	slices.SortFunc(all, func(a, b berth.Person) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return all
}

// HasLocal reports whether anybody has a password here.
func (p *People) HasLocal() bool {
	p.fresh(p.read)
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, one := range p.byID {
		if one.Issuer == "" {
			return true
		}
	}
	return false
}

// Groups is all groups, by name.
func (p *People) Groups() []berth.UserGroup {
	p.fresh(p.read)
	p.mu.RLock()
	all := slices.Collect(maps.Values(p.groups))
	p.mu.RUnlock()
	slices.SortFunc(all, func(a, b berth.UserGroup) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return all
}

// Group is the group with an object id.
func (p *People) Group(id string) (berth.UserGroup, bool) {
	p.fresh(p.read)
	p.mu.RLock()
	defer p.mu.RUnlock()
	g, ok := p.groups[strings.ToLower(id)]
	return g, ok
}

// TypeOf is the type of the principal with an object id, as role assignments name it.
func (a *Authority) TypeOf(id string) string {
	if a.people != nil {
		if one, known := a.people.Find(id); known && strings.EqualFold(one.ID, id) {
			return "User"
		}
		if _, known := a.people.Group(id); known {
			return "Group"
		}
	}
	return "ServicePrincipal"
}

// Memberships are the groups of each person who is in any, by object ids. The lists are shared: do not change them.
func (p *People) Memberships() map[string][]string {
	p.fresh(p.read)
	p.mu.RLock()
	defer p.mu.RUnlock()
	out := map[string][]string{}
	for id, one := range p.byID {
		if len(one.Groups) > 0 {
			out[id] = one.Groups
		}
	}
	return out
}

// Claims are what an outside provider says about who signed in there.
type Claims struct {
	Provider        string // its name here
	Issuer, Subject string
	Name, Login     string // Login is the preferred user name
	Mail            string // empty unless the provider has verified it
	Groups          []string
}

// TakeIn signs a person in whom an outside provider has authenticated, with the groups of this sign-in. Who comes for the first time
// becomes a person without any role. A *berth.Error refuses.
func (p *People) TakeIn(ctx context.Context, c Claims) (berth.Person, error) {
	groups, err := groupsOf(c)
	if err != nil {
		return berth.Person{}, err
	}
	p.change.Lock()
	defer p.change.Unlock()
	one, known := p.known(who{c.Issuer, c.Subject})
	before := one.Groups
	switch {
	case !known:
		one = berth.Person{ID: uuid.NewString(), Issuer: c.Issuer, Subject: c.Subject, CreatedAt: p.now()}
		one.UPN = p.freeName(c)
	case one.Disabled:
		return one, errDisabled(one)
	}
	one.Name = cmp.Or(line(c.Name), one.Name, one.UPN)
	one.Mail, one.SignedInAt = line(c.Mail), p.now()
	one.Groups = nil
	fresh := []berth.UserGroup{}
	for _, g := range groups {
		one.Groups = append(one.Groups, g.ID)
		if _, there := p.Group(g.ID); !there {
			fresh = append(fresh, g)
		}
	}
	slices.Sort(one.Groups)
	if err := p.keeper.PutPerson(ctx, one, fresh); err != nil {
		return one, err
	}
	p.remember(one, fresh)
	if !slices.Equal(before, one.Groups) {
		p.Changed()
	}
	return one, nil
}

func errDisabled(one berth.Person) error {
	return berth.Errorf(berth.CodeForbidden, "The account '%s' is disabled on this server. Ask who administers it.", one.UPN)
}

// groupSpace is what the object ids of groups are made in: the same group gets the same id on every server.
var groupSpace = uuid.MustParse("6b3b1a52-3e0c-4c39-9b0e-6a6d3f1f0c55")

// groupsOf checks what a provider says, and makes its groups.
func groupsOf(c Claims) ([]berth.UserGroup, error) {
	if c.Subject == "" || len(c.Subject) > maxSubject {
		return nil, berth.Errorf(berth.CodeForbidden, "The provider '%s' names you by a subject of %d bytes; it has 1 to %d.", c.Provider,
			len(c.Subject), maxSubject)
	}
	names := slices.Clone(c.Groups)
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > MaxGroups {
		return nil, berth.Errorf(berth.CodeForbidden, "The provider '%s' says that you are in %d groups, and Berth takes at most %d. Ask who "+
			"administers this server to set groupPrefix for the provider, so that only the groups that it needs are taken.", c.Provider,
			len(names), MaxGroups)
	}
	var out []berth.UserGroup
	for _, name := range names {
		if name == "" || len(name) > maxGroup || strings.ContainsFunc(name, unicode.IsControl) {
			return nil, berth.Errorf(berth.CodeForbidden, "The provider '%s' names a group of yours by %d bytes; a name has 1 to %d, on one line.",
				c.Provider, len(name), maxGroup)
		}
		out = append(out, berth.UserGroup{ID: uuid.NewSHA1(groupSpace, []byte(c.Issuer+"\n"+name)).String(), Issuer: c.Issuer, Name: name})
	}
	return out, nil
}

// freeName is the user principal name of who comes for the first time: its verified address, else its user name at the provider. What
// somebody else has is not given again, so that a name which a person can choose at its provider means nobody else here.
func (p *People) freeName(c Claims) string {
	for _, name := range []string{line(c.Mail), line(c.Login), line(c.Subject)} {
		if name == "" {
			continue
		}
		if !strings.Contains(name, "@") { // names without @ are those of local persons
			name += "@" + c.Provider
		}
		if _, taken := p.Find(name); !taken {
			return name
		}
	}
	return uuid.NewString() + "@" + c.Provider
}

// line is a text of a provider that fits on a line; empty when it does not.
func line(s string) string {
	if len(s) > maxName || strings.ContainsFunc(s, unicode.IsControl) {
		return ""
	}
	return strings.TrimSpace(s)
}

// now is the time in UTC and whole seconds, as clients write and read it.
func (p *People) now() time.Time { return p.clock.Now().UTC().Truncate(time.Second) }
