package identity

import (
	"testing"
	"time"

	"berth.dev/berth"
)

// TestSessions: a session lasts while it is used, but no longer than SignInLife, and ends with the credential or the sign-in of a person
// that it began with.
func TestSessions(t *testing.T) {
	w := newWorld(t)
	w.withPeople(t)
	s := Sessions{w.Authority}
	token := func() string {
		_, body := w.do(t, post(tokenV2, w.form().Encode()))
		text, _ := body["access_token"].(string)
		return text
	}
	begin := func(token string) berth.Session {
		t.Helper()
		one, err := s.Begin(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		return one
	}
	there := func(key string) bool {
		t.Helper()
		one, err := s.Find(t.Context(), key)
		if err != nil {
			return false
		}
		if c, err := w.Verify(one.Token, ResourceManager); err != nil || c.Name != one.Name {
			t.Errorf("the token of a session: %+v, %v", c, err)
		}
		return true
	}
	one := begin(token())
	if !there(one.Key) || there(token()) || there("") {
		t.Error("a session, a token or nothing is taken wrongly for a session")
	}
	for range 23 {
		w.clock.Advance(50 * time.Minute)
		if !there(one.Key) {
			t.Fatal("a session that is used has ended")
		}
	}
	w.clock.Advance(50 * time.Minute)
	w.clock.Advance(50 * time.Minute)
	if there(one.Key) {
		t.Error("a session that was not used goes on")
	}
	one = begin(token())
	for range 29 {
		w.clock.Advance(50 * time.Minute)
		there(one.Key)
	}
	if there(one.Key) {
		t.Errorf("a session goes on after %s", SignInLife)
	}

	one, two := begin(token()), begin(token())
	if err := s.End(t.Context(), one.Key); err != nil || there(one.Key) || !there(two.Key) {
		t.Errorf("signed out: %v", err)
	}
	if err := s.End(t.Context(), one.Key); err != nil {
		t.Error(err)
	}
	before := w.client.Credentials
	w.client.Credentials = nil
	if there(two.Key) {
		t.Error("a session goes on without its credential")
	}
	w.client.Credentials = before
	w.remove()
	if there(two.Key) {
		t.Error("a session goes on without its application")
	}
}

// TestSessionLinks: a link is good once and for a short time. Who has a token and no secret gets no more by a link than the token has.
func TestSessionLinks(t *testing.T) {
	w := newWorld(t)
	w.withPeople(t)
	s := Sessions{w.Authority}
	_, body := w.do(t, post(tokenV2, w.form().Encode()))
	token, _ := body["access_token"].(string)
	link := func(proven bool) string {
		t.Helper()
		code, err := s.Link(t.Context(), token, proven)
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	if _, err := s.Link(t.Context(), token+"x", true); err == nil {
		t.Error("a link for a token that is none")
	}
	code := link(false)
	one, err := s.Use(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Use(t.Context(), code); err == nil {
		t.Error("a link is good twice")
	}
	late := link(true)
	w.clock.Advance(linkLife)
	if _, err := s.Use(t.Context(), late); err == nil {
		t.Error("a link is good for too long")
	}
	two, err := s.Use(t.Context(), link(true))
	if err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(45 * time.Minute)
	_, err1 := s.Find(t.Context(), one.Key)
	_, err2 := s.Find(t.Context(), two.Key)
	if err1 != nil || err2 != nil {
		t.Error(err1, err2)
	}
	w.clock.Advance(10 * time.Minute)
	if _, err := s.Find(t.Context(), one.Key); err == nil {
		t.Error("a token without a secret became a session that lasts longer than the token")
	}
	if _, err := s.Find(t.Context(), two.Key); err != nil {
		t.Error(err)
	}
}

// TestSessionsOfPeople: they end when the sign-ins of the person are ended.
func TestSessionsOfPeople(t *testing.T) {
	w := newWorld(t)
	w.withPeople(t)
	s := Sessions{w.Authority}
	const password = "correct horse battery staple"
	ann, err := w.people.Create(t.Context(), "ann", "Ann", password)
	if err != nil {
		t.Fatal(err)
	}
	begin := func() berth.Session {
		t.Helper()
		token, _ := w.signedIn(t, "ann", password)["access_token"].(string)
		one, err := s.Begin(t.Context(), token)
		if err != nil || one.Name != "Ann" {
			t.Fatal(one, err)
		}
		return one
	}
	for name, end := range map[string]func() error{
		"ended":    func() error { return w.people.EndSignIns(t.Context(), ann.ID) },
		"disabled": func() error { return w.people.Enable(t.Context(), ann.ID, false) },
	} {
		one := begin()
		if _, err := s.Find(t.Context(), one.Key); err != nil {
			t.Errorf("%s: %v before", name, err)
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Find(t.Context(), one.Key); err == nil {
			t.Errorf("%s, and the session goes on", name)
		}
		if err := w.people.Enable(t.Context(), ann.ID, true); err != nil {
			t.Fatal(err)
		}
		w.clock.Advance(2 * time.Second)
	}
	one := begin()
	for range 29 {
		w.clock.Advance(50 * time.Minute)
		_, err = s.Find(t.Context(), one.Key)
	}
	if err == nil {
		t.Errorf("a session goes on after %s", SignInLife)
	}
}
