package graph

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // a thumbprint that Graph shows; nothing rests on it
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/identity"
)

// kind is one of the two objects that Graph has for an application.
type kind struct {
	id   func(berth.Application) string
	view func(*server, berth.Application) map[string]any
}

var kinds = map[string]kind{
	"applications":      {func(a berth.Application) string { return a.RegistrationID }, (*server).application},
	"servicePrincipals": {func(a berth.Application) string { return a.ObjectID }, (*server).principal},
}

func (s *server) common(a berth.Application, id string) map[string]any {
	passwords, keys := []any{}, []any{}
	for _, c := range a.Credentials {
		if len(c.Certificate) > 0 {
			keys = append(keys, keyView(c))
		} else {
			passwords = append(passwords, passwordView(c))
		}
	}
	return map[string]any{
		"id": id, "appId": a.ID, "displayName": a.Name, "createdDateTime": a.CreatedAt, "deletedDateTime": nil,
		"passwordCredentials": passwords, "keyCredentials": keys,
	}
}

func (s *server) application(a berth.Application) map[string]any {
	v := s.common(a, a.RegistrationID)
	v["identifierUris"], v["signInAudience"] = []string{}, "AzureADMyOrg"
	return v
}

func (s *server) principal(a berth.Application) map[string]any {
	v := s.common(a, a.ObjectID)
	v["appDisplayName"], v["servicePrincipalNames"] = a.Name, []string{a.ID}
	v["servicePrincipalType"] = "Application"
	v["appOwnerOrganizationId"], v["accountEnabled"] = s.Authority.TenantID(), true
	return v
}

func passwordView(c berth.Credential) map[string]any {
	return map[string]any{"keyId": c.KeyID, "displayName": null(c.Name), "hint": c.Hint, "startDateTime": c.Start, "endDateTime": end(c),
		"secretText": nil, "customKeyIdentifier": nil}
}

func keyView(c berth.Credential) map[string]any {
	return map[string]any{"keyId": c.KeyID, "displayName": null(c.Name), "type": "AsymmetricX509Cert", "usage": "Verify", "key": nil,
		"customKeyIdentifier": fmt.Sprintf("%X", sha1.Sum(c.Certificate)), //nolint:gosec // see the import
		"startDateTime":       c.Start, "endDateTime": end(c)}
}

func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func end(c berth.Credential) any {
	if c.End.IsZero() {
		return nil // the first client's: it does not expire
	}
	return c.End
}

// fields are all that a request may set. Anything else is refused, so that Berth never accepts a field and ignores it.
type fields struct {
	DisplayName        *string     `json:"displayName"`
	AppID              string      `json:"appId"`
	AccountEnabled     *bool       `json:"accountEnabled"`
	SignInAudience     string      `json:"signInAudience"`
	KeyCredentials     []key       `json:"keyCredentials"`
	PasswordCredential *credential `json:"passwordCredential"`
	KeyID              string      `json:"keyId"`
	ForgetOld          bool        `json:"forgetOld"`
}

type credential struct {
	DisplayName string     `json:"displayName"`
	Start       *time.Time `json:"startDateTime"`
	End         *time.Time `json:"endDateTime"`
}

// key is a certificate: a new one with its content, or an existing one that the client sends back.
type key struct {
	credential
	KeyID      string  `json:"keyId"`
	Key        *string `json:"key"` // DER or PEM without its frame, in base64
	Type       string  `json:"type"`
	Usage      string  `json:"usage"`
	Identifier any     `json:"customKeyIdentifier"`
	OData      string  `json:"@odata.type"` // az names the type with each
}

func read(r *http.Request) (fields, error) {
	var w fields
	if err := readInto(r, &w, "Berth stores the displayName, passwords and keyCredentials of an application."); err != nil {
		return w, err
	}
	if w.AccountEnabled != nil && !*w.AccountEnabled {
		return w, berth.Errorf(berth.CodeBadRequest, "An application cannot be disabled in Berth. Delete it, or its credentials.")
	}
	return w, nil
}

// readInto reads the body of a request; known says what Berth reads of it.
func readInto(r *http.Request, w any, known string) error {
	data, err := io.ReadAll(r.Body)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return berth.Errorf(berth.CodeTooLarge, "The body is larger than %d bytes.", maxBody)
	}
	if err != nil || len(bytes.TrimSpace(data)) == 0 {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(w); err != nil {
		return berth.Errorf(berth.CodeBadRequest, "The body cannot be read (%v). %s", err, known)
	}
	return nil
}

func (c credential) noun() berth.Credential {
	n := berth.Credential{Name: c.DisplayName}
	if c.Start != nil {
		n.Start = c.Start.UTC()
	}
	if c.End != nil {
		n.End = c.End.UTC()
	}
	return n
}

// year: a password without an end is valid for two years, as in Microsoft Graph.
const year = 365 * 24 * time.Hour

