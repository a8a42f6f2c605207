import pytest
from azureml.core.compute import AksCompute, ComputeTarget, KubernetesCompute
from azureml.core.compute.aks import AksUpdateConfiguration, SslConfiguration
from azureml.exceptions import ComputeTargetException

operation = pytest.mark.operation


def create(ws, name, config):
    target = ComputeTarget.create(ws, name, config)
    target.wait_for_completion(show_output=False)
    assert target.provisioning_state == "Succeeded", target.provisioning_errors
    return target


def delete(target):
    target.delete()
    target.wait_for_completion(show_output=False, is_delete_operation=True)


@operation("provisioning_configuration with agent_count, vm_size, location, DEV_TEST, load balancer")
def test_parameters(ws):
    made = create(ws, "params", AksCompute.provisioning_configuration(
        agent_count=1, vm_size="Standard_D2_v2", location="westus", cluster_purpose=AksCompute.ClusterPurpose.DEV_TEST, load_balancer_type="InternalLoadBalancer",
        load_balancer_subnet="default"))
    assert (made.agent_count, made.agent_vm_size, made.cluster_purpose) == (1, "Standard_D2_v2", "DevTest")
    assert made.load_balancer_type == "InternalLoadBalancer"


@operation("ComputeTarget.list, ComputeTarget(ws, name), serialize, get_status, refresh_state")
def test_read(ws):
    assert "params" in [t.name for t in ComputeTarget.list(ws)]
    target = ComputeTarget(ws, "params")
    assert target.serialize()["properties"]["properties"]["agentCount"] == 1
    assert target.get_status() == "Succeeded"
    target.refresh_state()
    assert target.provisioning_state == "Succeeded"


@operation("get_credentials: kubectl's configuration reaches the cluster")
def test_credentials(ws, kubectl, tmp_path):
    for name, text in AksCompute(ws, "params").get_credentials().items():
        if name.endswith("KubeConfig"):
            (tmp_path / name).write_text(text)
            assert len(kubectl(tmp_path / name, "get", "nodes")["items"]) == 1


@operation("update(AksUpdateConfiguration) with enable_ssl by certificate")
def test_update_certificate(ws, pem):
    target = AksCompute(ws, "params")
    target.update(AksUpdateConfiguration(SslConfiguration(status="Enabled", cname="scoring.example.com", cert=open(pem[0]).read(), key=open(pem[1]).read())))
    target.wait_for_completion(show_output=False)
    target.refresh_state()
    assert target.ssl_configuration.status == "Enabled" and target.ssl_configuration.cname == "scoring.example.com"
    assert target.load_balancer_type == "InternalLoadBalancer", "what an update does not name stays"


@operation("update: disable SSL")
def test_update_disabled(ws):
    target = AksCompute(ws, "params")
    target.update(AksUpdateConfiguration(SslConfiguration(status="Disabled")))
    target.wait_for_completion(show_output=False)
    target.refresh_state()
    assert target.ssl_configuration.status == "Disabled"


@operation("delete a created compute")
def test_delete(ws):
    target = AksCompute(ws, "params")
    delete(target)
    with pytest.raises(ComputeTargetException, match="ComputeTargetNotFound"):
        ComputeTarget(ws, "params")


@operation("provisioning_configuration with the six VNet fields")
def test_vnet(ws, berth, network):
    config = AksCompute.provisioning_configuration(
        vnet_resourcegroup_name="mygroup", vnet_name="mynetwork", subnet_name="default", service_cidr="10.0.0.0/16", dns_service_ip="10.0.0.10", docker_bridge_cidr="172.17.0.1/16")
    made = create(ws, "vnet", config)
    got = berth("ml", "computetarget", "show", "-n", "vnet", "-w", "myworkspace", "-g", "myresourcegroup")["properties"]["properties"]["aksNetworkingConfiguration"]
    assert got["subnetId"].endswith("/resourceGroups/mygroup/providers/Microsoft.Network/virtualNetworks/mynetwork/subnets/default")
    assert (got["serviceCidr"], got["dnsServiceIP"], got["dockerBridgeCidr"]) == ("10.0.0.0/16", "10.0.0.10", "172.17.0.1/16")
    delete(made)


@operation("provisioning_configuration with enable_ssl by leaf_domain_label")
def test_leaf(ws):
    config = AksCompute.provisioning_configuration(cluster_purpose=AksCompute.ClusterPurpose.DEV_TEST)
    config.enable_ssl(leaf_domain_label="contoso", overwrite_existing_domain=True)
    made = create(ws, "leaf", config)
    assert made.ssl_configuration.status == "Auto"
    delete(made)


@operation("provisioning_configuration with enable_ssl by certificate files")
def test_certificate(ws, pem):
    config = AksCompute.provisioning_configuration(cluster_purpose=AksCompute.ClusterPurpose.DEV_TEST)
    config.enable_ssl(ssl_cname="scoring.example.com", ssl_cert_pem_file=pem[0], ssl_key_pem_file=pem[1])
    made = create(ws, "certificate", config)
    assert made.ssl_configuration.status == "Enabled" and "PRIVATE KEY" not in str(made.serialize())
    delete(made)


@operation("attach_configuration(resource_id) with DEV_TEST; delete() of an attached compute is refused; detach()")
def test_attach(ws, existing):
    config = AksCompute.attach_configuration(resource_id=existing, cluster_purpose=AksCompute.ClusterPurpose.DEV_TEST)
    target = ComputeTarget.attach(ws, "byid", config)
    target.wait_for_completion(show_output=False)
    assert target.provisioning_state == "Succeeded" and target.cluster_purpose == "DevTest"
    with pytest.raises(ComputeTargetException, match="(?i)attached"):
        target.delete()
    target.refresh_state()
    assert target.provisioning_state == "Succeeded"
    target.detach()
    target.wait_for_completion(show_output=False, is_delete_operation=True)


@operation("KubernetesCompute attach and detach")
def test_kubernetes(ws, existing):
    target = ComputeTarget.attach(ws, "k8s", KubernetesCompute.attach_configuration(resource_id=existing, namespace="ml"))
    target.wait_for_completion(show_output=False)
    assert target.provisioning_state == "Succeeded"
    target.detach()
    target.wait_for_completion(show_output=False, is_delete_operation=True)
