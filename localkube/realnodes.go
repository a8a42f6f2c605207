package main

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// realNodes selects the nodes that berth-nodes runs. Whoever makes such a node says by an annotation how large it is and in its status
// which address it has; its range of pods comes from Kubernetes. Its kubelet starts when all that is known, and ends when the node object
// is deleted.
const realNodes = "berth.dev/node=real"

// Files for the real nodes, relative to the cluster's folder. Inside the nodes' namespaces the two folders are seen, and no more of it.
const (
	nodesDir   = "nodes"
	socketsDir = nodesDir + "-sockets" // localnodes/run.go has the same
	egressFile = "egress.yaml"
	egress     = `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport:
      uds:
        udsName: ` + socketsDir + `/in.sock
`
)

// nodesAPIAddress is where the API answers in the nodes' namespaces. localnodes/network.go has the same constant: the two modules meet
// only as processes.
const nodesAPIAddress = "192.0.2.2"

const (
	nodesFirstDelay = 200 * time.Millisecond
	nodesLastDelay  = 10 * time.Second
)

// realNode is a node as berth-nodes reads it: localnodes/manage.go has the other side.
type realNode struct {
	UID       string `json:"uid"` // of the node object: one that is made again is another node
	Name      string `json:"name"`
	Address   string `json:"address"`
	PodCIDR   string `json:"podCIDR"`
	VCPUs     int    `json:"vcpus"`
	MemoryMiB int    `json:"memoryMiB"`
	MaxPods   int    `json:"maxPods"`
}

// prepareRealNodes makes what the API server reads when it starts.
func prepareRealNodes() error {
	if err := os.MkdirAll(socketsDir, 0o755); err != nil { // in a folder that only its owner may enter
		return err
	}
	return writeFile(egressFile, []byte(egress))
}

// openRealNodes keeps berth-nodes running. It makes the namespaces while the API server starts, and waits for the first list.
func (c *cluster) openRealNodes(ctx context.Context) error {
	if err := prepareRealNodes(); err != nil {
		return err
	}
	c.lists, c.nodesEnd = make(chan []realNode, 1), make(chan struct{})
	go func() { defer close(c.nodesEnd); c.keepRealNodes(ctx) }()
	return nil
}

// startRealNodes gives berth-nodes the nodes that the API has, and what they need of the API.
func (c *cluster) startRealNodes(ctx context.Context, config *rest.Config, client *kubernetes.Clientset) error {
	if err := c.openAPISocket(); err != nil {
		return err
	}
	if err := errors.Join(c.publishAPI(ctx, client), c.allowInside(ctx, client), c.offerVolumes(ctx, client),
		c.offerUsage(ctx, config, client)); err != nil {
		return err
	}
	if err := c.watchRealNodes(ctx, client); err != nil {
		return err
	}
	return c.startOutlets(ctx, client)
}

// openAPISocket lets the nodes reach the API: a socket in the folder that they see.
func (c *cluster) openAPISocket() error {
	path := filepath.Join(socketsDir, "api.sock")
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o666); err != nil { // nobody else may enter the folder, and the ids inside are others
		return err
	}
	api := net.JoinHostPort("127.0.0.1", strconv.Itoa(c.apiPort))
	go forward(l, func() (net.Conn, error) { return net.Dial("tcp", api) })
	return nil
}

// publishAPI is the endpoint of the service "kubernetes": pods reach the API by it.
func (c *cluster) publishAPI(ctx context.Context, client *kubernetes.Clientset) error {
	name, protocol := "https", corev1.ProtocolTCP
	port := int32(c.apiPort) // #nosec: a port
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "kubernetes", Namespace: metav1.NamespaceDefault,
			Labels: map[string]string{discoveryv1.LabelServiceName: "kubernetes", discoveryv1.LabelManagedBy: "berth-kube"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{nodesAPIAddress}}},
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Protocol: &protocol, Port: &port}},
	}
	slices := client.DiscoveryV1().EndpointSlices(metav1.NamespaceDefault)
	return c.until(ctx, func(ctx context.Context) error { // the namespace may be a moment late
		_, err := slices.Create(ctx, slice, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			_, err = slices.Update(ctx, slice, metav1.UpdateOptions{})
		}
		return err
	})
}

// dnsIdentity is the client that the name server is.
const dnsIdentity = "dns"

// allowInside lets the name server and the rules of the network read what they are about.
func (c *cluster) allowInside(ctx context.Context, client *kubernetes.Clientset) error {
	reads := func(group string, resources ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: resources, Verbs: []string{"list", "watch"}}
	}
	return errors.Join(
		c.allow(ctx, client, "system:coredns", reads("", "services", "namespaces", "endpoints", "pods"),
			reads(discoveryv1.GroupName, "endpointslices")),
		c.allow(ctx, client, "system:kube-proxy", reads("", "namespaces", "pods"),
			reads(networkingv1.GroupName, "networkpolicies")))
}

// allow makes a role and gives it to the user of that name.
func (c *cluster) allow(ctx context.Context, client *kubernetes.Clientset, name string, rules ...rbacv1.PolicyRule) error {
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}}}
	return c.until(ctx, func(ctx context.Context) error { // the API's own roles may be a moment late
		_, err := client.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{})
		if err == nil || apierrors.IsAlreadyExists(err) {
			_, err = client.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{})
		}
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	})
}

