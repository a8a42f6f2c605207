package serving

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/router/route"
)

// Router is what the router of a cluster is to be.
type Router struct {
	Replicas         int
	Internal         bool // the load balancer has an internal address
	Table            *route.Table
	Certificate, Key []byte // PEM; with them it serves TLS
	Plain            bool   // it serves plain HTTP besides TLS
	Images           Images
}

// Names and ports of the router's objects. The first name is the one that Azure ML's own router has.
const (
	routerName    = "azureml-fe"
	routerData    = "azureml-fe-data"
	routerPeers   = "azureml-fe-peers" // #nosec G101 -- a name
	routerTraces  = "azureml-fe-otlp"  // #nosec G101 -- a name
	routerTLS     = "azureml-fe-tls"   // #nosec G101 -- a name
	routerHTTP    = 8080
	routerHTTPS   = 8443
	routerPort    = 9001
	dataPort      = 50011 // the port of Azure ML's own collector
	dataPortName  = "data"
	routerEdition = "2" // of what Berth asks a router: where images have a name and no digest, pods of an older one are made anew
	routerEndTime = 75  // seconds: it takes requests for 5 s more, and gives the rest 60 s
	spoolFolder   = "/spool"
	spoolSize     = "512Mi" // twice what the router puts there: a volume that grows beyond it ends the pod
	rbac          = "rbac.authorization.k8s.io"
)

func routerRef(kind, name string) kube.Ref {
	return kube.Ref{Kind: kind, Namespace: route.Namespace, Name: name}
}

var routerLabels = map[string]string{labelPart: "router", "azuremlappname": routerName}

// EnsureRouter makes the router of a cluster and gives it its routes; ready when it leads requests by them. CodeConflict when another
// program's router is in its place.
func (s *Serving) EnsureRouter(ctx context.Context, conn *kube.Conn, r Router) (ready bool, err error) {
	a := &advance{Serving: s, ctx: ctx, conn: conn, d: &Deployment{}, p: &Progress{}, images: r.Images}
	if able, err := a.look(); err != nil {
		return false, err
	} else if !able {
		return false, a.p.Failure
	}
	var have struct {
		Metadata kube.Meta
		Spec     struct{ Replicas int }
		Status   struct {
			ObservedGeneration                       int64
			UpdatedReplicas, ReadyReplicas, Replicas int
		}
	}
	found, err := conn.Read(ctx, routerRef("Deployment", routerName), &have)
	if err != nil {
		return false, err
	}
	if found && !have.Metadata.Ours() {
		return false, berth.Errorf(berth.CodeConflict, "The cluster has a router in the namespace %s that Berth did not create. Remove the "+
			"extension of Azure ML from the cluster, then deploy again.", route.Namespace)
	}
	if err := a.namespace(route.Namespace); err != nil {
		return false, err
	}
	table, err := a.giveRoutes(r)
	if err := errors.Join(err, a.giveTraces(), a.givePull(route.Namespace)); err != nil {
		return false, err
	}
	o := a.routerDeployment(r)
	digest := digestOf([]any{o, r.Internal, dataPort})[:16]
	if found && have.Metadata.Annotations[annotationSpec] == digest {
		now := have.Status // replicas of before do not count: they may not serve what is new, such as TLS
		if now.ObservedGeneration < have.Metadata.Generation || now.UpdatedReplicas != have.Spec.Replicas ||
			now.Replicas != now.UpdatedReplicas || now.ReadyReplicas == 0 {
			return false, nil
		}
		return a.leads(table)
	}
	o["metadata"] = kube.Object{"labels": routerLabels, "annotations": map[string]string{annotationSpec: digest}}
	return false, a.makeRouter(r, o)
}

