package app

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/access"
	"berth.dev/berth/identity"
	"berth.dev/berth/provider/local"
)

// clusterAccess is what the API servers of the clusters on this machine ask: the keys of the tokens, and what a caller may do. It is a
// listener of its own on the loopback interface, so that clusters reach it whatever the public address of the server is, and nobody else
// on the network does. Its certificate and the tokens of the clusters end with the process, as the clusters do.
type clusterAccess struct {
	*server
	authority *identity.Authority
	listener  net.Listener
	ca        []byte
}

// Addresses of this listener.
const (
	documentPath  = "/openid-configuration"
	keysPath      = "/keys"
	authorizePath = "/authorize"
	maxReview     = 1 << 20
)

// openClusterAccess opens the listener. It answers before the first cluster starts.
func (s *server) openClusterAccess(authority *identity.Authority) (*clusterAccess, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("no loopback port for what clusters ask: %w", err)
	}
	own, ca, err := identity.LoopbackCertificate(s.clock.Now())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	a := &clusterAccess{server: s, authority: authority, listener: l, ca: ca}
	web := &http.Server{Handler: s.synced(a), TLSConfig: &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	go func() {
		if err := web.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	s.onStop(func() error { return s.shutdown(web) })
	return a, nil
}

func (a *clusterAccess) address(path string) string {
	return "https://" + a.listener.Addr().String() + path
}

// signIn is what the provider tells its clusters.
func (a *clusterAccess) signIn() local.SignIn {
	return local.SignIn{Issuer: a.authority.Issuer(), Discovery: a.address(documentPath), Authorize: a.address(authorizePath),
		CA: string(a.ca)}
}

// ServeHTTP implements http.Handler.
func (a *clusterAccess) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodGet && r.URL.Path == documentPath:
		answer(w, http.StatusOK, map[string]any{"issuer": a.authority.Issuer(), "jwks_uri": a.address(keysPath),
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"ES256"}})
	case r.Method == http.MethodGet && r.URL.Path == keysPath:
		answer(w, http.StatusOK, a.authority.PublicKeys())
	case r.Method == http.MethodPost && r.URL.Path == authorizePath:
		a.authorize(w, r)
	default:
		http.NotFound(w, r)
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // an error means that the client has gone
}

// review is a SubjectAccessReview of authorization.k8s.io/v1.
type review struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Spec       reviewSpec    `json:"spec"`
	Status     *reviewStatus `json:"status,omitempty"`
}

type reviewSpec struct {
	Resource *struct {
		Namespace   string `json:"namespace"`
		Verb        string `json:"verb"`
		Group       string `json:"group"`
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
	} `json:"resourceAttributes,omitempty"`
	Other *struct {
		Path string `json:"path"`
		Verb string `json:"verb"`
	} `json:"nonResourceAttributes,omitempty"`
	Extra map[string][]string `json:"extra,omitempty"`
}

// reviewStatus is the answer. With neither allowed nor denied the cluster's own RBAC decides.
type reviewStatus struct {
	Allowed bool   `json:"allowed"`
	Denied  bool   `json:"denied,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// authorize answers one review. What it cannot answer is an error, by which the API server refuses.
func (a *clusterAccess) authorize(w http.ResponseWriter, r *http.Request) {
	token, err := identity.Bearer(r)
	id, spec, known := a.provider.Asking(token)
	if err != nil || !known {
		http.Error(w, "the token is that of no cluster here", http.StatusUnauthorized)
		return
	}
	var in review
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxReview)).Decode(&in); err != nil {
		http.Error(w, "not a SubjectAccessReview", http.StatusBadRequest)
		return
	}
	status, err := a.judge(r.Context(), asked{cluster: id, access: spec.Access(), spec: in.Spec})
	if err != nil {
		a.log.Error("what somebody may do in a cluster cannot be told", "cluster", id.String(), "error", err)
		http.Error(w, "the roles cannot be read", http.StatusInternalServerError)
		return
	}
	answer(w, http.StatusOK, review{APIVersion: in.APIVersion, Kind: in.Kind, Status: &status})
}

// asked is what an API server asks: may a caller do something in its cluster?
type asked struct {
	cluster berth.ID
	access  berth.ClusterAccess
	spec    reviewSpec
}

// extra is what the API server has read in the caller's token.
func (q asked) extra(key string) string {
	if v := q.spec.Extra[key]; len(v) == 1 {
		return v[0]
	}
	return ""
}

func (q asked) request() access.KubernetesRequest {
	switch r, o := q.spec.Resource, q.spec.Other; {
	case r != nil:
		return access.KubernetesRequest{Verb: r.Verb, Group: r.Group, Resource: r.Resource, Subresource: r.Subresource, Namespace: r.Namespace}
	case o != nil:
		return access.KubernetesRequest{Verb: o.Verb, Path: o.Path}
	}
	return access.KubernetesRequest{}
}

// judge decides. Callers who were removed, disabled or signed out may do nothing, whatever decides in the cluster. Members of its
// administrators' groups may do everything. Then the roles at Berth decide alone, or, without Azure RBAC, the cluster's own RBAC.
func (a *clusterAccess) judge(ctx context.Context, q asked) (reviewStatus, error) {
	issued, err := strconv.ParseInt(q.extra(local.ExtraIssued), 10, 64)
	if err != nil || !q.access.Entra {
		return reviewStatus{Denied: true, Reason: "Callers of Berth do not sign in to this cluster."}, nil
	}
	caller, err := a.authority.Present(identity.Presented{ObjectID: q.extra(local.ExtraObject), ClientID: q.extra(local.ExtraClient),
		Person: q.extra(local.ExtraKind) == "user", Issued: issued})
	if err != nil {
		return reviewStatus{Denied: true, Reason: err.Error()}, nil
	}
	if a.administers(caller, q.access.AdminGroups) {
		return reviewStatus{Allowed: true, Reason: "The caller is in a group of administrators of the cluster."}, nil
	}
	if !q.access.AzureRBAC {
		return reviewStatus{}, nil
	}
	policy, err := a.server.access.Policy(ctx)
	if err != nil {
		return reviewStatus{}, err
	}
	k := q.request()
	if k.About() || policy.MayKubernetes(caller.ObjectID, q.cluster.String(), k) {
		return reviewStatus{Allowed: true}, nil
	}
	return reviewStatus{Denied: true, Reason: fmt.Sprintf("The client '%s' with object id '%s' has no role at Berth with the data action "+
		"'%s' in this cluster or namespace.", caller.Called(), caller.ObjectID, k.Action())}, nil
}

func (a *clusterAccess) administers(caller identity.Caller, groups []string) bool {
	one, isPerson := a.people.Find(caller.ObjectID)
	return isPerson && one.ID == caller.ObjectID && slices.ContainsFunc(one.Groups, func(g string) bool { return slices.Contains(groups, g) })
}
