package identity

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"berth.dev/berth"
)

const (
	deviceLife   = 15 * time.Minute
	devicePoll   = 2 * time.Second
	maxDevices   = 1000
	maxFromOne   = 50 // of one address at a time
	codeLength   = 9
	codeLetters  = "BCDFGHJKLMNPQRSTVWXZ" // no vowels, no words; 20^9 are 39 bits
	DevicePath   = "/sign-in/device"
	deviceGrant  = "urn:ietf:params:oauth:grant-type:device_code"
	deviceGrant1 = "device_code" // of the v1 endpoint
)

// deviceSignIn is a device that waits until somebody signs in for it.
type deviceSignIn struct {
	code          string // hash of the device's own code
	client, scope string
	from          string
	until, mayAsk time.Time
	person        string // who has signed in; empty until then
	signedIn      time.Time
}

// devices are the devices that wait, by their user codes. The zero value is ready.
type devices struct {
	mu  sync.Mutex
	all map[string]*deviceSignIn
}

// DeviceHandler serves POST /{tenant}/oauth2/v2.0/devicecode: a device that has no browser begins to sign somebody in.
func (a *Authority) DeviceHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tenant, ours := a.pathTenant(r)
		switch {
		case !ours:
			a.refuse(w, r, unknownTenant(tenant))
			return
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			a.refuse(w, r, oauthError{http.StatusMethodNotAllowed, "invalid_request", 900561,
				fmt.Sprintf("The endpoint only accepts POST requests. Received a %s request.", shown(r.Method))})
			return
		}
		values, bad := readForm(w, r)
		form := personForm{values, !strings.Contains(strings.ToLower(r.URL.Path), "/v2.0/")}
		if bad.code == 0 {
			bad = a.checkPublic(form)
		}
		if bad.code != 0 {
			a.refuse(w, r, bad)
			return
		}
		device, user := NewSecret(), newUserCode()
		d := &deviceSignIn{code: hashToken(device), client: form.client(), scope: form.Get("scope"), from: throttleKey(r, ""),
			until: a.clock.Now().Add(deviceLife)}
		if !a.devices.add(user, d, a.clock.Now()) {
			w.Header().Set("Retry-After", "60")
			a.refuse(w, r, oauthError{http.StatusTooManyRequests, "temporarily_unavailable", 90055,
				"Too many devices wait for a sign-in. Try again in a minute."})
			return
		}
		a.answerDevice(w, form, device, user)
	})
}

func (a *Authority) answerDevice(w http.ResponseWriter, f personForm, device, user string) {
	page := a.base + DevicePath
	life, poll := int(deviceLife/time.Second), int(devicePoll/time.Second)
	w.Header().Set("Cache-Control", "no-store")
	message := "To sign in, use a web browser to open the page " + page + " and enter the code " + user + " to authenticate."
	out := map[string]any{"device_code": device, "user_code": user, "verification_uri": page, "expires_in": life, "interval": poll,
		"message": message}
	if f.v1 {
		out["verification_url"] = page
		out["expires_in"], out["interval"] = fmt.Sprint(life), fmt.Sprint(poll)
	}
	writeJSON(w, http.StatusOK, out)
}

func newUserCode() string {
	var b strings.Builder
	for range codeLength {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(codeLetters))))
		if err != nil {
			panic(err) // crypto/rand never fails
		}
		b.WriteByte(codeLetters[n.Int64()])
	}
	return b.String()
}

// add lets a device wait; false when too many do.
func (d *devices) add(user string, one *deviceSignIn, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	same := 0
	for code, other := range d.all {
		if now.After(other.until) {
			delete(d.all, code)
		} else if other.from == one.from {
			same++
		}
	}
	if same >= maxFromOne || len(d.all) >= maxDevices {
		return false
	}
	if d.all == nil {
		d.all = map[string]*deviceSignIn{}
	}
	d.all[user] = one
	return true
}

// device is the request of the device that shows a user code, as a person types it.
func (a *Authority) device(user string) (Authorization, error) {
	user = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(user))
	a.devices.mu.Lock()
	defer a.devices.mu.Unlock()
	d := a.devices.all[user]
	if d == nil || d.person != "" || a.clock.Now().After(d.until) {
		return Authorization{}, &Refusal{Kind: "invalid_request", Text: "No device waits with this code. Look at the code that it shows: it is " +
			"valid for 15 minutes, and once."}
	}
	return Authorization{Client: d.client, ClientName: publicClients[d.client], Scope: d.scope, UserCode: user,
		Query: url.Values{"user_code": {user}}}, nil
}

// approve lets a device fetch the tokens of a person.
func (d *devices) approve(user, person string, signedIn time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	one := d.all[user]
	if one == nil || one.person != "" {
		return berth.Errorf(berth.CodeNotFound, "The device waits no more. Start the sign-in there again.")
	}
	one.person, one.signedIn = person, signedIn
	return nil
}

// poll is what the device with a code of its own gets now. The answer is given once.
func (d *devices) poll(text, client string, now time.Time) (one deviceSignIn, bad oauthError) {
	d.mu.Lock()
	defer d.mu.Unlock()
	hash := hashToken(text)
	for user, found := range d.all {
		if found.code != hash || found.client != client {
			continue
		}
		switch {
		case now.After(found.until):
			delete(d.all, user)
			return one, oauthError{http.StatusBadRequest, "expired_token", 70020, "The device code has expired. Start the sign-in again."}
		case found.person != "":
			delete(d.all, user)
			return *found, oauthError{}
		case now.Before(found.mayAsk):
			return one, oauthError{http.StatusBadRequest, "slow_down", 70034, "The device asks too often."}
		}
		found.mayAsk = now.Add(devicePoll / 2)
		return one, oauthError{http.StatusBadRequest, "authorization_pending", 70016, "Authorization is pending. Continue polling."}
	}
	return one, badGrant(70008, "The device code is not valid, was used, or has expired. Start the sign-in again.")
}

// redeemDevice answers the grant of a device.
func redeemDevice(a *Authority, _ *http.Request, f personForm) (session, oauthError) {
	text := f.Get("device_code")
	if text == "" {
		text = f.Get("code") // of the v1 endpoint
	}
	if text == "" {
		return session{}, missing("device_code")
	}
	d, bad := a.devices.poll(text, f.client(), a.clock.Now())
	return session{person: d.person, signedIn: d.signedIn, scope: d.scope}, bad
}
