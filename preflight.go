package berth

// Check is the result of one check of a cluster before it is attached.
type Check struct {
	Name   string `json:"name"` // "answers", "version", …
	OK     bool   `json:"ok"`
	Detail string `json:"detail"` // what was found, and what to do about it
}

// NodeFacts is one node as its cluster reports it.
type NodeFacts struct {
	Name         string `json:"name"`
	Ready        bool   `json:"ready"`
	Leaving      bool   `json:"leaving,omitempty"` // it is being drained
	Simulated    bool   `json:"simulated,omitempty"`
	VMSize       string `json:"vmSize,omitempty"`
	Version      string `json:"version"`
	VCPUs        int    `json:"vcpus"`
	MemoryMiB    int    `json:"memoryMiB"`
	GPUs         int    `json:"gpus,omitempty"`
	Pods         int    `json:"pods"`
	MilliCPUs    int    `json:"requestedMilliCpus"` // the sum of its pods' requests, in thousandths of a CPU
	RequestedMiB int    `json:"requestedMemoryMiB"`
	Partly       bool   `json:"partly,omitempty"` // there are more pods than were counted

	Used *UsagePoint `json:"used,omitempty"` // the last measurement
}
