// Command compat runs the real clients, as their registries hand them out, against a real `berth serve` with real clusters,
// and writes what they could do to docs/compatibility.md. It needs bin/berth and bin/berth-kube, Python 3.11 and Node.js;
// the clients are installed below compat/.clients and nowhere else.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	only := flag.String("only", "", "run these clients, separated by commas: "+names())
	write := flag.Bool("write", false, "write docs/compatibility.md instead of comparing with it")
	retry := flag.Bool("retry", false, "test a client that failed once more, against a new server, and note it in dist/flaky/compat")
	justTimes := flag.Bool("times", false, "measure how long a cluster takes by each installed client, and test nothing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	do := func() error { return run(ctx, *only, *write, *retry) }
	if *justTimes {
		do = func() error {
			root, err := filepath.Abs(".")
			if err != nil {
				return err
			}
			return measure(ctx, root)
		}
	}
	if err := do(); err != nil {
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
func run(ctx context.Context, only string, write, retry bool) error {
	root, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(root, "bin", "berth")); err != nil {
		return errors.New("bin/berth does not exist: run 'make build' in the root of the repository, then this command there")
	}
	var reports []report
	var failed []string
	for _, c := range clients {
		if only != "" && !slices.Contains(strings.Split(only, ","), c.name) {
			continue
		}
		start := time.Now()
		fmt.Printf("\n== %s\n", c.title)
		if err := c.install(ctx, root); err != nil {
			return fmt.Errorf("%s cannot be installed: %w", c.title, err)
		}
		installed := time.Since(start)
		r, err := c.test(ctx, root)
		if err != nil && retry {
			fmt.Printf("%s: %v; once more\n", c.name, err)
			if err := noteRetry(root, c.name); err != nil {
				return err
			}
			r, err = c.test(ctx, root)
		}
		if err != nil {
			failed = append(failed, c.name)
			fmt.Printf("%s: %v\n", c.name, err)
		}
		fmt.Printf("%s: %d operations, %.0f s, and %.0f s to install\n", c.name, len(r.operations),
			(time.Since(start) - installed).Seconds(), installed.Seconds())
		reports = append(reports, r)
	}
	if len(failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	if only != "" {
		return nil // the document lists all of them
	}
	return document(filepath.Join(root, "docs", "compatibility.md"), reports, write)
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
