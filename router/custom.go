package router

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"berth.dev/berth/router/route"
)

// What azureml-ai-monitoring sends with data that a scoring script collects by itself.
const (
	headerEventType   = "Ce-Type"         // eventPrefix and the name of the collection
	headerEventTime   = "Ce-Time"         // seconds since 1970
	headerCorrelation = "Ce-X-Request-Id" // of one call of Collector.collect and of those that are given its context
	headerModel       = "Ce-Model-Version"
	headerDataType    = "Ce-Collect-Data-Type"
	headerAgent       = "Ce-Agent"

	eventPrefix = "azureml.inference."
	maxSkew     = 24 * time.Hour // of the clock of a pod
	maxWord     = 200            // bytes of a header that is kept
	// leftTime is how long a pod that is no replica any more may send what it has collected before.
	leftTime = 2 * time.Minute
)

// custom is what an event of a scoring script has besides its data.
type custom struct{ model, dataType, agent string }

// serveModelData keeps an event that a scoring script has collected by itself. Whose it is, the address of the pod says: only a replica of
// a version that collects this can send it.
func (r *Router) serveModelData(w http.ResponseWriter, in *http.Request) {
	v := r.versionOf(in.RemoteAddr)
	name, is := strings.CutPrefix(in.Header.Get(headerEventType), eventPrefix)
	var into *route.Collection
	if v != nil && v.Collect != nil && is {
		into = v.Collect.Custom[strings.ToLower(name)]
	}
	switch {
	case v == nil:
		http.Error(w, "no deployment has a replica with the address of this request", http.StatusForbidden)
		return
	case into == nil:
		http.Error(w, fmt.Sprintf("the deployment does not collect %.100q: name it in its data_collector", name), http.StatusNotFound)
		return
	case r.spool == nil:
		http.Error(w, "this router keeps no data", http.StatusServiceUnavailable)
		return
	}
	c := &record{spool: r.spool, collect: v.Collect, count: v.count, answered: true, at: r.eventTime(in.Header.Get(headerEventTime)),
		id: word(in.Header.Get(headerCorrelation)), custom: &custom{word(in.Header.Get(headerModel)),
			word(in.Header.Get(headerDataType)), word(in.Header.Get(headerAgent))}}
	if c.id == "" {
		c.id = uuid.NewString()
	}
	if drawOf(c.id) >= into.Rate { // the events of one request are kept together, or none of them
		w.WriteHeader(http.StatusOK)
		return
	}
	c.request = part{in: into, what: eventPrefix + strings.ToLower(name), kind: in.Header.Get("Content-Type")}
	if _, err := io.Copy(keeper{c}, http.MaxBytesReader(w, in.Body, r.maxBody)); err != nil {
		c.drop()
		code := http.StatusBadRequest
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			code = http.StatusRequestEntityTooLarge
		}
		http.Error(w, "the data has not come, or is too large", code)
		return
	}
	c.end()
	w.WriteHeader(http.StatusOK)
}

// keeper writes to the request of a record.
type keeper struct{ *record }

// Write implements io.Writer.
func (k keeper) Write(p []byte) (int, error) {
	k.request.add(k.spool, p)
	return len(p), nil
}

func word(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxWord)], "") }

// drawOf is a number from 0 to below 1 that is the same for the same id.
func drawOf(id string) float64 {
	h := fnv.New32a()
	_, _ = io.WriteString(h, id) // never fails
	return float64(h.Sum32()) / (1 << 32)
}

// eventTime is when a pod says that it has collected; now when it says something impossible.
func (r *Router) eventTime(seconds string) time.Time {
	now := r.clock.Now()
	n, err := strconv.ParseInt(seconds, 10, 64)
	if at := time.Unix(n, 0); err == nil && at.Sub(now).Abs() <= maxSkew {
		return at
	}
	return now
}

// versionOf is the version one of whose replicas has an address; nil for none.
func (r *Router) versionOf(remote string) *version {
	from, err := netip.ParseAddrPort(remote)
	routes := r.routes.Load()
	if err != nil || routes == nil {
		return nil
	}
	host := from.Addr().Unmap().WithZone("")
	var left *version
	for _, s := range *routes {
		for _, v := range s.versions {
			switch ready, was := v.pool.has(host); {
			case ready:
				return v
			case was:
				left = v
			}
		}
	}
	return left
}

// hostOf is the address of a replica without its port; the zero address of a name.
func hostOf(address string) netip.Addr {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return netip.Addr{}
	}
	at, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return at.Unmap().WithZone("")
}

// has reports whether a replica of the pool has an address, or was one a moment ago: a pod that ends still sends what it has collected.
func (p *pool) has(host netip.Addr) (ready, was bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.ready {
		if hostOf(r.address) == host {
			return true, true
		}
	}
	for address, at := range p.left {
		if hostOf(address) == host && p.clock.Since(at) < leftTime {
			return false, true
		}
	}
	return false, false
}

// leave remembers the replicas that are not among the addresses any more. The caller holds the lock.
func (p *pool) leave(known map[string]*replica, addresses []string) {
	for _, a := range addresses {
		delete(known, a)
		delete(p.left, a)
	}
	for a, at := range p.left {
		if p.clock.Since(at) >= leftTime {
			delete(p.left, a)
		}
	}
	for a := range known {
		if p.left == nil {
			p.left = map[string]time.Time{}
		}
		p.left[a] = p.clock.Now()
	}
}
