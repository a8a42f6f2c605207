package identity

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"berth.dev/berth"
)

const (
	// sessionIdle is how long a session lasts after its last use; SignInLife is how long it lasts at most.
	sessionIdle = time.Hour
	linkLife    = 10 * time.Minute
)

// Tickets keeps what lets somebody in for a short time. The store is one.
type Tickets interface {
	// AddTicket stores a ticket if there is room for it.
	AddTicket(ctx context.Context, t berth.Ticket, room berth.TicketRoom) (ok bool, err error)
	// Ticket is a ticket that has not expired; without a hash when there is none.
	Ticket(ctx context.Context, kind berth.TicketKind, hash string) (berth.Ticket, error)
	// AlterTicket changes a ticket in one step, as does AlterApplication of Keeper.
	AlterTicket(ctx context.Context, kind berth.TicketKind, hash string, change func(*berth.Ticket) error) (berth.Ticket, error)
}

// rooms bound the tickets that there may be. Devices have not signed in yet: their owner is an address.
var rooms = map[berth.TicketKind]berth.TicketRoom{
	berth.TicketCode: {One: 1000, All: 10000}, berth.TicketDevice: {One: 50, All: 1000},
	berth.TicketLink: {One: 1000, All: 10000}, berth.TicketSession: {One: 5000, All: 50000},
}

// addTicket stores a ticket with a body; its text is its holder's. ok is false when there is no room.
func (a *Authority) addTicket(ctx context.Context, t berth.Ticket, text string, body any) (ok bool, err error) {
	t.Hash = hashToken(text)
	if t.Body, err = json.Marshal(body); err != nil {
		return false, err
	}
	return a.tickets.AddTicket(ctx, t, rooms[t.Kind])
}

// Sessions are the sign-ins of browsers at the studio. They are in the store, so that one that was ended stays ended, at every server
// and after every restart. A session belongs to the credential with which it began, and ends with it.
type Sessions struct{ *Authority }

// sitting is what is stored of a session and of a link to one.
type sitting struct {
	AppID      string    `json:"appId"` // as Caller.AppID
	ObjectID   string    `json:"objectId"`
	Credential string    `json:"credential,omitempty"` // key id, of an application
	SignedIn   time.Time `json:"signedIn,omitzero"`    // of a person
	Until      time.Time `json:"until"`                // whatever happens, it ends then
}

// sittingOf is what the holder of a token gets. One that has proved nothing but that it has the token gets no more than the token has.
func (a *Authority) sittingOf(token string, proven bool) (sitting, error) {
	c, err := a.Verify(token, ResourceManager)
	if err != nil {
		return sitting{}, err
	}
	s := sitting{AppID: c.AppID, ObjectID: c.ObjectID, Credential: c.Credential, SignedIn: c.SignedIn, Until: c.Expires}
	if proven {
		s.Until = a.clock.Now().Add(SignInLife)
	}
	if end := c.SignedIn.Add(SignInLife); c.UPN != "" && end.Before(s.Until) {
		s.Until = end
	}
	return s, nil
}

// Begin makes a session for who has just signed in and got a token.
func (s Sessions) Begin(ctx context.Context, token string) (berth.Session, error) {
	sit, err := s.sittingOf(token, true)
	if err != nil {
		return berth.Session{}, err
	}
	return s.begin(ctx, sit)
}

func (s Sessions) begin(ctx context.Context, sit sitting) (berth.Session, error) {
	key := NewSecret()
	t := berth.Ticket{Kind: berth.TicketSession, Owner: sit.ObjectID, Expires: s.idleEnd(sit)}
	ok, err := s.addTicket(ctx, t, key, sit)
	if err != nil || !ok {
		return berth.Session{}, noTicket(err, berth.TicketSession)
	}
	return s.Find(ctx, key)
}

func noTicket(err error, kind berth.TicketKind) error {
	if err != nil {
		return err
	}
	return berth.Errorf(berth.CodeServiceUnavailable, "Too many sign-ins of the kind '%s' are under way. Try again later.", kind)
}

