package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/logs"
	"k8s.io/klog/v2"
)

const (
	// What runs may take so long to stop: then it is left, since what etcd has confirmed is on the disk.
	serverPatience = 2 * time.Second
	etcdPatience   = time.Second
	nodesPatience  = 2 * time.Second
	readyPoll      = 20 * time.Millisecond
)

// cluster is the running control plane.
type cluster struct {
	settings
	pki      *pki
	listener net.Listener
	failed   chan error      // why a component ended; room for each
	nodesEnd chan struct{}   // closed when berth-nodes has ended for good; nil without it
	lists    chan []realNode // of the nodes that berth-nodes is to run; only the last one counts
}

// serve runs the control plane until ctx is done or a part of it fails.
func serve(ctx context.Context, stop func(), s settings) error {
	start := time.Now()
	quietExits(ctx)
	if err := quietLogs(s.logLevel); err != nil {
		return err
	}
	lock, err := openDir(&s)
	if err != nil {
		return folderFault(err)
	}
	defer func() { _ = lock.Close() }() // the end of the process unlocks as well
	listener, err := listen(s.apiPort)
	if err != nil {
		return err
	}
	// It is left to the API server, or to the end of the process: closed under a server that still starts it is a panic.
	keys, err := loadOrMakePKI(s)
	if err != nil {
		return folderFault(err)
	}
	store, err := startEtcd(ctx, s.logLevel)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("etcd: %w", err)
	}
	defer within(etcdPatience, store.Close)

	c := &cluster{settings: s, pki: keys, listener: listener, failed: make(chan error, 8)}
	if s.nodes != "" {
		if err := c.openRealNodes(ctx); err != nil {
			return folderFault(err)
		}
	}
	server := make(chan struct{})
	go func() {
		defer close(server)
		c.report("API server", c.runAPIServer(ctx))
	}()
	err = c.run(ctx, store, start)
	stop()
	if c.nodesEnd != nil {
		within(nodesPatience, func() { <-c.nodesEnd }) // it removes its cgroups
	}
	within(serverPatience, func() { <-server }) // before etcd, which it still writes to
	return err
}

// run brings up what lives on the API server and waits for the end. To be told to stop is no error, even when a
// component complains about it.
func (c *cluster) run(ctx context.Context, store *embed.Etcd, start time.Time) error {
	err := c.bringUp(ctx, start)
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-c.failed:
		case err = <-store.Err():
			err = fmt.Errorf("etcd: %w", err)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// report passes on why a component ended, which none does by itself.
func (c *cluster) report(name string, err error) {
	if err == nil {
		err = errors.New("ended")
	}
	c.failed <- fmt.Errorf("%s: %w", name, err)
}

// bringUp waits for the API server, starts what lives on it, and tells when a pod could be made.
func (c *cluster) bringUp(ctx context.Context, start time.Time) error {
	config, err := clientcmd.BuildConfigFromFlags("", c.pki.kubeconfig(ownIdentity))
	if err != nil {
		return err
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	err = c.until(ctx, func(ctx context.Context) error {
		return client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
	if err != nil {
		return err
	}
	go func() { c.report("controller manager", c.runControllerManager(ctx)) }()
	go func() { c.report("scheduler", c.runScheduler(ctx)) }()
	if err := c.startNodes(ctx); err != nil {
		return fmt.Errorf("nodes: %w", err)
	}
	if c.nodes != "" {
		if err := c.startRealNodes(ctx, config, client); err != nil {
			return fmt.Errorf("real nodes: %w", err)
		}
	}
	if err := c.reserveDNS(ctx, client); err != nil {
		return fmt.Errorf("service kube-dns: %w", err)
	}
	err = c.until(ctx, func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	if err != nil {
		return err
	}
	_, err = fmt.Printf("{\"event\":\"ready\",\"seconds\":%.2f}\n", time.Since(start).Seconds())
	return err
}

// until asks again and again until there is no error; it ends early when ctx does or a component failed.
func (c *cluster) until(ctx context.Context, ask func(context.Context) error) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		once, cancel := context.WithTimeout(ctx, time.Second) // the port listens before the server answers
		err := ask(once)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-c.failed:
			return err
		case <-tick.C:
		}
	}
}

// within waits for f, but not longer than that.
func within(limit time.Duration, f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(limit):
	}
}

// listen takes the port before anything is started, so that a port in use ends the process early and without a race.
func listen(port int) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fault{fmt.Errorf("port %d is in use by another program; choose another --api-port", port), exitPortInUse}
	}
	if err != nil {
		return nil, fmt.Errorf("--api-port %d cannot be used: %w", port, err)
	}
	return l, nil
}

// quietLogs sets up the log of all components: each would set it up for itself, and the second would panic. At level 0
// only errors remain: each start is hundreds of lines of information, and warnings that no user can do anything about.
func quietLogs(level int) error {
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	logs.InitLogs()
	fs := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(fs)
	if level > 0 {
		return fs.Set("v", strconv.Itoa(level))
	}
	return errors.Join(fs.Set("legacy_stderr_threshold_behavior", "false"), fs.Set("stderrthreshold", "ERROR"))
}

// quietExits keeps the API server from ending the process when it is told to stop while it starts: it takes the steps
// that it then cannot finish for fatal.
func quietExits(ctx context.Context) {
	klog.OsExit = func(int) {
		if ctx.Err() != nil {
			select {} // serve ends the process, in order
		}
		os.Exit(exitFailed)
	}
}
