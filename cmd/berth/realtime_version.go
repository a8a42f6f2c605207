package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"berth.dev/berth/client"
)

// versionOptions are those of the commands about a version of an endpoint.
type versionOptions struct {
	deployOptions
	isDefault, control bool
}

// flags adds the options of a version besides its size.
func (o *versionOptions) flags(cmd *cobra.Command) {
	o.inWorkspace(cmd, "endpoint")
	f := cmd.Flags()
	o.versionFlag(f)
	f.IntVar(&o.share, "traffic-percentile", 0, "percent of the requests of the endpoint; the default version gets the rest; also --tp")
	f.BoolVar(&o.isDefault, "is-default", false, "make it the default version")
	f.BoolVar(&o.control, "control-version-type", false, "make it the control version, with which others are compared; also --cvt")
	f.StringArrayVarP(&o.models, "model", "m", nil, "model as NAME:VERSION, or NAME for its newest version; may be repeated")
	o.inference.flags(f)
	sizeFlags(f)
	f.StringVarP(&o.description, "description", "d", "", "what it is for")
	f.StringArrayVar(&o.tags, "tag", nil, "tag as key=value; may be repeated")
	f.StringArrayVar(&o.properties, "property", nil, "property as key=value; may be repeated")
	noWaitFlag(cmd, &o.noWait)
}

func (o *versionOptions) versionFlag(f *pflag.FlagSet) {
	f.StringVar(&o.version, "version-name", "", "name of the version; also --vn")
	o.wants = append(o.wants, want{value: &o.version, options: "--version-name/--vn"})
}

// path is a field of the version in the request of its endpoint.
func (o *versionOptions) path(field string) string { return "/versions/" + o.version + field }

// others takes what only one version can be from those that are it now.
func (o *versionOptions) others(ctx context.Context, cl *client.Client) (out []change, err error) {
	if !o.isDefault && !o.control {
		return nil, nil
	}
	endpoint, err := cl.GetService(ctx, o.space(), o.name)
	if err != nil {
		return nil, err
	}
	versions, _ := endpoint["versions"].(client.Object)
	for name, v := range versions {
		version, _ := v.(client.Object)
		at := "/versions/" + name
		if o.isDefault && name != o.version && version["isDefault"] == true {
			out = append(out, change{at + "/isDefault", false})
		}
		if o.control && name != o.version && str(version, "type") == "Control" {
			out = append(out, change{at + "/type", "Treatment"})
		}
	}
	return out, nil
}

func (c *cli) versionCreate() *cobra.Command {
	o := &versionOptions{}
	var cmd *cobra.Command
	cmd = command("create-version", "Add a version to a realtime endpoint", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		if err := o.inference.read(ctx, cl, o.space()); err != nil {
			return err
		}
		body, err := o.versionBody(cmd.Flags())
		if err != nil {
			return err
		}
		changes, err := o.others(ctx, cl)
		if err != nil {
			return err
		}
		changes = append(changes, change{o.path(""), body})
		if err := cl.ValidatePatch(ctx, o.space(), o.name, operations(changes)); err != nil {
			return err
		}
		if err := c.uploadScript(ctx, cl, o.space(), deployment{body, &o.inference}); err != nil {
			return err
		}
		return c.patchEndpoint(ctx, cl, &o.where, endpointPatch{changes, "Creating version " + o.version, o.noWait})
	})
	cmd.Example = "  berth ml endpoint realtime create-version -n myendpoint --vn blue -m mymodel:2 --entry-script score.py --tp 10"
	o.flags(cmd)
	return o.on(c, cmd)
}

// versionBody is the request for a new version.
func (o *versionOptions) versionBody(f *pflag.FlagSet) (client.Object, error) {
	body, err := o.body(f)
	if err != nil {
		return nil, err
	}
	o.asVersion(f, body)
	if o.isDefault {
		body["isDefault"] = true
	}
	if o.control {
		body["type"] = "Control"
	}
	return body, nil
}

// asVersion turns the request for a service into one for a version, whose compute and callers are those of its endpoint.
func (o *deployOptions) asVersion(f *pflag.FlagSet, body client.Object) {
	for _, ofEndpoint := range []string{"name", "computeName", "overwrite", "authEnabled", "aadAuthEnabled", "keys"} {
		delete(body, ofEndpoint)
	}
	if f.Changed("traffic-percentile") {
		body["trafficPercentile"] = o.share
	}
}

