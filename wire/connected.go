package wire

import "berth.dev/berth"

// ConnectedPut is the body of PUT of a connected cluster. The kubeconfig is write-only.
type ConnectedPut struct {
	Location   *string           `json:"location"`
	Tags       map[string]string `json:"tags"`
	Identity   *IdentityFields   `json:"identity"`
	Properties struct {
		Kubeconfig      string `json:"kubeconfig"`
		KeepCredential  bool   `json:"keepCredential"`
		EnableInference *bool  `json:"enableInference"` // the name of the setting that Azure ML's extension has; nil: as it is
	} `json:"properties"`
}

// Connected answers a connected cluster, in the shape of Azure Arc's. It has only the properties for which Berth has a value.
func Connected(r *berth.Resource, tenant string) Object {
	c := r.Body.(*berth.Cluster)
	status := "Connected"
	if c.Status.Message != "" {
		status = "Offline"
	}
	if r.State != berth.StateSucceeded {
		status = "Connecting"
	}
	properties := Object{
		"provisioningState": r.State, "connectivityStatus": status, "kubernetesVersion": orNull(c.Status.Version),
		"totalNodeCount": c.Status.Nodes, "totalCoreCount": c.Status.VCPUs, "distribution": "generic", "infrastructure": "generic",
		"lastConnectivityTime": timeOrNull(c.Status.SeenAt), "managedIdentityCertificateExpirationTime": timeOrNull(c.Status.TokenExpires),
	}
	connected(properties, c)
	warnings(properties, c.Warnings)
	health(properties, c.Status.Health)
	o := envelope(r, properties)
	if r.Fault != nil {
		properties["error"] = r.Fault
	}
	Lay(o, c.Spec.Kept)
	if c.Spec.Identity != nil {
		o["identity"] = identityOf(c.Spec.Identity, guid(r, "principal"), tenant)
	}
	return o
}

var connectedLaw = law{
	own: []string{
		"connectivityStatus", "kubernetesVersion", "totalNodeCount", "totalCoreCount", "lastConnectivityTime", "kubeconfig",
		"keepCredential", "enableInference", "managedIdentityCertificateExpirationTime", "agentVersion", "offering",
	},
	effective: []string{"distribution", "infrastructure"},
}

// KeepConnected sets what a connected cluster keeps of the body of a PUT, and returns the names of the properties that Berth keeps
// and does not act on.
func KeepConnected(body []byte, r *berth.Resource) ([]string, error) {
	return connectedLaw.keep(body, &r.Body.(*berth.Cluster).Spec.Kept, func() Object { return Connected(r, "") })
}

// connected adds what every connected cluster shows, of either type.
func connected(properties Object, c *berth.Cluster) {
	if c.Status.Endpoint != "" {
		properties["kubernetesEndpoint"] = c.Status.Endpoint
	}
	if c.Status.Message != "" {
		properties["statusMessage"] = c.Status.Message
	}
	if c.Spec.KeepCredential {
		properties["keepCredential"] = true
	}
	if c.Spec.Inference {
		properties["enableInference"] = true
	}
	if c.Status.UID != "" {
		properties["clusterUid"] = c.Status.UID
	}
}
