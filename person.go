package berth

import "time"

// Person is somebody who signs in: at an outside OpenID Connect provider, or with a password here. Issuer and Subject are who it is.
// Everything else a provider says about a person may change, or belong to another one tomorrow.
type Person struct {
	ID      string `json:"id"`               // object id: a random GUID, lower case; the oid of its tokens
	Issuer  string `json:"issuer,omitempty"` // of the outside provider; empty for a local person
	Subject string `json:"subject"`          // at the issuer; of a local person its name in lower case
	UPN     string `json:"upn"`              // user principal name: of no two persons the same, in any casing
	Name    string `json:"name"`
	Mail    string `json:"mail,omitempty"` // only an address that the provider calls verified
	Hash    string `json:"hash,omitempty"` // of a local person's password: argon2id in PHC form
	// Disabled persons cannot sign in, and their tokens are refused.
	Disabled bool `json:"disabled,omitempty"`
	// Groups are the object ids of the groups that the provider named at the last sign-in, sorted.
	Groups     []string  `json:"groups,omitempty"`
	CreatedAt  time.Time `json:"createdAt"`
	SignedInAt time.Time `json:"signedInAt,omitzero"` // last
	// ValidFrom is when the sign-ins of the person were ended: older tokens are refused.
	ValidFrom time.Time `json:"validFrom,omitzero"`
}

// UserGroup is a group of an outside provider.
type UserGroup struct {
	ID     string `json:"id"` // object id: a GUID made of issuer and name
	Issuer string `json:"issuer"`
	Name   string `json:"name"`
}

// RefreshToken is what is stored of a refresh token: not the token itself.
type RefreshToken struct {
	Hash     string    // SHA-256 of the token, in hex
	Family   string    // all tokens that follow from one sign-in
	Person   string    // object id
	Client   string    // client id of the program that may use it
	SignedIn time.Time // when the person signed in
	Expires  time.Time
}

// Exchange is one use of a refresh token: the token Old becomes New.
type Exchange struct {
	Old, New string // hashes
	Client   string // that uses it
	Now      time.Time
	// Grace is how long a token can be used again after its first use: two processes of one client may share it.
	Grace time.Duration
}
