package router

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// members are the routers of the cluster, as one of them sees them.
type members struct {
	self  string
	peers []string // sorted, without self
}

func (m members) all() []string { return append([]string{m.self}, m.peers...) }

// ranked sorts the routers by their rendezvous hash with a word: all routers find the same order, and when one leaves or joins,
// only its own words move.
func (m members) ranked(word string) []string {
	all := m.all()
	slices.SortFunc(all, func(a, b string) int {
		return cmp.Or(cmp.Compare(weight(a, word), weight(b, word)), cmp.Compare(a, b))
	})
	return all
}

// owns tells whether this router decides how many replicas the version has.
func (m members) owns(word string) bool { return m.ranked(word)[0] == m.self }

// shares divides the slots of a replica among the routers: together they never send it more requests than it takes.
func (m members) shares(replica string, slots int) map[string]int {
	all := m.ranked(replica)
	out := make(map[string]int, len(all))
	for i, member := range all {
		out[member] = slots / len(all)
		if i < slots%len(all) {
			out[member]++
		}
	}
	return out
}

func weight(member, word string) uint64 {
	sum := sha256.Sum256([]byte(member + "\x00" + word))
	return binary.BigEndian.Uint64(sum[:])
}
