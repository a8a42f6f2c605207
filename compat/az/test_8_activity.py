"""The activity log."""

import pytest

operation = pytest.mark.operation


@operation("az monitor activity-log list: who has written what, and who has got a secret; --resource-group, --namespace, --status, --select")
def test_list(az):
    az("group", "create", "-n", "logged", "-l", "westeurope")
    az("storage", "account", "create", "-n", "loggedstorage", "-g", "logged")
    az("storage", "account", "keys", "list", "-n", "loggedstorage", "-g", "logged")
    events = az("monitor", "activity-log", "list", "-g", "logged", "--offset", "1h")
    assert [e["operationName"]["value"] for e in events] == [
        "Microsoft.Storage/storageAccounts/listKeys/action",
        "Microsoft.Storage/storageAccounts/write",
        "Microsoft.Resources/subscriptions/resourceGroups/write",
    ]
    assert all(e["httpRequest"]["clientIpAddress"] == "127.0.0.1" and e["claims"]["appid"] == e["caller"] for e in events)
    one = az("monitor", "activity-log", "list", "--correlation-id", events[1]["correlationId"], "--select", "resourceId", "status")
    assert one == [{"resourceId": events[1]["resourceId"], "status": {"localizedValue": "Succeeded", "value": "Succeeded"}}]
    storage = az("monitor", "activity-log", "list", "--namespace", "Microsoft.Storage", "--status", "Succeeded", "--max-events", "1")
    assert [e["eventDataId"] for e in storage] == [events[0]["eventDataId"]]
