package identity

import (
	"encoding/json"
	"net/http"
	"time"
)

// RegistryPath is the path of the registry of images below the server's URL.
const RegistryPath = "/v2"

// registryTokens is where clients of the registry exchange a client id and secret for a token.
const registryTokens = RegistryPath + "/token"

// RequireRegistry passes requests with a token for the registry of images to next. The others learn where there are tokens, as the
// registries of docker say it: https://distribution.github.io/distribution/spec/auth/token/. Their roles are for next to judge.
func (a *Authority) RequireRegistry(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == registryTokens {
			a.registryToken(w, r)
			return
		}
		caller, err := a.Caller(r, Registry)
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+a.base+registryTokens+`",service="berth"`)
			RefuseRegistry(w, http.StatusUnauthorized, "UNAUTHORIZED", err.Error())
			return
		}
		next.ServeHTTP(w, r.WithContext(WithCaller(r.Context(), caller)))
	})
}

// registryToken issues a token for the registry to who signs in by HTTP Basic with a client id and a client secret.
func (a *Authority) registryToken(w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	if r.Method != http.MethodGet || !basic || secret == "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="berth"`)
		status := http.StatusUnauthorized
		if r.Method != http.MethodGet { // clients that try OAuth first then ask this way
			status = http.StatusMethodNotAllowed
			w.Header().Set("Allow", http.MethodGet)
		}
		RefuseRegistry(w, status, "UNAUTHORIZED", "Sign in with the client id as the user and the client secret as the password.")
		return
	}
	var g grant
	if bad := a.signIn(w, r, claimed{id, proof{secret: secret}}, &g); bad.code != 0 {
		w.Header().Set("WWW-Authenticate", `Basic realm="berth"`)
		RefuseRegistry(w, max(bad.status, http.StatusUnauthorized), "UNAUTHORIZED", bad.text)
		return
	}
	token, err := a.issue(g.client, a.base+RegistryPath, g.credential)
	if err != nil {
		RefuseRegistry(w, http.StatusInternalServerError, "UNKNOWN", "A transient error has occurred. Please try again.")
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, map[string]any{"token": token, "access_token": token, "expires_in": int(TokenLife / time.Second),
		"issued_at": a.clock.Now().UTC().Format(time.RFC3339)})
}

// RefuseRegistry answers an error as registries do.
func RefuseRegistry(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": code, "message": text}}}) // the client has gone
}
