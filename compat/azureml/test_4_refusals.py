"""The messages that a user of azureml-core reads about a refusal."""

import os
import subprocess
import sys

import pytest
from azureml.core import Workspace
from azureml.core.authentication import TokenAuthentication
from azureml.core.compute import AksCompute, ComputeTarget
from azureml.exceptions import ComputeTargetException

operation = pytest.mark.operation


def refused(ws, name, config, *words):
    with pytest.raises(ComputeTargetException) as e:
        ComputeTarget.create(ws, name, config).wait_for_completion(show_output=False)
    for word in words:
        assert word in str(e.value), str(e.value)


@operation("refusals: too few vCPUs, with the numbers and the remedy")
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


@operation("refusals: a cluster that does not exist")
def test_no_cluster(ws):
    with pytest.raises(ComputeTargetException, match="nosuchcluster"):
        ComputeTarget.attach(ws, "nothing", AksCompute.attach_configuration(resource_group="myresourcegroup", cluster_name="nosuchcluster")).wait_for_completion(show_output=False)


@operation("sign-in: reports a wrong secret")
def test_wrong_secret(sign_in):
    with pytest.raises(Exception, match="AADSTS7000215"):
        sign_in(secret="not-the-secret").get_token()


@operation("sign-in: reports an unknown client")
def test_unknown_client(sign_in):
    with pytest.raises(Exception, match="AADSTS700016"):
        sign_in(client="00000000-0000-0000-0000-000000000001").get_token()


@operation("sign-in: reports an unknown tenant")
def test_unknown_tenant():
    from azureml.core.authentication import ServicePrincipalAuthentication

    e = os.environ
    with pytest.raises(Exception, match="AADSTS90002|00000000-0000-0000-0000-000000000002"):
        ServicePrincipalAuthentication("00000000-0000-0000-0000-000000000002", e["AZURE_CLIENT_ID"], e["AZURE_CLIENT_SECRET"], cloud="Berth").get_token()


@operation("sign-in: reports an expired secret")
def test_ended(sign_in, ending, refused_in_the_end):
    client, secret = ending
    assert "expired" in refused_in_the_end("AADSTS7000222", lambda: sign_in(client=client, secret=secret).get_token())


@operation("reports a token of another server")
def test_foreign(subscription, group, foreign_token):
    with pytest.raises(Exception, match="not of this server"):
        Workspace(subscription, group, "myworkspace", auth=TokenAuthentication(lambda audience: foreign_token, cloud="Berth"))


SCRIPT = """
import os
from azureml.core.authentication import ServicePrincipalAuthentication
ServicePrincipalAuthentication("adfs", os.environ["AZURE_CLIENT_ID"], os.environ["AZURE_CLIENT_SECRET"], cloud="Berth").get_token()
"""


def run_script(folder, **env):
    """Settings that are read at import need a process of their own."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, env={**os.environ, "HOME": str(folder), "AZURE_CONFIG_DIR": str(folder), **env})
    assert done.returncode != 0
    return done.stderr + done.stdout


@operation("reports a certificate that is not trusted")
def test_untrusted(tmp_path):
    assert "CERTIFICATE_VERIFY_FAILED" in run_script(tmp_path, SSL_CERT_FILE="/dev/null", REQUESTS_CA_BUNDLE="/dev/null")


@operation("reports a metadata address with a wrong port")
def test_wrong_port(tmp_path):
    assert "refused" in run_script(tmp_path, ARM_CLOUD_METADATA_URL="https://127.0.0.1:1/metadata/endpoints?api-version=2019-05-01")


@operation("a clock that is two hours slow or fast does no harm: a secret knows no time")
def test_clock(sign_in, subscription, group, monkeypatch):
    import time

    now = time.time
    for off in (-7200, 7200):
        monkeypatch.setattr(time, "time", lambda off=off: now() + off)
        assert Workspace(subscription, group, "myworkspace", auth=sign_in()).name == "myworkspace"


@operation("refusals: what Berth does not serve, by name: Experiment, ws.datastores")
def test_unserved(ws):
    from azureml.core import Experiment

    for attempt, what in ((lambda: Experiment(ws, "x"), "experiments"), (lambda: ws.datastores, "datastores")):
        with pytest.raises(Exception) as e:
            list(attempt() or [])
        assert "Berth does not serve" in str(e.value) and what in str(e.value) and "Model.deploy" in str(e.value), str(e.value)