// makeRouter makes a router by its Deployment, or changes it.
func (a *advance) makeRouter(r Router, deployment kube.Object) error {
	if err := a.routerRights(route.Namespace, []kube.Object{
		{"apiGroups": []string{""}, "resources": []string{"secrets"}, "resourceNames": []string{route.Secret, routerTLS},
			"verbs": []string{"get", "list", "watch"}},
		{"apiGroups": []string{"discovery.k8s.io"}, "resources": []string{"endpointslices"}, "verbs": []string{"list", "watch"}},
	}); err != nil {
		return err
	}
	if err := a.reach(r); err != nil {
		return err
	}
	if len(a.pull()) == 0 { // there was one perhaps
		if err := dropPull(a.ctx, a.conn, routerRef("Secret", pullName)); err != nil {
			return err
		}
	}
	return a.conn.Apply(a.ctx, routerRef("Deployment", routerName), deployment, nil)
}

// reach makes the account of the router and the Services by which it is reached.
func (a *advance) reach(r Router) error {
	account := kube.Object{"automountServiceAccountToken": false}
	if err := a.conn.Apply(a.ctx, routerRef("ServiceAccount", routerName), account, nil); err != nil {
		return err
	}
	if err := a.conn.Apply(a.ctx, routerRef("Service", routerName), routerService(r), nil); err != nil {
		return err
	}
	return a.conn.Apply(a.ctx, routerRef("Service", routerData), dataService(), nil)
}

// giveRoutes writes the routes and the certificate, and the rights of the router in the namespaces that they lead to. It returns the digest
// of the table.
func (a *advance) giveRoutes(r Router) (digest string, err error) {
	scaled := map[string]bool{}
	for i := range r.Table.Routes {
		for _, v := range r.Table.Routes[i].Versions {
			if v.Backend.Namespace != "" {
				scaled[v.Backend.Namespace] = scaled[v.Backend.Namespace] || v.Autoscale != nil
			}
		}
	}
	for _, namespace := range slices.Sorted(maps.Keys(scaled)) {
		rules := []kube.Object{
			{"apiGroups": []string{"discovery.k8s.io"}, "resources": []string{"endpointslices"}, "verbs": []string{"list", "watch"}},
			{"apiGroups": []string{"apps"}, "resources": []string{"deployments"}, "verbs": []string{"list", "watch"}},
		}
		if scaled[namespace] {
			rules = append(rules, kube.Object{"apiGroups": []string{"apps"}, "resources": []string{"deployments/scale"}, "verbs": []string{"patch"}})
		}
		if err := a.routerRights(namespace, rules); err != nil {
			return "", err
		}
	}
	if err := a.dropRights(scaled); err != nil {
		return "", err
	}
	table := *r.Table
	if table.PeerKey, err = a.peerKey(); err != nil {
		return "", err
	}
	text, err := table.JSON()
	if err != nil {
		return "", err
	}
	if digest, err = table.Digest(); err != nil {
		return "", err
	}
	if err := a.secret(routerRef("Secret", route.Secret), map[string]string{route.Key: string(text)}); err != nil {
		return "", err
	}
	if len(r.Certificate) == 0 {
		return digest, nil
	}
	return digest, a.secret(routerRef("Secret", routerTLS), map[string]string{"tls.crt": string(r.Certificate), "tls.key": string(r.Key)})
}

// secret writes a Secret of texts.
func (a *advance) secret(ref kube.Ref, texts map[string]string) error {
	data := map[string]string{}
	for key, value := range texts {
		data[key] = base64.StdEncoding.EncodeToString([]byte(value))
	}
	return a.conn.Apply(a.ctx, ref, kube.Object{"data": data}, nil)
}

// peerKey is what the routers of this cluster show each other; it is made once.
func (a *advance) peerKey() (string, error) { return a.token(routerRef("Secret", routerPeers)) }

// token is the random text in a Secret of its own.
func (a *advance) token(ref kube.Ref) (string, error) {
	var have struct{ Data map[string]string }
	if _, err := a.conn.Read(a.ctx, ref, &have); err != nil {
		return "", err
	}
	if text, err := base64.StdEncoding.DecodeString(have.Data[tokenKey]); err == nil && len(text) > 0 {
		return string(text), nil
	}
	token := rand.Text()
	return token, a.secret(ref, map[string]string{tokenKey: token})
}

