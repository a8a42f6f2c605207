package wire

import (
	"encoding/json"
	"slices"

	"berth.dev/berth"
)

// DeploymentPut is the body of PUT of a deployment of an endpoint. It replaces what was: what it leaves out has its default.
type DeploymentPut struct {
	Location *string           `json:"location"`
	Tags     map[string]string `json:"tags"`
	Identity *IdentityFields   `json:"identity"`
	SKU      *struct {
		Name     string `json:"name"`
		Capacity *int   `json:"capacity"`
	} `json:"sku"`
	Properties struct {
		ComputeType   string            `json:"endpointComputeType"`
		Description   string            `json:"description"`
		Properties    map[string]string `json:"properties"`
		Model         string            `json:"model"` // an id, as the next two
		ModelMount    string            `json:"modelMountPath"`
		EnvironmentID string            `json:"environmentId"`
		Code          *struct {
			CodeID string `json:"codeId"`
			Script string `json:"scoringScript"`
		} `json:"codeConfiguration"`
		Variables    map[string]string `json:"environmentVariables"`
		InstanceType string            `json:"instanceType"`
		Resources    *struct {
			Requests *berth.ContainerSize `json:"containerResourceRequests"`
			Limits   *berth.ContainerSize `json:"containerResourceLimits"`
		} `json:"containerResourceRequirements"`
		Scale       *ScaleFields    `json:"scaleSettings"`
		Requests    *RequestFields  `json:"requestSettings"`
		Liveness    *ProbeFields    `json:"livenessProbe"`
		Readiness   *ProbeFields    `json:"readinessProbe"`
		AppInsights bool            `json:"appInsightsEnabled"` // a line about each request
		Collector   json.RawMessage `json:"dataCollector"`      // rules.Collector reads it
		Egress      string          `json:"egressPublicNetworkAccess"`
	} `json:"properties"`
}

// ScaleFields is scaleSettings.
type ScaleFields struct {
	Type    string  `json:"scaleType"` // Default | TargetUtilization
	Min     *int    `json:"minInstances"`
	Max     *int    `json:"maxInstances"`
	Target  *int    `json:"targetUtilizationPercentage"`
	Polling *string `json:"pollingInterval"` // ISO 8601, as all durations here
}

// RequestFields is requestSettings.
type RequestFields struct {
	Concurrent *int    `json:"maxConcurrentRequestsPerInstance"`
	Timeout    *string `json:"requestTimeout"`
	QueueWait  *string `json:"maxQueueWait"`
}

// ProbeFields is livenessProbe and readinessProbe.
type ProbeFields struct {
	Delay     *string `json:"initialDelay"`
	Period    *string `json:"period"`
	Timeout   *string `json:"timeout"`
	Successes *int    `json:"successThreshold"`
	Failures  *int    `json:"failureThreshold"`
}

var deploymentLaw = law{own: []string{
	"endpointComputeType", "description", "properties", "model", "modelMountPath", "environmentId", "codeConfiguration",
	"environmentVariables", "instanceType", "containerResourceRequirements", "scaleSettings", "requestSettings", "livenessProbe",
	"readinessProbe", "egressPublicNetworkAccess", "readyReplicas", "provisioningErrors",
	"appInsightsEnabled", "dataCollector",
}}

// KeepDeployment sets what a deployment keeps of the body of a PUT, and returns the names of the properties that Berth keeps and does not
// act on. The fields of the spec must have been set.
func KeepDeployment(body []byte, r *berth.Resource) ([]string, error) {
	kept := &r.Body.(*berth.Deployment).Spec.Kept
	names, err := deploymentLaw.keep(body, kept, func() Object { return Deployment(r, 0, "") })
	sku, _ := kept.Top["sku"].(map[string]any)
	delete(sku, "capacity") // it has a field, and does not count beside minInstances
	if len(sku) == 0 {
		delete(kept.Top, "sku")
		names = slices.DeleteFunc(names, func(name string) bool { return name == "sku" })
	}
	return names, err
}

// Deployment answers a deployment of an endpoint. faultStatus is the status that its fault would have had as a direct answer.
func Deployment(r *berth.Resource, faultStatus int, tenant string) Object {
	d := r.Body.(*berth.Deployment)
	s := d.Spec
	properties := Object{
		"endpointComputeType": "Kubernetes", "description": orNull(s.Description), "properties": tags(s.Properties), "model": nil,
		"modelMountPath": orNull(s.ModelMount),
		"environmentId":  orNullID(s.EnvironmentID), "codeConfiguration": nil, "environmentVariables": tags(s.Variables),
		"instanceType": orNull(s.InstanceType), "appInsightsEnabled": s.LogRequests, "dataCollector": orNullJSON(s.Collector),
		"containerResourceRequirements": Object{"containerResourceRequests": s.Requests, "containerResourceLimits": s.Limits},
		"requestSettings": Object{"maxConcurrentRequestsPerInstance": s.Concurrent, "requestTimeout": isoDuration(s.Timeout),
			"maxQueueWait": isoDuration(s.QueueWait)},
		"livenessProbe": probeOut(s.Liveness), "readinessProbe": probeOut(s.Readiness), "scaleSettings": Object{"scaleType": "Default"},
		"provisioningState": r.State, "provisioningErrors": provisioningErrors(r.Fault, faultStatus), "readyReplicas": d.Status.Ready,
	}
	if len(s.Models) > 0 {
		properties["model"] = s.Models[0].String()
	}
	if !s.Code.IsZero() {
		properties["codeConfiguration"] = Object{"codeId": s.Code.String(), "scoringScript": s.ScoringScript()}
	}
	if s.Scale != nil {
		properties["scaleSettings"] = Object{"scaleType": "TargetUtilization", "minInstances": s.Scale.Min, "maxInstances": s.Scale.Max,
			"targetUtilizationPercentage": s.Scale.Target, "pollingInterval": isoDuration(s.Scale.Refresh)}
	}
	if d.Status.Trouble != "" {
		properties["statusMessage"] = d.Status.Trouble
	}
	warnings(properties, d.Warnings)
	o := envelope(r, properties)
	o["sku"], o["kind"] = Object{"name": "Default", "capacity": s.Replicas}, nil
	Lay(o, s.Kept)
	if s.Identity != nil {
		o["identity"] = identityOf(s.Identity, guid(r, "principal"), tenant)
	}
	return o
}

func orNullJSON(text json.RawMessage) any {
	if len(text) == 0 {
		return nil
	}
	return text
}

func probeOut(p berth.ServiceProbe) Object {
	return Object{"initialDelay": isoDuration(p.Delay), "period": isoDuration(p.Period), "timeout": isoDuration(p.Timeout),
		"successThreshold": p.Successes, "failureThreshold": p.Failures}
}

// DeploymentSKUs answers the sizes that a deployment can be scaled to: any number of pods.
func DeploymentSKUs(most int) Object {
	return Object{"value": []Object{{"resourceType": berth.TypeDeployment, "sku": Object{"name": "Default"},
		"capacity": Object{"minimum": 1, "maximum": most, "default": 1, "scaleType": "Manual"}}}}
}
