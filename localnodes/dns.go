package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
)

// partDNS is CoreDNS, a process of its own: it keeps process-wide state.
const partDNS = "dns"

// corefile answers names of the cluster. The arguments: its address, the API's port, what becomes of other names: without a line for them
// they are refused at once.
const corefile = `.:53 {
    bind %s
    errors
    cache 5
    loadbalance
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        endpoint https://127.0.0.1:%d
        kubeconfig ` + keysDir + `/dns.kubeconfig
        pods insecure
    }
%s}
`

// forwardNames asks the machine's name servers for the names of others.
const forwardNames = "    forward . " + gatewayAddress + "\n"

// serveDNS is the part of that name.
func serveDNS(s settings) error {
	path, others := insideRun+"/Corefile", ""
	if s.egress != egressNone {
		others = forwardNames
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, corefile, s.dns, s.apiPort, others), 0o600); err != nil {
		return err
	}
	dnsserver.Directives = []string{"bind", "errors", "cache", "loadbalance", "kubernetes", "forward"}
	os.Args = []string{"coredns", "-conf", path, "-quiet"}
	coremain.Run() // it reads the flags that the packages of CoreDNS have registered, and ends the process
	return nil
}

// keepDNS runs the name server on the address of the service kube-dns, which is this namespace's own: no rule is in the way.
func keepDNS(s settings) error {
	if err := addAddress(s.dns); err != nil {
		return err
	}
	if err := os.MkdirAll(insideRun, 0o700); err != nil {
		return err
	}
	go func() {
		for {
			cmd := exec.Command("/proc/self/exe", s.args(partDNS)...) // #nosec: this program
			cmd.Stderr = os.Stderr
			err := cmd.Run()
			fmt.Fprintf(os.Stderr, "the name server ended and is started again: %v\n", err)
			time.Sleep(time.Second)
		}
	}()
	return nil
}
