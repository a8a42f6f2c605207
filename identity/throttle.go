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
	tries map[string]*rate.Limiter
}

// wait is how long a caller must wait before its next attempt; 0 when it may try now.
func (t *throttle) wait(key string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, known := t.tries[key]
	if !known {
		return 0
	}
	if missing := 1 - l.TokensAt(now); missing > 0 {
		return time.Duration(missing * float64(failureRest))
	}
	return 0
}

// failed counts a failure.
func (t *throttle) failed(key string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, known := t.tries[key]
	if !known {
		t.makeRoom(now)
		l = rate.NewLimiter(rate.Every(failureRest), failures)
		t.tries[key] = l
	}
	l.AllowN(now, 1)
}

// makeRoom removes the entries whose wait is over, and all entries when that is not enough.
func (t *throttle) makeRoom(now time.Time) {
	if t.tries != nil && len(t.tries) < maxThrottle {
		return
	}
	for key, l := range t.tries {
		if l.TokensAt(now) >= failures {
			delete(t.tries, key)
		}
	}
	if t.tries == nil || len(t.tries) >= maxThrottle {
		t.tries = map[string]*rate.Limiter{}
	}
}

// throttleKey is what is counted: an address, in IPv6 the network of one subscriber, and the application if it exists. Unknown
// applications share a count, so that guessing ids is slowed down too.
func throttleKey(r *http.Request, application string) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() && !a.Is4In6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			host = p.String()
		}
	}
	return host + " " + application
}
