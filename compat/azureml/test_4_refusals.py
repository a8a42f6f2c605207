"""What a user of azureml-core reads when something is refused."""

import pytest
from azureml.core.compute import AksCompute, ComputeTarget
from azureml.exceptions import ComputeTargetException

operation = pytest.mark.operation


def refused(ws, name, config, *words):
    with pytest.raises(ComputeTargetException) as e:
        ComputeTarget.create(ws, name, config).wait_for_completion(show_output=False)
    for word in words:
        assert word in str(e.value), str(e.value)


@operation("refusals: too few vCPUs, said with the numbers and what to do")
def test_too_small(ws):
    refused(ws, "small", AksCompute.provisioning_configuration(agent_count=2), "12", "DevTest")


@operation("refusals: every violation in one answer")
def test_all_at_once(ws):
    refused(ws, "1-bad_name", AksCompute.provisioning_configuration(agent_count=1, vm_size="Standard_Nothing"), "1-bad_name", "Standard_Nothing")


@operation("refusals: a cluster that is attached already, and where")
def test_twice(ws, existing):
    config = AksCompute.attach_configuration(resource_id=existing)
    first = ComputeTarget.attach(ws, "first", config)
    first.wait_for_completion(show_output=False)
    with pytest.raises(ComputeTargetException, match="first"):
        ComputeTarget.attach(ws, "second", config).wait_for_completion(show_output=False)
    first.detach()
    first.wait_for_completion(show_output=False, is_delete_operation=True)


@operation("refusals: a cluster that is not there")
def test_no_cluster(ws):
    with pytest.raises(ComputeTargetException, match="nosuchcluster"):
        ComputeTarget.attach(ws, "nothing", AksCompute.attach_configuration(resource_group="myresourcegroup", cluster_name="nosuchcluster")).wait_for_completion(show_output=False)


@operation("sign-in: a wrong secret is told as such")
def test_wrong_secret(sign_in):
    with pytest.raises(Exception, match="AADSTS7000215"):
        sign_in(secret="not-the-secret").get_token()


@operation("sign-in: an unknown client is told as such")
def test_unknown_client(sign_in):
    with pytest.raises(Exception, match="AADSTS700016"):
        sign_in(client="00000000-0000-0000-0000-000000000001").get_token()
