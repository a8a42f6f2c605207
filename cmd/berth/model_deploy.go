package main

import (
	"context"
	"fmt"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// deployOptions are the options of `model deploy`, as the CLI v1 has them, and packages without a file.
type deployOptions struct {
	where
	models           []string
	compute          string
	inference        inferenceOptions
	deployFile       string // deploymentconfig.json
	computeType      string // AKS or aksEndpoint
	version          string // of an AksEndpoint
	share            int    // of the requests, in percent, for the version
	auth, token      bool
	description      string
	tags, properties []string
	overwrite        bool
	noWait           bool
}

func (c *cli) modelDeploy() *cobra.Command {
	o := &deployOptions{}
	var cmd *cobra.Command
	cmd = command("deploy", "Deploy models as a web service on a compute", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		if err := o.inference.read(ctx, cl, o.space()); err != nil {
			return err
		}
		body, err := o.body(cmd.Flags())
		if err != nil {
			return err
		}
		if body, err = o.versioned(cmd.Flags(), body); err != nil {
			return err
		}
		op, err := c.deploy(ctx, cl, o.space(), deployment{body, &o.inference})
		if err != nil {
			return err
		}
		return c.settleService(ctx, cl, &o.where, settling{op, "Deploying service " + o.name, o.noWait})
	})
	cmd.Example = "  berth ml model deploy -n myservice -m mymodel:1 --ct myaks --entry-script score.py --source-directory src \\\n" +
		"    --pip-package scikit-learn --cc 0.5 --gb 1 --num-replicas 2\n" +
		"  berth ml model deploy -n myservice -m mymodel:1 --ct myaks --ic inferenceconfig.json --dc deploymentconfig.json"
	o.inWorkspace(cmd, "service")
	f := cmd.Flags()
	f.StringArrayVarP(&o.models, "model", "m", nil, "model as NAME:VERSION, or NAME for its newest version; may be repeated")
	f.StringVar(&o.compute, "compute-target", "", "compute that serves the models; also --ct"+defaultNote("compute"))
	o.wants = append(o.wants, want{value: &o.compute, options: "--compute-target/--ct", key: "compute"})
	o.inference.flags(f)
	f.StringVar(&o.deployFile, "deploy-config-file", "", "deploymentconfig.json with sizes and settings; also --dc. Options go before it")
	sizeFlags(f)
	f.StringVar(&o.computeType, "compute-type", "AKS", "AKS for a service, or AksEndpoint for an endpoint with versions; also --cp")
	f.StringVar(&o.version, "version-name", "", "the first version of an AksEndpoint (default: the name of the endpoint); also --vn")
	f.IntVar(&o.share, "traffic-percentile", 0, "percent of the requests for the version of an AksEndpoint; also --tp")
	f.BoolVar(&o.auth, "auth-enabled", true, "callers need a key")
	f.BoolVar(&o.token, "token-auth-enabled", false, "callers need a token, instead of a key")
	f.StringVarP(&o.description, "description", "d", "", "what it is for")
	f.StringArrayVar(&o.tags, "tag", nil, "tag as key=value; may be repeated")
	f.StringArrayVar(&o.properties, "property", nil, "property as key=value; may be repeated")
	f.BoolVar(&o.overwrite, "overwrite", false, "replace the service that has this name")
	noWaitFlag(cmd, &o.noWait)
	return o.on(c, cmd)
}

// body is the request, without the files of the entry script: they are not uploaded yet.
func (o *deployOptions) body(f *pflag.FlagSet) (client.Object, error) {
	body := client.Object{}
	if o.deployFile != "" {
		if err := readJSON(o.deployFile, &body); err != nil {
			return nil, err
		}
	}
	changes, err := sizeChanges(f)
	if err != nil {
		return nil, err
	}
	for _, h := range changes {
		h.set(body)
	}
	for field, list := range map[string][]string{"kvTags": o.tags, "properties": o.properties} {
		option := map[string]string{"kvTags": "--tag", "properties": "--property"}[field]
		pairs, err := parsePairs(option, list)
		if err != nil {
			return nil, err
		}
		if pairs != nil {
			body[field] = pairs
		}
	}
	if f.Changed("auth-enabled") {
		body["authEnabled"] = o.auth
	}
	if f.Changed("token-auth-enabled") {
		body["aadAuthEnabled"] = o.token
	}
	if o.description != "" {
		body["description"] = o.description
	}
	body["name"], body["computeType"] = o.name, string(berth.ComputeAKS)
	body["computeName"], body["overwrite"] = o.compute, o.overwrite
	models := o.models
	if models == nil {
		models = []string{}
	}
	body["environmentImageRequest"] = client.Object{"modelIds": models, "assets": []any{}, "environment": o.inference.environment}
	return body, nil
}

// deployment is a request for a service, and the files that belong to it.
type deployment struct {
	body  client.Object
	files *inferenceOptions
}

// deploy asks whether the request is possible, uploads the entry script, and sends the request.
func (c *cli) deploy(ctx context.Context, cl *client.Client, in client.WorkspaceName, d deployment) (*client.Operation, error) {
	if err := cl.ValidateService(ctx, in, d.body); err != nil {
		return nil, err
	}
	pods := d.body
	if versions, is := d.body["versions"].(client.Object); is {
		for _, version := range versions { // versioned made it: there is one
			pods = version.(client.Object)
		}
	}
	if err := c.uploadScript(ctx, cl, in, deployment{pods, d.files}); err != nil {
		return nil, err
	}
	return cl.DeployService(ctx, in, d.body)
}

// uploadScript uploads the entry script, and names it in a request that was judged.
func (c *cli) uploadScript(ctx context.Context, cl *client.Client, in client.WorkspaceName, d deployment) error {
	asset, file, err := d.files.file()
	if err != nil {
		return err
	}
	c.note("Uploading %s...", d.files.source())
	prefix, err := cl.Upload(ctx, in, []client.File{file})
	if err != nil {
		return err
	}
	asset["url"] = "aml://artifact/" + prefix + file.Path
	d.body["environmentImageRequest"].(client.Object)["assets"] = []any{asset} // body made it
	return nil
}

// file is the source folder as one archive, or the entry script alone; and what the request says of it.
func (o *inferenceOptions) file() (client.Object, client.File, error) {
	if o.folder == "" {
		files, folder, err := client.FilesBelow(o.script)
		if err == nil && folder {
			err = usage("the entry script %s is a folder. Name the folder with --source-directory, and the script in it with --entry-script",
				o.script)
		}
		if err != nil {
			return nil, client.File{}, fmt.Errorf("the entry script cannot be read: %w", err)
		}
		return client.Object{"id": files[0].Path, "mimeType": "application/x-python", "unpack": false}, files[0], nil
	}
	full, err := filepath.Abs(o.folder)
	if err != nil {
		return nil, client.File{}, err
	}
	name := filepath.Base(full)
	return client.Object{"id": name, "mimeType": "application/x-tar", "unpack": true}, client.Archive(full, name), nil
}

// source is what is uploaded, as the user named it.
func (o *inferenceOptions) source() string {
	if o.folder == "" {
		return o.script
	}
	return o.folder
}

// variables are those by which a request says what runs.
func (o *inferenceOptions) variables() (client.Object, error) {
	if o.folder == "" {
		return client.Object{"AZUREML_ENTRY_SCRIPT": filepath.Base(o.script)}, nil
	}
	full, err := filepath.Abs(o.folder)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(full)
	return client.Object{"AZUREML_ENTRY_SCRIPT": path.Join(name, filepath.ToSlash(o.script)), "AZUREML_SOURCE_DIRECTORY": name}, nil
}
