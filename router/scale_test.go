package router

import (
	"testing"
	"time"

	"berth.dev/berth/router/route"
)

// played is a version under load, by a clock that the test moves: every 200 ms the load is looked at, and the Deployment follows.
type played struct {
	scale       *route.Autoscale
	concurrency int
	history     *history
	now         time.Time
	area        float64
	replicas    int
	decided     []time.Duration // when, since the load began
}

func play(s *route.Autoscale, concurrency, replicas int) *played {
	p := &played{scale: s, concurrency: concurrency, history: newHistory(), now: time.Unix(0, 0), replicas: replicas}
	p.under(0, time.Minute*time.Duration(max(1, s.RefreshSeconds)))
	return p
}

// under puts the version under a load of so many requests at a time.
func (p *played) under(load int, d time.Duration) *played {
	p.decided = nil
	for t := time.Duration(0); t < d; t += gossipTime {
		p.now = p.now.Add(gossipTime)
		p.area += float64(load) * gossipTime.Seconds()
		p.history.add(p.now, p.scale, Load{Queue: load, Area: p.area}, nil)
		if want := p.history.decide(p.scale, p.concurrency, p.replicas); want != p.replicas {
			p.replicas = want
			p.decided = append(p.decided, t+gossipTime)
		}
	}
	return p
}

func TestReplicasByLoad(t *testing.T) {
	for name, c := range map[string]struct {
		min, max, target, concurrency, load, want int
	}{
		"nothing to do":          {1, 10, 70, 1, 0, 1},
		"none, because it may":   {0, 10, 70, 1, 0, 0},
		"7 busy, 70 percent":     {1, 20, 70, 1, 7, 10},
		"8 busy, 70 percent":     {1, 20, 70, 1, 8, 12},
		"at most":                {1, 5, 70, 1, 100, 5},
		"at least":               {3, 5, 70, 1, 1, 3},
		"4 at a time each":       {1, 20, 50, 4, 8, 4},
		"the article's 286":      {1, 300, 70, 1, 200, 286},
		"no limit of each, as 1": {1, 20, 100, 1, 3, 3},
	} {
		s := &route.Autoscale{Min: c.min, Max: c.max, TargetUtilization: c.target}
		if got := play(s, c.concurrency, 1).under(c.load, 30*time.Second).replicas; got != c.want {
			t.Errorf("%s: %d replicas; want %d", name, got, c.want)
		}
	}
}

// Up within a second, down 20 times slower, by whatever the refresh is.
func TestPace(t *testing.T) {
	for _, refresh := range []int{0, 1, 3} {
		s := &route.Autoscale{Min: 1, Max: 20, RefreshSeconds: refresh}
		p := play(s, 1, 1).under(7, 10*time.Second)
		if p.replicas != 10 || p.decided[0] > time.Second || p.decided[len(p.decided)-1] > s.Refresh()+gossipTime {
			t.Errorf("refresh %d: up to %d at %v", refresh, p.replicas, p.decided)
		}
		p.under(2, 2*time.Minute)
		if p.replicas != 3 || p.decided[0] < 20*s.Refresh() || p.decided[len(p.decided)-1] > 23*s.Refresh() {
			t.Errorf("refresh %d: down to %d at %v", refresh, p.replicas, p.decided)
		}
	}
}

// A moment without load removes nothing, and a single short request adds nothing.
func TestSteady(t *testing.T) {
	s := &route.Autoscale{Min: 1, Max: 20}
	p := play(s, 1, 1).under(7, 10*time.Second)
	for range 5 {
		p.under(0, 15*time.Second).under(7, 2*time.Second)
		if p.replicas != 10 || p.decided != nil {
			t.Fatalf("%d replicas, decided at %v", p.replicas, p.decided)
		}
	}
	p = play(s, 1, 1)
	for range 20 {
		p.under(1, gossipTime).under(0, 2*time.Second)
	}
	if p.replicas != 1 {
		t.Errorf("short requests made %d replicas", p.replicas)
	}
}

// From zero at once, by one request; back to zero only after a while without any.
func TestZero(t *testing.T) {
	p := play(&route.Autoscale{Min: 0, Max: 5}, 1, 1)
	if p.replicas != 0 {
		t.Fatalf("%d replicas without load", p.replicas)
	}
	if p.under(1, gossipTime); p.replicas != 1 {
		t.Errorf("a request waits and there are %d replicas", p.replicas)
	}
	if p.under(0, 15*time.Second); p.replicas != 1 {
		t.Error("to zero too soon")
	}
	if p.under(0, 10*time.Second); p.replicas != 0 {
		t.Error("not back to zero")
	}
}

// A new owner, and a router that starts again, do not remove replicas for what they have not seen.
func TestNewOwner(t *testing.T) {
	s := &route.Autoscale{Min: 1, Max: 20}
	h, now := newHistory(), time.Unix(0, 0)
	other := Load{Busy: 7, Area: 5000}
	for range 50 {
		now = now.Add(gossipTime)
		other.Area += 7 * gossipTime.Seconds()
		h.add(now, s, Load{}, map[string]Load{"peer": other})
		if want := h.decide(s, 1, 10); want != 10 {
			t.Fatalf("%d replicas, average %v", want, h.average)
		}
	}
	other = Load{Busy: 7} // it starts again
	for range 50 {
		now = now.Add(gossipTime)
		other.Area += 7 * gossipTime.Seconds()
		h.add(now, s, Load{}, map[string]Load{"peer": other})
		if want := h.decide(s, 1, 10); want != 10 {
			t.Fatalf("%d replicas, average %v", want, h.average)
		}
	}
}

// The routers find the same owner and the same shares, and never send a replica more than it takes.
func TestShares(t *testing.T) {
	all := []string{"10.0.0.1:9001", "10.0.0.2:9001", "10.0.0.3:9001"}
	owners := map[string]int{}
	for word := range 300 {
		name := string(rune('a'+word%26)) + string(rune('a'+word/26))
		for slots := range 8 {
			sum, owned := 0, 0
			for i, self := range all {
				m := members{self: self}
				for j, other := range all {
					if i != j {
						m.peers = append(m.peers, other)
					}
				}
				sum += m.shares(name, slots)[self]
				if m.owns(name) {
					owned++
					owners[self]++
				}
			}
			if sum != slots || owned != 1 {
				t.Fatalf("%s: %d of %d slots, %d owners", name, sum, slots, owned)
			}
		}
	}
	for self, n := range owners {
		if n < 8*60 {
			t.Errorf("%s owns %d of 300", self, n/8)
		}
	}
}
