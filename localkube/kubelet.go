package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	cadvisorapi "github.com/google/cadvisor/lib/model"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/klog/v2"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
	kubeletoptions "k8s.io/kubernetes/cmd/kubelet/app/options"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	"k8s.io/kubernetes/pkg/kubelet/cadvisor"
)

// nodeSettings is what the command line of a kubelet says. It runs in the namespaces that berth-nodes has made.
type nodeSettings struct {
	dir       string // what outlasts the process: pods and their volumes, logs
	runDir    string // what does not
	keys      string // kubelet.kubeconfig, kubelet.crt, kubelet.key and ca.crt
	name      string
	address   string
	socket    string // of containerd
	images    string // the socket of its image service
	cgroup    string // empty: no limit of a pod is kept
	dns       string
	vcpus     int
	memoryMiB int
	maxPods   int
}

func parseNode(args []string) (s nodeSettings, err error) {
	fs := flag.NewFlagSet("kubelet", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&s.dir, "dir", "", "")
	fs.StringVar(&s.runDir, "run-dir", "", "")
	fs.StringVar(&s.keys, "keys", "", "")
	fs.StringVar(&s.name, "node", "", "")
	fs.StringVar(&s.address, "address", "", "")
	fs.StringVar(&s.socket, "runtime-socket", "", "")
	fs.StringVar(&s.images, "image-socket", "", "")
	fs.StringVar(&s.cgroup, "cgroup", "", "")
	fs.StringVar(&s.dns, "dns-service-ip", "", "")
	fs.IntVar(&s.vcpus, "vcpus", 0, "")
	fs.IntVar(&s.memoryMiB, "memory-mib", 0, "")
	fs.IntVar(&s.maxPods, "max-pods", 0, "")
	if err = fs.Parse(args); err == nil && (s.dir == "" || s.keys == "" || s.name == "" || s.socket == "" || s.images == "" || s.vcpus < 1 ||
		s.memoryMiB < 1) {
		err = errors.New("kubelet is started by berth-nodes")
	}
	return s, err
}

// kubeletMain answers the exit code.
func kubeletMain(args []string) int {
	s, err := parseNode(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "berth-kube kubelet:", err)
		return exitUsage
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go stopOnSignal(stop)
	if err := runKubelet(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "berth-kube kubelet:", err)
		return exitFailed
	}
	return exitStopped
}

// runKubelet runs one real kubelet until ctx is done.
func runKubelet(ctx context.Context, s nodeSettings) error {
	if err := quietLogs(0); err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	for _, dir := range []string{s.dir, s.runDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	server, err := kubeletoptions.NewKubeletServer()
	if err != nil {
		return err
	}
	s.configure(server)
	if err := utilfeature.DefaultMutableFeatureGate.SetFromMap(server.FeatureGates); err != nil {
		return err
	}
	if err := kubeletoptions.ValidateKubeletServer(server); err != nil {
		return err
	}
	deps, err := kubelet.UnsecuredDependencies(ctx, server, utilfeature.DefaultFeatureGate)
	if err != nil {
		return err
	}
	machine, err := cadvisor.New(klog.FromContext(ctx), cadvisor.NewImageFsInfoProvider(server.ContainerRuntimeEndpoint), server.RootDirectory,
		[]string{server.CgroupRoot}, false, server.LocalStorageCapacityIsolation, true)
	if err != nil {
		return err
	}
	deps.CAdvisorInterface = sized{machine, s}
	return kubelet.Run(ctx, server, deps, utilfeature.DefaultFeatureGate)
}

// podPids is how many processes a pod may have: one that forks without end harms nobody else, where there are cgroups.
const podPids = 4096

// configure sets what the node is. The rest is as Kubernetes has it.
func (s nodeSettings) configure(server *kubeletoptions.KubeletServer) {
	server.KubeConfig = filepath.Join(s.keys, "kubelet.kubeconfig")
	server.HostnameOverride, server.NodeIP = s.name, s.address
	server.CloudProvider = "external" // it leaves the addresses of its node object as they are
	server.RootDirectory, server.CertDirectory = s.dir, s.keys
	c := &server.KubeletConfiguration
	c.Address = s.address
	c.HealthzPort, c.ReadOnlyPort = 0, 0
	c.ContainerRuntimeEndpoint, c.ImageServiceEndpoint = "unix://"+s.socket, "unix://"+s.images
	c.TLSCertFile, c.TLSPrivateKeyFile = filepath.Join(s.keys, "kubelet.crt"), filepath.Join(s.keys, "kubelet.key")
	c.Authentication.X509.ClientCAFile = filepath.Join(s.keys, "ca.crt")
	c.Authentication.Anonymous.Enabled = false
	c.Authentication.Webhook.Enabled, c.Authorization.Mode = true, kubeletconfig.KubeletAuthorizationModeWebhook
	c.ClusterDNS, c.ClusterDomain = []string{s.dns}, "cluster.local"
	c.MaxPods, c.PodLogsDir = int32(s.maxPods), filepath.Join(s.dir, "logs") // #nosec: the rules bound it
	c.VolumePluginDir = filepath.Join(s.dir, "plugins")
	c.CgroupDriver, c.CgroupRoot = "cgroupfs", s.cgroup
	c.FailCgroupV1 = false
	c.SerializeImagePulls, c.SeccompDefault = false, true
	c.PodPidsLimit = podPids
	c.EnableServer = true
	c.RegisterNode = false // the node object is there before its kubelet, and says whether there is to be one
	// The disk is the machine's, and its owner's business: a node that empties itself because someone else fills it would be a surprise.
	c.EvictionHard = map[string]string{"memory.available": "1Mi", "nodefs.available": "1%", "imagefs.available": "1%",
		"nodefs.inodesFree": "0%", "imagefs.inodesFree": "0%"}
	c.ImageGCHighThresholdPercent, c.ImageGCLowThresholdPercent = 100, 99
	// A user namespace may not set what belongs to the machine; this says that a kubelet need not end because of it.
	c.FeatureGates = map[string]bool{"KubeletInUserNamespace": true}
	c.ProtectKernelDefaults = false
	c.ResolverConfig = ""
	if s.cgroup == "" {
		c.CgroupsPerQOS, c.LocalStorageCapacityIsolation = false, false
		c.EnforceNodeAllocatable = nil
	}
}

// sized is the machine as its VM size has it: what Kubernetes plans with.
type sized struct {
	cadvisor.Interface
	nodeSettings
}

// MachineInfo implements cadvisor.Interface.
func (m sized) MachineInfo(logger klog.Logger) (*cadvisorapi.MachineInfo, error) {
	real, err := m.Interface.MachineInfo(logger)
	if err != nil {
		return nil, err
	}
	info := *real
	info.NumCores, info.MemoryCapacity = m.vcpus, uint64(m.memoryMiB)<<20 // #nosec: positive
	info.SwapCapacity = 0
	return &info, nil
}
