package studio

import (
	"fmt"
	"slices"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// at is the value at a path of keys; nil when a step is missing.
func at(o client.Object, keys ...string) any {
	var v any = o
	for _, k := range keys {
		inner, ok := v.(client.Object)
		if !ok {
			return nil
		}
		v = inner[k]
	}
	return v
}

func text(o client.Object, keys ...string) string {
	s, _ := at(o, keys...).(string)
	return s
}

func number(o client.Object, keys ...string) int {
	n, _ := at(o, keys...).(float64)
	return int(n)
}

func moment(o client.Object, keys ...string) time.Time {
	t, _ := time.Parse(time.RFC3339, text(o, keys...)) // the zero time when there is none
	return t
}

func objects(v any) (out []client.Object) {
	all, _ := v.([]any)
	for _, one := range all {
		if o, ok := one.(client.Object); ok {
			out = append(out, o)
		}
	}
	return out
}

// computeView is a compute as the pages show it.
type computeView struct {
	Name, State, Kind, Purpose, Size, Location, Version, Message string
	ID, ClusterID, ClusterName                                   string
	Nodes                                                        int
	Attached, Busy                                               bool
	Since                                                        time.Time
	Conditions, History                                          []conditionView
	Health                                                       healthView
	Warnings                                                     []warningView
	Problems                                                     []string // why it failed
	LoadBalancer, SSL, CNAME                                     string
}

// warningView is a remark of the server on a request that it accepted: an effect that Berth does not give.
type warningView struct{ Code, Target, Message string }

func warningsOf(o client.Object) (out []warningView) {
	for _, w := range objects(at(o, "properties", "warnings")) {
		out = append(out, warningView{text(w, "code"), text(w, "target"), text(w, "message")})
	}
	return out
}

type conditionView struct {
	Type, Reason, Message string
	Status                berth.ConditionStatus
	Since, Observed       time.Time
}

// OK reports whether the condition is met.
func (c conditionView) OK() bool { return c.Status == berth.ConditionTrue }

// Unknown reports whether the condition cannot be observed.
func (c conditionView) Unknown() bool {
	return c.Status != berth.ConditionTrue && c.Status != berth.ConditionFalse
}

// healthView is the health of a compute or a cluster.
type healthView struct {
	State          berth.HealthState // empty before the first check
	Failing        []string
	Message        string
	Since, Checked time.Time
}

func healthOf(o client.Object) healthView {
	h := healthView{
		State: berth.HealthState(text(o, "properties", "health", "state")), Message: text(o, "properties", "health", "message"),
		Since: moment(o, "properties", "health", "since"), Checked: moment(o, "properties", "health", "checkedAt"),
	}
	failing, _ := at(o, "properties", "health", "failing").([]any)
	for _, f := range failing {
		h.Failing = append(h.Failing, fmt.Sprint(f))
	}
	return h
}

// worse is the worse of two healths.
func worse(a, b healthView) healthView {
	rank := func(h healthView) int {
		return slices.Index([]berth.HealthState{"", berth.Healthy, berth.UnknownHealth, berth.Degraded, berth.Unreachable}, h.State)
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// Bad reports whether a condition is not met or the cluster does not answer. A Succeeded state is then not shown in green.
func (h healthView) Bad() bool { return h.State == berth.Unreachable || h.State == berth.Degraded }

func computeOf(o client.Object) computeView {
	p := func(keys ...string) string { return text(o, append([]string{"properties"}, keys...)...) }
	c := computeView{
		Name: text(o, "name"), ID: text(o, "id"), Kind: p("computeType"), Location: p("computeLocation"),
		State: p("provisioningState"), Message: p("statusMessage"), Since: moment(o, "systemData", "lastModifiedAt"),
		Version: p("kubernetesVersion"), ClusterID: p("resourceId"), Purpose: p("properties", "clusterPurpose"),
		Size: p("properties", "agentVmSize"), Nodes: number(o, "properties", "properties", "agentCount"),
		LoadBalancer: p("properties", "loadBalancerType"),
		SSL:          p("properties", "sslConfiguration", "status"), CNAME: p("properties", "sslConfiguration", "cname"),
	}
	c.Attached, _ = at(o, "properties", "isAttachedCompute").(bool)
	c.Busy = !berth.State(c.State).Terminal()
	if id, err := berth.ParseID(c.ClusterID); err == nil {
		c.ClusterName = id.Name()
	}
	for _, e := range objects(at(o, "properties", "provisioningErrors")) {
		c.Problems = append(c.Problems, text(e, "message"))
	}
	c.Health, c.Warnings = healthOf(o), warningsOf(o)
	c.Conditions, c.History = conditionsOf(at(o, "properties", "conditions")), conditionsOf(at(o, "properties", "conditionHistory"))
	return c
}

// Settled reports whether the cluster of a compute is there, so that its credentials can be read.
func (c computeView) Settled() bool { return settled(c.State) }

// Settled reports whether the cluster is there.
func (c clusterView) Settled() bool { return settled(c.State) }

func settled(state string) bool {
	return state == string(berth.StateSucceeded) || state == string(berth.StateUpdating)
}

func conditionsOf(v any) (out []conditionView) {
	for _, c := range objects(v) {
		out = append(out, conditionView{Type: text(c, "type"), Reason: text(c, "reason"), Message: text(c, "message"),
			Status: berth.ConditionStatus(text(c, "status")), Since: moment(c, "lastTransitionTime"), Observed: moment(c, "lastObservedTime")})
	}
	return out
}

// operationView is an operation as the pages show it.
type operationView struct {
	Of                                      string // the name of its resource, where the operations of several stand together
	ID, Verb, State, Message, Code, Problem string
	Caller                                  string // the id of the application
	Details                                 []string
	Log                                     string // the end of the log of what failed
	Gone                                    bool   // its resource no longer exists
	Resource                                berth.ID
	Started, Ended                          time.Time
	Steps                                   []stepView
	Notes                                   []string
}

type stepView struct {
	Message string
	At      time.Time
	Took    time.Duration
}

func operationOf(o client.Object, now time.Time) operationView {
	v := operationView{
		ID: text(o, "name"), Verb: text(o, "properties", "verb"), State: text(o, "status"), Message: text(o, "properties", "message"),
		Code: text(o, "error", "code"), Problem: text(o, "error", "message"),
		Started: moment(o, "startTime"), Ended: moment(o, "endTime"), Caller: text(o, "properties", "caller"),
	}
	for _, d := range objects(at(o, "error", "details")) {
		if text(d, "target") == "log" {
			v.Log = text(d, "message")
			continue
		}
		v.Details = append(v.Details, text(d, "message"))
	}
	v.Resource, _ = berth.ParseID(text(o, "resourceId")) // the zero id has no link
	end := v.Ended
	if end.IsZero() {
		end = now
	}
	steps := objects(at(o, "properties", "steps"))
	for i, s := range steps {
		until := end
		if i+1 < len(steps) {
			until = moment(steps[i+1], "at")
		}
		v.Steps = append(v.Steps, stepView{Message: text(s, "message"), At: moment(s, "at"), Took: until.Sub(moment(s, "at"))})
	}
	notes, _ := at(o, "properties", "notes").([]any)
	for _, n := range notes {
		v.Notes = append(v.Notes, fmt.Sprint(n))
	}
	return v
}

// Active reports whether the operation is under way.
func (v operationView) Active() bool { return v.Ended.IsZero() }

// Took is the duration of the operation; while it is under way, the time since its start.
func (v operationView) Took() time.Duration {
	if v.Ended.IsZero() {
		return time.Since(v.Started)
	}
	return v.Ended.Sub(v.Started)
}

// Page is the address of its own page.
func (v operationView) Page() string { return Path + "/operations/" + escape(v.ID) }

// Link is the page of its resource; empty when it has none.
func (v operationView) Link() string {
	if v.Gone {
		return ""
	}
	return linkOf(v.Resource)
}

func linkOf(id berth.ID) string {
	switch {
	case id.Is(berth.TypeCompute):
		return workspaceLink(id.Group, id.Parent().Name()) + "/c/" + escape(id.Name())
	case id.Is(berth.TypeDeployment):
		return linkOf(id.Parent())
	case id.Is(berth.TypeEndpoint):
		return workspaceLink(id.Group, id.Parent().Name()) + "/online/" + escape(id.Name())
	case id.Is(berth.TypeService):
		return workspaceLink(id.Group, id.Parent().Name()) + "/endpoints/" + escape(id.Name())
	case id.Is(berth.TypeWorkspace):
		return workspaceLink(id.Group, id.Name())
	case id.Is(berth.TypeCluster), id.Is(berth.TypeConnected):
		return clusterLink(id)
	}
	return ""
}

// clusterView is a cluster, managed or connected, as the pages show it.
type clusterView struct {
	Name, ID, Group, State, Version, Location, Size, Endpoint, Message, Kind string
	Nodes, VCPUs                                                             int
	Since                                                                    time.Time
	Holder                                                                   berth.ID // the compute that holds it; zero when it is free
	Health                                                                   healthView
	Conditions                                                               []conditionView
	Warnings                                                                 []warningView
	OwnedBy                                                                  string
	Runs                                                                     string // what runs the nodes: real, simulated or empty
	// SignIn is who signs in to a managed cluster: local, kubernetes (callers of Berth; the cluster's RBAC decides) or azure (their roles do).
	SignIn  string
	NoLocal bool // its local accounts do not sign in
}

// signInOf is SignIn.
func signInOf(o client.Object) string {
	switch profile, _ := at(o, "properties", "aadProfile").(client.Object); {
	case profile["enableAzureRBAC"] == true:
		return "azure"
	case profile["managed"] == true:
		return "kubernetes"
	}
	return "local"
}

func clusterOf(o client.Object) clusterView {
	id, _ := berth.ParseID(text(o, "id"))
	p := func(key string) string { return text(o, "properties", key) }
	c := clusterView{
		Name: text(o, "name"), ID: text(o, "id"), Group: id.Group, Kind: "managed", Location: text(o, "location"),
		State: p("provisioningState"), Message: p("statusMessage"), Version: p("currentKubernetesVersion"),
		Endpoint: p("kubernetesEndpoint"), OwnedBy: p("ownedBy"), Since: moment(o, "systemData", "lastModifiedAt"), Runs: p("nodes"),
	}
	c.Health, c.Conditions = healthOf(o), conditionsOf(at(o, "properties", "conditions"))
	c.Warnings, c.SignIn = warningsOf(o), signInOf(o)
	c.NoLocal = at(o, "properties", "disableLocalAccounts") == true
	for _, p := range objects(at(o, "properties", "agentPoolProfiles")) {
		c.Nodes += number(p, "count")
		c.Size = text(p, "vmSize")
	}
	if id.Is(berth.TypeConnected) {
		c.Kind, c.Version = "connected", text(o, "properties", "kubernetesVersion")
		c.Nodes, c.VCPUs = number(o, "properties", "totalNodeCount"), number(o, "properties", "totalCoreCount")
	}
	return c
}
