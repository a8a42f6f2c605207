package identity

import (
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// withPeople gives the world a store of people.
func (w *world) withPeople(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "people.db"), store.Options{Clock: w.clock,
		Explain: func(err error) *berth.Error { return berth.Errorf(berth.CodeInternal, "%v", err) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if w.people, err = OpenPeople(t.Context(), s, w.clock); err != nil {
		t.Fatal(err)
	}
	w.tickets = s
	return s
}

const cliClient = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"

// signedIn are the tokens of somebody who signs in by a device code now.
func (w *world) signedIn(t *testing.T, user, password string) map[string]any {
	t.Helper()
	_, d := w.do(t, post("/"+testTenant+"/oauth2/v2.0/devicecode", url.Values{"client_id": {cliClient},
		"scope": {testBase + "/.default offline_access"}}.Encode()))
	code, _ := d["user_code"].(string)
	auth, err := w.Authorization(t.Context(), url.Values{"user_code": {code}})
	if err != nil {
		t.Fatal(err)
	}
	one, err := w.SignInLocal(httptest.NewRequest("POST", "/", nil), user, password)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Approve(t.Context(), auth, one); err != nil {
		t.Fatal(err)
	}
	device, _ := d["device_code"].(string)
	rec, body := w.do(t, post(tokenV2, url.Values{"grant_type": {deviceGrant}, "client_id": {cliClient}, "device_code": {device}}.Encode()))
	if rec.Code != 200 {
		t.Fatal(rec.Code, body)
	}
	return body
}

// TestSignInEnds: a sign-in lasts for SignInLife, whatever its tokens become, and ends at once when it is ended.
func TestSignInEnds(t *testing.T) {
	w := newWorld(t)
	w.withPeople(t)
	const password = "correct horse battery staple"
	ann, err := w.people.Create(t.Context(), "ann", "", password)
	if err != nil {
		t.Fatal(err)
	}
	tokens := w.signedIn(t, "Ann", password)
	verify := func() (Caller, error) {
		access, _ := tokens["access_token"].(string)
		return w.Verify(access, ResourceManager)
	}
	refresh := func() int {
		old, _ := tokens["refresh_token"].(string)
		rec, body := w.do(t, post(tokenV2, url.Values{"grant_type": {"refresh_token"}, "client_id": {cliClient}, "refresh_token": {old},
			"scope": {testBase + "/.default"}}.Encode()))
		if rec.Code == 200 {
			tokens = body
		}
		return rec.Code
	}
	for range 23 {
		w.clock.Advance(time.Hour)
		if code := refresh(); code != 200 {
			t.Fatal(code)
		}
		caller, err := verify()
		if err != nil || caller.ObjectID != ann.ID || caller.UPN != "ann" || !caller.SignedIn.Equal(testNow.Truncate(time.Second)) {
			t.Fatalf("%+v %v", caller, err)
		}
	}
	w.clock.Advance(time.Hour + time.Second)
	if code := refresh(); code != 400 {
		t.Errorf("refreshed after %s: %d", SignInLife, code)
	}

	tokens = w.signedIn(t, "ann", password)
	if err := w.people.EndSignIns(t.Context(), ann.ID); err != nil { // in the same second
		t.Fatal(err)
	}
	if _, err := verify(); err == nil || !strings.Contains(err.Error(), "were ended") {
		t.Errorf("a token of an ended sign-in: %v", err)
	}
	tokens = w.signedIn(t, "ann", password) // still in the same second
	if _, err := verify(); err != nil {
		t.Error(err)
	}
	if code := refresh(); code != 200 {
		t.Errorf("refreshed: %d", code)
	}
	if _, known := w.Known(ann.ID); !known {
		t.Error("a person is not known by its id")
	}
	if _, known := w.Known("ann"); known {
		t.Error("a person is known by a name, which is no id")
	}
}

// TestDevicesAreBounded: who asks for device codes without end is refused, and others are not.
func TestDevicesAreBounded(t *testing.T) {
	w := newWorld(t)
	w.withPeople(t)
	ask := func(from string) int {
		r := post("/"+testTenant+"/oauth2/v2.0/devicecode", url.Values{"client_id": {cliClient}}.Encode())
		r.RemoteAddr = from
		rec, _ := w.do(t, r)
		return rec.Code
	}
	for range rooms[berth.TicketDevice].One {
		if code := ask("192.0.2.1:1"); code != 200 {
			t.Fatal(code)
		}
	}
	if code := ask("192.0.2.1:2"); code != 429 {
		t.Errorf("one address has any number of devices: %d", code)
	}
	if code := ask("192.0.2.2:1"); code != 200 {
		t.Errorf("another address: %d", code)
	}
	w.clock.Advance(deviceLife + time.Second)
	if code := ask("192.0.2.1:3"); code != 200 {
		t.Errorf("after their end: %d", code)
	}
}

// TestRestart: who there is, and in which groups, is still known after a restart.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	s := w.withPeople(t)
	one, err := w.people.TakeIn(t.Context(), Claims{Provider: "corp", Issuer: "https://corp", Subject: "1", Login: "ann",
		Groups: []string{"b", "a", "b"}})
	if err != nil || one.UPN != "ann@corp" || len(one.Groups) != 2 {
		t.Fatalf("%+v %v", one, err)
	}
	again, err := OpenPeople(t.Context(), s, w.clock)
	if err != nil {
		t.Fatal(err)
	}
	same, err := again.TakeIn(t.Context(), Claims{Provider: "corp", Issuer: "https://corp", Subject: "1", Login: "other"})
	if err != nil || same.ID != one.ID || same.UPN != "ann@corp" || len(same.Groups) != 0 || len(again.Groups()) != 2 {
		t.Errorf("%+v %v", same, err)
	}
	other, err := again.TakeIn(t.Context(), Claims{Provider: "two", Issuer: "https://two", Subject: "1", Groups: []string{"a"}})
	if err != nil || other.ID == one.ID || other.Groups[0] == one.Groups[0] {
		t.Errorf("one subject, or one group, at two issuers is the same: %+v %v", other, err)
	}
}
