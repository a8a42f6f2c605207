package arm_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/app/apptest"
	"berth.dev/berth/kube"
	"berth.dev/berth/provider/fake"
	"berth.dev/berth/provider/local"
	"berth.dev/berth/provider/providertest"
	"berth.dev/berth/store"
)

// issued makes a cluster with an issuer, which is served or not, and returns the issuer's URL.
func (s *stage) issued(id berth.ID, served bool) string {
	s.t.Helper()
	spec := providertest.Spec(1)
	spec.IssuerURL = s.url + "/oidc/" + tenantID + "/" + uuid.NewString() + "/"
	spec.Profile = map[string]any{"oidcIssuerProfile": map[string]any{"enabled": served}}
	_, _, err := s.store.Accept(s.t.Context(), store.Change{Verb: berth.VerbCreate, Settled: true, Resource: &berth.Resource{ID: id,
		Location: "westeurope", Body: &berth.Cluster{Spec: spec}}})
	s.must(err)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(apptest.Patience); ; <-tick.C {
		f, err := s.provider.Ensure(s.t.Context(), id, spec)
		if err == nil && f.Reachable {
			return spec.IssuerURL
		}
		if time.Now().After(end) {
			s.t.Fatalf("%+v, %v", f, err)
		}
	}
}

// anonymous asks without a token.
func (s *stage) anonymous(url string, into any) int {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, url, nil)
	s.must(err)
	answer, err := s.http.Do(r)
	s.must(err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	s.must(err)
	if err := json.Unmarshal(text, into); err != nil {
		s.t.Errorf("%s: %s: %v", url, text, err)
	}
	return answer.StatusCode
}

type (
	discovery struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	keySet struct {
		Keys []struct{ Kid, Kty, X, Y string }
	}
)

// TestIssuer verifies a token of a service account of a real cluster as a stranger does: by what is served for its issuer.
func TestIssuer(t *testing.T) {
	s := newStage(t)
	real, err := local.New(local.Options{Dir: t.TempDir(), Binary: providertest.Binary(t), Logger: slog.New(slog.DiscardHandler),
		Clock: clockwork.NewRealClock()})
	s.must(err)
	s.must(real.Start(t.Context()))
	t.Cleanup(func() { s.must(real.Stop(context.Background())) })
	s.provider = real
	s.serve()
	id := berth.NewID(subscriptionID, group, berth.TypeCluster, "real")
	issuer := s.issued(id, true)
	config, err := real.Kubeconfig(t.Context(), id)
	s.must(err)
	conn, err := kube.Connect(config, kube.Options{})
	s.must(err)
	defer conn.Close()
	s.must(conn.Enter(t.Context(), kube.Connection{Of: id.String(), Server: "test"}))
	token, _, err := conn.ConnectionToken(t.Context(), time.Hour)
	s.must(err)

	var document discovery
	if code := s.anonymous(issuer+".well-known/openid-configuration", &document); code != http.StatusOK || document.Issuer != issuer {
		t.Fatalf("%d, %+v", code, document)
	}
	var keys keySet
	if code := s.anonymous(document.Keys, &keys); code != http.StatusOK || len(keys.Keys) != 1 {
		t.Fatalf("%d, %+v", code, keys)
	}
	parts := strings.Split(token, ".")
	var header struct{ Kid, Alg string }
	var claims struct{ Iss, Sub string }
	s.must(json.Unmarshal(unbase64(t, parts[0]), &header))
	s.must(json.Unmarshal(unbase64(t, parts[1]), &claims))
	key := keys.Keys[0]
	point := append([]byte{4}, append(unbase64(t, key.X), unbase64(t, key.Y)...)...)
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	s.must(err)
	sum, signature := sha256.Sum256([]byte(parts[0]+"."+parts[1])), unbase64(t, parts[2])
	valid := len(signature) == 64 &&
		ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
	if !valid || header.Alg != "ES256" || header.Kid != key.Kid || claims.Iss != issuer ||
		claims.Sub != "system:serviceaccount:berth-system:berth-connection" {
		t.Errorf("valid %v, %+v, %+v, %+v", valid, header, claims, key)
	}
}

func unbase64(t *testing.T, text string) []byte {
	t.Helper()
	out, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestIssuersOfNobody: an issuer is served while its cluster is down, and only while it is enabled.
func TestIssuersOfNobody(t *testing.T) {
	s := newStage(t)
	clusters := s.provider.(*fake.Provider)
	named := func(name string) berth.ID { return berth.NewID(subscriptionID, group, berth.TypeCluster, name) }
	served, off := s.issued(named("served"), true), s.issued(named("off"), false)
	dead := s.issued(named("dead"), true)
	clusters.Unreachable(named("dead"), true)
	const configuration, keys = ".well-known/openid-configuration", "openid/v1/jwks"
	var document discovery
	var refused struct {
		Error struct{ Code, Message string }
	}
	ask := func(url string, want int) {
		t.Helper()
		if got := s.anonymous(url, &refused); got != want {
			t.Errorf("%s: %d %+v; want %d", url, got, refused, want)
		}
	}
	if code := s.anonymous(served+configuration, &document); code != http.StatusOK || document.Keys != served+keys {
		t.Errorf("%d, %+v", code, document)
	}
	ask(off+configuration, http.StatusNotFound)
	ask(dead+keys, http.StatusServiceUnavailable)
	ask(s.url+"/oidc/"+tenantID+"/"+uuid.NewString()+"/"+keys, http.StatusNotFound)
	ask(s.url+"/oidc/"+tenantID+"/x/"+keys, http.StatusUnauthorized) // no address of an issuer, so one that needs a token
	clusters.Unreachable(named("served"), true)
	s.clock.Advance(time.Hour)
	ask(served+keys, http.StatusOK)
	clusters.Unreachable(named("dead"), false)
	s.clock.Advance(time.Minute)
	ask(dead+keys, http.StatusOK)

	r, err := s.store.Get(t.Context(), named("served"))
	s.must(err)
	r.Body.(*berth.Cluster).Spec.Profile = nil
	_, _, err = s.store.Accept(t.Context(), store.Change{Verb: berth.VerbUpdate, Base: r.Generation, Settled: true, Resource: r})
	s.must(err)
	s.clock.Advance(time.Minute)
	ask(served+keys, http.StatusNotFound)
}
