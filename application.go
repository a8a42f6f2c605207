package berth

import (
	"slices"
	"time"
)

// Application is a caller: a program that may sign in. Microsoft Entra has two objects for it, the application and its service
// principal, and clients read either; here they are one, with both ids.
type Application struct {
	ID             string       `json:"id"`             // the appId or client id with which it signs in: a GUID, lower case
	ObjectID       string       `json:"objectId"`       // of its service principal: the oid of its tokens
	RegistrationID string       `json:"registrationId"` // of the application object
	Name           string       `json:"name"`
	CreatedAt      time.Time    `json:"createdAt"`
	Credentials    []Credential `json:"credentials,omitempty"`
	// ByRoles says that roles decide what it may do. One from before there were roles could do everything, and becomes Owner at the next
	// start; likewise the first client of a data folder.
	ByRoles bool `json:"byRoles,omitempty"`
}

// Credential is one way for an application to authenticate: a secret, of which only a hash is stored, or a certificate.
type Credential struct {
	KeyID       string    `json:"keyId"` // a GUID
	Name        string    `json:"name,omitempty"`
	Hash        string    `json:"hash,omitempty"`        // of a secret: SHA-256 if Berth made it, else argon2id in PHC form
	Hint        string    `json:"hint,omitempty"`        // the first characters of the secret, so that people can distinguish secrets
	Certificate []byte    `json:"certificate,omitempty"` // X.509, DER
	Start       time.Time `json:"start"`
	End         time.Time `json:"end,omitzero"` // zero: it does not expire
}

// Good reports whether the credential is valid at a time.
func (c Credential) Good(at time.Time) bool {
	return !at.Before(c.Start) && (c.End.IsZero() || at.Before(c.End))
}

// Clone is a copy that shares no list of credentials with the original.
func (a Application) Clone() Application {
	a.Credentials = slices.Clone(a.Credentials)
	return a
}
