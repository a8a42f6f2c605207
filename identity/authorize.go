package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"berth.dev/berth"
)

const codeLife = 5 * time.Minute

// Authorization is what a client asks for when it sends a person to sign in.
type Authorization struct {
	Client, ClientName string
	Redirect           string // where the answer goes; empty for a device
	State, Mode, Nonce string
	Challenge          string // of PKCE, S256
	Scope              string
	Hint               string // name of the person, as the client knows it
	UserCode           string // of a device
	// Query is the request with what Berth reads of it only, for the next page.
	Query url.Values
}

// Refusal is why an Authorization is refused: an error of OAuth and a text for people.
type Refusal struct {
	Kind, Text string
	ToClient   bool // the client may learn it; else its address is not to be trusted
}

// Error implements error.
func (r *Refusal) Error() string { return r.Text }

// authorizeFields are the parameters of an authorization request that Berth reads. A device has its user code only.
var authorizeFields = []string{"client_id", "redirect_uri", "response_type", "response_mode", "state", "nonce", "scope", "prompt",
	"login_hint", "code_challenge", "code_challenge_method", "user_code"}

// Authorization reads a request to sign in. Its errors are *Refusal.
func (a *Authority) Authorization(ctx context.Context, q url.Values) (Authorization, error) {
	kept := url.Values{}
	for _, name := range authorizeFields {
		if values := q[name]; len(values) > 1 {
			return Authorization{}, &Refusal{Kind: "invalid_request", Text: "The address has a parameter twice: " + name + "."}
		} else if len(values) == 1 && values[0] != "" {
			kept.Set(name, values[0])
		}
	}
	if code := kept.Get("user_code"); code != "" {
		return a.device(ctx, code)
	}
	auth := Authorization{Client: strings.ToLower(kept.Get("client_id")), Redirect: kept.Get("redirect_uri"), State: kept.Get("state"),
		Mode: kept.Get("response_mode"), Nonce: kept.Get("nonce"), Challenge: kept.Get("code_challenge"), Scope: kept.Get("scope"),
		Hint: kept.Get("login_hint"), Query: kept}
	name, known := publicClients[auth.Client]
	auth.ClientName = name
	switch {
	case !known:
		return auth, &Refusal{Kind: "unauthorized_client", Text: fmt.Sprintf("The program '%s' is not one with which people sign in here.",
			shown(auth.Client))}
	case !a.mayReturn(auth.Client, auth.Redirect):
		return auth, &Refusal{Kind: "invalid_request", Text: fmt.Sprintf("The redirect URI '%s' is not an address of this machine, such as "+
			"http://localhost:8400. Berth sends the answer nowhere else.", shown(auth.Redirect))}
	}
	return auth, checkAuthorization(auth, kept)
}

// checkAuthorization checks what the client may be told about.
func checkAuthorization(auth Authorization, q url.Values) error {
	refuse := func(kind, text string) error { return &Refusal{Kind: kind, Text: text, ToClient: true} }
	challenge, err := base64.RawURLEncoding.DecodeString(auth.Challenge)
	switch {
	case q.Get("response_type") != "code":
		return refuse("unsupported_response_type", "Only response_type=code is supported.")
	case q.Get("code_challenge_method") != "S256" || err != nil || len(challenge) != sha256.Size:
		return refuse("invalid_request", "A code_challenge with code_challenge_method=S256 (PKCE) is required.")
	case auth.Mode != "" && auth.Mode != "query" && auth.Mode != "fragment" && auth.Mode != "form_post":
		return refuse("invalid_request", "The response_mode is none of query, fragment and form_post.")
	case q.Get("prompt") == "none":
		return refuse("login_required", "Nobody is signed in: Berth has no sign-in that lasts in the browser.")
	}
	return nil
}

