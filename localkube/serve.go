package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"
)

const (
	// stopPatience is how long the components may take to stop.
	stopPatience = 3 * time.Second
	readyPoll    = 20 * time.Millisecond
)

// cluster is the running control plane.
type cluster struct {
	settings
	pki    *pki
	stop   func()
	failed chan error
}

// serve runs the control plane until ctx is done or a part of it fails.
func serve(ctx context.Context, stop func(), s settings) error {
	start := time.Now()
	quietLogs(s.logLevel)
	if err := prepareDir(&s); err != nil {
		return err
	}
	if err := portFree(s.apiPort); err != nil {
		return err
	}
	keys, err := loadOrMakePKI(s)
	if err != nil {
		return err
	}
	c := &cluster{settings: s, pki: keys, stop: stop, failed: make(chan error, 8)}
	store, err := startEtcd()
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	done := make(chan struct{}, 1)
	go func() {
		defer func() { done <- struct{}{} }()
		c.report("API server", c.runAPIServer(ctx))
	}()
	if err := c.bringUp(ctx, start); err != nil && ctx.Err() == nil {
		return err
	}
	select {
	case <-ctx.Done():
	case err = <-c.failed:
		stop()
	}
	select {
	case <-done:
	case <-time.After(stopPatience):
	}
	store.Close()
	return err
}

// report passes on why a component ended. That it ended because it was told to is no news.
func (c *cluster) report(name string, err error) {
	if err == nil {
		err = errors.New("ended")
	}
	c.failed <- fmt.Errorf("%s: %w", name, err)
}

// bringUp waits for the API server and starts what lives on it.
func (c *cluster) bringUp(ctx context.Context, start time.Time) error {
	config, err := clientcmd.BuildConfigFromFlags("", c.pki.kubeconfig("admin"))
	if err != nil {
		return err
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if err := c.until(ctx, func() bool { return ready(ctx, client) }); err != nil {
		return err
	}
	go func() { c.report("controller manager", c.runControllerManager(ctx)) }()
	go func() { c.report("scheduler", c.runScheduler(ctx)) }()
	if err := c.startNodes(ctx); err != nil {
		return fmt.Errorf("nodes: %w", err)
	}
	err = c.until(ctx, func() bool {
		_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"event": "ready", "seconds": time.Since(start).Seconds()})
}

// until polls a condition; it ends early when ctx does or a component failed.
func (c *cluster) until(ctx context.Context, condition func() bool) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-c.failed:
			return err
		case <-tick.C:
		}
	}
	return nil
}

func ready(ctx context.Context, client *kubernetes.Clientset) bool {
	_, err := client.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	return err == nil
}

// prepareDir makes the folder and goes into it: socket paths may be about 100 bytes long, so they must be relative.
func prepareDir(s *settings) error {
	dir, err := filepath.Abs(s.dir)
	if err != nil {
		return err
	}
	s.dir = dir
	for _, d := range []string{dir, filepath.Join(dir, "pki")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	return os.Chdir(dir)
}

// portFree says early and clearly what the API server would say late and at length.
func portFree(port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d is in use by another program; choose another --api-port", port)
	}
	if err != nil {
		return fmt.Errorf("port %d cannot be used: %w", port, err)
	}
	return l.Close()
}

// quietLogs sets up logging once for all components: each would set it up for itself, and the second would panic.
func quietLogs(level int) {
	logsapi.ReapplyHandling = logsapi.ReapplyHandlingIgnoreUnchanged
	logs.InitLogs()
	klog.LogToStderr(true)
	var v klog.Level
	_ = v.Set(strconv.Itoa(level)) // a number
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
}
