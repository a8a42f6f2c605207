// Command berth-kube is one real Kubernetes control plane in one process: etcd, API server, controller manager and
// scheduler, and for nodes kwok's controllers, or real ones by berth-nodes. One cluster per process: Kubernetes keeps process-wide state.
//
// Build (the script stamps the version in: without it components misjudge their own; the commit is not known from the module,
// and says so in the form that clients expect):
//
//	sh localkube/build.sh
//
// Programs that start it read its exit code (exit.go) and, on standard output, events: one JSON object a line, such as
// {"event":"ready","seconds":1.42} when a pod could be created.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// version of Berth; the build sets it.
var version = "dev"

const (
	kubernetesVersion = "v1.37.2"
	etcdVersion       = "3.7.0"
	kwokVersion       = "0.8.0"
	newestMinor       = 37
	oldestMinor       = 34

	usage = `usage: berth-kube serve --dir DIR --api-port N [--kubernetes-version 1.36] [--service-cidr RANGE] [--pod-cidr RANGE]
         [--dns-service-ip ADDRESS] [--service-account-issuer URL] [--nodes PROGRAM [--images DIR] [--egress none]]
         [--authentication-config FILE] [--authorization-config FILE] [--local-accounts none] [--exit-with-parent] [--log-level N]
       berth-kube version`
)

// settings are what the command line says.
type settings struct {
	dir            string
	apiPort        int
	minor          int // of Kubernetes 1.x, emulated when it is not the newest
	network        network
	issuer         string // first issuer of service account tokens, with a slash at its end; empty for none but the cluster's own
	nodes          string // berth-nodes, which runs the real nodes; empty: all are simulated
	images         string // folder of images (OCI layout) that every real node gets; empty: none
	authentication string // file of the kind AuthenticationConfiguration; empty: none but certificates and tokens of this cluster
	authorization  string // file of the kind AuthorizationConfiguration; empty: Node and RBAC
	host           string // further name in the API server's certificate; empty: none
	noLocal        bool   // the administrator's certificate and token do not sign in
	egress         string // "none": pods on real nodes have no way to the outside
	exitWithParent bool
	logLevel       int
}

func main() { os.Exit(run(os.Args[1:])) }

// run answers the exit code.
func run(args []string) int {
	parent := os.Getppid() // at once: a parent that is gone already would not be missed later
	if len(args) == 1 && args[0] == "version" {
		return printVersion()
	}
	if len(args) > 0 && args[0] == "kubelet" {
		return kubeletMain(args[1:])
	}
	if len(args) == 0 || args[0] != "serve" {
		fmt.Fprintln(os.Stderr, usage)
		return exitUsage
	}
	s, err := parse(args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "berth-kube: %v\n%s\n", err, usage)
		return exitUsage
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // about 40 MB less for a little more work
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go stopOnSignal(stop)
	if s.exitWithParent {
		go stopWithParent(parent, stop)
	}
	err = serve(ctx, stop, s)
	if err != nil {
		fmt.Fprintln(os.Stderr, "berth-kube:", err)
	}
	return exitCode(err)
}

func printVersion() int {
	var minors []string
	for m := oldestMinor; m <= newestMinor; m++ {
		minors = append(minors, fmt.Sprintf("1.%d", m))
	}
	err := json.NewEncoder(os.Stdout).Encode(struct {
		BerthKube  string   `json:"berthKube"`
		Kubernetes string   `json:"kubernetes"`
		Etcd       string   `json:"etcd"`
		Kwok       string   `json:"kwok"`
		Minors     []string `json:"minors"`
	}{version, kubernetesVersion, etcdVersion, kwokVersion, minors})
	return exitCode(err)
}

var versionFormat = regexp.MustCompile(`^v?1\.(\d{1,3})(\.\d+)?$`)