func (s *server) create(r *http.Request) (answer, error) {
	k, err := s.kind(r)
	if err != nil {
		return answer{}, err
	}
	w, err := read(r)
	if err != nil {
		return answer{}, err
	}
	if r.PathValue("kind") == "servicePrincipals" { // it was created with its application
		a, known := s.Directory.Find(w.AppID)
		if !known {
			return answer{}, berth.Errorf(berth.CodeBadRequest,
				"The appId '%.64s' of the service principal does not reference an application. Create the application first.", w.AppID)
		}
		return answer{http.StatusCreated, k.view(s, a)}, nil
	}
	var name string
	if w.DisplayName != nil {
		name = *w.DisplayName
	}
	a, err := s.Directory.Add(r.Context(), name)
	if err != nil {
		return answer{}, err
	}
	if err := s.setKeys(r, a, w.KeyCredentials); err != nil {
		return answer{}, errors.Join(err, s.Directory.Remove(r.Context(), a.ID)) // a refused request creates nothing
	}
	a, _ = s.Directory.Find(a.ID)
	return answer{http.StatusCreated, k.view(s, a)}, nil
}

func (s *server) show(r *http.Request) (answer, error) {
	k, a, err := s.find(r)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, k.view(s, a)}, nil
}

func (s *server) change(r *http.Request) (answer, error) {
	_, a, err := s.find(r)
	if err != nil {
		return answer{}, err
	}
	w, err := read(r)
	if err != nil {
		return answer{}, err
	}
	if w.DisplayName != nil && *w.DisplayName != a.Name {
		if err := s.Directory.Rename(r.Context(), a.ID, *w.DisplayName); err != nil {
			return answer{}, err
		}
	}
	if w.KeyCredentials != nil {
		err = s.setKeys(r, a, w.KeyCredentials)
	}
	return answer{status: http.StatusNoContent}, err
}

// setKeys replaces the certificates of an application by those of the list: it adds new ones before it removes others.
func (s *server) setKeys(r *http.Request, a berth.Application, keys []key) error {
	kept := map[string]bool{}
	for _, k := range keys {
		if k.Key == nil || slices.ContainsFunc(a.Credentials, func(c berth.Credential) bool { return strings.EqualFold(c.KeyID, k.KeyID) }) {
			kept[strings.ToLower(k.KeyID)] = true
			continue
		}
		der, err := certificate(*k.Key)
		if err != nil {
			return err
		}
		credential := k.noun()
		credential.Certificate = der
		if _, err := s.Directory.AddCertificate(r.Context(), a.ID, credential); err != nil {
			return err
		}
	}
	for _, c := range a.Credentials {
		if len(c.Certificate) > 0 && !kept[strings.ToLower(c.KeyID)] {
			if err := s.Directory.RemoveCredential(r.Context(), a.ID, c.KeyID); err != nil {
				return err
			}
		}
	}
	return nil
}

// certificate decodes a key: Graph requires the certificate in base64, and some clients encode that in base64 again.
func certificate(text string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err == nil && bytes.HasPrefix(data, []byte("MII")) {
		data, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(data)), ""))
	}
	if err != nil {
		return nil, berth.Errorf(berth.CodeBadRequest, "The key of a keyCredential is not in base64.")
	}
	return data, nil
}

func (s *server) remove(r *http.Request) (answer, error) {
	_, a, err := s.find(r)
	if err != nil {
		return answer{}, err
	}
	if caller, _ := identity.CallerFrom(r.Context()); caller.AppID == a.ID {
		return answer{}, berth.Errorf(berth.CodeConflict,
			"You are signed in as '%s', and an application cannot delete itself. Sign in as another application first.", a.Name)
	}
	return answer{status: http.StatusNoContent}, s.Directory.Remove(r.Context(), a.ID)
}

func (s *server) owners(r *http.Request) (answer, error) {
	_, _, err := s.find(r)
	return answer{http.StatusOK, map[string]any{"value": []any{}}}, err
}

func (s *server) addPassword(r *http.Request) (answer, error) {
	_, a, err := s.find(r)
	if err != nil {
		return answer{}, err
	}
	w, err := read(r)
	if err != nil {
		return answer{}, err
	}
	var c berth.Credential
	if w.PasswordCredential != nil {
		c = w.PasswordCredential.noun()
	}
	if c.End.IsZero() {
		c.End = s.Directory.Now().Add(2 * year)
	}
	secret, c, err := s.Directory.AddSecret(r.Context(), a.ID, c)
	if err != nil {
		return answer{}, err
	}
	view := passwordView(c)
	view["secretText"] = secret
	return answer{http.StatusOK, view}, nil
}

func (s *server) removePassword(r *http.Request) (answer, error) {
	_, a, err := s.find(r)
	if err != nil {
		return answer{}, err
	}
	w, err := read(r)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, s.Directory.RemoveCredential(r.Context(), a.ID, w.KeyID)
}

func (s *server) keys(*http.Request) (answer, error) {
	return answer{http.StatusOK, map[string]any{"value": s.Keys.List()}}, nil
}

// rotate replaces the signing key. forgetOld ends every token at once: for a key that has leaked.
func (s *server) rotate(r *http.Request) (answer, error) {
	w, err := read(r)
	if err != nil {
		return answer{}, err
	}
	if err := s.Keys.Rotate(w.ForgetOld); err != nil {
		return answer{}, err
	}
	return s.keys(r)
}

func (s *server) rotateSecrets(r *http.Request) (answer, error) {
	return answer{status: http.StatusNoContent}, s.RotateSecretKey(r.Context())
}
