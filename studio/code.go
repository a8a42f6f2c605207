package studio

import (
	"encoding/json"
	"fmt"
	"strings"

	"berth.dev/berth/client"
)

// snippet is the same wish in another tool's words.
type snippet struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// secretPlace stands where a private key would: what is shown is copied around.
const secretPlace = "@key.pem"

// code says the wish in the words of the tools that people script with.
func (w form) code(v *visit) []snippet {
	shown := w
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
func py(s string) string { text, _ := json.Marshal(s); return string(text) }

func (w form) az(v *visit) string {
	var b strings.Builder
	add := func(option, value string) {
		if value != "" {
			b.WriteString(" \\\n  " + option + " " + sh(value))
		}
	}
	if w.Mode == "existing" {
		b.WriteString("az ml computetarget attach aks")
		add("-n", w.Name)
		add("-i", w.Cluster)
	} else {
		b.WriteString("az ml computetarget create aks")
		add("-n", w.Name)
		add("-l", w.Location)
		add("-s", w.Size)
		add("-a", w.Nodes)
		add("--cluster-purpose", w.Purpose)
		add("--vnet-resourcegroup-name", w.NetworkGroup)
		add("--vnet-name", w.Network)
		add("--subnet-name", w.Subnet)
		add("--service-cidr", w.ServiceCIDR)
		add("--dns-service-ip", w.DNS)
		add("--docker-bridge-cidr", w.BridgeCIDR)
		add("--load-balancer-type", w.Balancer)
		add("--load-balancer-subnet", w.BalancerSubnet)
		if w.SSL == "own" {
			add("--ssl-cname", w.CNAME)
			add("--ssl-cert-file", "cert.pem")
			add("--ssl-key-file", "key.pem")
		}
		if w.SSL == "leaf" {
			add("--ssl-leaf-domain-label", w.Leaf)
		}
	}
	add("-g", v.Group())
	add("-w", v.Workspace())
	return b.String()
}

func (w form) sdk1(v *visit) string {
	var args []string
	add := func(name, value string) {
		if value != "" {
			args = append(args, name+"="+py(value))
		}
	}
	head := "from azureml.core import Workspace\nfrom azureml.core.compute import AksCompute, ComputeTarget\n\n" +
		fmt.Sprintf("ws = Workspace(%s, %s, %s, auth=auth)\n", py(v.SubscriptionID), py(v.Group()), py(v.Workspace()))
	if w.Mode == "existing" {
		add("resource_id", w.Cluster)
		if w.Purpose == "DevTest" {
			args = append(args, "cluster_purpose=AksCompute.ClusterPurpose.DEV_TEST")
		}
		return head + "config = AksCompute.attach_configuration(" + strings.Join(args, ", ") + ")\n" +
			"target = ComputeTarget.attach(ws, " + py(w.Name) + ", config)\ntarget.wait_for_completion(show_output=True)"
	}
	if w.Nodes != "" {
		args = append(args, "agent_count="+w.Nodes)
	}
	add("vm_size", w.Size)
	add("location", w.Location)
	if w.Purpose == "DevTest" {
		args = append(args, "cluster_purpose=AksCompute.ClusterPurpose.DEV_TEST")
	}
	add("vnet_resourcegroup_name", w.NetworkGroup)
	add("vnet_name", w.Network)
	add("subnet_name", w.Subnet)
	add("service_cidr", w.ServiceCIDR)
	add("dns_service_ip", w.DNS)
	add("docker_bridge_cidr", w.BridgeCIDR)
	add("load_balancer_type", w.Balancer)
	add("load_balancer_subnet", w.BalancerSubnet)
	out := head + "config = AksCompute.provisioning_configuration(" + strings.Join(args, ", ") + ")\n"
	switch w.SSL {
	case "own":
		out += "config.enable_ssl(ssl_cname=" + py(w.CNAME) + ", ssl_cert_pem_file=\"cert.pem\", ssl_key_pem_file=\"key.pem\")\n"
	case "leaf":
		out += "config.enable_ssl(leaf_domain_label=" + py(w.Leaf) + ")\n"
	}
	return out + "target = ComputeTarget.create(ws, " + py(w.Name) + ", config)\ntarget.wait_for_completion(show_output=True)"
}

// sdk2: azure-ai-ml knows only attached Kubernetes computes.
func (w form) sdk2(v *visit) string {
	if w.Mode != "existing" {
		return "# " + v.T("wizard.sdk2.create")
	}
	return "from azure.ai.ml.entities import KubernetesCompute\n\n" +
		"compute = KubernetesCompute(name=" + py(w.Name) + ", resource_id=" + py(w.Cluster) + ", namespace=\"default\")\n" +
		"ml_client.compute.begin_create_or_update(compute).result()"
}

func indented(o any) string { text, _ := json.MarshalIndent(o, "", "  "); return string(text) }

func (w form) template(v *visit) string {
	body := w.body(v.SubscriptionID)
	return indented(client.Object{
		"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
		"resources": []any{client.Object{
			"type": "Microsoft.MachineLearningServices/workspaces/computes", "apiVersion": "2024-04-01",
			"name": v.Workspace() + "/" + w.Name, "properties": body["properties"],
		}},
	})
}

func (w form) curl(v *visit) string {
	path := "/subscriptions/" + v.SubscriptionID + "/resourceGroups/" + escape(v.Group()) + "/providers/Microsoft.MachineLearningServices/workspaces/" + escape(v.Workspace()) + "/computes/" + escape(w.Name)
	return "curl --cacert \"$SSL_CERT_FILE\" -X PUT -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n  " +
		sh(v.Endpoint+path+"?api-version=2024-04-01") + " \\\n  -d " + sh(indented(w.body(v.SubscriptionID)))
}
