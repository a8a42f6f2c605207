"""ARM templates, by az deployment group."""

import json
from pathlib import Path

import pytest
from cli import Refused

operation = pytest.mark.operation
GROUP = ("-g", "myresourcegroup")


def file(name):
    return ("--template-file", str(Path(__file__).parent / "templates" / name))


def outputs(deployment):
    return {k: v.get("value") for k, v in deployment["properties"]["outputs"].items()}


@operation("az deployment group validate; what-if before any resource exists")
def test_validate(az, existing):
    parameters = ("--parameters", "clusterName=fromtemplate")
    assert len(az("deployment", "group", "validate", *GROUP, *file("cluster.json"), *parameters)["properties"]["validatedResources"]) == 2
    changes = az("deployment", "group", "what-if", *GROUP, *file("cluster.json"), *parameters, "--no-pretty-print")["changes"]
    assert [c["changeType"] for c in changes] == ["Create", "Create"]
    assert "fromtemplate" not in az("aks", "list", "--query", "[].name")


@operation("az deployment group create: a cluster and its agent pool as a resource of its own; outputs")
def test_cluster(az):
    made = az("deployment", "group", "create", *GROUP, "-n", "first", *file("cluster.json"), "--parameters", "clusterName=fromtemplate", "count=2")
    assert made["properties"]["provisioningState"] == "Succeeded" and outputs(made)["fqdn"].startswith("fromtemplate-dns")
    assert az("aks", "nodepool", "list", *GROUP, "--cluster-name", "fromtemplate", "--query", "[].count") == [2]


@operation("az deployment group create again: nothing changes, and what-if reports no change")
def test_again(az):
    parameters = ("--parameters", "clusterName=fromtemplate", "count=2")
    changes = az("deployment", "group", "what-if", *GROUP, *file("cluster.json"), *parameters, "--no-pretty-print")["changes"]
    assert changes[1]["changeType"] == "NoChange", changes[1]
    made = az("deployment", "group", "create", *GROUP, "-n", "first", *file("cluster.json"), *parameters)
    assert made["properties"]["provisioningState"] == "Succeeded"


@operation("az deployment group create: an AksCompute, with VNet and SSL switched by if()")
def test_compute(az):
    az("network", "vnet", "create", *GROUP, "-n", "mynetwork", "--address-prefix", "10.1.0.0/16", "--subnet-name", "default", "--subnet-prefix", "10.1.0.0/24")
    made = az("deployment", "group", "create", *GROUP, "-n", "compute", *file("compute.json"), "--parameters", "workspaceName=myworkspace", "computeName=templated", "useVnet=true", "useSsl=true")
    assert outputs(made)["state"] == "Succeeded"
    assert made["properties"]["parameters"]["leafDomainLabel"].get("value") is None, "a securestring is never echoed"


@operation("az deployment group create: attach an existing cluster")
def test_attach(az, existing):
    az("deployment", "group", "create", *GROUP, "-n", "attach", *file("attach.json"), "--parameters", "workspaceName=myworkspace", "computeName=attached", f"clusterId={existing}")


@operation("az deployment group show, list, export; az deployment operation group list")
def test_read(az):
    assert az("deployment", "group", "show", *GROUP, "-n", "first", "--query", "properties.mode") == "Incremental"
    assert {"first", "compute", "attach"} <= set(az("deployment", "group", "list", *GROUP, "--query", "[].name"))
    assert "clusterName" in json.dumps(az("deployment", "group", "export", *GROUP, "-n", "first"))
    states = az("deployment", "operation", "group", "list", *GROUP, "-n", "first", "--query", "[].properties.provisioningState")
    assert states == ["Succeeded", "Succeeded"]


@operation("az deployment group create: reports a resource that the rules refuse at once, with its cause")
def test_failed(az, existing):
    with pytest.raises(Refused) as e:
        az("deployment", "group", "create", *GROUP, "-n", "twice", *file("attach.json"), "--parameters", "workspaceName=myworkspace", "computeName=again", f"clusterId={existing}")
    assert "InvalidTemplate" in str(e.value) and "already attached" in str(e.value), str(e.value)
    assert "twice" not in az("deployment", "group", "list", *GROUP, "--query", "[].name")


@operation("az deployment group create: reports an invalid template at once, before it creates anything")
def test_invalid(az):
    with pytest.raises(Refused) as e:
        az("deployment", "group", "create", *GROUP, "-n", "wrong", *file("cluster.json"), "--parameters", "clusterName=wrong", "count=0", "location=here")
    assert "InvalidTemplate" in str(e.value) and "minValue" in str(e.value), str(e.value)
    assert "wrong" not in az("deployment", "group", "list", *GROUP, "--query", "[].name")


@operation("az deployment group delete")
def test_delete(az):
    az("deployment", "group", "delete", *GROUP, "-n", "first")
    assert "first" not in az("deployment", "group", "list", *GROUP, "--query", "[].name")
    assert "fromtemplate" in az("aks", "list", "--query", "[].name"), "what it made stays"


@operation("az network vnet create, show; vnet subnet create, show, list")
def test_network(az):
    az("network", "vnet", "subnet", "create", *GROUP, "--vnet-name", "mynetwork", "-n", "second", "--address-prefixes", "10.1.1.0/24")
    assert az("network", "vnet", "subnet", "show", *GROUP, "--vnet-name", "mynetwork", "-n", "second", "--query", "name") == "second"
    assert az("network", "vnet", "subnet", "list", *GROUP, "--vnet-name", "mynetwork", "--query", "[].name") == ["default", "second"]
    assert len(az("network", "vnet", "show", *GROUP, "-n", "mynetwork")["subnets"]) == 2


@operation("az deployment sub validate, what-if, create, show, list, delete; operation sub list")
def test_subscription(az):
    parameters = ("-l", "westus", *file("subscription.json"), "--parameters", "group=madebytemplate", "workspace=inside")
    assert az("deployment", "sub", "validate", *parameters)["error"] is None
    assert [c["changeType"] for c in az("deployment", "sub", "what-if", *parameters, "--no-pretty-print")["changes"]] == ["Create", "Create"]
    made = az("deployment", "sub", "create", "-n", "whole", *parameters)
    assert made["location"] == "westus" and outputs(made)["workspace"].endswith("/resourceGroups/madebytemplate/providers/Microsoft.MachineLearningServices/workspaces/inside")
    assert az("deployment", "sub", "show", "-n", "whole", "--query", "properties.provisioningState") == "Succeeded"
    assert az("deployment", "sub", "list", "--query", "[].name") == ["whole"]
    assert len(az("deployment", "operation", "sub", "list", "-n", "whole")) == 3
    az("deployment", "sub", "delete", "-n", "whole")
    assert az("deployment", "sub", "list") == []
    az("group", "delete", "-n", "madebytemplate", "-y")
