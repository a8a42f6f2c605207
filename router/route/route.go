// Package route holds the routes of a cluster as Berth writes them and the router (berth-fe) reads them: JSON in one Secret.
// It imports the standard library only, because both sides import it.
package route

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// Where the routes of a cluster are.
const (
	Namespace = "azureml"
	Secret    = "azureml-fe-routes" // #nosec G101 -- a name
	Key       = "routes.json"       // in the Secret's data
)

// Table is everything that a router must know. It goes on by its last table while Berth and the API server are away.
type Table struct {
	Routes []Route `json:"routes"`
	// Cluster is what tokens name the cluster of this table: its id, in lower case.
	Cluster string `json:"cluster,omitempty"`
	// TokenKeys is the JSON Web Key Set of the public keys that sign the tokens for the routes. The audience of a token is the
	// Audience of the route in Cluster.
	TokenKeys json.RawMessage `json:"tokenKeys,omitempty"`
	// PeerKey is what the routers of a cluster show each other on their internal port. At least 16 characters; without it each
	// router works alone.
	PeerKey string `json:"peerKey,omitempty"`
}

// Kind is the part of a route's address that says what it leads to.
type Kind string

// The kinds of routes.
const (
	Service  Kind = "service"  // a v1 AksWebservice
	Endpoint Kind = "endpoint" // a v1 AksEndpoint or a v2 online endpoint
)

// Mode says what a caller shows.
type Mode string

// The modes of signing in.
const (
	ByKey     Mode = "key"
	ByToken   Mode = "token"
	Anonymous Mode = "none"
)

// Name is what the address of a route consists of: no two routes of a cluster have the same.
type Name struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"`
}

// Path is the address of the route, up to the last slash.
func (n Name) Path() string { return "/api/v1/" + string(n.Kind) + "/" + n.Name + "/" }

// ScorePath is the path of the scoring URI.
func (n Name) ScorePath() string { return n.Path() + "score" }

// SwaggerPath is the path of the swagger URI.
func (n Name) SwaggerPath() string { return n.Path() + "swagger.json" }

// versions stands before the name of a version in an address.
const versions = "versions/"

// VersionPath is the address of one version, up to the last slash.
func (n Name) VersionPath(version string) string { return n.Path() + versions + version + "/" }

// ParseVersion takes the rest of a path apart, as ParsePath has found it: /versions/{version}/{rest}.
func ParseVersion(rest string) (version, inner string, ok bool) {
	rest, ok = strings.CutPrefix(rest, "/"+versions)
	if !ok {
		return "", "", false
	}
	version, inner, ok = strings.Cut(rest, "/")
	return version, "/" + inner, ok && version != ""
}

// Audience is the claim "aud" of the tokens for the route in a cluster: a token is not good for a service of the same name elsewhere.
func (n Name) Audience(cluster string) string { return "berth-fe:" + cluster + "#" + n.String() }

func (n Name) String() string { return string(n.Kind) + "/" + n.Name }

// Route is one service or endpoint.
type Route struct {
	Name
	Auth Mode `json:"auth"`
	// Keys are the hashes of the keys that are accepted in the mode key: the primary and the secondary one.
	Keys []KeyHash `json:"keys,omitempty"`
	// CORS are the origins that a browser may call from; "*" is every origin.
	CORS     []string  `json:"cors,omitempty"`
	Versions []Version `json:"versions"`
	// VersionPaths: each version has an address of its own, the VersionPath.
	VersionPaths bool `json:"versionPaths,omitempty"`
}

// Version is one deployment of a route. A service has one.
type Version struct {
	Name string `json:"name"`
	// Default takes the traffic that no version has.
	Default bool `json:"default,omitempty"`
	// Traffic and Mirror are percentages. A mirrored request is sent to this version too, and its answer is dropped.
	Traffic int     `json:"traffic,omitempty"`
	Mirror  int     `json:"mirror,omitempty"`
	Backend Backend `json:"backend"`
	// Concurrency is how many requests a replica gets at a time; 0 is no limit.
	Concurrency int `json:"concurrency,omitempty"`
	// MaxQueueWaitMS is how long a request may wait for a replica; DefaultQueueWait when 0.
	MaxQueueWaitMS int `json:"maxQueueWaitMs,omitempty"`
	// TimeoutMS is how long a replica may take for its answer; DefaultTimeout when 0.
	TimeoutMS int `json:"timeoutMs,omitempty"`
	// ScorePath and SwaggerPath are paths of the container; "/score" and "/swagger.json" when empty.
	ScorePath   string     `json:"scorePath,omitempty"`
	SwaggerPath string     `json:"swaggerPath,omitempty"`
	Autoscale   *Autoscale `json:"autoscale,omitempty"`
	// Collect says which requests and answers are kept; none when nil.
	Collect *Collect `json:"collect,omitempty"`
	// Log keeps a line about each request.
	Log bool `json:"log,omitempty"`
}

