package identity

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// failures is how many sign-ins may fail in a row; one more is allowed every failureRest.
	failures    = 10
	failureRest = 6 * time.Second
	maxThrottle = 4096 // addresses remembered, about 1 MB
)

// throttle slows down attempts to guess a secret. It counts failures only, separately for each address and application, so that
// guesses from one address cannot lock out callers at another.
type throttle struct {
	mu    sync.Mutex
	tries map[string]*attempts
}

// attempts are those of one key. Lock it from before a proof is judged until its failure is counted: else many guesses at once would
// count as one.
type attempts struct {
	sync.Mutex
	left *rate.Limiter
}

// of is what is counted under a key.
func (t *throttle) of(key string, now time.Time) *attempts {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, known := t.tries[key]
	if !known {
		t.makeRoom(now)
		a = &attempts{left: rate.NewLimiter(rate.Every(failureRest), failures)}
		t.tries[key] = a
	}
	return a
}

// wait is how long a caller must wait before its next attempt; 0 when it may try now.
func (a *attempts) wait(now time.Time) time.Duration {
	if missing := 1 - a.left.TokensAt(now); missing > 0 {
		return time.Duration(missing * float64(failureRest))
	}
	return 0
}

// failed counts a failure.
func (a *attempts) failed(now time.Time) { a.left.AllowN(now, 1) }

// makeRoom removes the entries whose wait is over, and all entries when that is not enough.
func (t *throttle) makeRoom(now time.Time) {
	if t.tries != nil && len(t.tries) < maxThrottle {
		return
	}
	for key, a := range t.tries {
		if a.left.TokensAt(now) >= failures {
			delete(t.tries, key)
		}
	}
	if t.tries == nil || len(t.tries) >= maxThrottle {
		t.tries = map[string]*attempts{}
	}
}

// throttleKey is what is counted: an address, in IPv6 the network of one subscriber, and the application if it exists. Unknown
// applications share a count, so that guessing ids is slowed down too.
func throttleKey(r *http.Request, application string) string {
	return NetworkOf(r.RemoteAddr) + " " + application
}

// NetworkOf is whose an address (host:port) is: the host, and in IPv6 the network of one subscriber.
func NetworkOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if a = a.Unmap().WithZone(""); a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return host
	}
	return p.String()
}