// code is a sign-in that its client has still to fetch.
type code struct {
	Client    string    `json:"client"`
	Redirect  string    `json:"redirect"`
	Challenge string    `json:"challenge"`
	Nonce     string    `json:"nonce,omitempty"`
	Scope     string    `json:"scope"`
	SignedIn  time.Time `json:"signedIn"`
	Family    string    `json:"family"`
	Redeemed  bool      `json:"redeemed,omitempty"`
}

// newCode makes a code for the client of auth, with which it gets the tokens of a person who has signed in.
func (a *Authority) newCode(ctx context.Context, auth Authorization, one berth.Person) (string, error) {
	text := NewSecret()
	ok, err := a.addTicket(ctx, berth.Ticket{Kind: berth.TicketCode, Owner: one.ID, Expires: a.clock.Now().Add(codeLife)}, text,
		code{Client: auth.Client, Redirect: auth.Redirect, Challenge: auth.Challenge, Nonce: auth.Nonce, Scope: auth.Scope,
			SignedIn: a.beginning(one), Family: uuid.NewString()})
	if err != nil || !ok {
		return "", noTicket(err, berth.TicketCode)
	}
	return text, nil
}

// takeCode finds the code of a text, and whose it is; nobody's when there is none. second is true when it was taken before.
func (a *Authority) takeCode(ctx context.Context, text string) (found code, person string, second bool, err error) {
	t, err := a.tickets.AlterTicket(ctx, berth.TicketCode, hashToken(text), func(t *berth.Ticket) error {
		if err := json.Unmarshal(t.Body, &found); err != nil {
			return err
		}
		second, found.Redeemed = found.Redeemed, true
		t.Body, err = json.Marshal(found)
		return err
	})
	return found, t.Owner, second, err
}

// Approve ends a sign-in: a device may fetch its tokens, and any other client gets a code. It returns the parameters of the answer to the
// client, and nil for a device.
func (a *Authority) Approve(ctx context.Context, auth Authorization, one berth.Person) (url.Values, error) {
	a.log.Info("a person signed in", "user", one.UPN, "id", one.ID, "client", auth.ClientName)
	if auth.UserCode != "" {
		return nil, a.approveDevice(ctx, auth.UserCode, one)
	}
	text, err := a.newCode(ctx, auth, one)
	if err != nil {
		return nil, err
	}
	out := url.Values{"code": {text}, "session_state": {uuid.NewString()}}
	if auth.State != "" {
		out.Set("state", auth.State)
	}
	return out, nil
}

// redeemCode answers the grant authorization_code.
func redeemCode(a *Authority, r *http.Request, f personForm) (session, oauthError) {
	text, verifier := f.Get("code"), f.Get("code_verifier")
	switch {
	case text == "":
		return session{}, missing("code")
	case verifier == "":
		return session{}, missing("code_verifier")
	}
	c, person, second, err := a.takeCode(r.Context(), text)
	sum := sha256.Sum256([]byte(verifier))
	switch {
	case err != nil:
		a.log.Error("a code cannot be redeemed", "error", err)
		return session{}, transient()
	case second: // whoever has the code besides its client may have tokens by now
		if err := a.people.refresh.DeleteRefreshTokens(r.Context(), "", c.Family); err != nil {
			return session{}, transient()
		}
		return session{}, badGrant(54005, "OAuth2 Authorization code was already redeemed, please retry with a new valid code.")
	case person == "" || c.Client != f.client():
		return session{}, badGrant(70008, "The provided authorization code is not valid or has expired. Sign in again.")
	case c.Redirect != f.Get("redirect_uri"):
		return session{}, badGrant(500112, "The redirect_uri is not the one with which the sign-in began.")
	case subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(c.Challenge)) != 1:
		return session{}, badGrant(501481, "The code_verifier does not match the code_challenge supplied in the authorization request.")
	}
	return session{person: person, signedIn: c.SignedIn, family: c.Family, nonce: c.Nonce, scope: c.Scope}, oauthError{}
}

func badGrant(code int, why string) oauthError {
	return oauthError{http.StatusBadRequest, "invalid_grant", code, why}
}
