package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// endpointFile is the YAML of an endpoint, as az ml takes it (kubernetesOnlineEndpoint.schema.json).
type endpointFile struct {
	Name        string            `json:"name"`
	Compute     string            `json:"compute"` // azureml:NAME, NAME or the whole id
	AuthMode    string            `json:"auth_mode"`
	Description string            `json:"description"`
	Tags        map[string]string `json:"tags"`
	Properties  map[string]string `json:"properties"`
	Traffic     map[string]int    `json:"traffic"`
	Mirror      map[string]int    `json:"mirror_traffic"`
	Identity    client.Object     `json:"identity"`
	Schema      string            `json:"$schema"`
}

func (c *cli) endpointCreate() *cobra.Command {
	w := &where{}
	var auth, compute string
	var noWait bool
	d := &document{}
	cmd := command("create", "Create an online endpoint, or replace its settings", func(ctx context.Context) error {
		in := endpointFile{}
		if err := d.load(&in); err != nil {
			return err
		}
		if w.name == "" {
			w.name = in.Name
		}
		if w.name == "" {
			return usage("the following arguments are required: --name/-n, or name in the file")
		}
		if auth != "" {
			in.AuthMode = auth
		}
		if compute != "" {
			in.Compute = compute
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		op, err := cl.PutEndpoint(ctx, w.space(), w.name, in.body(cl, w.space()))
		if err != nil {
			return err
		}
		return c.settleEndpoint(ctx, cl, w, settling{op, "Creating endpoint " + w.name, noWait})
	})
	cmd.Example = "  berth ml online-endpoint create -f endpoint.yml\n  berth ml online-endpoint create -n myendpoint --compute myaks"
	w.spareName(cmd, "endpoint")
	d.flags(cmd, "endpoint")
	cmd.Flags().StringVar(&auth, "auth-mode", "", "what callers show: key or aml_token (default key)")
	cmd.Flags().StringVar(&compute, "compute", "", "compute of the workspace on which it is")
	noWaitFlag(cmd, &noWait)
	return w.on(c, cmd)
}

// spareName adds the options of something in a workspace whose name may also be in a file.
func (w *where) spareName(cmd *cobra.Command, what string) {
	cmd.Flags().StringVarP(&w.name, "name", "n", "", "name of the "+what+" (default: that in the file)")
	w.groupFlag(cmd, true)
	w.workspaceFlag(cmd)
}

// body is the request.
func (f *endpointFile) body(cl *client.Client, in client.WorkspaceName) client.Object {
	properties := client.Object{"authMode": restName(f.AuthMode, "Key"), "compute": computeID(cl, in, f.Compute),
		"description": f.Description, "properties": f.Properties}
	if f.Traffic != nil {
		properties["traffic"] = f.Traffic
	}
	if f.Mirror != nil {
		properties["mirrorTraffic"] = f.Mirror
	}
	body := client.Object{"properties": properties}
	if f.Tags != nil {
		body["tags"] = f.Tags
	}
	if typ := str(f.Identity, "type"); typ != "" {
		body["identity"] = client.Object{"type": restName(typ, "")}
	}
	return body
}

// restNames are the words of YAML that Resource Manager writes in another way.
var restNames = map[string]string{"key": "Key", "aml_token": "AMLToken", "aad_token": "AADToken", "default": "Default",
	"target_utilization": "TargetUtilization", "kubernetes": "Kubernetes", "managed": "Managed", "system_assigned": "SystemAssigned",
	"user_assigned": "UserAssigned"}

func restName(word, otherwise string) string {
	if word == "" {
		return otherwise
	}
	if name := restNames[strings.ToLower(word)]; name != "" {
		return name
	}
	return word
}

// computeID is the id of a compute that is named by "azureml:NAME", by NAME or by its id.
func computeID(cl *client.Client, in client.WorkspaceName, name string) string {
	name = strings.TrimPrefix(name, "azureml:")
	if name == "" || strings.HasPrefix(name, "/") {
		return name
	}
	return cl.ID(in.Group, berth.TypeCompute, in.Name, name).String()
}

// parseTraffic reads "blue=90 green=10".
func parseTraffic(option, text string) (map[string]int, error) {
	out := map[string]int{}
	for _, one := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' }) {
		name, percent, found := strings.Cut(one, "=")
		n, err := strconv.Atoi(percent)
		if !found || name == "" || err != nil {
			return nil, usage("%s takes percentages such as \"blue=90 green=10\", not '%s'", option, one)
		}
		out[name] = n
	}
	return out, nil
}
