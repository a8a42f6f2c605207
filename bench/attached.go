package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/client"
	"berth.dev/berth/provider/fake"
)

// attachedClusters is how many clusters are attached to one server, and those of them that do not answer or answer slowly.
const (
	attachedClusters = 1000
	ofThemDead       = 10
	ofThemSlow       = 10
)

func simulatedID(i int) berth.ID {
	return berth.NewID("bench", group, berth.TypeCluster, fmt.Sprintf("far%04d", i))
}

// simulate is a process of its own: clusters in memory, each with an address of its own, whose kubeconfigs it writes into dir.
// After a line on its input some of them die and some get slow. It ends with its input.
func simulate(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	spec := berth.ClusterSpec{Version: catalog.DefaultVersion(),
		Pools: []berth.NodePool{{Name: "pool", Count: 3, VMSize: size, Mode: "System", OSType: "Linux", MaxPods: 110}}}
	all := make([]*fake.Provider, attachedClusters)
	for i := range all {
		all[i] = fake.New(clockwork.NewRealClock())
		if _, err := all[i].Ensure(ctx, simulatedID(i), spec); err != nil {
			return err
		}
		config, err := all[i].Kubeconfig(ctx, simulatedID(i))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, simulatedID(i).Name()), config, 0o600); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	in := bufio.NewReader(os.Stdin)
	if _, err := in.ReadString('\n'); err != nil {
		return nil
	}
	for i := range ofThemDead {
		all[i].Unreachable(simulatedID(i), true)
	}
	for i := ofThemDead; i < ofThemDead+ofThemSlow; i++ {
		all[i].Delay(simulatedID(i), 3*time.Second)
	}
	_, err := in.ReadString('\n')
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// attachedMany measures the cost of the health checks of many attached clusters.
func (b *bench) attachedMany(ctx context.Context) error {
	s, err := startServer(ctx, b.bin, "--cluster-range", "127.0.0.0/8")
	if err != nil {
		return err
	}
	defer s.stop()
	sim, err := startSimulation(s.dir)
	if err != nil {
		return err
	}
	defer sim.stop()
	idle, idleMemory, err := s.cost(ctx, 10*time.Second)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := s.attachSimulated(ctx, sim.dir); err != nil {
		return err
	}
	row(fmt.Sprintf("connect and attach %d simulated clusters, each", attachedClusters),
		fmt.Sprintf("%.1f ms", time.Since(start).Seconds()*1000/attachedClusters), "")
	if err := pause(ctx, 45*time.Second); err != nil { // so that the checks are spread
		return err
	}
	cpu, memory, err := s.cost(ctx, time.Minute)
	if err != nil {
		return err
	}
	perHundred := 100.0 / attachedClusters
	row("their health checks, cores", fmt.Sprintf("%.2f", cpu-idle), "at most 0.20")
	row("memory above the empty server", fmt.Sprintf("%.0f MB", memory-idleMemory), "at most 200 MB")
	row("for each 100 clusters", fmt.Sprintf("%.3f, %.0f MB", (cpu-idle)*perHundred, (memory-idleMemory)*perHundred), "")
	v, err := s.visitor(ctx)
	if err != nil {
		return err
	}
	if err := v.crowd(ctx); err != nil {
		return err
	}
	return s.attachBesideFaults(ctx, sim)
}

// attachBesideFaults compares the time of an attach before and after some clusters die and some get slow.
func (s *server) attachBesideFaults(ctx context.Context, sim *simulation) error {
	if _, err := fmt.Fprintln(sim.in); err != nil {
		return err
	}
	before, err := s.attachedTime(ctx, "before", sim.dir)
	if err != nil {
		return err
	}
	if err := pause(ctx, 30*time.Second); err != nil {
		return err
	}
	after, err := s.attachedTime(ctx, "after", sim.dir)
	row(fmt.Sprintf("attach of one more with %d dead and %d slow ÷ without", ofThemDead, ofThemSlow),
		fmt.Sprintf("%.2f", after.Seconds()/before.Seconds()), "about 1")
	return err
}

type simulation struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	dir string
}

func startSimulation(dir string) (*simulation, error) {
	s := &simulation{dir: filepath.Join(dir, "simulated")}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s.cmd = exec.Command(self, "-simulate", s.dir)
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(line) != "ready" {
		s.stop()
		return nil, fmt.Errorf("the simulated clusters do not start: %w", err)
	}
	return s, nil
}

func (s *simulation) stop() {
	_ = s.in.Close()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
}

// attachSimulated connects and attaches every cluster, sixteen at a time.
func (s *server) attachSimulated(ctx context.Context, dir string) error {
	next, errs := make(chan int), make(chan error, attachedClusters)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := range next {
				errs <- s.attachOne(ctx, fmt.Sprintf("far%04d", i), filepath.Join(dir, simulatedID(i).Name()))
			}
		})
	}
	for i := range attachedClusters - 2 { // the last two are for attachedTime
		next <- i
	}
	close(next)
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *server) attachOne(ctx context.Context, name, kubeconfig string) error {
	config, err := os.ReadFile(kubeconfig)
	if err != nil {
		return err
	}
	id := s.client.ID(group, berth.TypeConnected, name)
	_, op, err := s.client.ConnectCluster(ctx, id, client.ConnectedCluster{Kubeconfig: config})
	if err := s.wait(ctx, op, err); err != nil {
		return err
	}
	_, op, err = s.client.PutCompute(ctx, compute(name), client.ComputeRequest{ClusterID: id.String()}.Body(s.client.Subscription()))
	return s.wait(ctx, op, err)
}

// attachedTime is how long one more takes.
func (s *server) attachedTime(ctx context.Context, when, dir string) (time.Duration, error) {
	last := map[string]int{"before": attachedClusters - 2, "after": attachedClusters - 1}[when]
	start := time.Now()
	err := s.attachOne(ctx, "late"+when, filepath.Join(dir, simulatedID(last).Name()))
	return time.Since(start), err
}

// cost is what the server uses in a while: cores, and megabytes at its end.
func (s *server) cost(ctx context.Context, while time.Duration) (cores, memory float64, err error) {
	before, err := cpuTime(s.cmd.Process.Pid)
	if err != nil {
		return 0, 0, err
	}
	if err := pause(ctx, while); err != nil {
		return 0, 0, err
	}
	after, err := cpuTime(s.cmd.Process.Pid)
	if err != nil {
		return 0, 0, err
	}
	memory, err = resident(s.cmd.Process.Pid)
	return (after - before).Seconds() / while.Seconds(), memory, err
}
