package main

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

// deploymentChange is what the command line says of a deployment.
type deploymentChange struct {
	document
	instances *int
	variables map[string]string
}

func (c *cli) deploymentUpdate() *cobra.Command {
	w := &atEndpoint{}
	var instances int
	var variables []string
	var noWait bool
	ch := &deploymentChange{}
	var cmd *cobra.Command
	cmd = command("update", "Change a deployment: by its file, by fields, its pods or variables", func(ctx context.Context) error {
		if cmd.Flags().Changed("instance-count") {
			ch.instances = &instances
		}
		var err error
		if ch.variables, err = parsePairs("--variable", variables); err != nil {
			return err
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		op, err := ch.send(ctx, c, cl, w)
		if err != nil {
			return err
		}
		return c.settleDeployment(ctx, cl, w, settling{op, "Updating deployment " + w.name, noWait})
	})
	cmd.Example = "  berth ml online-deployment update -n blue -e myendpoint --instance-count 3\n" +
		"  berth ml online-deployment update -f blue.yml\n" +
		"  berth ml online-deployment update -n blue -e myendpoint --set request_settings.request_timeout_ms=9000"
	w.spareName(cmd, "deployment")
	w.endpointFlag(cmd, true)
	ch.flags(cmd, "deployment")
	ch.updateFlags(cmd)
	f := cmd.Flags()
	f.IntVar(&instances, "instance-count", 0, "number of pods; it ends autoscaling")
	f.StringArrayVar(&variables, "variable", nil, "variable of the scoring script as key=value; may be repeated")
	noWaitFlag(cmd, &noWait)
	return w.on(c, cmd)
}

// send sends the change: a part of the deployment where that is enough, and else the whole one.
func (ch *deploymentChange) send(ctx context.Context, c *cli, cl *client.Client, w *atEndpoint) (*client.Operation, error) {
	if ch.given() {
		return ch.replace(ctx, c, cl, w)
	}
	if err := w.named(&deploymentFile{}); err != nil {
		return nil, err
	}
	body, properties := client.Object{}, client.Object{}
	if ch.instances != nil {
		body["sku"] = client.Object{"capacity": *ch.instances}
		properties["scaleSettings"] = client.Object{"scaleType": "Default"}
	}
	if ch.variables != nil {
		properties["environmentVariables"] = ch.variables
	}
	if len(properties) == 0 {
		return nil, usage("nothing to change: add options such as --instance-count")
	}
	body["properties"] = properties
	return cl.PatchDeployment(ctx, w.space(), w.endpoint, w.name, body)
}

// replace sends the whole deployment, as it is in the file or as it is now, with the changes.
func (ch *deploymentChange) replace(ctx context.Context, c *cli, cl *client.Client, w *atEndpoint) (*client.Operation, error) {
	in := deploymentFile{}
	if ch.file != "" {
		if err := ch.read(); err != nil {
			return nil, err
		}
	}
	if err := w.named(&deploymentFile{Name: str(ch.content, "name"), Endpoint: str(ch.content, "endpoint_name")}); err != nil {
		return nil, err
	}
	now, err := cl.GetDeployment(ctx, w.space(), w.endpoint, w.name) // a PUT would create what is not there
	if err != nil {
		return nil, err
	}
	if ch.file == "" {
		ch.content = deploymentYAML(now)
		if err := ch.change(); err != nil {
			return nil, err
		}
	}
	ch.options()
	if err := ch.decode(&in); err != nil {
		return nil, err
	}
	if in.scales() && ch.sets("instance_count") {
		return nil, usage("the deployment is scaled by its use, so instance_count would have no effect: set scale_settings.type=default too, " +
			"or scale_settings.min_instances and max_instances")
	}
	body := in.body()
	u := &assetUpload{c: c, cl: cl, in: w.space(), folder: filepath.Dir(ch.file)}
	if err := u.add(ctx, &in, body["properties"].(client.Object)); err != nil { // body made it
		return nil, err
	}
	return cl.PutDeployment(ctx, w.space(), w.endpoint, w.name, body)
}

// options puts --instance-count and --variable into the document.
func (ch *deploymentChange) options() {
	if ch.instances != nil {
		ch.content["instance_count"] = *ch.instances
		delete(ch.content, "scale_settings")
	}
	if ch.variables == nil {
		return
	}
	all, _ := ch.content["environment_variables"].(client.Object)
	if all == nil {
		all = client.Object{}
	}
	for name, value := range ch.variables {
		all[name] = value
	}
	ch.content["environment_variables"] = all
}

// scales reports whether the number of pods depends on their use.
func (f *deploymentFile) scales() bool {
	return f.Scale != nil && restName(f.Scale.Type, "") == "TargetUtilization"
}

// deploymentYAML is a deployment in the words of its file.
func deploymentYAML(o client.Object) client.Object {
	p, _ := o["properties"].(client.Object)
	out := client.Object{"name": o["name"], "type": "kubernetes", "tags": o["tags"]}
	for field, yaml := range map[string]string{"description": "description", "properties": "properties", "model": "model",
		"modelMountPath": "model_mount_path", "environmentId": "environment", "environmentVariables": "environment_variables",
		"appInsightsEnabled": "app_insights_enabled", "instanceType": "instance_type"} {
		out[yaml] = p[field]
	}
	if sku, is := o["sku"].(client.Object); is {
		out["instance_count"] = sku["capacity"]
	}
	for field, parts := range deploymentParts {
		from, is := p[field].(client.Object)
		if !is {
			continue
		}
		to := client.Object{}
		for name, part := range parts.fields {
			if value := part.yaml(from[name]); value != nil {
				to[part.name] = value
			}
		}
		out[parts.name] = to
	}
	if all, is := p["containerResourceRequirements"].(client.Object); is {
		out["resources"] = client.Object{"requests": sizeYAML(all["containerResourceRequests"]),
			"limits": sizeYAML(all["containerResourceLimits"])}
	}
	if collects, is := p["dataCollector"].(client.Object); is {
		out["data_collector"] = collectorYAML(collects)
	}
	return present(out)
}

func sizeYAML(v any) client.Object {
	from, _ := v.(client.Object)
	out := client.Object{}
	for name, yaml := range map[string]string{"cpu": "cpu", "memory": "memory", "gpu": "nvidia.com/gpu"} {
		if from[name] != nil && from[name] != "" {
			out[yaml] = from[name]
		}
	}
	return out
}

// yamlField is what a field is called in a file, and for a duration, how many of its units are a second.
type yamlField struct {
	name      string
	perSecond float64
}

func (f yamlField) yaml(value any) any {
	text, is := value.(string)
	if f.perSecond == 0 || !is {
		return value
	}
	seconds, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimPrefix(text, "PT"), "S"), 64) // as the server writes durations
	if err != nil {
		return nil
	}
	return seconds * f.perSecond
}