// idleEnd is when a session ends if it is not used from now on.
func (s Sessions) idleEnd(sit sitting) time.Time {
	end := s.clock.Now().Add(sessionIdle)
	if end.After(sit.Until) {
		end = sit.Until
	}
	return end.UTC().Truncate(time.Second)
}

// Find is the session that a browser has the key of, with a token for Resource Manager. Its use makes it last longer. The error is a
// *berth.Error when it has ended.
func (s Sessions) Find(ctx context.Context, key string) (berth.Session, error) {
	t, err := s.tickets.Ticket(ctx, berth.TicketSession, hashToken(key))
	if err != nil {
		return berth.Session{}, err
	}
	sit, out := sitting{}, berth.Session{Key: key, Expires: t.Expires}
	if t.Hash == "" || json.Unmarshal(t.Body, &sit) != nil {
		return out, errSessionEnded()
	}
	if out.Name, out.Token, err = s.tokenOf(sit); err != nil {
		return out, err
	}
	if end := s.idleEnd(sit); end.Sub(t.Expires) > sessionIdle/2 {
		t, err = s.tickets.AlterTicket(ctx, berth.TicketSession, t.Hash, func(t *berth.Ticket) error { t.Expires = end; return nil })
		if err == nil && t.Hash == "" {
			err = errSessionEnded() // since a moment ago
		}
		out.Expires, out.Renewed = end, true
	}
	return out, err
}

func errSessionEnded() error {
	return berth.Errorf(berth.CodeAuthenticationFailed, "The session has ended. Sign in again.")
}

// tokenOf is a token for who a session belongs to, if it may still get one.
func (s Sessions) tokenOf(sit sitting) (name, token string, err error) {
	if app, is := s.find(sit.AppID); is && app.ObjectID == sit.ObjectID {
		now := s.clock.Now()
		there := slices.ContainsFunc(app.Credentials, func(c berth.Credential) bool { return c.KeyID == sit.Credential && c.Good(now) })
		if !there {
			return "", "", errSessionEnded()
		}
		token, err = s.issue(app, s.base, sit.Credential)
		return app.Name, token, err
	}
	if s.people == nil {
		return "", "", errSessionEnded()
	}
	one, is := s.people.Find(sit.ObjectID)
	if !is || one.ID != sit.ObjectID || one.Disabled || sit.SignedIn.Before(one.ValidFrom) {
		return "", "", errSessionEnded()
	}
	token, err = s.issuePerson(one, personTokenOf{client: StudioClient, audience: s.base, scope: "user_impersonation", signedIn: sit.SignedIn})
	return one.Name, token, err
}

// End ends a session. It is no error when there is none.
func (s Sessions) End(ctx context.Context, key string) error {
	_, err := s.tickets.AlterTicket(ctx, berth.TicketSession, hashToken(key), gone)
	return err
}

func gone(t *berth.Ticket) error { t.Expires = time.Time{}; return nil }

// Link makes the code of a link that signs in once, for who has a token. proven says that it was got for this, with a secret: the
// session then lasts as long as any other, and else no longer than the token.
func (s Sessions) Link(ctx context.Context, token string, proven bool) (code string, err error) {
	sit, err := s.sittingOf(token, proven)
	if err != nil {
		return "", err
	}
	code = NewSecret()
	t := berth.Ticket{Kind: berth.TicketLink, Owner: sit.ObjectID, Expires: s.clock.Now().Add(linkLife)}
	ok, err := s.addTicket(ctx, t, code, sit)
	if err != nil || !ok {
		return "", noTicket(err, berth.TicketLink)
	}
	return code, nil
}

// Use begins the session of a link, once.
func (s Sessions) Use(ctx context.Context, code string) (berth.Session, error) {
	t, err := s.tickets.AlterTicket(ctx, berth.TicketLink, hashToken(code), gone)
	if err != nil {
		return berth.Session{}, err
	}
	var sit sitting
	if t.Hash == "" || json.Unmarshal(t.Body, &sit) != nil {
		return berth.Session{}, errSessionEnded()
	}
	return s.begin(ctx, sit)
}
