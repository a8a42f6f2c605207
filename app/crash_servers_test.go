package app_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/app/apptest"
	"berth.dev/berth/client"
	"berth.dev/berth/kube"
	"berth.dev/berth/store/postgrestest"
)

// TestCrashServers kills either of two servers on one PostgreSQL, which writes through to the disk: a fifth of the kills of TestCrash.
// The other goes on meanwhile. A quarter of the kills are of PostgreSQL itself. Nothing that was accepted is lost, and nothing is done
// twice: each cluster is one folder of one server.
func TestCrashServers(t *testing.T) {
	if testing.Short() {
		t.Skip("kills take minutes")
	}
	kills, seed := max(kills()/5, 1), uint64(time.Now().UnixNano())
	t.Logf("%d kills, seed %d", kills, seed)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(kills)*30*time.Second+5*time.Minute)
	defer cancel()
	postgres := postgrestest.Start(t, true)
	c := &crash{
		T: t, ctx: ctx, binary: apptest.KubeBinary(t), nodes: berth.NodesSimulated, database: postgres.Database(t), postgres: postgres,
		random: rand.New(rand.NewPCG(seed, 2)), accepted: map[string]*client.Operation{},
		servers: []*crashServer{{dir: t.TempDir(), listen: freeAddress(t)}, {dir: t.TempDir(), listen: freeAddress(t)}},
	}
	c.run(kills)
}

// ownersAgree compares the ownership record in each cluster with the store: the same compute has it, or none.
func (c *crash) ownersAgree() {
	computes, err := c.client.ListComputes(c.ctx, jobGroup, jobWorkspace)
	if err != nil {
		c.Fatal(err)
	}
	holder := map[string]string{}
	for _, o := range computes {
		properties := o["properties"].(client.Object)
		if properties["provisioningState"] == "Succeeded" {
			holder[strings.ToLower(properties["resourceId"].(string))] = o["id"].(string)
		}
	}
	clusters, err := c.client.ListClusters(c.ctx, jobGroup)
	if err != nil {
		c.Fatal(err)
	}
	for _, o := range clusters {
		if o["properties"].(client.Object)["provisioningState"] != "Succeeded" {
			continue
		}
		want := holder[strings.ToLower(o["id"].(string))]
		if err := c.ownedBy(o["name"].(string), want); err != nil {
			c.Errorf("cluster %s: %v", o["name"], err)
		}
	}
}

// ownedBy repeats its check for some time: a cleanup is done when the cluster answers again.
func (c *crash) ownedBy(cluster, want string) error {
	config, err := c.client.ClusterCredentials(c.ctx, jobGroup, cluster, true)
	if err != nil {
		return err
	}
	conn, err := kube.Connect(config, unhurried)
	if err != nil {
		return err
	}
	defer conn.Close()
	have := ""
	for deadline := time.Now().Add(apptest.Patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		owner, err := conn.Owner(c.ctx)
		if have = ""; owner != nil {
			have = owner.ComputeID
		}
		if err == nil && strings.EqualFold(have, want) {
			return nil
		}
	}
	return fmt.Errorf("its ownership record names %q, and the store %q", have, want)
}

// answer waits until all servers answer again.
func (c *crash) answer() {
	c.Helper()
	deadline := time.Now().Add(apptest.Patience)
	for _, s := range c.servers {
		for {
			_, err := s.client.ListGroups(c.ctx)
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				c.Fatalf("a server does not answer after PostgreSQL was there again: %v", err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}
