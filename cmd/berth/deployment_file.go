package main

import (
	"encoding/json"
	"strconv"

	"berth.dev/berth/client"
)

// deploymentFile is the YAML of a deployment, as az ml takes it (kubernetesOnlineDeployment.schema.json).
type deploymentFile struct {
	Schema        string            `json:"$schema"`
	Name          string            `json:"name"`
	Type          string            `json:"type"`
	Endpoint      string            `json:"endpoint_name"`
	Description   string            `json:"description"`
	Tags          map[string]string `json:"tags"`
	Properties    map[string]string `json:"properties"`
	Model         json.RawMessage   `json:"model"` // azureml:NAME:VERSION, or path, name, version, type
	ModelMount    string            `json:"model_mount_path"`
	Code          *codeFile         `json:"code_configuration"`
	Environment   json.RawMessage   `json:"environment"` // azureml:NAME:VERSION, or image, conda_file, inference_config
	Variables     map[string]any    `json:"environment_variables"`
	AppInsights   bool              `json:"app_insights_enabled"`
	Collector     *collectorFile    `json:"data_collector"`
	InstanceType  string            `json:"instance_type"`
	InstanceCount *int              `json:"instance_count"`
	Resources     *resourcesFile    `json:"resources"`
	Scale         *scaleFile        `json:"scale_settings"`
	Requests      *requestsFile     `json:"request_settings"`
	Liveness      *probeFile        `json:"liveness_probe"`
	Readiness     *probeFile        `json:"readiness_probe"`
}

type codeFile struct {
	Code   string `json:"code"`
	Script string `json:"scoring_script"`
}

type resourcesFile struct {
	Requests sizeFile `json:"requests"`
	Limits   sizeFile `json:"limits"`
}

// sizeFile has texts or numbers.
type sizeFile struct {
	CPU    any `json:"cpu"`
	Memory any `json:"memory"`
	GPU    any `json:"nvidia.com/gpu"`
}

type scaleFile struct {
	Type    string   `json:"type"`
	Min     *int     `json:"min_instances"`
	Max     *int     `json:"max_instances"`
	Target  *int     `json:"target_utilization_percentage"`
	Polling *float64 `json:"polling_interval"` // seconds
}

type requestsFile struct {
	Timeout    *float64 `json:"request_timeout_ms"`
	Concurrent *int     `json:"max_concurrent_requests_per_instance"`
	QueueWait  *float64 `json:"max_queue_wait_ms"`
}

// probeFile has seconds and numbers.
type probeFile struct {
	Delay     *float64 `json:"initial_delay"`
	Period    *float64 `json:"period"`
	Timeout   *float64 `json:"timeout"`
	Successes *int     `json:"success_threshold"`
	Failures  *int     `json:"failure_threshold"`
}

// body is the request, without the assets: they are not registered yet.
func (f *deploymentFile) body() client.Object {
	p := client.Object{"endpointComputeType": restName(f.Type, "Kubernetes"), "description": f.Description, "properties": f.Properties,
		"modelMountPath": f.ModelMount, "appInsightsEnabled": f.AppInsights, "instanceType": f.InstanceType}
	if f.Variables != nil {
		variables := client.Object{}
		for name, value := range f.Variables {
			variables[name] = plainText(value)
		}
		p["environmentVariables"] = variables
	}
	if r := f.Resources; r != nil {
		p["containerResourceRequirements"] = client.Object{"containerResourceRequests": r.Requests.body(),
			"containerResourceLimits": r.Limits.body()}
	}
	if s := f.Scale; s != nil {
		p["scaleSettings"] = client.Object{"scaleType": restName(s.Type, "Default"), "minInstances": s.Min, "maxInstances": s.Max,
			"targetUtilizationPercentage": s.Target, "pollingInterval": duration(s.Polling, 1)}
	}
	if r := f.Requests; r != nil {
		p["requestSettings"] = client.Object{"requestTimeout": duration(r.Timeout, 1000), "maxQueueWait": duration(r.QueueWait, 1000),
			"maxConcurrentRequestsPerInstance": r.Concurrent}
	}
	for field, probe := range map[string]*probeFile{"livenessProbe": f.Liveness, "readinessProbe": f.Readiness} {
		if probe != nil {
			p[field] = client.Object{"initialDelay": duration(probe.Delay, 1), "period": duration(probe.Period, 1),
				"timeout": duration(probe.Timeout, 1), "successThreshold": probe.Successes, "failureThreshold": probe.Failures}
		}
	}
	if f.Collector != nil {
		p["dataCollector"] = f.Collector.body()
	}
	body := client.Object{"properties": p}
	if f.InstanceCount != nil {
		body["sku"] = client.Object{"name": "Default", "capacity": *f.InstanceCount}
	}
	if f.Tags != nil {
		body["tags"] = f.Tags
	}
	return body
}

func (s sizeFile) body() client.Object {
	out := client.Object{}
	for field, value := range map[string]any{"cpu": s.CPU, "memory": s.Memory, "gpu": s.GPU} {
		if value != nil {
			out[field] = plainText(value)
		}
	}
	return out
}

// plainText is a value of YAML as a text.
func plainText(v any) string {
	if text, is := v.(string); is {
		return text
	}
	text, _ := json.Marshal(v) // it was JSON
	return string(text)
}

// duration is a number of units, so many of which are a second, as ISO 8601 has it; nil for none.
func duration(n *float64, perSecond float64) any {
	if n == nil {
		return nil
	}
	return "PT" + strconv.FormatFloat(*n/perSecond, 'f', -1, 64) + "S"
}