// versioned is the request for an AksEndpoint with its first version, when one is asked for; otherwise that for the service.
func (o *deployOptions) versioned(f *pflag.FlagSet, body client.Object) (client.Object, error) {
	if !strings.EqualFold(o.computeType, aksEndpoint) {
		if !strings.EqualFold(o.computeType, "AKS") {
			return nil, usage("--compute-type must be AKS or AksEndpoint, not '%s'", o.computeType)
		}
		if o.version != "" || f.Changed("traffic-percentile") {
			return nil, usage("only an endpoint has versions and shares of requests: add --compute-type AksEndpoint")
		}
		return body, nil
	}
	endpoint := client.Object{"computeType": aksEndpoint}
	ofEndpoint := []string{"name", "computeName", "overwrite", "authEnabled", "aadAuthEnabled", "kvTags", "properties", "description"}
	for _, field := range ofEndpoint {
		if value, has := body[field]; has {
			endpoint[field] = value
		}
	}
	o.asVersion(f, body)
	name := o.version
	if name == "" {
		name = o.name
	}
	endpoint["versions"] = client.Object{name: body}
	return endpoint, nil
}

func (c *cli) versionUpdate() *cobra.Command {
	o := &versionOptions{}
	var cmd *cobra.Command
	cmd = command("update-version", "Change a version of a realtime endpoint", func(ctx context.Context) error {
		changes, err := o.versionChanges(cmd.Flags())
		if err != nil {
			return err
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		others, err := o.others(ctx, cl)
		if err != nil {
			return err
		}
		changes = append(changes, others...)
		if o.inference.script != "" || o.inference.configFile != "" {
			pods, err := o.newScript(ctx, c, cl)
			if err != nil {
				return err
			}
			changes = append(changes, change{o.path("/environmentImageRequest"), pods})
		} else if o.models != nil {
			changes = append(changes, change{o.path("/environmentImageRequest/modelIds"), o.models})
		}
		if len(changes) == 0 {
			return usage("nothing to change: add options such as --traffic-percentile or --num-replicas")
		}
		return c.patchEndpoint(ctx, cl, &o.where, endpointPatch{changes, "Updating version " + o.version, o.noWait})
	})
	cmd.Example = "  berth ml endpoint realtime update-version -n myendpoint --vn blue --tp 50 --is-default"
	o.flags(cmd)
	return o.on(c, cmd)
}

// versionChanges are the changes of a version that need no file.
func (o *versionOptions) versionChanges(f *pflag.FlagSet) (out []change, err error) {
	sizes, err := sizeChanges(f)
	if err != nil {
		return nil, err
	}
	for _, h := range sizes {
		out = append(out, change{o.path(h.path), h.value})
	}
	for field, list := range map[string][]string{"/kvTags": o.tags, "/properties": o.properties} {
		pairs, err := parsePairs(map[string]string{"/kvTags": "--tag", "/properties": "--property"}[field], list)
		if err != nil {
			return nil, err
		}
		if pairs != nil {
			out = append(out, change{o.path(field), pairs})
		}
	}
	if f.Changed("description") {
		out = append(out, change{o.path("/description"), o.description})
	}
	if f.Changed("traffic-percentile") {
		out = append(out, change{o.path("/trafficPercentile"), o.share})
	}
	if f.Changed("is-default") {
		out = append(out, change{o.path("/isDefault"), o.isDefault})
	}
	if f.Changed("control-version-type") {
		out = append(out, change{o.path("/type"), map[bool]string{true: "Control", false: "Treatment"}[o.control]})
	}
	return out, nil
}

// newScript uploads another entry script, and is the part of a request that names it. Without models, those of the version stay.
func (o *versionOptions) newScript(ctx context.Context, c *cli, cl *client.Client) (client.Object, error) {
	if err := o.inference.read(ctx, cl, o.space()); err != nil {
		return nil, err
	}
	models := o.models
	if models == nil {
		endpoint, err := cl.GetService(ctx, o.space(), o.name)
		if err != nil {
			return nil, err
		}
		versions, _ := endpoint["versions"].(client.Object)
		version, _ := versions[o.version].(client.Object)
		image, _ := version["environmentImageRequest"].(client.Object)
		had, _ := image["modelIds"].([]any)
		for _, id := range had {
			if text, is := id.(string); is {
				models = append(models, text)
			}
		}
	}
	if models == nil {
		models = []string{}
	}
	body := client.Object{"environmentImageRequest": client.Object{"modelIds": models, "environment": o.inference.environment}}
	if err := c.uploadScript(ctx, cl, o.space(), deployment{body, &o.inference}); err != nil {
		return nil, err
	}
	return body["environmentImageRequest"].(client.Object), nil
}

func (c *cli) versionDelete() *cobra.Command {
	o := &versionOptions{}
	cmd := command("delete-version", "Delete a version of a realtime endpoint", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		return c.patchEndpoint(ctx, cl, &o.where, endpointPatch{[]change{{o.path(""), removed}}, "Deleting version " + o.version, o.noWait})
	})
	cmd.Example = "  berth ml endpoint realtime delete-version -n myendpoint --vn blue"
	o.inWorkspace(cmd, "endpoint")
	o.versionFlag(cmd.Flags())
	noWaitFlag(cmd, &o.noWait)
	return o.on(c, cmd)
}
