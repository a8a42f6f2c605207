package fake

import (
	"time"

	"berth.dev/berth"
)

// faults are the faults that a test injects into one cluster. They stay with the id, over Remove and Ensure, until a test ends them.
type faults struct {
	unreachable bool
	version     string
	delay       time.Duration
}

// Unreachable makes a cluster's API give no answer; with yes false it answers again.
func (p *Provider) Unreachable(id berth.ID, yes bool) {
	p.change(id, func(f *faults) { f.unreachable = yes })
}

// SetVersion makes a cluster report another version than it has, such as "1.29.0"; "" ends that.
func (p *Provider) SetVersion(id berth.ID, version string) {
	p.change(id, func(f *faults) { f.version = version })
}

// Delay makes each answer of a cluster's API take that long, by the clock.
func (p *Provider) Delay(id berth.ID, d time.Duration) {
	p.change(id, func(f *faults) { f.delay = d })
}

// FailEnsure makes Ensure fail for a cluster, before it changes anything; nil ends that.
func (p *Provider) FailEnsure(id berth.ID, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ensure[id.Key()] = err
}

func (p *Provider) change(id berth.ID, set func(*faults)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.faults[id.Key()]
	set(&f)
	p.faults[id.Key()] = f
	if c := p.clusters[pathOf(id)]; c != nil {
		c.mu.Lock()
		c.faults = f
		c.mu.Unlock()
	}
}