func (a *advance) routerRights(namespace string, rules []kube.Object) error {
	ref := func(kind string) kube.Ref { return kube.Ref{Kind: kind, Namespace: namespace, Name: routerName} }
	labels := kube.Object{"labels": routerLabels}
	if err := a.conn.Apply(a.ctx, ref("Role"), kube.Object{"metadata": labels, "rules": rules}, nil); err != nil {
		return err
	}
	return a.conn.Apply(a.ctx, ref("RoleBinding"), kube.Object{"metadata": labels,
		"roleRef":  kube.Object{"apiGroup": rbac, "kind": "Role", "name": routerName},
		"subjects": []kube.Object{{"kind": "ServiceAccount", "name": routerName, "namespace": route.Namespace}}}, nil)
}

// dropRights removes the rights in namespaces to which no route leads.
func (a *advance) dropRights(wanted map[string]bool) error {
	type object struct{ Metadata kube.Meta }
	roles, err := kube.Objects[object](a.ctx, a.conn, kube.Ref{Kind: "Role"}, labelPart+"=router")
	if err != nil {
		return err
	}
	for _, o := range roles {
		namespace := o.Metadata.Namespace
		if _, is := wanted[namespace]; is || namespace == route.Namespace {
			continue
		}
		for _, kind := range []string{"RoleBinding", "Role"} {
			if err := a.conn.Delete(a.ctx, kube.Ref{Kind: kind, Namespace: namespace, Name: routerName}); err != nil {
				return err
			}
		}
	}
	return nil
}

func routerService(r Router) kube.Object {
	ports := []kube.Object{}
	if r.plain() {
		ports = append(ports, kube.Object{"name": "http", "port": 80, "targetPort": routerHTTP, "protocol": "TCP"})
	}
	if len(r.Certificate) > 0 {
		ports = append(ports, kube.Object{"name": "https", "port": 443, "targetPort": routerHTTPS, "protocol": "TCP"})
	}
	annotations := map[string]string{}
	if r.Internal {
		annotations["service.beta.kubernetes.io/azure-load-balancer-internal"] = "true"
	}
	return kube.Object{"metadata": kube.Object{"labels": routerLabels, "annotations": annotations},
		"spec": kube.Object{"type": "LoadBalancer", "selector": map[string]string{"azuremlappname": routerName}, "ports": ports}}
}

// dataService leads what Berth asks, and what scoring scripts collect by themselves, to the internal port of the routers, which the other
// Service does not have: that one is reached from outside.
func dataService() kube.Object {
	return kube.Object{"metadata": kube.Object{"labels": routerLabels}, "spec": kube.Object{"type": "ClusterIP",
		"selector": map[string]string{"azuremlappname": routerName},
		"ports":    []kube.Object{{"name": dataPortName, "port": dataPort, "targetPort": routerPort, "protocol": "TCP"}}}}
}

func (r *Router) plain() bool { return r.Plain || len(r.Certificate) == 0 }

