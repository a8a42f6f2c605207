"""The document's CLI commands, which the CLI v1 had: with the extension that Berth serves."""

import os
from pathlib import Path

import pytest
from cli import Refused, run_line

operation = pytest.mark.operation


def listing(name):
    return (Path(__file__).parent / "listings" / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def extended(az, existing):
    """az with the extension, and with the defaults that the document's lines assume."""
    az("extension", "add", "--yes", "--source", os.environ["BERTH_TEST_ENDPOINT"] + "/extensions/ml_computetarget-0.1.0-py3-none-any.whl", parse=False)
    az("configure", "--defaults", "group=myresourcegroup", "workspace_name=myworkspace", parse=False)
    return az


@operation("az extension add --source https://…/extensions/…whl")
def test_extension(extended):
    assert "ml-computetarget" in [e["name"] for e in extended("extension", "list")]
    assert "Attach an existing Kubernetes cluster" in extended("ml", "computetarget", "attach", "aks", "--help", parse=False)


@operation("the document: az ml computetarget create aks -n myaks")
def test_create(extended):
    run_line(listing("create.sh"))
    made = extended("ml", "computetarget", "show", "-n", "myaks")
    assert made["properties"]["provisioningState"] == "Succeeded" and made["properties"]["properties"]["agentCount"] == 3


@operation("az ml computetarget list, get-credentials, update aks, delete")
def test_life(extended, kubectl, tmp_path):
    assert extended("ml", "computetarget", "list", "--query", "[].name") == ["myaks"]
    extended("ml", "computetarget", "get-credentials", "-n", "myaks", "--admin", "-f", str(tmp_path / "config"), parse=False)
    assert len(kubectl(tmp_path / "config", "get", "nodes")["items"]) == 3
    changed = extended("ml", "computetarget", "update", "aks", "-n", "myaks", "--ssl-leaf-domain-label", "contoso")
    assert changed["properties"]["properties"]["sslConfiguration"]["status"] == "Auto"
    extended("ml", "computetarget", "delete", "-n", "myaks")
    assert extended("ml", "computetarget", "list") == []


@operation("the document: az ml computetarget attach aks -n myaks -i aksresourceid -g myresourcegroup -w myworkspace")
def test_attach(extended, existing):
    run_line(listing("attach.sh").replace("aksresourceid", existing))
    assert extended("ml", "computetarget", "show", "-n", "myaks", "--query", "properties.isAttachedCompute") is True


@operation("az ml computetarget delete of an attached cluster is refused")
def test_delete_attached(extended):
    with pytest.raises(Refused, match="attached"):
        extended("ml", "computetarget", "delete", "-n", "myaks")


@operation("the document: az ml computetarget detach -n myaks -g myresourcegroup -w myworkspace")
def test_detach(extended):
    run_line(listing("detach.sh"))
    assert extended("ml", "computetarget", "list") == []
    assert extended("aks", "show", "-g", "myresourcegroup", "-n", "myexistingcluster", "--query", "provisioningState") == "Succeeded"


@operation("refusals: every violation in one answer")
def test_refused(extended):
    with pytest.raises(Refused) as e:
        extended("ml", "computetarget", "create", "aks", "-n", "bad_name", "-s", "Standard_Nothing")
    assert "bad_name" in str(e.value) and "Standard_Nothing" in str(e.value)
