package route

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Bounds of what a table may say.
const (
	maxRoutes      = 5000
	maxVersions    = 32
	maxKeys        = 8
	maxOrigins     = 64
	maxTimeoutMS   = 24 * 60 * 60 * 1000
	maxConcurrency = 100000
	maxReplicas    = 10000
	maxAddresses   = 1000
	minPeerKey     = 16
)

// MaxSize is how large a table may be as JSON. A Secret holds 1 MiB.
const MaxSize = 4 << 20

var word = regexp.MustCompile(`^[a-zA-Z0-9]([-_.a-zA-Z0-9]{0,252}[a-zA-Z0-9])?$`)

// Parse reads a table and refuses one that cannot be meant. A field that is not known yet is no error: a newer Berth may write it.
func Parse(text []byte) (*Table, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("the routes have %d bytes; at most %d are read", len(text), MaxSize)
	}
	t := &Table{}
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(t); err != nil {
		return nil, fmt.Errorf("the routes are not the JSON of a table: %w", err)
	}
	if d.More() {
		return nil, errors.New("the routes have something after their end")
	}
	if err := t.Check(); err != nil {
		return nil, err
	}
	return t, nil
}

// JSON is the table as the Secret holds it. A table that no router would read is an error.
func (t *Table) JSON() ([]byte, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	return json.Marshal(t)
}

// Digest tells a table from others: it is the same for the table that is written and for what is read of it.
func (t *Table) Digest() (string, error) {
	text, err := t.JSON()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// Check says what is wrong with a table.
func (t *Table) Check() error {
	if len(t.Routes) > maxRoutes {
		return fmt.Errorf("there are %d routes; at most %d are possible", len(t.Routes), maxRoutes)
	}
	if t.PeerKey != "" && len(t.PeerKey) < minPeerKey {
		return fmt.Errorf("the peer key is shorter than %d characters", minPeerKey)
	}
	seen := make(map[Name]bool, len(t.Routes))
	for i := range t.Routes {
		r := &t.Routes[i]
		if seen[r.Name] {
			return fmt.Errorf("there are two routes %s", r.Name)
		}
		seen[r.Name] = true
		if err := r.check(); err != nil {
			return fmt.Errorf("route %s: %w", r.Name, err)
		}
	}
	return nil
}

func (r *Route) check() error {
	switch {
	case !word.MatchString(r.Name.Name):
		return errors.New("the name is not a word of letters, digits, dots, dashes and underscores")
	case r.Kind != Service && r.Kind != Endpoint:
		return fmt.Errorf("the kind is %q, not service or endpoint", r.Kind)
	case r.Auth != ByKey && r.Auth != ByToken && r.Auth != Anonymous:
		return fmt.Errorf("auth is %q, not key, token or none", r.Auth)
	case len(r.Versions) > maxVersions || len(r.Keys) > maxKeys || len(r.CORS) > maxOrigins:
		return fmt.Errorf("there are more than %d versions, %d keys or %d origins", maxVersions, maxKeys, maxOrigins)
	}
	for _, k := range r.Keys {
		if _, hash, err := k.decode(); err != nil || len(hash) != 32 {
			return errors.New("the hash of a key is not SHA-256 in base64")
		}
	}
	for _, origin := range r.CORS {
		if strings.ContainsAny(origin, "\r\n\x00") || !utf8.ValidString(origin) {
			return errors.New("an origin has a line break")
		}
	}
	return r.checkVersions()
}

func (r *Route) checkVersions() error {
	traffic, defaults := 0, 0
	seen := map[string]bool{}
	for i := range r.Versions {
		v := &r.Versions[i]
		if seen[v.Name] {
			return fmt.Errorf("there are two versions %s", v.Name)
		}
		seen[v.Name] = true
		if err := v.check(); err != nil {
			return fmt.Errorf("version %s: %w", v.Name, err)
		}
		if traffic += v.Traffic; v.Default {
			defaults++
		}
	}
	if traffic > 100 || defaults > 1 {
		return fmt.Errorf("the traffic is %d percent in sum and %d versions are the default", traffic, defaults)
	}
	return nil
}

func (v *Version) check() error {
	switch {
	case !word.MatchString(v.Name):
		return errors.New("the name is not a word of letters, digits, dots, dashes and underscores")
	case outside(v.Traffic, 0, 100) || outside(v.Mirror, 0, 100):
		return errors.New("a percentage is not between 0 and 100")
	case outside(v.Concurrency, 0, maxConcurrency):
		return fmt.Errorf("the concurrency is not between 0 and %d", maxConcurrency)
	case outside(v.MaxQueueWaitMS, 0, maxTimeoutMS) || outside(v.TimeoutMS, 0, maxTimeoutMS):
		return errors.New("a time is negative or longer than a day")
	case !isPath(v.ScorePath) || !isPath(v.SwaggerPath):
		return errors.New("a path does not begin with a slash or is not plain ASCII")
	}
	if err := v.Backend.check(); err != nil {
		return err
	}
	if err := v.Collect.check(); err != nil {
		return err
	}
	return v.Autoscale.check()
}

func (b *Backend) check() error {
	if len(b.Addresses) > maxAddresses {
		return fmt.Errorf("there are more than %d addresses", maxAddresses)
	}
	for _, a := range b.Addresses {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return fmt.Errorf("%q is not host:port", a)
		}
	}
	if len(b.Addresses) == 0 && (!word.MatchString(b.Namespace) || !word.MatchString(b.Service)) {
		return errors.New("the backend names no Service")
	}
	return nil
}

func (a *Autoscale) check() error {
	switch {
	case a == nil:
	case !word.MatchString(a.Deployment):
		return errors.New("autoscale names no Deployment")
	case outside(a.Min, 0, maxReplicas) || outside(a.Max, max(1, a.Min), maxReplicas):
		return fmt.Errorf("autoscale is from %d to %d replicas", a.Min, a.Max)
	case outside(a.TargetUtilization, 0, 100) || outside(a.RefreshSeconds, 0, 3600):
		return errors.New("the target utilization is not between 0 and 100 or the refresh not between 0 and 3600 s")
	}
	return nil
}

func outside(n, low, high int) bool { return n < low || n > high }

func isPath(p string) bool {
	if p == "" {
		return true
	}
	for i := range len(p) {
		if p[i] <= ' ' || p[i] > '~' || p[i] == '?' || p[i] == '#' {
			return false
		}
	}
	return p[0] == '/' && !upwards(p[1:])
}
