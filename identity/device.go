package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"

	"berth.dev/berth"
)

const (
	deviceLife   = 15 * time.Minute
	devicePoll   = 2 * time.Second
	codeLength   = 9
	codeLetters  = "BCDFGHJKLMNPQRSTVWXZ" // no vowels, no words; 20^9 are 39 bits
	DevicePath   = "/sign-in/device"
	deviceGrant  = "urn:ietf:params:oauth:grant-type:device_code"
	deviceGrant1 = "device_code" // of the v1 endpoint
)

// deviceSignIn is a device that waits until somebody signs in for it. Its ticket is under the user code, which a person types; the code
// of the device itself has the user code in front.
type deviceSignIn struct {
	Code     string    `json:"code"` // hash of the device's own code
	Client   string    `json:"client"`
	Scope    string    `json:"scope"`
	Person   string    `json:"person,omitempty"` // who has signed in; empty until then
	SignedIn time.Time `json:"signedIn,omitzero"`
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
		user := newUserCode()
		device := user + "." + NewSecret()
		ok, err := a.addTicket(r.Context(), berth.Ticket{Kind: berth.TicketDevice, Owner: throttleKey(r, ""),
			Expires: a.clock.Now().Add(deviceLife)}, user, deviceSignIn{Code: hashToken(device), Client: form.client(), Scope: form.Get("scope")})
		if err != nil {
			a.log.Error("a device cannot wait for a sign-in", "error", err)
			a.refuse(w, r, transient())
			return
		}
		if !ok {
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

// device is the request of the device that shows a user code, as a person types it.
func (a *Authority) device(ctx context.Context, user string) (Authorization, error) {
	user = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(user))
	t, err := a.tickets.Ticket(ctx, berth.TicketDevice, hashToken(user))
	if err != nil {
		return Authorization{}, err
	}
	var d deviceSignIn
	if t.Hash == "" || json.Unmarshal(t.Body, &d) != nil || d.Person != "" {
		return Authorization{}, &Refusal{Kind: "invalid_request", Text: "No device waits with this code. Look at the code that it shows: it is " +
			"valid for 15 minutes, and once."}
	}
	return Authorization{Client: d.Client, ClientName: publicClients[d.Client], Scope: d.Scope, UserCode: user,
		Query: url.Values{"user_code": {user}}}, nil
}

// approveDevice lets a device fetch the tokens of a person.
func (a *Authority) approveDevice(ctx context.Context, user string, one berth.Person) error {
	waits := false
	_, err := a.tickets.AlterTicket(ctx, berth.TicketDevice, hashToken(user), func(t *berth.Ticket) (err error) {
		var d deviceSignIn
		if err := json.Unmarshal(t.Body, &d); err != nil {
			return err
		}
		if waits = d.Person == ""; !waits {
			return nil
		}
		d.Person, d.SignedIn = one.ID, a.beginning(one)
		t.Body, err = json.Marshal(d)
		return err
	})
	if err == nil && !waits {
		err = berth.Errorf(berth.CodeNotFound, "The device waits no more. Start the sign-in there again.")
	}
	return err
}

// poll is what the device with a code of its own gets now. The answer is given once.
func (a *Authority) poll(ctx context.Context, text, client string) (d deviceSignIn, bad oauthError) {
	user, _, _ := strings.Cut(text, ".")
	t, err := a.tickets.Ticket(ctx, berth.TicketDevice, hashToken(user))
	if err == nil && t.Hash != "" {
		err = json.Unmarshal(t.Body, &d)
	}
	switch {
	case err != nil:
		a.log.Error("a device cannot be answered", "error", err)
		return d, transient()
	case subtle.ConstantTimeCompare([]byte(d.Code), []byte(hashToken(text))) != 1 || d.Client != client:
		return d, badGrant(70008, "The device code is not valid, was used, or has expired. Start the sign-in again.")
	case d.Person == "":
		return d, oauthError{http.StatusBadRequest, "authorization_pending", 70016, "Authorization is pending. Continue polling."}
	}
	took, err := a.tickets.AlterTicket(ctx, berth.TicketDevice, t.Hash, gone)
	switch {
	case err != nil:
		a.log.Error("a device cannot be answered", "error", err)
		return d, transient()
	case took.Hash == "": // a moment ago
		return d, badGrant(70008, "The device code is not valid, was used, or has expired. Start the sign-in again.")
	}
	return d, oauthError{}
}

// redeemDevice answers the grant of a device.
func redeemDevice(a *Authority, r *http.Request, f personForm) (session, oauthError) {
	text := f.Get("device_code")
	if text == "" {
		text = f.Get("code") // of the v1 endpoint
	}
	if text == "" {
		return session{}, missing("device_code")
	}
	d, bad := a.poll(r.Context(), text, f.client())
	return session{person: d.Person, signedIn: d.SignedIn, scope: d.Scope}, bad
}