func (a *advance) routerDeployment(r Router) kube.Object {
	c := a.container("router", a.fe(), small("100m", "64Mi", "1Gi"))
	args := []string{"--internal", ":" + strconv.Itoa(routerPort), "--http", "", "--spool", spoolFolder}
	ports := []kube.Object{{"name": "internal", "containerPort": routerPort, "protocol": "TCP"}}
	if r.plain() {
		args[3] = ":" + strconv.Itoa(routerHTTP)
		ports = append(ports, kube.Object{"name": "http", "containerPort": routerHTTP, "protocol": "TCP"})
	}
	if len(r.Certificate) > 0 {
		args = append(args, "--https", ":"+strconv.Itoa(routerHTTPS), "--tls-secret", routerTLS)
		ports = append(ports, kube.Object{"name": "https", "containerPort": routerHTTPS, "protocol": "TCP"})
	}
	c["args"], c["ports"] = args, ports
	field := func(name, path string) kube.Object {
		return kube.Object{"name": name, "valueFrom": kube.Object{"fieldRef": kube.Object{"fieldPath": path}}}
	}
	c["env"] = []kube.Object{field("POD_IP", "status.podIP"), field("POD_NAMESPACE", "metadata.namespace")}
	c["readinessProbe"] = kube.Object{"httpGet": kube.Object{"path": "/readyz", "port": routerPort}, "periodSeconds": 1}
	c["livenessProbe"] = kube.Object{"httpGet": kube.Object{"path": "/healthz", "port": routerPort}}
	mounts := []kube.Object{{"name": "spool", "mountPath": spoolFolder}}
	volumes := []kube.Object{{"name": "spool", "emptyDir": kube.Object{"sizeLimit": spoolSize}}}
	annotations := map[string]string{annotationEdition: routerEdition}
	if len(a.o.Traces) > 0 {
		c["envFrom"] = []kube.Object{{"secretRef": kube.Object{"name": routerTraces}}}
		c["env"] = append(c["env"].([]kube.Object), a.trustVariables()...)
		mounts, volumes = append(mounts, a.trustMounts()...), append(volumes, a.trustVolumes()...)
		annotations[annotationSpec] = digestOf(a.o.Traces)[:16] // a pod reads its variables once
	}
	c["volumeMounts"] = mounts
	spec := a.podSpec(volumes)
	spec["containers"] = []kube.Object{c}
	spec["serviceAccountName"], spec["automountServiceAccountToken"] = routerName, true
	spec["terminationGracePeriodSeconds"] = routerEndTime
	apart := kube.Object{"topologyKey": "kubernetes.io/hostname", "labelSelector": kube.Object{"matchLabels": routerLabels}}
	spec["affinity"] = kube.Object{"podAntiAffinity": kube.Object{
		"preferredDuringSchedulingIgnoredDuringExecution": []kube.Object{{"weight": 1, "podAffinityTerm": apart}}}}
	return kube.Object{"spec": kube.Object{
		"replicas": max(1, r.Replicas), "selector": kube.Object{"matchLabels": routerLabels},
		"strategy": kube.Object{"type": "RollingUpdate", "rollingUpdate": kube.Object{"maxUnavailable": 0, "maxSurge": 1}},
		"template": kube.Object{"metadata": kube.Object{"labels": routerLabels, "annotations": annotations}, "spec": spec},
	}}
}

// giveTraces writes where the router sends spans.
func (a *advance) giveTraces() error {
	if len(a.o.Traces) == 0 {
		return nil
	}
	if err := a.secret(routerRef("Secret", routerTraces), a.o.Traces); err != nil {
		return err
	}
	return a.authoritiesIn(route.Namespace)
}

// Address is where the router answers clients outside of the cluster. A port is 0 when it is not served; Host is empty while the load
// balancer has no address.
type Address struct {
	Host        string
	HTTP, HTTPS int
}

// portsAnnotation says at which other ports a load balancer of a local cluster answers: "80=8080".
const portsAnnotation = "berth.dev/ports"

// Address reads where the router of a cluster answers.
func (s *Serving) Address(ctx context.Context, conn *kube.Conn) (Address, error) {
	var have struct {
		Metadata kube.Meta
		Spec     struct{ Ports []struct{ Port int } }
		Status   struct {
			LoadBalancer struct {
				Ingress []struct{ IP, Hostname string }
			}
		}
	}
	found, err := conn.Read(ctx, routerRef("Service", routerName), &have)
	if err != nil || !found || len(have.Status.LoadBalancer.Ingress) == 0 {
		return Address{}, err
	}
	in := have.Status.LoadBalancer.Ingress[0]
	out := Address{Host: in.IP}
	if out.Host == "" {
		out.Host = in.Hostname
	}
	moved := map[string]int{}
	for pair := range strings.FieldsSeq(have.Metadata.Annotations[portsAnnotation]) {
		from, to, _ := strings.Cut(pair, "=")
		if moved[from], err = strconv.Atoi(to); err != nil {
			return Address{}, fmt.Errorf("the annotation %s of the router's Service cannot be read: %w", portsAnnotation, err)
		}
	}
	for _, p := range have.Spec.Ports {
		port := p.Port
		if other := moved[strconv.Itoa(port)]; other != 0 {
			port = other
		}
		switch p.Port {
		case 80:
			out.HTTP = port
		case 443:
			out.HTTPS = port
		}
	}
	return out, nil
}
