// Command berth-fe is the router of a cluster: the address of all models that are deployed to it.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"berth.dev/berth/router"
	"berth.dev/berth/router/route"
	"berth.dev/berth/router/watch"
	"berth.dev/berth/spans"
)

var version = "dev"

type options struct {
	http, https, internal   string
	namespace, service      string
	routesSecret, tlsSecret string
	routesFile, kubeconfig  string
	address                 string
	unready, drain          time.Duration
	maxBody, spoolMax       int64
	spool                   string
	verbose, version        bool
}

func main() {
	if len(os.Args) > 1 && commands[os.Args[1]] != nil {
		log := slog.New(slog.NewTextHandler(os.Stderr, nil))
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		if err := commands[os.Args[1]](ctx, os.Args[2:], log); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err) // Kubernetes shows the last lines
			os.Exit(1)                          //nolint:gocritic // nothing is deferred that matters
		}
		return
	}
	o := parse(os.Args[1:])
	if o.version {
		fmt.Println(version)
		return
	}
	level := slog.LevelInfo
	if o.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, log); err != nil {
		log.Error("berth-fe ends", "error", err)
		os.Exit(1)
	}
}

func parse(args []string) *options {
	o := &options{}
	f := pflag.NewFlagSet("berth-fe", pflag.ExitOnError)
	f.StringVar(&o.http, "http", ":8080", "where to serve plain HTTP; empty: nowhere")
	f.StringVar(&o.https, "https", "", "where to serve TLS, with --tls-secret; empty: nowhere")
	f.StringVar(&o.internal, "internal", ":9001", "where to serve other routers, probes and metrics")
	f.StringVar(&o.namespace, "namespace", cmp.Or(os.Getenv("POD_NAMESPACE"), route.Namespace), "of the Secrets and of this router")
	f.StringVar(&o.service, "service", "azureml-fe", "the Service of the routers, by which they find each other; empty: alone")
	f.StringVar(&o.routesSecret, "routes-secret", route.Secret, "the Secret that holds the routes")
	f.StringVar(&o.tlsSecret, "tls-secret", "", "the Secret that holds certificate and key (tls.crt, tls.key)")
	f.StringVar(&o.routesFile, "routes", "", "a file with the routes: run without Kubernetes")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "how to reach the API server; empty: as a pod does")
	f.StringVar(&o.address, "address", os.Getenv("POD_IP"), "the address of this router, as the others see it")
	f.DurationVar(&o.unready, "unready", 5*time.Second, "how long requests are taken after SIGTERM, until load balancers know")
	f.DurationVar(&o.drain, "drain", 60*time.Second, "how long requests then have to end")
	f.Int64Var(&o.maxBody, "max-body", 100<<20, "how many bytes the body of a request may have")
	f.StringVar(&o.spool, "spool", "", "the folder in which collected data waits until it is fetched; empty: none is collected")
	f.Int64Var(&o.spoolMax, "spool-max", router.DefaultSpool, "how many bytes may wait there")
	f.BoolVar(&o.verbose, "verbose", false, "log more")
	f.BoolVar(&o.version, "version", false, "print the version")
	_ = f.Parse(args) // it exits itself
	return o
}

func run(ctx context.Context, o *options, log *slog.Logger) error {
	memory()
	s := &router.Server{Cert: &router.Certificate{}, Logger: log, Unready: o.unready, Drain: o.drain}
	if o.http == "" && o.https == "" {
		return errors.New("neither --http nor --https says where to serve")
	}
	if err := listen(s, o); err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(s.Internal.Addr().String())
	settings := router.Options{Logger: log, Requests: os.Stdout,
		MaxBody: o.maxBody, Self: net.JoinHostPort(cmp.Or(o.address, "127.0.0.1"), port)}
	if o.spool != "" {
		spool, err := router.OpenSpool(o.spool, o.spoolMax, log)
		if err != nil {
			return err
		}
		defer func() { _ = spool.Close() }()
		settings.Spool = spool
	}
	tracer, err := spans.Open(ctx, spans.Program{Name: "azureml-fe", Version: version, Instance: os.Getenv("POD_IP"), Log: log})
	if err != nil {
		return err
	}
	if tracer != nil {
		defer tracer.Close(ctx)
		settings.Tracer = tracer
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx)) // what a router knows must stay true while it drains
	defer stop()
	if o.routesFile != "" {
		return serveFile(ctx, o.routesFile, s, settings)
	}
	w, err := watcher(o, port, log)
	if err != nil {
		return err
	}
	settings.Scale = w
	s.Router, s.Ready = router.New(settings), w.Ready
	go w.Run(run, s.Router, s.Cert)
	go s.Router.Run(run)
	log.Info("berth-fe", "version", version, "http", o.http, "https", o.https, "internal", s.Internal.Addr().String())
	return s.Serve(ctx)
}

func listen(s *router.Server, o *options) (err error) {
	for _, l := range []struct {
		into    *net.Listener
		address string
	}{{&s.Internal, o.internal}, {&s.HTTP, o.http}, {&s.HTTPS, o.https}} {
		if l.address == "" {
			continue
		}
		if *l.into, err = net.Listen("tcp", l.address); err != nil {
			return err
		}
	}
	if s.Internal == nil {
		return errors.New("--internal must say where to serve probes and metrics")
	}
	return nil
}

// serveFile serves the routes of a file.
func serveFile(ctx context.Context, path string, s *router.Server, settings router.Options) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	t, err := route.Parse(text)
	if err != nil {
		return err
	}
	s.Router = router.New(settings)
	if err := s.Router.Apply(t); err != nil {
		return err
	}
	go s.Router.Run(ctx)
	return s.Serve(ctx)
}

func watcher(o *options, port string, log *slog.Logger) (*watch.Watcher, error) {
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	return watch.Connect(o.kubeconfig, watch.Options{Namespace: o.namespace, RoutesSecret: o.routesSecret, TLSSecret: o.tlsSecret,
		Service: o.service, InternalPort: number, Logger: log})
}

// memory lets the garbage collector run less often than by default: what lives is small, and what is used for a moment is much. As
// the container's limit comes near it works harder, before the kernel kills the router.
func memory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	text, err := os.ReadFile("/sys/fs/cgroup/memory.max")
	if err != nil || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if n, err := strconv.ParseInt(string(text[:max(0, len(text)-1)]), 10, 64); err == nil {
		debug.SetMemoryLimit(n / 10 * 9)
	}
}
