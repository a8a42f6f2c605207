package wire

import "berth.dev/berth"

// ConnectedPut is the body of PUT of a cluster that is given by a kubeconfig, which is write-only.
type ConnectedPut struct {
	Location   *string           `json:"location"`
	Tags       map[string]string `json:"tags"`
	Properties struct {
		Kubeconfig     string `json:"kubeconfig"`
		KeepCredential bool   `json:"keepCredential"`
	} `json:"properties"`
}

// Connected answers a connected cluster, in the shape of Azure Arc's. What Berth has no word on is not there.
func Connected(r *berth.Resource) Object {
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
	given(properties, c)
	o := envelope(r, properties)
	if r.Fault != nil {
		properties["error"] = r.Fault
	}
	return o
}

// given adds what is told of every cluster that Berth did not make.
func given(properties Object, c *berth.Cluster) {
	if c.Status.Endpoint != "" {
		properties["kubernetesEndpoint"] = c.Status.Endpoint
	}
	if c.Status.Message != "" {
		properties["statusMessage"] = c.Status.Message
	}
	if c.Spec.KeepCredential {
		properties["keepCredential"] = true
	}
	if c.Status.UID != "" {
		properties["clusterUid"] = c.Status.UID
	}
}
