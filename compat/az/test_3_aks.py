import json
from pathlib import Path

import pytest
from cli import Refused, run_line

operation = pytest.mark.operation
CLUSTER = ("-g", "myresourcegroup", "-n")


def listing(name):
    return (Path(__file__).parent / "listings" / name).read_text(encoding="utf-8")


@operation("the document: az aks get-versions -l westus -o table")
def test_versions_listing(az):
    lines = run_line(listing("get-versions.sh")).splitlines()
    assert lines[0].split()[:2] == ["KubernetesVersion", "IsPreview"] and "Upgrades" in lines[0] and len(lines) > 3
    assert any("None available" in l for l in lines)


@operation("az aks get-versions --query: the default version")
def test_default_version(az):
    assert az("aks", "get-versions", "-l", "westus", "--query", "values[?isDefault].version") == ["1.36"]


@operation("the document: az aks show -n myexistingcluster -g myresourcegroup --query id")
def test_show_listing(az, existing):
    assert json.loads(run_line(listing("show.sh"))).lower() == existing.lower()


@operation("az vm list-sizes")
def test_sizes(az):
    sizes = {s["name"]: s for s in az("vm", "list-sizes", "-l", "westus")}
    assert sizes["Standard_D3_v2"]["numberOfCores"] == 4 and sizes["Standard_D3_v2"]["memoryInMB"] == 14336


@operation("az aks create")
def test_create(az, group):
    made = az("aks", "create", *CLUSTER, "made", "--node-count", "2", "--generate-ssh-keys")
    assert made["provisioningState"] == "Succeeded" and made["agentPoolProfiles"][0]["count"] == 2


@operation("az aks create --no-wait, az aks wait --created")
def test_no_wait(az, group):
    az("aks", "create", *CLUSTER, "later", "--node-count", "1", "--no-wait", "--no-ssh-key")
    az("aks", "wait", *CLUSTER, "later", "--created", "--interval", "1")
    assert az("aks", "show", *CLUSTER, "later", "--query", "provisioningState") == "Succeeded"


@operation("az aks list, show; -o table")
def test_read(az):
    assert {"made", "later"} <= set(az("aks", "list", "--query", "[].name"))
    assert "made" in az("aks", "list", "-o", "table", parse=False)
    assert az("aks", "show", *CLUSTER, "made")["fqdn"]


@operation("az aks scale, nodepool list, nodepool show, nodepool scale")
def test_scale(az):
    assert az("aks", "scale", *CLUSTER, "made", "--node-count", "3")["agentPoolProfiles"][0]["count"] == 3
    pool = ("-g", "myresourcegroup", "--cluster-name", "made")
    assert [p["count"] for p in az("aks", "nodepool", "list", *pool)] == [3]
    assert az("aks", "nodepool", "scale", *pool, "-n", "nodepool1", "--node-count", "1")["count"] == 1
    assert az("aks", "nodepool", "show", *pool, "-n", "nodepool1")["count"] == 1


@operation("az aks nodepool add: a second pool is refused with the documented reason")
def test_second_pool(az):
    with pytest.raises(Refused, match="second"):
        az("aks", "nodepool", "add", "-g", "myresourcegroup", "--cluster-name", "made", "-n", "second")


@operation("az aks get-credentials [--admin]; the kubeconfig works")
def test_credentials(az, tmp_path, kubectl):
    for extra in ([], ["--admin"]):
        file = tmp_path / f"config{len(extra)}"
        az("aks", "get-credentials", *CLUSTER, "made", "-f", str(file), *extra, parse=False)
        assert len(kubectl(file, "get", "nodes")["items"]) == 1


@operation("az aks get-upgrades")
def test_upgrades(az):
    assert az("aks", "get-upgrades", *CLUSTER, "made")["controlPlaneProfile"]["kubernetesVersion"].startswith("1.36")


@operation("az aks delete")
def test_delete(az):
    for name in ("made", "later"):
        az("aks", "delete", *CLUSTER, name, "-y")
    assert not {"made", "later"} & set(az("aks", "list", "--query", "[].name"))
