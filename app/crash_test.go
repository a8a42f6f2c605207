package app_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/app/apptest"
	"berth.dev/berth/client"
	"berth.dev/berth/kube"
	"berth.dev/berth/store/postgrestest"
)

// crash is a server that is killed again and again while requests come in.
type crash struct {
	*testing.T
	ctx      context.Context
	binary   string
	nodes    string                // what runs the nodes of the clusters
	database string                // of all servers together; empty when there is one with a file
	postgres *postgrestest.Cluster // where that is
	random   *rand.Rand
	servers  []*crashServer
	client   *client.Client // of the server that is asked
	accepted map[string]*client.Operation
}

// crashServer is one of the servers.
type crashServer struct {
	dir, listen string
	cmd         *exec.Cmd
	client      *client.Client
}

// pick chooses the server that is asked next.
func (c *crash) pick() { c.client = c.any().client }

func (c *crash) any() *crashServer { return c.servers[c.random.IntN(len(c.servers))] }

// TestCrash kills the real server with SIGKILL at random moments, BERTH_CRASH_KILLS times (50 by default). In
// the end every accepted operation has ended, every cluster answers, and no process or folder is left over.
func TestCrash(t *testing.T) {
	crashed(t, berth.NodesSimulated, kills())
}

// TestCrashRealNodes is the same with containers: a tenth of the kills.
func TestCrashRealNodes(t *testing.T) {
	realNodes(t)
	crashed(t, berth.NodesReal, max(kills()/10, 1))
}

func kills() int {
	if n, err := strconv.Atoi(os.Getenv("BERTH_CRASH_KILLS")); err == nil {
		return n
	}
	return 50
}

func crashed(t *testing.T, nodes string, kills int) {
	if testing.Short() {
		t.Skip("kills take minutes")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("%d kills, seed %d", kills, seed)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(kills)*20*time.Second+5*time.Minute)
	defer cancel()
	c := &crash{
		T: t, ctx: ctx, binary: apptest.KubeBinary(t), nodes: nodes,
		random: rand.New(rand.NewPCG(seed, 1)), accepted: map[string]*client.Operation{},
		servers: []*crashServer{{dir: t.TempDir(), listen: freeAddress(t)}},
	}
	c.run(kills)
}

// run kills servers and verifies what is left.
func (c *crash) run(kills int) {
	for i, s := range c.servers {
		if i > 0 { // what an operator copies
			text, err := os.ReadFile(filepath.Join(c.servers[0].dir, "secrets-key.txt"))
			if err == nil {
				err = os.WriteFile(filepath.Join(s.dir, "secrets-key.txt"), text, 0o600)
			}
			if err != nil {
				c.Fatal(err)
			}
		}
		c.start(s)
		defer c.kill(s)
	}
	c.pick()
	c.setUp()
	for range kills {
		c.requests(5000)
		if c.postgres != nil && c.random.IntN(4) == 0 {
			c.postgres.StopServer(c)
			c.requests(3000)
			c.postgres.StartServer(c)
			c.answer()
			continue
		}
		victim := c.any()
		c.kill(victim)
		if len(c.servers) > 1 { // the others go on
			c.requests(3000)
		}
		c.start(victim)
	}
	c.pick()
	c.settle()
	for _, request := range []func(){func() { c.create("madeax") }, c.createOwn, c.attach, c.deploy} { // and it works as it did before
		request()
		c.settle()
	}
	c.operationsEnded()
	c.clustersAnswer()
	c.ownersAgree()
	c.nothingLeft()
	for _, s := range c.servers {
		c.end(s)
	}
	c.Logf("%d operations were accepted", len(c.accepted))
}

// requests sends requests for a time, in milliseconds at most.
func (c *crash) requests(atMost int) {
	stop := time.Now().Add(time.Duration(c.random.IntN(atMost)) * time.Millisecond)
	for time.Now().Before(stop) {
		c.request()
		time.Sleep(time.Duration(c.random.IntN(300)) * time.Millisecond)
	}
}

func named(name string) client.ComputeName {
	return client.ComputeName{Group: jobGroup, Workspace: jobWorkspace, Name: name}
}

