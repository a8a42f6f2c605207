import pytest
from azureml.core import Workspace
from azureml.exceptions import ProjectSystemException

operation = pytest.mark.operation


@operation("Workspace(subscription, group, name)")
def test_open(ws):
    assert ws.name == "myworkspace" and ws.location == "westus"


@operation("Workspace.get")
def test_get(auth, group, subscription):
    assert Workspace.get("myworkspace", auth=auth, subscription_id=subscription, resource_group=group).location == "westus"


@operation("Workspace.list")
def test_list(auth, ws, subscription):
    assert [w.name for w in Workspace.list(subscription, auth=auth)["myworkspace"]] == ["myworkspace"]


@operation("Workspace.get_details")
def test_details(ws):
    details = ws.get_details()
    assert details["location"] == "westus" and details["workspaceid"]


@operation("reports a workspace that does not exist")
def test_missing(auth, group, subscription):
    with pytest.raises(ProjectSystemException, match="Workspace not found"):
        Workspace(subscription, group, "nosuchworkspace", auth=auth)


@operation("Workspace.create: by a template deployment, with its companions as records; Workspace.delete")
def test_create(auth, group, subscription, berth):
    made = Workspace.create("bysdk", auth=auth, subscription_id=subscription, resource_group=group, location="westus", show_output=False)
    assert made.location == "westus" and made.get_details()["keyVault"]
    made.delete(delete_dependent_resources=True)
    assert "bysdk" not in Workspace.list(subscription, auth=auth)
