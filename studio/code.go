package studio

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"berth.dev/berth/client"
)

// snippet is the code with which another tool sends the same request.
type snippet struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// secretPlace replaces a private key, because users copy the code to other places.
const secretPlace = "@key.pem"

// code is the request of the form as code for the tools that users script with.
func (f form) code(v *visit) []snippet {
	shown := f
	if shown.Key != "" {
		shown.Key = secretPlace
	}
	if shown.Cert != "" {
		shown.Cert = "@cert.pem"
	}
	if shown.Name == "" {
		shown.Name = "NAME"
	}
	return []snippet{
		{"az", shown.az(v)}, {"SDK v1", shown.sdk1(v)}, {"SDK v2", shown.sdk2(v)}, {"ARM", shown.template(v)}, {"curl", shown.curl(v)},
	}
}

// sh quotes a word for a shell when it has to be.
func sh(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// py is a Python string.
// pyVersion is the version of a model: a number, but for one that version 2 of the SDK has registered under a word.
func pyVersion(s string) string {
	if _, err := strconv.Atoi(s); err == nil {
		return s
	}
	return py(s)
}

func py(s string) string { text, _ := json.Marshal(s); return string(text) }

func (f form) az(v *visit) string {
	var b strings.Builder
	add := func(option, value string) {
		if value != "" {
			b.WriteString(" \\\n  " + option + " " + sh(value))
		}
	}
	if f.Mode == "existing" {
		b.WriteString("az ml computetarget attach aks")
		add("-n", f.Name)
		add("-i", f.Cluster)
	} else {
		b.WriteString("az ml computetarget create aks")
		add("-n", f.Name)
		add("-l", f.Location)
		add("-s", f.Size)
		add("-a", f.Nodes)
		add("--cluster-purpose", f.Purpose)
		add("--vnet-resourcegroup-name", f.NetworkGroup)
		add("--vnet-name", f.Network)
		add("--subnet-name", f.Subnet)
		add("--service-cidr", f.ServiceCIDR)
		add("--dns-service-ip", f.DNS)
		add("--docker-bridge-cidr", f.BridgeCIDR)
		add("--load-balancer-type", f.Balancer)
		add("--load-balancer-subnet", f.BalancerSubnet)
		if f.SSL == "own" {
			add("--ssl-cname", f.CNAME)
			add("--ssl-cert-file", "cert.pem")
			add("--ssl-key-file", "key.pem")
		}
		if f.SSL == "leaf" {
			add("--ssl-leaf-domain-label", f.Leaf)
		}
	}
	add("-g", v.Group())
	add("-w", v.Workspace())
	return b.String()
}

func (f form) sdk1(v *visit) string {
	var args []string
	add := func(name, value string) {
		if value != "" {
			args = append(args, name+"="+py(value))
		}
	}
	head := "from azureml.core import Workspace\nfrom azureml.core.compute import AksCompute, ComputeTarget\n\n" +
		fmt.Sprintf("ws = Workspace(%s, %s, %s, auth=auth)\n", py(v.SubscriptionID), py(v.Group()), py(v.Workspace()))
	if f.Mode == "existing" {
		add("resource_id", f.Cluster)
		if f.Purpose == "DevTest" {
			args = append(args, "cluster_purpose=AksCompute.ClusterPurpose.DEV_TEST")
		}
		return head + "config = AksCompute.attach_configuration(" + strings.Join(args, ", ") + ")\n" +
			"target = ComputeTarget.attach(ws, " + py(f.Name) + ", config)\ntarget.wait_for_completion(show_output=True)"
	}
	if f.Nodes != "" {
		args = append(args, "agent_count="+f.Nodes)
	}
	add("vm_size", f.Size)
	add("location", f.Location)
	if f.Purpose == "DevTest" {
		args = append(args, "cluster_purpose=AksCompute.ClusterPurpose.DEV_TEST")
	}
	add("vnet_resourcegroup_name", f.NetworkGroup)
	add("vnet_name", f.Network)
	add("subnet_name", f.Subnet)
	add("service_cidr", f.ServiceCIDR)
	add("dns_service_ip", f.DNS)
	add("docker_bridge_cidr", f.BridgeCIDR)
	add("load_balancer_type", f.Balancer)
	add("load_balancer_subnet", f.BalancerSubnet)
	out := head + "config = AksCompute.provisioning_configuration(" + strings.Join(args, ", ") + ")\n"
	switch f.SSL {
	case "own":
		out += "config.enable_ssl(ssl_cname=" + py(f.CNAME) + ", ssl_cert_pem_file=\"cert.pem\", ssl_key_pem_file=\"key.pem\")\n"
	case "leaf":
		out += "config.enable_ssl(leaf_domain_label=" + py(f.Leaf) + ")\n"
	}
	return out + "target = ComputeTarget.create(ws, " + py(f.Name) + ", config)\ntarget.wait_for_completion(show_output=True)"
}

// sdk2: azure-ai-ml knows only attached Kubernetes computes.
func (f form) sdk2(v *visit) string {
	if f.Mode != "existing" {
		return "# " + v.T("wizard.sdk2.create")
	}
	return "from azure.ai.ml.entities import KubernetesCompute\n\n" +
		"compute = KubernetesCompute(name=" + py(f.Name) + ", resource_id=" + py(f.Cluster) + ", namespace=\"default\")\n" +
		"ml_client.compute.begin_create_or_update(compute).result()"
}

func indented(o any) string { text, _ := json.MarshalIndent(o, "", "  "); return string(text) }

func (f form) template(v *visit) string {
	body := f.body(v.SubscriptionID)
	return indented(client.Object{
		"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
		"resources": []any{client.Object{
			"type": "Microsoft.MachineLearningServices/workspaces/computes", "apiVersion": "2024-04-01",
			"name": v.Workspace() + "/" + f.Name, "properties": body["properties"],
		}},
	})
}

func (f form) curl(v *visit) string {
	path := "/subscriptions/" + v.SubscriptionID + "/resourceGroups/" + escape(v.Group()) +
		"/providers/Microsoft.MachineLearningServices/workspaces/" + escape(v.Workspace()) + "/computes/" + escape(f.Name)
	return "curl --cacert \"$SSL_CERT_FILE\" -X PUT -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n  " +
		sh(v.Endpoint+path+"?api-version=2024-04-01") + " \\\n  -d " + sh(indented(f.body(v.SubscriptionID)))
}
