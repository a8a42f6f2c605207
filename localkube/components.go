package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/tools/cache"
	cliflag "k8s.io/component-base/cli/flag"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	apioptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	controlleroptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	"k8s.io/kubernetes/cmd/kube-controller-manager/names"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

// parseFlags sets a component's options by its own flags: they are the interface that Kubernetes keeps stable.
func parseFlags(sets cliflag.NamedFlagSets, args []string) error {
	fs := pflag.NewFlagSet("component", pflag.ContinueOnError)
	for _, s := range sets.FlagSets {
		fs.AddFlagSet(s)
	}
	return fs.Parse(args)
}

func (c *cluster) apiServerArgs() []string {
	args := []string{
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + strconv.Itoa(c.apiPort),
		"--etcd-servers=unix://" + etcdClientSocket,
		"--client-ca-file=pki/ca.crt", "--tls-cert-file=pki/apiserver.crt", "--tls-private-key-file=pki/apiserver.key",
		"--service-account-key-file=pki/sa.key", "--service-account-signing-key-file=pki/sa.key",
		"--anonymous-auth=false", "--service-cluster-ip-range=" + c.network.services.String(),
		"--enable-admission-plugins=NodeRestriction", "--endpoint-reconciler-type=none", "--profiling=false", "--shutdown-delay-duration=0s",
		"--min-request-timeout=60", "--event-ttl=1h",
		"--requestheader-client-ca-file=pki/ca.crt", "--requestheader-allowed-names=front-proxy",
		"--proxy-client-cert-file=pki/front-proxy.crt", "--proxy-client-key-file=pki/front-proxy.key",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
	}
	args = append(args, c.nodesArgs()...)
	args = append(args, c.accessArgs()...)
	if c.issuer != "" { // the first issuer is the one that tokens name
		args = append(args, "--service-account-issuer="+c.issuer, "--service-account-jwks-uri="+c.issuer+"openid/v1/jwks")
	}
	args = append(args, "--service-account-issuer=https://kubernetes.default.svc") // of the tokens from before there was another
	if c.minor != newestMinor {
		args = append(args, fmt.Sprintf("--emulated-version=1.%d", c.minor))
	}
	return args
}

// nodesArgs is how the API server reaches kubelets, pods and services: through the socket of the real nodes. Simulated nodes have no
// external name: logs and exec fail at once, and dial no stranger.
func (c *cluster) nodesArgs() []string {
	if c.nodes == "" {
		return []string{"--kubelet-preferred-address-types=ExternalDNS"}
	}
	return []string{
		"--kubelet-preferred-address-types=InternalIP", "--kubelet-certificate-authority=pki/ca.crt",
		"--kubelet-client-certificate=pki/kubelet-client.crt", "--kubelet-client-key=pki/kubelet-client.key",
		"--egress-selector-config-file=" + egressFile,
	}
}

// runAPIServer runs until ctx is done.
func (c *cluster) runAPIServer(ctx context.Context) error {
	o := apioptions.NewServerRunOptions()
	if c.nodes != "" {
		registerTaint(o)
	}
	if err := parseFlags(o.Flags(), c.apiServerArgs()); err != nil {
		return err
	}
	o.SecureServing.Listener = c.listener
	if err := o.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	completed, err := o.Complete(ctx)
	if err != nil {
		return err
	}
	if errs := completed.Validate(); len(errs) != 0 {
		return utilerrors.NewAggregate(errs)
	}
	if c.nodes == "" && !c.noLocal {
		return apiserver.Run(ctx, completed)
	}
	return c.runWith(ctx, completed)
}

// runWith does what apiserver.Run does, and changes what Kubernetes has no option for before the server starts: with real nodes there is
// an API more, and without local accounts an authenticator refuses them.
func (c *cluster) runWith(ctx context.Context, completed apioptions.CompletedOptions) (err error) {
	if completed.InformerName, err = cache.NewInformerName("kube-apiserver"); err != nil {
		return err
	}
	config, err := apiserver.NewConfig(completed)
	if err != nil {
		return err
	}
	if c.noLocal {
		refuseLocal(config.KubeAPIs.ControlPlane.Generic, &config.ApiExtensions.GenericConfig.Config,
			&config.Aggregator.GenericConfig.Config)
	}
	ready, err := config.Complete()
	if err != nil {
		return err
	}
	server, err := apiserver.CreateServerChain(ready)
	if err != nil {
		return err
	}
	measure, err := c.addUsage(config, server.GenericAPIServer)
	if err != nil {
		return err
	}
	prepared, err := server.PrepareRun()
	if err != nil {
		return err
	}
	go measure(ctx)
	return prepared.Run(ctx)
}

// addUsage makes a server answer what real nodes and their pods use, and returns what keeps measuring it.
func (c *cluster) addUsage(config *apiserver.Config, server *genericapiserver.GenericAPIServer) (func(context.Context), error) {
	if c.nodes == "" {
		return func(context.Context) {}, nil
	}
	u, err := newUsage(config.KubeAPIs.ControlPlane.VersionedInformers)
	if err != nil {
		return nil, err
	}
	return u.run, serveUsage(server, u)
}

// idleControllers are left out: they serve cloud providers, volumes on real nodes, or things this cluster has none of.
var idleControllers = []string{
	names.PersistentVolumeAttachDetachController, names.PersistentVolumeExpanderController,
	names.BootstrapSignerController, names.TokenCleanerController,
}

func (c *cluster) controllerArgs() []string {
	enabled := []string{"*"}
	for _, name := range idleControllers {
		enabled = append(enabled, "-"+name)
	}
	config := c.pki.kubeconfig("controller-manager")
	return []string{
		"--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
		"--secure-port=0", "--leader-elect=false", "--use-service-account-credentials=false", "--profiling=false",
		"--service-account-private-key-file=pki/sa.key", "--root-ca-file=pki/ca.crt",
		"--cluster-signing-cert-file=pki/ca.crt", "--cluster-signing-key-file=pki/ca.key",
		"--allocate-node-cidrs=true", "--cluster-cidr=" + c.network.pods.String(), "--node-cidr-mask-size=" + strconv.Itoa(c.network.nodeBits()),
		"--service-cluster-ip-range=" + c.network.services.String(),
		"--controllers=" + strings.Join(enabled, ","), "--kube-api-qps=200", "--kube-api-burst=400", "--node-monitor-grace-period=60s",
	}
}

func (c *cluster) runControllerManager(ctx context.Context) error {
	o, err := controlleroptions.NewKubeControllerManagerOptions()
	if err != nil {
		return err
	}
	known := controllers.KnownControllers()
	off := controllers.ControllersDisabledByDefault()
	aliases := controllers.ControllerAliases()
	if err := parseFlags(o.Flags(known, off, aliases), c.controllerArgs()); err != nil {
		return err
	}
	config, err := o.Config(ctx, known, off, aliases)
	if err != nil {
		return err
	}
	return controllers.Run(ctx, config.Complete())
}

func (c *cluster) runScheduler(ctx context.Context) error {
	o := scheduleroptions.NewOptions()
	config := c.pki.kubeconfig("scheduler")
	args := []string{
		"--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
		"--secure-port=0", "--leader-elect=false", "--profiling=false",
	}
	if err := parseFlags(*o.Flags, args); err != nil {
		return err
	}
	completed, sched, err := scheduler.Setup(ctx, o)
	if err != nil {
		return err
	}
	if err := scheduler.Run(ctx, completed, sched); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
