// Command berth-nodes runs the nodes of one local cluster on this machine, without Docker: a kubelet and a containerd for each, in
// one set of Linux namespaces, with a pod network and Services. The Kubernetes API runs outside, in berth-kube, which starts this
// program, gives out its certificates and tells it on standard input which nodes there are to be: one JSON object a line (nodes.go).
// When standard input ends, everything ends.
//
// One program has several parts, each a process:
//
//	run       outside: cleans up, leads to registries and, for pods, to the outside
//	stage     prepares what only the machine's root can reach and makes the namespaces; enter: the same for a plain user
//	init      the first process inside: makes the root file system, reaps
//	manage    the network, and what each node needs
//	dns       the name server
//	check     tries what run needs, by the part try inside
//	layers    unpacks the images of the server for all clusters, by the part share inside; standard input has a JSON object (sharedlayers.go)
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

const usage = `usage: berth-nodes run --dir DIR --bin DIR --kube FILE --api-port N --service-cidr RANGE --dns-service-ip ADDRESS
                       [--images DIR] [--egress none]
       berth-nodes check --dir DIR --bin DIR --kube FILE
       berth-nodes layers --dir DIR --bin DIR --kube FILE --images DIR`

// settings are what the command line says. The parts inside get the same line.
type settings struct {
	dir         string // of the nodes: what is in it is seen inside; files and sockets for both sides lie in it
	bin         string // berth-nodes' own folder of programs: containerd and others
	kube        string // berth-kube, which is the kubelet too
	runtime     string // runc, crun or runsc
	cgroup      string // the cluster's cgroup, from the root of each hierarchy, such as /berth-1f2e3d4c; empty: none
	layers      string // folder of the unpacked layers that all clusters share; empty: none
	sockets     string // folder of the sockets that lead in and out
	next        string // of stage: the part that follows
	base        int    // the user and group id outside of the one that is 0 inside
	apiPort     int
	serviceCIDR string
	dns         string
	images      string // folder of images (OCI layout) that every node gets; empty: none
	egress      string // egressNone: pods have no way to the outside
}

// parts are what this program can be.
var parts = map[string]func(settings) error{
	"run": run, "check": check, partTry: try, partStage: stage, partEnter: enter, partInit: initialize, partManage: manage, partDNS: serveDNS,
	"layers": fitLayers, partShare: share, partHold: hold,
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	part, known := parts[os.Args[1]]
	s, err := parse(os.Args[2:])
	if !known || err != nil {
		fmt.Fprintf(os.Stderr, "berth-nodes: %v\n%s\n", err, usage)
		os.Exit(2)
	}
	if err := part(s); err != nil {
		fmt.Fprintf(os.Stderr, "berth-nodes %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

func parse(args []string) (s settings, err error) {
	fs := flag.NewFlagSet("berth-nodes", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // the caller prints the error, once
	fs.StringVar(&s.dir, "dir", "", "folder of the nodes")
	fs.StringVar(&s.bin, "bin", "", "folder of containerd and the other programs")
	fs.StringVar(&s.kube, "kube", "", "berth-kube")
	fs.StringVar(&s.runtime, "runtime", "", "runc, crun or runsc (default: looked for)")
	fs.StringVar(&s.cgroup, "cgroup", "", "used inside")
	fs.StringVar(&s.images, "images", "", "folder of images (OCI layout) that every node gets")
	fs.StringVar(&s.egress, "egress", "", "none: pods have no way to the outside")
	fs.StringVar(&s.layers, "layers", "", "used inside")
	fs.StringVar(&s.sockets, "sockets", "", "used inside")
	fs.StringVar(&s.next, "next", "", "used inside")
	fs.IntVar(&s.base, "base", 0, "used inside")
	fs.IntVar(&s.apiPort, "api-port", 0, "loopback port of the Kubernetes API")
	fs.StringVar(&s.serviceCIDR, "service-cidr", "10.0.0.0/16", "IPv4 range of services")
	fs.StringVar(&s.dns, "dns-service-ip", "10.0.0.10", "address of the cluster's name server")
	if err = fs.Parse(args); err != nil {
		return s, err
	}
	if fs.NArg() > 0 || s.dir == "" || s.bin == "" || s.kube == "" {
		return s, errors.New("--dir, --bin and --kube are needed, and no other argument")
	}
	return s, nil
}

// args is the command line of a part.
func (s settings) args(part string) []string {
	return []string{part, "--dir", s.dir, "--bin", s.bin, "--kube", s.kube, "--runtime", s.runtime, "--cgroup", s.cgroup,
		"--api-port", fmt.Sprint(s.apiPort), "--service-cidr", s.serviceCIDR, "--dns-service-ip", s.dns, "--images", s.images,
		"--egress", s.egress, "--layers", s.layers,
		"--sockets", s.sockets, "--next", s.next, "--base", fmt.Sprint(s.base)}
}