// start starts the server and waits until it answers.
func (c *crash) start(s *crashServer) {
	c.Helper()
	self, err := os.Executable()
	if err != nil {
		c.Fatal(err)
	}
	s.cmd = exec.Command(self)
	s.cmd.Env = append(os.Environ(), envServer+"="+s.dir, envListen+"="+s.listen, envNodes+"="+c.nodes, envDatabase+"="+c.database,
		"BERTH_KUBE_BIN="+c.binary)
	log, err := os.OpenFile(filepath.Join(s.dir, "serve.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	s.cmd.Stderr = log
	if err := s.cmd.Start(); err != nil {
		c.Fatal(err)
	}
	for deadline := time.Now().Add(apptest.Patience); ; time.Sleep(20 * time.Millisecond) {
		credentials, err := client.CredentialsIn(s.dir)
		if err == nil {
			if s.client, err = client.New(client.Options{Credentials: credentials, PollMax: 100 * time.Millisecond}); err == nil {
				if _, err = s.client.ListGroups(c.ctx); err == nil {
					c.client = s.client
					return
				}
			}
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(filepath.Join(s.dir, "serve.log"))
			c.Fatalf("the server does not come up again: %v\n%s", err, text[max(0, len(text)-4000):])
		}
	}
}

func (c *crash) kill(s *crashServer) {
	_ = s.cmd.Process.Kill() // an error means that it has ended
	_ = s.cmd.Wait()
}

func (c *crash) setUp() {
	if _, err := c.client.CreateGroup(c.ctx, jobGroup, "westeurope", nil); err != nil {
		c.Fatal(err)
	}
	if _, err := c.client.CreateWorkspace(c.ctx, jobGroup, jobWorkspace, "westeurope"); err != nil {
		c.Fatal(err)
	}
}

// request sends a random request. It may be refused: only accepted requests count. Deletes are rare, so that a new cluster
// has a chance to become ready between two kills.
func (c *crash) request() {
	c.pick()
	name := fmt.Sprintf("made%cx", 'a'+rune(c.random.IntN(2)))
	switch n := c.random.IntN(30); {
	case n < 14:
		c.create(name)
	case n < 19:
		c.createOwn()
	case n < 23:
		c.attach()
	case n < 25:
		c.deploy()
	case n < 28:
		c.accept(c.client.DeleteCompute(c.ctx, named("taken"), client.ActionDetach))
	case n < 29:
		c.accept(c.client.DeleteCompute(c.ctx, named(name), client.ActionDelete))
	case c.random.IntN(3) == 0:
		c.accept(c.client.DeleteCluster(c.ctx, jobGroup, "own"))
	}
}

// create makes a compute, or scales the one there is.
func (c *crash) create(name string) {
	_, op, err := c.client.PutCompute(c.ctx, named(name), apptest.AKS(client.Object{"agentCount": 3 + c.random.IntN(3)}))
	c.accept(op, err)
}

func (c *crash) createOwn() {
	_, op, err := c.client.PutCluster(c.ctx, jobGroup, "own", apptest.ClusterOf(1+c.random.IntN(2), size))
	c.accept(op, err)
}

func (c *crash) attach() {
	own := c.client.ID(jobGroup, berth.TypeCluster, "own").String()
	_, op, err := c.client.PutCompute(c.ctx, named("taken"), apptest.AttachTo(own, "DevTest"))
	c.accept(op, err)
}

// deploy creates by a template the resources that the other requests create one by one.
func (c *crash) deploy() {
	own := c.client.ID(jobGroup, berth.TypeCluster, "own").String()
	cluster, compute := apptest.ClusterOf(1+c.random.IntN(2), size), apptest.AttachTo(own, "DevTest")
	maps.Copy(cluster, client.Object{"type": berth.TypeCluster, "apiVersion": "2024-05-01", "name": "own"})
	maps.Copy(compute, client.Object{"type": berth.TypeCompute, "apiVersion": apptest.Version, "name": jobWorkspace + "/taken"})
	compute["dependsOn"] = []string{"own"}
	template := client.Object{"resources": []client.Object{compute, cluster}}
	body := client.Object{"properties": client.Object{"mode": "Incremental", "template": template}}
	c.accept(c.client.Put(c.ctx, client.Path(c.client.ID(jobGroup, berth.TypeTemplateDeployment, "template")), body, nil))
}

func (c *crash) accept(op *client.Operation, err error) {
	if err == nil && op != nil {
		c.accepted[op.ID] = op
	}
}

// settle waits until nothing is under way any more.
func (c *crash) settle() {
	for ; ; time.Sleep(200 * time.Millisecond) {
		busy := ""
		for _, o := range c.all() {
			properties, _ := o["properties"].(client.Object)
			if state, _ := properties["provisioningState"].(string); !berth.State(state).Terminal() {
				busy = fmt.Sprint(o["id"], " is ", state)
			}
		}
		if busy == "" {
			return
		}
		if c.ctx.Err() != nil {
			for _, s := range c.servers {
				text, _ := os.ReadFile(filepath.Join(s.dir, "serve.log"))
				c.Logf("%s:\n%s", s.dir, text[max(0, len(text)-4000):])
			}
			c.Fatalf("it does not settle: %s", busy)
		}
	}
}

// all lists the computes, clusters and deployments.
func (c *crash) all() []client.Object {
	computes, err := c.client.ListComputes(c.ctx, jobGroup, jobWorkspace)
	if err != nil {
		c.Fatal(err)
	}
	clusters, err := c.client.ListClusters(c.ctx, jobGroup)
	if err != nil {
		c.Fatal(err)
	}
	deployments, err := c.client.List(c.ctx,
		client.Path(berth.GroupID(c.client.Subscription(), jobGroup))+"/providers/"+berth.TypeTemplateDeployment)
	if err != nil {
		c.Fatal(err)
	}
	return append(append(computes, clusters...), deployments...)
}

func (c *crash) operationsEnded() {
	ends := map[string]int{}
	for id, op := range c.accepted {
		if err := c.client.Operation(c.ctx, op); err != nil {
			c.Errorf("operation %s was accepted and cannot be read: %v", id, err)
			continue
		}
		ends[op.Verb+" "+op.Status]++
		if !op.Done() {
			c.Errorf("operation %s (%s %s) is %s for ever", id, op.Verb, op.ResourceID, op.Status)
		}
		if op.Status == "Failed" && !expected(op.Err) {
			c.Errorf("operation %s %s failed: %v", op.Verb, op.ResourceID, op.Err)
		}
	}
	c.Logf("how they ended: %v", ends)
}

// expected failures are those that the driver itself brings about, by deleting what is just being made or attached.
func expected(e *berth.Error) bool {
	if e == nil || e.Code != "DeploymentFailed" {
		return e != nil && (e.Code == berth.CodeNotFound || e.Code == berth.CodeConflict || e.Code == berth.CodeCanceled)
	}
	return !slices.ContainsFunc(e.Details, func(d berth.Error) bool { return !expected(&d) })
}

// clustersAnswer asks every cluster that the server lists.
func (c *crash) clustersAnswer() {
	clusters, err := c.client.ListClusters(c.ctx, jobGroup)
	if err != nil {
		c.Fatal(err)
	}
	for _, o := range clusters {
		name := o["name"].(string)
		properties := o["properties"].(client.Object)
		if properties["provisioningState"] != "Succeeded" {
			continue
		}
		want := int(properties["agentPoolProfiles"].([]any)[0].(client.Object)["count"].(float64))
		config, err := c.client.ClusterCredentials(c.ctx, jobGroup, name, true)
		if err != nil {
			c.Errorf("cluster %s has no credentials: %v", name, err)
			continue
		}
		if err := c.readyNodes(config, want); err != nil {
			c.Errorf("cluster %s: %v", name, err)
		}
	}
}

func (c *crash) readyNodes(config []byte, want int) error {
	conn, err := kube.Connect(config, unhurried)
	if err != nil {
		return err
	}
	defer conn.Close()
	ready := 0
	for deadline := time.Now().Add(apptest.Patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		nodes, err := conn.Nodes(c.ctx)
		ready = 0
		for _, n := range nodes {
			if n.Ready {
				ready++
			}
		}
		if err == nil && ready == want && len(nodes) == want {
			return nil
		}
	}
	return fmt.Errorf("%d nodes ready after %v, %d wanted", ready, apptest.Patience, want)
}

// nothingLeft holds folders and processes against the clusters that there are: each has one of both, and there are no
// others.
func (c *crash) nothingLeft() {
	clusters, err := c.client.ListClusters(c.ctx, jobGroup)
	if err != nil {
		c.Fatal(err)
	}
	folders := map[string]int{}
	var processes []int
	for _, s := range c.servers {
		maps.Copy(folders, apptest.ClusterFolders(c, s.dir))
		processes = append(processes, apptest.KubeProcesses(c, s.dir)...)
	}
	if len(folders) != len(clusters) {
		c.Errorf("there are %d clusters, and the folders %v", len(clusters), folders)
	}
	recorded := map[int]bool{}
	for _, pid := range folders {
		recorded[pid] = true
	}
	for _, pid := range processes {
		if !recorded[pid] {
			c.Errorf("process %d runs and is in no record: %v", pid, folders)
		}
	}
}
