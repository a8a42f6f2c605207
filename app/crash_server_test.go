package app_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"berth.dev/berth/app"
)

// The crash test's server is this test binary, started again with these in its environment.
const (
	envServer = "BERTH_CRASH_SERVER" // data folder
	envListen = "BERTH_CRASH_LISTEN"
	envNodes  = "BERTH_CRASH_NODES"
	// envDatabase is that of several servers; empty for a file.
	envDatabase = "BERTH_CRASH_DATABASE"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envServer); dir != "" {
		c := app.DefaultConfig()
		c.DataDir, c.KubeBinary = dir, os.Getenv("BERTH_KUBE_BIN")
		c.Listen, c.DebugListen = os.Getenv(envListen), "off"
		c.Nodes, c.Database = os.Getenv(envNodes), os.Getenv(envDatabase)
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := app.Serve(ctx, c, os.Stderr, nil); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// end stops the server in order: it waits for the containers, which would still write into the test's folder.
func (c *crash) end(s *crashServer) {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		c.Errorf("the server did not stop in order: %v", err)
	}
}
