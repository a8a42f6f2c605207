"""The document's CLI commands, which the CLI v1 had: with the extension that Berth serves."""

import json
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


@operation("az ml computetarget as scripts of the CLI v1 call it: -v, --subscription-id, --path, defaults workspace and aml_workspace, fields at the top")
def test_v1_words(extended, subscription, tmp_path):
    names = ("-g", "myresourcegroup", "-w", "myworkspace")
    extended("ml", "computetarget", "create", "aks", "-n", "one", "--cluster-purpose", "DevTest", "-a", "1", "-v", *names)
    fields = "[name, provisioningState, computeType, agentCount, properties.properties.agentCount, provisioningErrors]"
    shown = extended("ml", "computetarget", "show", "-n", "one", "-v", "--subscription-id", subscription, "--query", fields, *names)
    assert shown == ["one", "Succeeded", "AKS", 1, 1, None]
    extended("configure", "--defaults", "group=", "workspace_name=", parse=False)
    (tmp_path / ".azureml").mkdir()
    scope = f"/subscriptions/{subscription}/resourceGroups/myresourcegroup/providers/Microsoft.MachineLearningServices/workspaces/myworkspace"
    (tmp_path / ".azureml" / "config.json").write_text(json.dumps({"Scope": scope}), encoding="utf-8")
    assert extended("ml", "computetarget", "list", "--path", str(tmp_path), "--query", "[].name") == ["one"]
    with pytest.raises(Refused, match="workspace-name"):
        extended("ml", "computetarget", "list", "-g", "myresourcegroup")
    for default in ("workspace", "aml_workspace"):
        extended("configure", "--defaults", default + "=myworkspace", parse=False)
        assert extended("ml", "computetarget", "list", "-g", "myresourcegroup", "--query", "[].name") == ["one"]
        extended("configure", "--defaults", default + "=", parse=False)
    extended("configure", "--defaults", "group=myresourcegroup", "workspace_name=myworkspace", parse=False)
    extended("ml", "computetarget", "delete", "-n", "one", "-v", parse=False)


@operation("az ml workspace create -w, show, list, delete")
def test_v1_workspace(extended):
    made = extended("ml", "workspace", "create", "-w", "second", "-g", "myresourcegroup", "-v")
    assert (made["name"], made["location"], made["provisioningState"]) == ("second", "westus", "Succeeded")
    assert extended("ml", "workspace", "create", "-w", "second", "-g", "myresourcegroup", "--exist-ok")["id"] == made["id"]
    assert extended("ml", "workspace", "show", "-w", "second", "-g", "myresourcegroup", "--query", "id") == made["id"]
    assert "second" in extended("ml", "workspace", "list", "--query", "[].name")
    extended("ml", "workspace", "delete", "-w", "second", "-g", "myresourcegroup", "--yes", parse=False)
    assert "second" not in extended("ml", "workspace", "list", "-g", "myresourcegroup", "--query", "[].name")


@operation("refusals: every violation in one answer")
def test_refused(extended):
    with pytest.raises(Refused) as e:
        extended("ml", "computetarget", "create", "aks", "-n", "bad_name", "-s", "Standard_Nothing")
    assert "bad_name" in str(e.value) and "Standard_Nothing" in str(e.value)