var probeParts = map[string]yamlField{"initialDelay": {"initial_delay", 1}, "period": {"period", 1}, "timeout": {"timeout", 1},
	"successThreshold": {"success_threshold", 0}, "failureThreshold": {"failure_threshold", 0}}

// deploymentParts are the parts of a deployment, by their names in a request.
var deploymentParts = map[string]struct {
	name   string
	fields map[string]yamlField
}{
	"codeConfiguration": {"code_configuration", map[string]yamlField{"codeId": {"code", 0}, "scoringScript": {"scoring_script", 0}}},
	"scaleSettings": {"scale_settings", map[string]yamlField{"scaleType": {"type", 0}, "minInstances": {"min_instances", 0},
		"maxInstances": {"max_instances", 0}, "targetUtilizationPercentage": {"target_utilization_percentage", 0},
		"pollingInterval": {"polling_interval", 1}}},
	"requestSettings": {"request_settings", map[string]yamlField{"requestTimeout": {"request_timeout_ms", 1000},
		"maxQueueWait": {"max_queue_wait_ms", 1000}, "maxConcurrentRequestsPerInstance": {"max_concurrent_requests_per_instance", 0}}},
	"livenessProbe": {"liveness_probe", probeParts}, "readinessProbe": {"readiness_probe", probeParts},
}
