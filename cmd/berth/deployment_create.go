package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"berth.dev/berth/client"
)

func (c *cli) deploymentCreate() *cobra.Command {
	w := &atEndpoint{}
	var all, noWait bool
	d := &document{}
	cmd := command("create", "Create a deployment of an online endpoint, or replace one", func(ctx context.Context) error {
		in := deploymentFile{}
		if d.file == "" {
			return usage("the following arguments are required: --file/-f")
		}
		if err := d.load(&in); err != nil {
			return err
		}
		if err := w.named(&in); err != nil {
			return err
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		if _, err := cl.GetEndpoint(ctx, w.space(), w.endpoint); err != nil {
			return err
		}
		body := in.body()
		u := &assetUpload{c: c, cl: cl, in: w.space(), folder: filepath.Dir(d.file)}
		if err := u.add(ctx, &in, body["properties"].(client.Object)); err != nil { // body made it
			return err
		}
		op, err := cl.PutDeployment(ctx, w.space(), w.endpoint, w.name, body)
		if err != nil {
			return err
		}
		s := settling{op, "Creating deployment " + w.name, noWait}
		if !all {
			return c.settleDeployment(ctx, cl, w, s)
		}
		if noWait {
			return usage("--all-traffic needs the end of the deployment: leave --no-wait out")
		}
		if err := c.wait(ctx, cl, s.op, s.doing); err != nil {
			return err
		}
		return c.allTraffic(ctx, cl, w)
	})
	cmd.Example = "  berth ml online-deployment create -f blue.yml --all-traffic"
	w.spareName(cmd, "deployment")
	w.endpointFlag(cmd, true)
	d.flags(cmd, "deployment")
	cmd.Flags().BoolVar(&all, "all-traffic", false, "give it all traffic of the endpoint once it is served")
	noWaitFlag(cmd, &noWait)
	return w.on(c, cmd)
}

// named takes the names of the deployment and its endpoint from a file, where no option has them.
func (w *atEndpoint) named(in *deploymentFile) error {
	w.name, w.endpoint = cmp.Or(w.name, in.Name), cmp.Or(w.endpoint, in.Endpoint)
	if w.name == "" || w.endpoint == "" {
		return usage("the deployment needs a name and an endpoint: name and endpoint_name in the file, or --name and --endpoint-name")
	}
	return nil
}

// allTraffic gives a deployment all traffic, and shows it.
func (c *cli) allTraffic(ctx context.Context, cl *client.Client, w *atEndpoint) error {
	at := w.where
	at.name = w.endpoint
	percents := map[string]int{w.name: 100}
	if err := completeTraffic(ctx, cl, &at, percents); err != nil {
		return err
	}
	op, err := cl.PatchEndpoint(ctx, w.space(), w.endpoint, client.Object{"properties": client.Object{"traffic": percents}})
	if err != nil {
		return err
	}
	return c.settleDeployment(ctx, cl, w, settling{op, "Giving all traffic to deployment " + w.name, false})
}

// assetUpload registers the assets that a file describes, and puts their ids into a request.
type assetUpload struct {
	c      *cli
	cl     *client.Client
	in     client.WorkspaceName
	folder string // at which paths begin
}

func (u *assetUpload) add(ctx context.Context, f *deploymentFile, properties client.Object) (err error) {
	if len(f.Model) > 0 {
		if properties["model"], err = u.asset(ctx, f.Model, "models", u.model); err != nil {
			return err
		}
	}
	if len(f.Environment) > 0 {
		if properties["environmentId"], err = u.asset(ctx, f.Environment, "environments", u.environment); err != nil {
			return err
		}
	}
	if f.Code == nil {
		return nil
	}
	code := f.Code.Code
	if !strings.HasPrefix(code, "azureml:") && !strings.HasPrefix(code, "/subscriptions/") {
		if _, err := os.Stat(filepath.Join(u.path(code), f.Code.Script)); err != nil {
			return fmt.Errorf("the scoring script cannot be read: %w", err)
		}
		u.c.note("Uploading %s...", u.path(code))
		address, err := u.cl.UploadAsset(ctx, u.in, u.path(code))
		if err != nil {
			return err
		}
		if code, err = u.cl.PutAsset(ctx, u.in, client.Asset{Collection: "codes"}, client.Object{"codeUri": address}); err != nil {
			return err
		}
	}
	properties["codeConfiguration"] = client.Object{"codeId": strings.TrimPrefix(code, "azureml:"), "scoringScript": f.Code.Script}
	return nil
}

// path is a path in the file.
func (u *assetUpload) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(u.folder, p)
}

