import pytest
from cli import Refused

operation = pytest.mark.operation


@operation("az group create, show, exists, list, update --tags, delete")
def test_groups(az):
    assert az("group", "create", "-n", "short", "-l", "westus")["properties"]["provisioningState"] == "Succeeded"
    assert az("group", "show", "-n", "short")["location"] == "westus"
    assert az("group", "exists", "-n", "short") is True and az("group", "exists", "-n", "nothing") is False
    assert "short" in [g["name"] for g in az("group", "list")]
    assert az("group", "update", "-n", "short", "--tags", "team=vision")["tags"] == {"team": "vision"}
    az("group", "delete", "-n", "short", "-y")
    assert az("group", "exists", "-n", "short") is False


@operation("az provider list, show, register")
def test_providers(az):
    assert "Microsoft.MachineLearningServices" in [p["namespace"] for p in az("provider", "list")]
    assert az("provider", "show", "-n", "Microsoft.ContainerService")["registrationState"] == "Registered"
    az("provider", "register", "-n", "Microsoft.ContainerService")


@operation("az resource list, show, tag, delete; az rest")
def test_resources(az, group, subscription):
    url = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices/workspaces/byrest?api-version=2024-04-01"
    az("rest", "--method", "put", "--url", url, "--body", '{"location": "westus", "properties": {"friendlyName": "By REST"}}')
    assert az("rest", "--url", url)["properties"]["friendlyName"] == "By REST"
    kind = ("--resource-type", "Microsoft.MachineLearningServices/workspaces", "-g", group, "-n", "byrest", "--api-version", "2024-04-01")
    assert az("resource", "show", *kind)["name"] == "byrest"
    az("resource", "tag", "--tags", "a=b", *kind)
    assert az("resource", "list", "--tag", "a=b", "--query", "[].name") == ["byrest"]
    az("resource", "delete", *kind)
    with pytest.raises(Refused, match="ResourceNotFound"):
        az("resource", "show", *kind)


@operation("refusals: a group that does not exist")
def test_missing(az):
    with pytest.raises(Refused, match="ResourceGroupNotFound.*nothing"):
        az("group", "show", "-n", "nothing")
