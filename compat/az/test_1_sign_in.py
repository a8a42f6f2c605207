import json
import os
import subprocess

import pytest
from cli import Refused, run_az

operation = pytest.mark.operation


@operation("az login --service-principal")
def test_login(login, subscription):
    assert [s["id"] for s in login] == [subscription] and login[0]["cloudName"] == "Berth"


@operation("az account show, list, list-locations, get-access-token")
def test_account(az, subscription):
    assert az("account", "show", "--query", "id") == subscription
    assert len(az("account", "list")) == 1
    assert "westus" in [l["name"] for l in az("account", "list-locations")]
    assert az("account", "get-access-token")["tokenType"] == "Bearer"


@operation("az cloud show: the cloud comes from the metadata")
def test_cloud(az):
    assert az("cloud", "show")["endpoints"]["resourceManager"] == os.environ["BERTH_TEST_ENDPOINT"]


@operation("az cloud register, set, login: without the metadata variable")
def test_register(tmp_path):
    """The other way: the cloud's addresses are entered by hand, in a configuration folder of its own."""
    host = os.environ["BERTH_TEST_ENDPOINT"]
    env = {"AZURE_CONFIG_DIR": str(tmp_path), "ARM_CLOUD_METADATA_URL": None}
    run_az("cloud", "register", "-n", "ByHand", "--endpoint-resource-manager", host, "--endpoint-active-directory", host, "--endpoint-active-directory-resource-id", host + "/", env=env)
    run_az("cloud", "set", "-n", "ByHand", env=env)
    got = run_az("login", "--service-principal", "-u", os.environ["AZURE_CLIENT_ID"], "-p", os.environ["AZURE_CLIENT_SECRET"], "--tenant", os.environ["AZURE_TENANT_ID"], env=env)
    assert got[0]["cloudName"] == "ByHand"
    assert run_az("group", "list", env=env) is not None


@operation("berth serve --cloud-name AzureCloud: az signs in at Berth, in a cloud of that name")
def test_azure_cloud(tmp_path):
    """A server of its own. az replaces the login endpoint of a cloud with this name by Microsoft's; the file of `berth env` puts it right."""
    line = ["berth", "serve", "--data-dir", str(tmp_path), "--listen", "127.0.0.1:0", "--debug-listen", "off", "--log-format", "json", "--cloud-name", "AzureCloud"]
    server = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    try:
        for log in server.stderr:
            if json.loads(log)["msg"] == "berth is ready":
                break
        printed = subprocess.run(["berth", "env", "--data-dir", str(tmp_path), "--shell", "json"], capture_output=True, text=True, check=True).stdout
        env = json.loads(printed)
        login = run_az("login", "--service-principal", "-u", env["AZURE_CLIENT_ID"], "-p", env["AZURE_CLIENT_SECRET"], "--tenant", env["AZURE_TENANT_ID"], env=env)
        assert login[0]["cloudName"] == "AzureCloud"
        assert run_az("cloud", "show", "--query", "endpoints.resourceManager", env=env) == env["AZURE_AUTHORITY_HOST"]
        assert run_az("group", "list", env=env) == []
    finally:
        server.terminate()
        server.communicate()


def refused(*words, env=None, secret=None, client=None, tenant=None):
    e = os.environ
    with pytest.raises(Refused) as got:
        run_az("login", "--service-principal", "-u", client or e["AZURE_CLIENT_ID"], "-p", secret or e["AZURE_CLIENT_SECRET"], "--tenant", tenant or e["AZURE_TENANT_ID"], env=env)
    for word in words:
        assert word in str(got.value), str(got.value)


@operation("refusals: a wrong secret, an unknown client, an unknown tenant")
def test_refused(tmp_path):
    env = {"AZURE_CONFIG_DIR": str(tmp_path)}
    refused("AADSTS7000215", secret="not-the-secret", env=env)
    refused("AADSTS700016", client="00000000-0000-0000-0000-000000000001", env=env)
    refused("AADSTS90002", tenant="00000000-0000-0000-0000-000000000002", env=env)


@operation("refusals: a certificate that is not trusted, a metadata address with a wrong port")
def test_connection(tmp_path):
    refused("CERTIFICATE_VERIFY_FAILED", env={"AZURE_CONFIG_DIR": str(tmp_path / "a"), "SSL_CERT_FILE": "/dev/null", "REQUESTS_CA_BUNDLE": ""})
    refused("refused", env={"AZURE_CONFIG_DIR": str(tmp_path / "b"), "ARM_CLOUD_METADATA_URL": "https://127.0.0.1:1/metadata/endpoints?api-version=2019-05-01"})