func parse(args []string) (settings, error) {
	var s settings
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // the caller prints the error, once
	fs.StringVar(&s.dir, "dir", "", "folder for all data of this cluster")
	fs.IntVar(&s.apiPort, "api-port", 0, "loopback port of the Kubernetes API")
	wanted := fs.String("kubernetes-version", fmt.Sprintf("1.%d", newestMinor), "minor version to run, such as 1.36")
	var n rangesText
	fs.StringVar(&n.services, "service-cidr", "10.0.0.0/16", "IPv4 range of services")
	fs.StringVar(&n.pods, "pod-cidr", "10.244.0.0/16", "IPv4 range of pods")
	fs.StringVar(&n.dns, "dns-service-ip", "", "address of the service kube-dns (default: the tenth of the service range)")
	fs.StringVar(&s.issuer, "service-account-issuer", "", "https URL, with a slash at its end, that tokens of service accounts name")
	fs.StringVar(&s.nodes, "nodes", "", "the program berth-nodes: nodes with the label "+realNodes+" are run on this machine")
	fs.StringVar(&s.egress, "egress", "", "none: pods on real nodes have no way to the outside")
	fs.StringVar(&s.images, "images", "", "folder of images (OCI layout) that every real node gets")
	fs.StringVar(&s.authentication, "authentication-config", "", "file of the API server (AuthenticationConfiguration)")
	fs.StringVar(&s.authorization, "authorization-config", "", "file of the API server (AuthorizationConfiguration) in place of Node,RBAC")
	fs.StringVar(&s.host, "host", "", "name by which clients reach the Kubernetes API from elsewhere, for its certificate")
	local := fs.String("local-accounts", "all", "none: certificates and tokens that users have of this cluster do not sign in")
	fs.BoolVar(&s.exitWithParent, "exit-with-parent", false, "stop when the starting process ends")
	fs.IntVar(&s.logLevel, "log-level", 0, "verbosity of the log on standard error: 0 errors only, 1 to 9 more")
	if err := fs.Parse(args); err != nil {
		return s, err
	}
	if fs.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if s.dir == "" || s.apiPort < 1 || s.apiPort > 65535 {
		return s, errors.New("--dir and --api-port (1 to 65535) are needed")
	}
	if s.noLocal = *local == "none"; !s.noLocal && *local != "all" {
		return s, fmt.Errorf("--local-accounts %q is not possible; all and none are", *local)
	}
	for name, path := range map[string]string{"--nodes": s.nodes, "--images": s.images, "--authentication-config": s.authentication,
		"--authorization-config": s.authorization} {
		if path != "" && !filepath.IsAbs(path) { // serve changes into its folder
			return s, fmt.Errorf("%s %q is not an absolute path", name, path)
		}
	}
	if s.logLevel < 0 || s.logLevel > 9 {
		return s, fmt.Errorf("--log-level %d is not possible; 0 to 9 are", s.logLevel)
	}
	if m := versionFormat.FindStringSubmatch(*wanted); m != nil {
		s.minor, _ = strconv.Atoi(m[1]) // up to three digits, by the expression
	}
	if s.minor < oldestMinor || s.minor > newestMinor {
		return s, fmt.Errorf("--kubernetes-version %q is not possible; 1.%d to 1.%d are", *wanted, oldestMinor, newestMinor)
	}
	u, err := url.Parse(s.issuer)
	if s.issuer != "" && (err != nil || u.Scheme != "https" || u.Host == "" || !strings.HasSuffix(u.Path, "/")) {
		return s, fmt.Errorf("--service-account-issuer %q is not an https URL with a slash at its end", s.issuer)
	}
	s.network, err = n.parse()
	return s, err
}

// stopOnSignal stops in order at the first signal and at once at the second.
func stopOnSignal(stop func()) {
	c := make(chan os.Signal, 2)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT)
	<-c
	stop()
	<-c
	os.Exit(exitFailed)
}

// stopWithParent stops when the process that started this one is gone, where the system cannot tell us.
func stopWithParent(parent int, stop func()) {
	for os.Getppid() == parent {
		time.Sleep(time.Second)
	}
	stop()
}
