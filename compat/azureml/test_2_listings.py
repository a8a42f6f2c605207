"""The document's Python listings, word for word; `ws` is the workspace that they assume."""

from pathlib import Path

import pytest
from azureml.core import Workspace
from azureml.core.compute import AksCompute, ComputeTarget

operation = pytest.mark.operation


def listing(name, **names):
    text = (Path(__file__).parent / "listings" / name).read_text(encoding="utf-8")
    exec(compile(text, name, "exec"), names)  # the document's own words
    return names


@operation("the lines of the README, as they are printed")
def test_readme(berth, capsys):
    berth("group", "create", "-n", "rg", "-l", "westeurope")
    berth("ml", "workspace", "create", "-n", "wspace", "-g", "rg")
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    names = {}
    exec(compile(readme.split("```python\n")[1].split("```")[0], "README.md", "exec"), names)
    assert 'operation "Succeeded"' in capsys.readouterr().out
    assert names["target"].provisioning_state == "Succeeded"


@operation("the document: create a new AKS cluster")
def test_create(ws, capsys):
    made = listing("create.py", ws=ws)["aks_target"]
    assert 'operation "Succeeded"' in capsys.readouterr().out
    assert made.provisioning_state == "Succeeded" and made.agent_count == 3 and made.agent_vm_size == "Standard_D3_v2"
    assert made.cluster_purpose == AksCompute.ClusterPurpose.FAST_PROD
    made.delete()
    made.wait_for_completion(show_output=False, is_delete_operation=True)
    assert "myaks" not in ComputeTarget.list(ws)


@operation("the document: attach an existing AKS cluster")
def test_attach(ws, existing):
    target = listing("attach.py", ws=ws)["aks_target"]
    assert target.provisioning_state == "Succeeded" and target.cluster_resource_id.lower() == existing.lower()


@operation("the document: detach an AKS cluster")
def test_detach(ws, existing, berth):
    target = AksCompute(ws, "myaks")
    listing("detach.py", aks_target=target)
    target.wait_for_completion(show_output=False, is_delete_operation=True)
    assert "myaks" not in ComputeTarget.list(ws)
    assert berth("aks", "show", "-n", "myexistingcluster", "-g", "myresourcegroup")["provisioningState"] == "Succeeded", "it goes on running"