// watchRealNodes sends the whole list whenever it has changed. Only the last list counts.
func (c *cluster) watchRealNodes(ctx context.Context, client *kubernetes.Clientset) error {
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0,
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = realNodes }))
	informer := factory.Core().V1().Nodes().Informer()
	var last []realNode
	var mu sync.Mutex
	changed := func() {
		mu.Lock()
		defer mu.Unlock()
		if !informer.HasSynced() { // a part of the list would end the others
			return
		}
		now := []realNode{}
		for _, o := range informer.GetStore().List() {
			if n, complete := c.realNode(o.(*corev1.Node)); complete {
				now = append(now, n)
			}
		}
		slices.SortFunc(now, func(a, b realNode) int { return strings.Compare(a.Name, b.Name) })
		if slices.Equal(last, now) {
			return
		}
		last = now
		select {
		case <-c.lists:
		default:
		}
		c.lists <- now
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(any) { changed() },
		UpdateFunc: func(_, _ any) { changed() }, DeleteFunc: func(any) { changed() }})
	factory.Start(ctx.Done())
	go func() {
		factory.WaitForCacheSync(ctx.Done())
		changed()
	}()
	return err
}

// sizeAnnotation says how large a real node is, as its maker wants it: "4/14336/110" are vCPUs, MiB of memory and pods. The status of the
// node is no place for that: its kubelet writes there.
const sizeAnnotation = "berth.dev/size"

// realNode reads a node. Its size cannot be read from its status: there the kubelet writes what it makes of it.
func (c *cluster) realNode(n *corev1.Node) (realNode, bool) {
	out := realNode{UID: string(n.UID), Name: n.Name, PodCIDR: n.Spec.PodCIDR}
	if _, err := fmt.Sscanf(n.Annotations[sizeAnnotation], "%d/%d/%d", &out.VCPUs, &out.MemoryMiB, &out.MaxPods); err != nil {
		return out, false
	}
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			out.Address = a.Address
		}
	}
	return out, out.Address != "" && out.PodCIDR != ""
}

// keepRealNodes runs berth-nodes, again when it ends, and gives it each list.
func (c *cluster) keepRealNodes(ctx context.Context) {
	runtime.LockOSThread() // a child with Pdeathsig dies with the thread that started it
	var current []realNode
	for delay := nodesFirstDelay; ; delay = min(2*delay, nodesLastDelay) {
		start := time.Now()
		err := c.runRealNodes(ctx, &current)
		if ctx.Err() != nil {
			return
		}
		if time.Since(start) > time.Minute {
			delay = nodesFirstDelay
		}
		fmt.Fprintf(os.Stderr, "berth-nodes ended and is started again in %s: %v\n", delay, err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
		}
	}
}

// runRealNodes runs berth-nodes once. Before there was a node it has no list: everything that reads from the API begins with the first.
func (c *cluster) runRealNodes(ctx context.Context, current *[]realNode) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, c.nodes, "run", "--dir", filepath.Join(c.dir, nodesDir),
		"--bin", filepath.Join(filepath.Dir(c.nodes), "nodes"), "--kube", self, "--api-port", strconv.Itoa(c.apiPort),
		"--service-cidr", c.network.services.String(), "--dns-service-ip", c.network.dns.String(),
		"--images", c.images, "--egress", c.egress) // #nosec: the operator's own program
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = serverPatience
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		if *current != nil {
			if err := c.sendNodes(in, *current); err != nil {
				_ = in.Close() // it ends by that, if it has not
				return errors.Join(err, <-ended)
			}
		}
		select {
		case err := <-ended:
			return err
		case *current = <-c.lists:
		}
	}
}

// sendNodes tells berth-nodes the list, with the keys that all of it and each node need: never those of the authority.
func (c *cluster) sendNodes(in io.Writer, list []realNode) error {
	shared, err := readAll(map[string]string{
		"proxy.kubeconfig":              c.pki.kubeconfig("proxy"),
		dnsIdentity + ".kubeconfig":     c.pki.kubeconfig(dnsIdentity),
		volumesIdentity + ".kubeconfig": c.pki.kubeconfig(volumesIdentity),
	})
	if err != nil {
		return err
	}
	type withKeys struct {
		realNode
		Keys map[string][]byte `json:"keys"`
	}
	nodes := []withKeys{}
	for _, n := range list {
		keys, err := c.nodeKeys(n)
		if err != nil {
			return err
		}
		nodes = append(nodes, withKeys{n, keys})
	}
	text, err := json.Marshal(map[string]any{"keys": shared, "nodes": nodes})
	if err != nil {
		return err
	}
	_, err = in.Write(append(text, '\n'))
	return err
}

func readAll(files map[string]string) (map[string][]byte, error) {
	out := map[string][]byte{}
	for name, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		out[name] = text
	}
	return out, nil
}

// nodeKeys is what the node's kubelet shows the API server, and the other way round.
func (c *cluster) nodeKeys(n realNode) (map[string][]byte, error) {
	keys := &pki{dir: c.pki.dir, cert: c.pki.cert, key: c.pki.key, leaves: filepath.Join(c.pki.dir, "pki", "nodes", n.Name)}
	if err := os.MkdirAll(keys.leaves, 0o700); err != nil {
		return nil, err
	}
	name := &x509.Certificate{
		Subject:  pkix.Name{CommonName: "system:node:" + n.Name, Organization: []string{"system:nodes"}},
		DNSNames: []string{n.Name}, IPAddresses: []net.IP{net.ParseIP(n.Address)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if err := keys.leaf("kubelet", name); err != nil {
		return nil, err
	}
	if err := keys.writeKubeconfig("kubelet", c.apiPort); err != nil {
		return nil, err
	}
	return readAll(map[string]string{"kubelet.kubeconfig": keys.kubeconfig("kubelet"), "kubelet.crt": keys.path("kubelet.crt"),
		"kubelet.key": keys.path("kubelet.key"), "ca.crt": c.pki.path("ca.crt")})
}
