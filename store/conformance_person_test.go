package store_test

import (
	"errors"
	"time"

	"berth.dev/berth"
)

func people(w *world) {
	for _, id := range []string{"a", "b"} {
		groups := []berth.UserGroup{{ID: "g" + id, Name: id}, {ID: "g"}}
		w.must(w.s.PutPerson(w.ctx, berth.Person{ID: id, Subject: id, UPN: id, Name: "n"}, groups))
	}
	groups, err := w.s.Groups(w.ctx)
	if err != nil || len(groups) != 3 {
		w.Errorf("%+v, %v", groups, err)
	}
	w.must(w.s.PutPerson(w.ctx, berth.Person{ID: "b", Subject: "b", UPN: "b", Name: "other", Groups: []string{"g"}}, nil))
	w.harm("UPDATE people SET body = '[]' WHERE id = 'a'")
	w.harm("UPDATE people_groups SET body = 'x' WHERE id = 'ga'")
	all, err := w.s.People(w.ctx)
	if err != nil || len(all) != 2 || all[0].ID != "a" || !all[0].Disabled || all[1].Name != "other" || len(all[1].Groups) != 1 {
		w.Errorf("%+v, %v", all, err)
	}
	if groups, err = w.s.Groups(w.ctx); err != nil || len(groups) != 2 || w.s.Unreadable() != 2 {
		w.Errorf("%+v, %v, %d set aside", groups, err, w.s.Unreadable())
	}
	w.must(w.s.DeletePerson(w.ctx, "a"))
	if all, err := w.s.People(w.ctx); err != nil || len(all) != 1 || w.s.Unreadable() != 1 {
		w.Errorf("%+v, %v, %d set aside", all, err, w.s.Unreadable())
	}
}

func refreshTokens(w *world) {
	now := w.clock.Now().Truncate(time.Second)
	token := func(hash, family, person string) {
		w.must(w.s.AddRefreshToken(w.ctx, berth.RefreshToken{Hash: hash, Family: family, Person: person, Client: "az", SignedIn: now,
			Expires: now.Add(time.Hour)}, now))
	}
	exchange := func(old, next string, after time.Duration) berth.RefreshToken {
		t, err := w.s.ExchangeRefreshToken(w.ctx, berth.Exchange{Old: old, New: next, Client: "az", Now: now.Add(after), Grace: time.Minute})
		w.must(err)
		return t
	}
	token("1", "f", "p")
	if t, err := w.s.ExchangeRefreshToken(w.ctx, berth.Exchange{Old: "1", New: "x", Client: "other", Now: now}); err != nil || t.Hash != "" {
		w.Errorf("another client used a token: %+v, %v", t, err)
	}
	if t := exchange("1", "2", 0); t.Hash != "2" || t.Family != "f" || t.Person != "p" || !t.SignedIn.Equal(now) ||
		!t.Expires.Equal(now.Add(time.Hour)) {
		w.Errorf("%+v", t)
	}
	if t := exchange("1", "2b", 30*time.Second); t.Hash != "2b" {
		w.Error("two processes of one client cannot share a token")
	}
	if t := exchange("none", "x", 0); t.Hash != "" {
		w.Errorf("a token that there is not: %+v", t)
	}
	if t := exchange("2", "x", time.Hour); t.Hash != "" {
		w.Errorf("a token that has expired: %+v", t)
	}
	if t := exchange("1", "3", 2*time.Minute); t.Hash != "" {
		w.Errorf("a token was used twice: %+v", t)
	}
	for _, hash := range []string{"2", "2b"} { // who used it first may be the thief
		if t := exchange(hash, "x", 2*time.Minute); t.Hash != "" {
			w.Errorf("a sign-in whose token was stolen goes on: %+v", t)
		}
	}
	token("4", "g", "p")
	token("5", "h", "q")
	token("6", "i", "r")
	w.must(w.s.DeleteRefreshTokens(w.ctx, "", "h"))
	w.must(w.s.DeletePerson(w.ctx, "p"))
	for hash, stays := range map[string]bool{"4": false, "5": false, "6": true} {
		if t := exchange(hash, hash+"b", 0); (t.Hash != "") != stays {
			w.Errorf("%s: %+v", hash, t)
		}
	}
}

func tickets(w *world) {
	now := w.clock.Now().Truncate(time.Second)
	add := func(hash string, kind berth.TicketKind, owner string, after time.Duration) bool {
		ok, err := w.s.AddTicket(w.ctx, berth.Ticket{Hash: hash, Kind: kind, Owner: owner, Body: []byte(`{"a":1}`), Expires: now.Add(after)},
			berth.TicketRoom{One: 2, All: 3})
		w.must(err)
		return ok
	}
	find := func(hash string, kind berth.TicketKind) berth.Ticket {
		t, err := w.s.Ticket(w.ctx, kind, hash)
		w.must(err)
		return t
	}
	for _, c := range []struct {
		hash  string
		owner string
		ok    bool
	}{{"1", "p", true}, {"2", "p", true}, {"3", "p", false}, {"4", "q", true}, {"5", "r", false}} {
		if ok := add(c.hash, berth.TicketCode, c.owner, time.Hour); ok != c.ok || (find(c.hash, berth.TicketCode).Hash != "") != ok {
			w.Errorf("ticket %s: %v", c.hash, ok)
		}
	}
	if !add("6", berth.TicketSession, "p", time.Minute) { // another kind
		w.Error("the tickets of one kind take the room of another")
	}
	if t := find("1", berth.TicketCode); t.Owner != "p" || string(t.Body) != `{"a":1}` || !t.Expires.Equal(now.Add(time.Hour)) {
		w.Errorf("%+v", t)
	}
	if t := find("1", berth.TicketSession); t.Hash != "" {
		w.Error("a ticket is good as one of another kind")
	}
	t, err := w.s.AlterTicket(w.ctx, berth.TicketCode, "1", func(t *berth.Ticket) error {
		t.Body, t.Owner = []byte("{}"), "x"
		t.Expires = now.Add(2 * time.Hour)
		return nil
	})
	if got := find("1", berth.TicketCode); err != nil || t.Owner != "x" || got.Owner != "x" || string(got.Body) != "{}" ||
		!got.Expires.Equal(now.Add(2*time.Hour)) {
		w.Errorf("%+v, %+v, %v", t, got, err)
	}
	refused := errors.New("refused")
	_, err = w.s.AlterTicket(w.ctx, berth.TicketCode, "1", func(t *berth.Ticket) error { t.Owner = "y"; return refused })
	if got := find("1", berth.TicketCode); !errors.Is(err, refused) || got.Owner != "x" {
		w.Errorf("%+v, %v", got, err)
	}
	for _, want := range []string{"1", ""} { // once
		t, err = w.s.AlterTicket(w.ctx, berth.TicketCode, "1", func(t *berth.Ticket) error { t.Expires = time.Time{}; return nil })
		if err != nil || t.Hash != want || find("1", berth.TicketCode).Hash != "" {
			w.Errorf("%+v, %v", t, err)
		}
	}
	w.clock.Advance(time.Minute)
	if t := find("6", berth.TicketSession); t.Hash != "" {
		w.Errorf("expired: %+v", t)
	}
	w.clock.Advance(time.Hour)
	if !add("7", berth.TicketCode, "p", 2*time.Hour) {
		w.Error("tickets that have expired take room")
	}
}