// Backend is where the replicas of a version are.
type Backend struct {
	Namespace string `json:"namespace,omitempty"`
	Service   string `json:"service,omitempty"` // a Service; its EndpointSlices name the replicas
	Port      string `json:"port,omitempty"`    // the name of the Service's port; the only one when empty
	// Addresses are replicas (host:port) that no EndpointSlice names: for a router without Kubernetes.
	Addresses []string `json:"addresses,omitempty"`
}

// Autoscale says how many replicas there are by how busy they are. Without it, whoever wrote the Deployment decides.
type Autoscale struct {
	Deployment string `json:"deployment"` // in the backend's namespace
	Min        int    `json:"min"`        // 0: none while nobody asks; the first request waits for the first replica
	Max        int    `json:"max"`
	// TargetUtilization is the percentage of the replicas' capacity that may be in use; 70 when 0.
	TargetUtilization int `json:"targetUtilization,omitempty"`
	// RefreshSeconds is how long load is averaged before a replica is added; 1 when 0. Removing one takes 20 times as long.
	RefreshSeconds int `json:"refreshSeconds,omitempty"`
}

// What is used when a version does not say.
const (
	DefaultTimeout   = time.Minute
	DefaultQueueWait = 500 * time.Millisecond
	defaultTarget    = 70
)

// Timeout is how long a replica may take for its answer.
func (v *Version) Timeout() time.Duration {
	return orDefault(v.TimeoutMS, time.Millisecond, DefaultTimeout)
}

// QueueWait is how long a request may wait for a replica.
func (v *Version) QueueWait() time.Duration {
	return orDefault(v.MaxQueueWaitMS, time.Millisecond, DefaultQueueWait)
}

// Refresh is how long load is averaged before a replica is added.
func (a *Autoscale) Refresh() time.Duration {
	return orDefault(a.RefreshSeconds, time.Second, time.Second)
}

// Target is the part of the replicas' capacity that may be in use.
func (a *Autoscale) Target() float64 {
	if a.TargetUtilization == 0 {
		return defaultTarget / 100.0
	}
	return float64(a.TargetUtilization) / 100
}

func orDefault(n int, unit, otherwise time.Duration) time.Duration {
	if n == 0 {
		return otherwise
	}
	return time.Duration(n) * unit
}

// KeyHash is a key as the Secret holds it: SHA-256 of a salt and the key, so that who reads the Secret cannot call the services.
// Keys are long and random, so that a slow hash would protect nothing more.
type KeyHash struct {
	Salt string `json:"salt,omitempty"` // base64
	Hash string `json:"hash"`           // base64 of SHA-256(salt, key)
}

// HashKey hashes a key with a new salt.
func HashKey(key string) KeyHash {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	sum := sha256.Sum256(append(salt, key...))
	return KeyHash{Salt: base64.StdEncoding.EncodeToString(salt), Hash: base64.StdEncoding.EncodeToString(sum[:])}
}

// Matches tells whether this is the hash of the key, in constant time.
func (h KeyHash) Matches(key string) bool {
	salt, want, err := h.decode()
	if err != nil {
		return false
	}
	sum := sha256.Sum256(append(salt, key...))
	return subtle.ConstantTimeCompare(sum[:], want) == 1
}

func (h KeyHash) decode() (salt, hash []byte, err error) {
	if salt, err = base64.StdEncoding.DecodeString(h.Salt); err != nil {
		return nil, nil, err
	}
	hash, err = base64.StdEncoding.DecodeString(h.Hash)
	return salt, hash, err
}

// ParsePath takes the path of a request apart: /api/v1/{kind}/{name}/{rest}. The rest begins with a slash and stays escaped.
// A path that leads upwards is none: behind the router another reader could take it for another address.
func ParsePath(escaped string) (name Name, rest string, ok bool) {
	path, ok := strings.CutPrefix(escaped, "/api/v1/")
	if !ok {
		return name, "", false
	}
	kind, path, ok := strings.Cut(path, "/")
	if !ok || kind != string(Service) && kind != string(Endpoint) {
		return name, "", false
	}
	word, rest, _ := strings.Cut(path, "/")
	if word == "" || upwards(rest) {
		return name, "", false
	}
	return Name{Kind: Kind(kind), Name: word}, "/" + rest, true
}

// upwards tells whether a path has a part that is ".." in any spelling.
func upwards(escaped string) bool {
	if !strings.Contains(escaped, ".") && !strings.Contains(escaped, "%") {
		return false
	}
	plain := strings.NewReplacer("%2e", ".", "%2E", ".", "%2f", "/", "%2F", "/", "%5c", "/", "%5C", "/", `\`, "/").Replace(escaped)
	for part := range strings.SplitSeq(plain, "/") {
		if part == ".." || part == "." {
			return true
		}
	}
	return false
}
