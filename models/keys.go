package models

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/router/route"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
)

// keyLength is that of the keys which the original makes.
const keyLength = 32

// NewKey makes a key.
func NewKey() []byte { return []byte(rand.Text() + rand.Text())[:keyLength] }

// keys are the secrets of a service: those in the request, else those that it has, else new ones.
func (s *Server) keys(q *Request, old *berth.Resource, primary, secondary string) (map[string][]byte, error) {
	out := map[string][]byte{}
	for name, given := range map[string]string{berth.SecretPrimaryKey: primary, berth.SecretSecondaryKey: secondary} {
		switch {
		case given != "":
			out[name] = []byte(given)
		case old == nil:
			out[name] = NewKey()
		default:
			if _, err := s.Store.Secret(q.Context, old.ID, name); err != nil {
				out[name] = NewKey() // there is none, or none that can be read
			}
		}
	}
	return out, nil
}

// listKeys answers both keys.
func (s *Server) listKeys(q *Request) (*Answer, error) {
	r, err := s.served(q, q.words[0])
	if err != nil {
		return nil, err
	}
	out := object{}
	for field, name := range map[string]string{"primaryKey": berth.SecretPrimaryKey, "secondaryKey": berth.SecretSecondaryKey} {
		key, err := s.Store.Secret(q.Context, r.ID, name)
		if err != nil {
			return nil, missing(err, "key of the service", q.words[0])
		}
		out[field] = string(key)
	}
	return ok(out), nil
}

// serviceToken answers a token for a service that takes tokens.
func (s *Server) serviceToken(q *Request) (*Answer, error) {
	r, err := s.served(q, q.words[0])
	if err != nil {
		return nil, err
	}
	if authOf(r) != berth.AuthToken {
		return nil, berth.Errorf(berth.CodeBadRequest, "The service '%s' takes no tokens. Deploy it with token_auth_enabled, or use its keys.",
			q.words[0])
	}
	token, refresh, expires, err := s.ScoringToken(q.Context, r, q.Caller)
	if err != nil {
		return nil, err
	}
	return ok(object{"accessToken": token, "tokenType": "Bearer", "refreshAfter": refresh.Unix(), "expiryOn": expires.Unix()}), nil
}

// authOf is how callers of a service or an AksEndpoint sign in.
func authOf(r *berth.Resource) string {
	if e, is := r.Body.(*berth.Endpoint); is {
		return e.Spec.Auth
	}
	return r.Body.(*berth.Service).Spec.Auth
}

// ScoringToken is a token for a service or an endpoint, and when to ask for another one and until when it is good.
func (s *Server) ScoringToken(ctx context.Context, r *berth.Resource, caller string) (token string, refresh, expires time.Time, err error) {
	name, compute := route.Name{Kind: route.Service, Name: r.ID.Name()}, ""
	switch body := r.Body.(type) {
	case *berth.Service:
		compute = body.Spec.Compute
	case *berth.Endpoint:
		name.Kind, compute = route.Endpoint, body.Spec.Compute
	}
	id, err := childID(r.ID.Parent(), berth.TypeCompute, compute)
	if err != nil {
		return "", refresh, expires, missing(store.ErrNotFound, "compute", compute)
	}
	at, err := s.Store.Get(ctx, id)
	if err != nil {
		return "", refresh, expires, missing(err, "compute", compute)
	}
	if at.Unreadable {
		return "", refresh, expires, at.Fault
	}
	token, made, err := s.Token(name.Audience(at.Body.(*berth.Compute).Spec.ClusterID.Key()), caller)
	return token, made.Add(s.TokenRefresh), made.Add(s.TokenLife), err
}

// KeyName is the name of the secret that the keyType of a request means.
func KeyName(typ string) (string, error) {
	switch strings.ToLower(typ) {
	case "primary":
		return berth.SecretPrimaryKey, nil
	case "secondary":
		return berth.SecretSecondaryKey, nil
	}
	return "", berth.Errorf(berth.CodeBadRequest, "The type of the key is '%.40s'; Primary and Secondary are possible.", typ)
}

// regenerateKeys replaces one of the keys: by a new one, or by the one in the request.
func (s *Server) regenerateKeys(q *Request) (*Answer, error) {
	var in struct {
		KeyType  string  `json:"keyType"`
		KeyValue *string `json:"keyValue"`
	}
	if err := decode(q.Body, &in); err != nil {
		return nil, err
	}
	name, err := KeyName(in.KeyType)
	if err != nil {
		return nil, err
	}
	key := NewKey()
	if in.KeyValue != nil && *in.KeyValue != "" {
		key = []byte(*in.KeyValue)
	}
	if e := rules.AsError(rules.ServiceKey(string(key))); e != nil {
		return nil, e
	}
	r, op, err := s.accept(q.Context, func() (c store.Change, err error) {
		old, err := s.served(q, q.words[0])
		if err != nil {
			return c, err
		}
		return store.Change{Verb: berth.VerbUpdate, Resource: old, Base: old.Generation, Caller: q.Caller,
			Secrets: map[string][]byte{name: key}}, nil
	})
	if err != nil {
		return nil, err
	}
	answer, err := s.answerOf(q, r)
	if err != nil {
		return nil, err
	}
	return &Answer{Status: 202, Header: s.followed(q, op), Body: answer}, nil
}

// lines is how many lines of a log are asked for.
func lines(text string) int {
	const usual, most = 5000, 100_000
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return usual
	}
	return min(n, most)
}
