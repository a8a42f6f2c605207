package app_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/app/apptest"
	"berth.dev/berth/client"
	"berth.dev/berth/store/postgrestest"
)

// TestCrashServers kills either of two servers on one PostgreSQL, which writes through to the disk: a fifth of the kills of TestCrash.
// The other goes on meanwhile. Nothing that was accepted is lost, and nothing is done twice: each cluster is one folder of one server.
func TestCrashServers(t *testing.T) {
	if testing.Short() {
		t.Skip("kills take minutes")
	}
	kills, seed := max(kills()/5, 1), uint64(time.Now().UnixNano())
	t.Logf("%d kills, seed %d", kills, seed)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(kills)*30*time.Second+5*time.Minute)
	defer cancel()
	c := &crash{
		T: t, ctx: ctx, binary: apptest.KubeBinary(t), nodes: berth.NodesSimulated, database: postgrestest.Start(t, true).Database(t),
		random: rand.New(rand.NewPCG(seed, 2)), accepted: map[string]*client.Operation{},
		servers: []*crashServer{{dir: t.TempDir(), listen: freeAddress(t)}, {dir: t.TempDir(), listen: freeAddress(t)}},
	}
	c.run(kills)
}
