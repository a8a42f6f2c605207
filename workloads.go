package berth

import "time"

// Workloads is what runs in a cluster, as the cluster reports it now. All of its texts are safe to show: short, and without characters
// that a terminal or a page acts on.
type Workloads struct {
	Namespaces  []string     `json:"namespaces"`
	Nodes       []NodeFacts  `json:"nodes,omitempty"` // none when the question was about one namespace
	Controllers []Controller `json:"controllers"`
	Pods        []PodFacts   `json:"pods"`
	Events      []Event      `json:"events"` // the newest first
	Usage       Usage        `json:"usage"`
	Unseen      []Unseen     `json:"unseen,omitempty"`
}

// WorkloadsQuery selects what of a cluster is listed: everything when it is empty, else one namespace, and in it one pod.
type WorkloadsQuery struct {
	Namespace, Pod string
	Node           string // the one whose usage is drawn; its pods only
}

// For is the part of it that a question is about: without the nodes when it is about a namespace, and with the containers of the one pod.
func (w Workloads) For(q WorkloadsQuery) Workloads {
	out := w
	if q.Namespace != "" {
		out.Nodes = nil
	}
	out.Pods, out.Events = []PodFacts{}, []Event{}
	for _, p := range w.Pods {
		if q.Pod != "" && p.Name != q.Pod || q.Node != "" && p.Node != q.Node {
			continue
		}
		if q.Pod == "" {
			p.Parts = nil
		}
		out.Pods = append(out.Pods, p)
	}
	for _, e := range w.Events {
		if q.Pod == "" || e.Kind == "Pod" && e.Name == q.Pod {
			out.Events = append(out.Events, e)
		}
	}
	return out
}

// Unseen is a part of a cluster that Berth does not see, or not all of it, and why.
type Unseen struct {
	Part    string `json:"part"` // "pods"
	Denied  bool   `json:"denied,omitempty"`
	Message string `json:"message"`
}

// Controller is what creates pods: a Deployment, StatefulSet, DaemonSet or Job.
type Controller struct {
	Kind      string    `json:"kind"`
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Wanted    int       `json:"wanted"`
	Ready     int       `json:"ready"` // of a Job: completed
	Trouble   bool      `json:"trouble,omitempty"`
	Message   string    `json:"message,omitempty"`
	Created   time.Time `json:"created,omitzero"`
}

// PodFacts is one pod. State is the word by which kubectl names it: Running, CrashLoopBackOff, Unschedulable.
type PodFacts struct {
	Namespace    string           `json:"namespace"`
	Name         string           `json:"name"`
	State        string           `json:"state"`
	Message      string           `json:"message,omitempty"` // why, in the words of the cluster
	Trouble      bool             `json:"trouble,omitempty"` // it does not do what it should
	Ended        bool             `json:"ended,omitempty"`   // all of its containers have, or will not start
	Node         string           `json:"node,omitempty"`
	Simulated    bool             `json:"simulated,omitempty"` // so is its node: no container runs
	Ready        int              `json:"ready"`
	Containers   int              `json:"containers"`
	Restarts     int              `json:"restarts"`
	MilliCPUs    int              `json:"requestedMilliCpus"`
	RequestedMiB int              `json:"requestedMemoryMiB"`
	Created      time.Time        `json:"created,omitzero"`
	Used         *UsagePoint      `json:"used,omitempty"`  // the last measurement
	Parts        []ContainerFacts `json:"parts,omitempty"` // of the one pod that the question was about
}

// ContainerFacts is one container of a pod. What is in its environment is not read.
type ContainerFacts struct {
	Name         string `json:"name"`
	Image        string `json:"image"`
	Init         bool   `json:"init,omitempty"`
	State        string `json:"state"`
	Message      string `json:"message,omitempty"`
	Trouble      bool   `json:"trouble,omitempty"`
	Ended        bool   `json:"ended,omitempty"`
	Ready        bool   `json:"ready,omitempty"`
	Restarts     int    `json:"restarts"`
	MilliCPUs    int    `json:"requestedMilliCpus"`
	RequestedMiB int    `json:"requestedMemoryMiB"`
	LimitCPUs    int    `json:"limitMilliCpus,omitempty"` // in thousandths; 0 for none
	LimitMiB     int    `json:"limitMemoryMiB,omitempty"`
}

// Event is what a cluster says about one of its objects.
type Event struct {
	At        time.Time `json:"at"` // the last time
	Warning   bool      `json:"warning,omitempty"`
	Namespace string    `json:"namespace,omitempty"`
	Kind      string    `json:"kind"` // of the object
	Name      string    `json:"name"`
	Reason    string    `json:"reason"`
	Message   string    `json:"message"`
	Count     int       `json:"count"`
}

// Usage is what the cluster, a node or a pod uses, measured by the cluster (metrics.k8s.io) over the last hour.
type Usage struct {
	Series  []UsagePoint `json:"series"`
	Denied  bool         `json:"denied,omitempty"`
	Message string       `json:"message,omitempty"` // why there is none, or no newer one
}

// UsagePoint is one measurement.
type UsagePoint struct {
	At        time.Time `json:"at"`
	MilliCPUs int       `json:"milliCpus"`
	MemoryMiB int       `json:"memoryMiB"`
}

// Traffic is what the router of a cluster has counted of one route in the last hour.
type Traffic struct {
	Series  []TrafficPoint `json:"series"`
	Message string         `json:"message,omitempty"` // why there is nothing, or nothing newer
}

// TrafficPoint is what was counted between two looks at the router.
type TrafficPoint struct {
	At       time.Time `json:"at"`
	Requests int       `json:"requestsPerMinute"`
	Errors   int       `json:"errorsPerMinute"` // of them: answered with a status of 400 or more
	MedianMS int       `json:"medianMs"`        // time from the head of a request to the end of its answer; 0 without requests
	SlowMS   int       `json:"p99Ms"`           // likewise: what 99 of 100 did not exceed
	Ready    int       `json:"replicasReady"`
}

// TrafficQuery names a route: service or endpoint, and its name.
type TrafficQuery struct{ Kind, Name string }

// LogQuery selects a part of a container's log.
type LogQuery struct {
	Namespace, Pod string
	Container      string    // may be empty when the pod has only one
	Previous       bool      // of the container that ran before the present one
	Lines          int       // how many of the last lines
	After          time.Time // only lines that are newer
}

// LogLine is one line of a log. A long one is cut.
type LogLine struct {
	At   time.Time `json:"at,omitzero"`
	Text string    `json:"text"`
}
