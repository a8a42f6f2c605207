package identity

import (
	"net/http"
	"strings"
	"time"

	"berth.dev/berth"
)

// idPerson is the claim idtyp of a person's token.
const idPerson = "user"

// personTokenOf is what an access token of a person is for.
type personTokenOf struct {
	client, audience, scope string
	signedIn                time.Time
}

// beginning is the time at which a sign-in or a token of now begins. Tokens have whole seconds, and those of the second in which the
// sign-ins of a person were ended are refused: so one of the same second is of the next.
func (a *Authority) beginning(one berth.Person) time.Time {
	now := a.clock.Now().UTC().Truncate(time.Second)
	if now.Before(one.ValidFrom) {
		return one.ValidFrom
	}
	return now
}

// issuePerson makes an access token for a person.
func (a *Authority) issuePerson(one berth.Person, of personTokenOf) (string, error) {
	now := a.beginning(one)
	return a.sign(claims{
		Audience: of.audience, Issuer: a.issuer(), IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(TokenLife).Unix(),
		AppID: of.client, AZP: of.client, IDType: idPerson, ObjectID: one.ID, Subject: one.ID, TenantID: a.tenant, UTI: newUTI(),
		Version: "2.0", personClaims: personClaims{Name: one.Name, Login: one.UPN, UPN: one.UPN, Scope: of.scope,
			AuthTime: of.signedIn.Unix(), Groups: groupsFor(one, of.audience)},
	})
}

// maxTokenGroups is how many groups fit into a token, as in Entra. With more it has none, because nobody would know which are missing.
const maxTokenGroups = 200

// groupsFor are the groups that a token of a person for an audience names. Berth itself knows who is in which, and a token with thousands
// would fit into no header.
func groupsFor(one berth.Person, audience string) []string {
	if audience != berth.KubernetesApplication || len(one.Groups) > maxTokenGroups {
		return nil
	}
	return one.Groups
}

// idClaims are those of an id token. Its audience is the client, and of no API: it signs nobody in here.
type idClaims struct {
	Audience  string `json:"aud"`
	Issuer    string `json:"iss"`
	IssuedAt  int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
	AuthTime  int64  `json:"auth_time"`
	Nonce     string `json:"nonce,omitempty"`
	ObjectID  string `json:"oid"`
	Subject   string `json:"sub"`
	TenantID  string `json:"tid"`
	Name      string `json:"name"`
	Login     string `json:"preferred_username"`
	UPN       string `json:"upn"`
	Mail      string `json:"email,omitempty"`
	UTI       string `json:"uti"`
	Version   string `json:"ver"`
}

// issueID makes an id token for a client.
func (a *Authority) issueID(one berth.Person, client string, s session) (string, error) {
	now := a.beginning(one)
	return a.sign(idClaims{
		Audience: client, Issuer: a.issuer(), IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(TokenLife).Unix(),
		AuthTime: s.signedIn.Unix(), Nonce: s.nonce, ObjectID: one.ID, Subject: one.ID, TenantID: a.tenant, Name: one.Name, Login: one.UPN,
		UPN: one.UPN, Mail: one.Mail, UTI: newUTI(), Version: "2.0",
	})
}

// Presented is whom a token was issued to.
type Presented struct {
	ObjectID, ClientID string
	Person             bool
	Issued             int64 // seconds since 1970
}

// Present is the caller of a token that somebody else has verified. Its error is a *berth.Error (401) when the caller was removed, or was
// disabled, or the sign-in was ended.
func (a *Authority) Present(p Presented) (Caller, error) {
	return a.stillThere(verified{appID: p.ClientID, objectID: p.ObjectID, person: p.Person, issued: p.Issued})
}

// personThere is the caller of a person's token.
func (a *Authority) personThere(v verified) (Caller, error) {
	if a.people == nil {
		return Caller{}, invalid("People do not sign in at this server.")
	}
	one, known := a.people.Find(v.objectID)
	switch {
	case !known || one.ID != v.objectID:
		return Caller{}, invalid("The user '%s' that this access token was issued to no longer exists here.", v.objectID)
	case one.Disabled:
		return Caller{}, invalid("The user '%s' is disabled on this server.", one.UPN)
	case v.issued < one.ValidFrom.Unix():
		return Caller{}, invalid("The sign-ins of the user '%s' were ended on this server. %s", one.UPN, signInAgain)
	}
	c := a.callerOf(one)
	c.Expires, c.SignedIn = v.expires.UTC(), time.Unix(v.signedIn, 0).UTC()
	return c, nil
}

func (a *Authority) callerOf(one berth.Person) Caller {
	return Caller{AppID: one.ID, ObjectID: one.ID, TenantID: a.tenant, Name: one.Name, UPN: one.UPN}
}

// UserInfoHandler serves GET /{tenant}/openid/userinfo: who the person of a token is. Tokens for Graph are accepted, as in Entra.
func (a *Authority) UserInfoHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		caller, err := a.Caller(r, Graph)
		if err != nil || caller.UPN == "" {
			w.Header().Set("WWW-Authenticate", Challenge(a.base, a.tenant, err))
			writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_token"})
			return
		}
		one, _ := a.people.Find(caller.ObjectID)
		out := map[string]string{"sub": one.ID, "name": one.Name, "preferred_username": one.UPN}
		if strings.Contains(one.Mail, "@") {
			out["email"] = one.Mail
		}
		writeJSON(w, http.StatusOK, out)
	})
}
