// Command bench measures Berth and prints ratios that were taken in one run: on a shared or noisy machine absolute times
// mean little. It starts a real `berth serve` with real clusters, and needs bin/berth and bin/berth-kube.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 5, "repetitions of each slow measurement")
	window := flag.Duration("window", 3*time.Second, "how long each load runs")
	only := flag.String("only", "", "run the measurements whose name begins so")
	bin := flag.String("bin", "bin", "folder of berth and berth-kube")
	bare := flag.Bool("bare", false, "be the bare handler: for this program's own use")
	simulated := flag.String("simulate", "",
		"be many simulated clusters whose kubeconfigs are written to this folder: for this program's own use")
	be := flag.String("be", "", "be a replica or a bare reverse proxy of the router's measurement: for this program's own use")
	flag.Parse()
	if *be != "" {
		if err := servePart(*be); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if *simulated != "" {
		if err := simulate(*simulated); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if *bare {
		serveBare()
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := &bench{rounds: *rounds, window: *window, bin: *bin, only: *only}
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run of all measurements.
type bench struct {
	rounds int
	window time.Duration
	bin    string
	only   string
	server *server
}

func (b *bench) run(ctx context.Context) error {
	fmt.Printf("%s/%s, %d CPUs, %s\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	var err error
	if b.server, err = startServer(ctx, b.bin); err != nil {
		return err
	}
	defer b.server.stop()
	for _, m := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"requests", b.requests}, {"database", b.database}, {"backup", b.backup}, {"create", b.create}, {"attach", b.attach},
		{"many clusters", b.many},
		{"studio", b.studio}, {"memory and idle CPU", b.idle}, {"attached clusters", b.attachedMany},
		{"real nodes", b.realNodes}, {"models", b.models}, {"router", b.router},
	} {
		if !strings.HasPrefix(m.name, b.only) {
			continue
		}
		fmt.Printf("\n%s\n", m.name)
		if err := m.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// row prints one figure with its goal.
func row(name, value, goal string) {
	if goal != "" {
		goal = "   goal " + goal
	}
	fmt.Printf("  %-58s %14s%s\n", name, value, goal)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func median(all []time.Duration) time.Duration { return quantile(all, 0.5) }

func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
