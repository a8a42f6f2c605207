// Command compat runs the real clients, as their registries hand them out, against a real `berth serve` with real clusters,
// and writes what they could do to docs/compatibility.md. It needs bin/berth and bin/berth-kube, Python 3.11 and Node.js;
// the clients are installed below compat/.clients and nowhere else.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// options are the command line.
type options struct {
	only         string
	write, retry bool
	atOnce       int
}

func main() {
	var o options
	flag.StringVar(&o.only, "only", "", "run these clients, separated by commas: "+names())
	flag.BoolVar(&o.write, "write", false, "write docs/compatibility.md instead of comparing with it")
	flag.BoolVar(&o.retry, "retry", false, "test a client that failed once more, against a new server, and note it in dist/flaky/compat")
	flag.IntVar(&o.atOnce, "at-once", 2, "how many clients are tested at a time; each has a server of its own, and mostly waits")
	justTimes := flag.Bool("times", false, "measure how long a cluster takes by each installed client, and test nothing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	root, err := filepath.Abs(".")
	switch {
	case err != nil:
	case *justTimes:
		err = measure(ctx, root)
	default:
		err = run(ctx, root, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
}

func names() string {
	var all []string
	for _, c := range clients {
		all = append(all, c.name)
	}
	return strings.Join(all, ", ")
}

// run tests each client against a server of its own, so that none meets the resources of another.
func run(ctx context.Context, root string, o options) error {
	if _, err := os.Stat(filepath.Join(root, "bin", "berth")); err != nil {
		return errors.New("bin/berth does not exist: run 'make build' in the root of the repository, then this command there")
	}
	selected := slices.DeleteFunc(slices.Clone(clients), func(c client) bool {
		return o.only != "" && !slices.Contains(strings.Split(o.only, ","), c.name)
	})
	reports, errs := make([]report, len(selected)), make([]error, len(selected))
	next := make(chan int, len(selected))
	for i := range selected {
		next <- i
	}
	close(next)
	var printing sync.Mutex
	var workers sync.WaitGroup
	for range max(1, o.atOnce) {
		workers.Go(func() {
			for i := range next {
				var out bytes.Buffer // what two clients print at the same time nobody can read
				reports[i], errs[i] = try(ctx, selected[i], trial{root, o.retry, &out})
				printing.Lock()
				fmt.Printf("\n== %s\n%s", selected[i].title, out.String())
				printing.Unlock()
			}
		})
	}
	workers.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if o.only != "" {
		return nil // the document lists all of them
	}
	return document(filepath.Join(root, "docs", "compatibility.md"), reports, o.write)
}

// trial is how a client is tested.
type trial struct {
	root  string
	retry bool
	out   io.Writer
}

// try installs a client and tests it.
func try(ctx context.Context, c client, t trial) (report, error) {
	start := time.Now()
	if err := c.install(ctx, t.root); err != nil {
		return report{}, fmt.Errorf("%s cannot be installed: %w", c.title, err)
	}
	installed := time.Since(start)
	r, err := c.test(ctx, t)
	if err != nil && t.retry {
		_, _ = fmt.Fprintf(t.out, "%s: %v; once more\n", c.name, err)
		if err := noteRetry(t.root, c.name); err != nil {
			return r, err
		}
		r, err = c.test(ctx, t)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", c.name, err)
	}
	_, _ = fmt.Fprintf(t.out, "%s: %d operations, %.0f s, and %.0f s to install\n", c.name, len(r.operations),
		(time.Since(start) - installed).Seconds(), installed.Seconds())
	return r, err
}

// noteRetry records that a client was tested twice; CI lists it at its end.
func noteRetry(root, client string) error {
	folder := filepath.Join(root, "dist", "flaky")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(folder, "compat"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, "the client "+client)
	return errors.Join(err, f.Close())
}