// asset is the id of an asset: a text names one that is registered, and an object describes one.
func (u *assetUpload) asset(ctx context.Context, value json.RawMessage, collection string,
	register func(context.Context, json.RawMessage) (string, error)) (string, error) {
	var name string
	if json.Unmarshal(value, &name) != nil {
		return register(ctx, value)
	}
	name = strings.TrimPrefix(name, "azureml:")
	if strings.HasPrefix(name, "/") || strings.Contains(name, "://") {
		return name, nil
	}
	a := client.Asset{Collection: collection}
	var versioned bool
	if a.Name, a.Version, versioned = strings.Cut(name, ":"); !versioned {
		var label string
		if a.Name, label, _ = strings.Cut(name, "@"); label != "latest" {
			return "", usage("'%s' names no version: write azureml:NAME:VERSION or azureml:NAME@latest", name)
		}
		var err error
		if a.Version, err = u.cl.LatestVersion(ctx, u.in, a); err != nil {
			return "", err
		}
	}
	return u.cl.AssetID(u.in, a), nil
}

func (u *assetUpload) model(ctx context.Context, value json.RawMessage) (string, error) {
	var in struct {
		Name    string `json:"name"`
		Version any    `json:"version"`
		Path    string `json:"path"`
		Type    string `json:"type"`
	}
	if json.Unmarshal(value, &in) != nil || in.Path == "" {
		return "", usage("the model in the file is neither azureml:NAME:VERSION nor an object with a path")
	}
	u.c.note("Uploading %s...", u.path(in.Path))
	address, err := u.cl.UploadAsset(ctx, u.in, u.path(in.Path))
	if err != nil {
		return "", err
	}
	return u.cl.PutAsset(ctx, u.in, named("models", in.Name, in.Version),
		client.Object{"modelUri": address, "modelType": cmp.Or(in.Type, "custom_model")})
}

// named is an asset that a file describes: with the first version if it names none.
func named(collection, name string, version any) client.Asset {
	a := client.Asset{Collection: collection, Name: name, Version: "1"}
	if version != nil {
		a.Version = plainText(version)
	}
	return a
}

func (u *assetUpload) environment(ctx context.Context, value json.RawMessage) (string, error) {
	var in struct {
		Name      string           `json:"name"`
		Version   any              `json:"version"`
		Image     string           `json:"image"`
		Conda     json.RawMessage  `json:"conda_file"` // a path, or what is in such a file
		Inference *inferenceFileV2 `json:"inference_config"`
	}
	if json.Unmarshal(value, &in) != nil || in.Image == "" {
		return "", usage("the environment in the file is neither azureml:NAME:VERSION nor an object with an image")
	}
	properties := client.Object{"image": in.Image}
	var path string
	switch {
	case json.Unmarshal(in.Conda, &path) == nil && path != "":
		text, err := os.ReadFile(u.path(path))
		if err != nil {
			return "", fmt.Errorf("the conda file cannot be read: %w", err)
		}
		properties["condaFile"] = string(text)
	case len(in.Conda) > 0 && path == "":
		text, err := yaml.JSONToYAML(in.Conda)
		if err != nil {
			return "", err
		}
		properties["condaFile"] = string(text)
	}
	if i := in.Inference; i != nil {
		properties["inferenceConfig"] = client.Object{"livenessRoute": i.Liveness, "readinessRoute": i.Readiness, "scoringRoute": i.Scoring}
	}
	return u.cl.PutAsset(ctx, u.in, named("environments", in.Name, in.Version), properties)
}

// inferenceFileV2 are the addresses of a container, in YAML.
type inferenceFileV2 struct {
	Liveness  client.Object `json:"liveness_route"`
	Readiness client.Object `json:"readiness_route"`
	Scoring   client.Object `json:"scoring_route"`
}
