package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth.dev/berth/client"
)

// TestEnvCheck: each thing that keeps a client from connecting is found, and reported with a remedy.
func TestEnvCheck(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(w.dataDir, "credentials.json")
	good, err := client.ReadCredentials(file)
	must(t, err)
	w.on("GET /metadata/endpoints", `[{"resourceManager":"`+good.Endpoint+`"}]`)
	w.on("GET /subscriptions/"+testSubscription+"/resourceGroups", `{"value":[]}`)
	var vars map[string]string
	must(t, json.Unmarshal([]byte(w.ok("env", "--shell", "json")), &vars))
	for k, v := range vars {
		t.Setenv(k, v)
	}
	if out := offTerminal("env", "--check").out; strings.Contains(out, "✗") || strings.Count(out, "✓") != 6 {
		t.Errorf("all is well, and it says:\n%s", out)
	}
	cached := filepath.Join(w.dataDir, "azure", "cloudEndpoints.json")
	must(t, os.WriteFile(cached, []byte(`[{"resourceManager":"https://elsewhere"}]`), 0o600))
	check(t, "az remembers another address", "rm "+cached)
	must(t, os.Remove(cached))
	t.Setenv("REQUESTS_CA_BUNDLE", "")
	check(t, "this shell lacks these variables, or has other values in them: REQUESTS_CA_BUNDLE", `eval "$(berth env)"`)

	foreign := filepath.Join(t.TempDir(), "ca.pem")
	other := httptest.NewUnstartedServer(nil)
	other.StartTLS()
	other.Close()
	must(t, os.WriteFile(foreign, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: strangerCertificate(t)}), 0o600))
	for _, c := range []struct {
		change     func(cr *client.Credentials)
		says, hint string
	}{
		{func(cr *client.Credentials) { cr.Endpoint = other.URL }, "nothing answers at", "berth serve"},
		{func(cr *client.Credentials) { cr.Endpoint = "https://no-such-host.invalid:1" }, "is not known here", "--public-url"},
		{func(cr *client.Credentials) { cr.CAFile = foreign }, "its certificate is refused", "another server's"},
		{
			func(cr *client.Credentials) { cr.Endpoint = strings.Replace(cr.Endpoint, "127.0.0.1", "localhost", 1) },
			"its certificate is refused", "--host localhost",
		},
	} {
		cr := good
		c.change(&cr)
		must(t, cr.Write(file))
		check(t, c.says, c.hint)
	}
	must(t, good.Write(file))
	w.on("GET /metadata/endpoints", `[{"resourceManager":"https://somebody.else"}]`)
	check(t, "is not the metadata of this Berth", "another server")
	w.on("GET /metadata/endpoints", `[{"resourceManager":"`+good.Endpoint+`"}]`)
	w.on("GET /subscriptions/"+testSubscription+"/resourceGroups", `401 {"error":{"code":"InvalidAuthenticationToken","message":"No."}}`)
	check(t, "signing in fails", "credentials.json")
}

// check runs env --check and wants one finding.
func check(t *testing.T, says, hint string) {
	t.Helper()
	r := offTerminal("env", "--check")
	if r.code == 0 || !strings.Contains(r.out, "✗ ") || !strings.Contains(r.out, says) ||
		!strings.Contains(r.out, hint) || !strings.Contains(r.err, "checks failed") {
		t.Errorf("want %q and %q; exit %d:\n%s%s", says, hint, r.code, r.out, r.err)
	}
	if strings.Contains(r.out+r.err, testSecret) {
		t.Error("it shows the secret")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// strangerCertificate is from an authority that no client here knows.
func strangerCertificate(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	must(t, err)
	return der
}
