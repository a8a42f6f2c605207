"""Callers: az ad sp, certificates, and the messages of failed sign-ins."""

import os
import subprocess
import time

import pytest
from cli import AZ, Refused, run_az

operation = pytest.mark.operation
READER = ("--role", "Reader", "--scopes", "/subscriptions/" + os.environ.get("AZURE_SUBSCRIPTION_ID", ""))


def sign_in(folder, client, *proof):
    run_az("login", "--service-principal", "-u", client, *proof, "--tenant", os.environ["AZURE_TENANT_ID"], env={"AZURE_CONFIG_DIR": str(folder)})
    return run_az("group", "list", env={"AZURE_CONFIG_DIR": str(folder)})


@operation("az ad sp create-for-rbac, and a login with the password that it prints")
def test_create(az, tmp_path):
    made = az("ad", "sp", "create-for-rbac", "-n", "byaz", *READER)
    assert made["tenant"] == os.environ["AZURE_TENANT_ID"]
    assert sign_in(tmp_path, made["appId"], "-p", made["password"]) is not None


@operation("az ad sp create-for-rbac --role --scopes; az role assignment create, list, delete: what a role permits, and nothing else")
def test_roles(az, tmp_path):
    group = az("group", "create", "-n", "roles", "-l", "westeurope")["id"]
    made = az("ad", "sp", "create-for-rbac", "-n", "byrole", "--role", "Reader", "--scopes", group)
    mine = {"AZURE_CONFIG_DIR": str(tmp_path)}
    assert [g["name"] for g in sign_in(tmp_path, made["appId"], "-p", made["password"])] == ["roles"]
    with pytest.raises(Refused, match="AuthorizationFailed.*resourceGroups/write"):
        run_az("group", "update", "-n", "roles", "--set", "tags.a=b", env=mine)
    az("role", "assignment", "create", "--assignee", made["appId"], "--role", "Contributor", "--scope", group)
    assert run_az("group", "update", "-n", "roles", "--set", "tags.a=b", env=mine)["tags"] == {"a": "b"}
    assert {a["roleDefinitionName"] for a in az("role", "assignment", "list", "--assignee", made["appId"], "--scope", group)} == {"Reader", "Contributor"}
    az("role", "assignment", "delete", "--assignee", made["appId"], "--role", "Contributor", "--scope", group)
    with pytest.raises(Refused, match="AuthorizationFailed"):
        run_az("group", "update", "-n", "roles", "--set", "tags.a=c", env=mine)
    az("group", "delete", "-n", "roles", "--yes")


@operation("az ad sp list, show, credential reset, credential list")
def test_manage(az, tmp_path):
    [found] = az("ad", "sp", "list", "--display-name", "byaz")
    assert az("ad", "sp", "show", "--id", found["appId"])["displayName"] == "byaz"
    fresh = az("ad", "sp", "credential", "reset", "--id", found["appId"])
    assert len(az("ad", "sp", "credential", "list", "--id", found["appId"])) == 1
    assert sign_in(tmp_path, found["appId"], "-p", fresh["password"]) is not None


@operation("az ad sp delete: its token is refused at once")
def test_delete(az, tmp_path):
    made = az("ad", "sp", "create-for-rbac", "-n", "short", *READER)
    sign_in(tmp_path, made["appId"], "-p", made["password"])
    az("ad", "sp", "delete", "--id", made["appId"])
    with pytest.raises(Refused, match="no longer exists here"):
        run_az("group", "list", env={"AZURE_CONFIG_DIR": str(tmp_path)})


@operation("az ad sp create-for-rbac --create-cert; az login --certificate")
def test_certificate(az, tmp_path):
    made = az("ad", "sp", "create-for-rbac", "-n", "withcert", "--create-cert", *READER)
    assert sign_in(tmp_path, made["appId"], "--certificate", made["fileWithCertAndPrivateKey"]) is not None


@operation("refusals: an expired secret")
def test_ended(ending, tmp_path, refused_in_the_end):
    client, secret = ending
    folders = iter(range(100))  # in a folder that it knows az takes the token from there
    message = refused_in_the_end("AADSTS7000222", lambda: sign_in(tmp_path / str(next(folders)), client, "-p", secret))
    assert "expired" in message


@operation("refusals: a clock that is two hours slow, at a login with a certificate")
def test_clock(certificate, tmp_path):
    client, file = certificate
    slow = "import runpy, sys, time; now = time.time; time.time = lambda: now() - 7200; sys.argv[0] = 'az'; runpy.run_module('azure.cli', run_name='__main__', alter_sys=True)"
    line = [os.path.join(os.path.dirname(AZ), "python"), "-c", slow, "login", "--service-principal", "-u", client, "--certificate", file, "--tenant", os.environ["AZURE_TENANT_ID"]]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env={**os.environ, "AZURE_CONFIG_DIR": str(tmp_path)})
    assert done.returncode != 0 and "AADSTS700024" in done.stderr and time.strftime("%Y-%m-%d %H:", time.gmtime()) in done.stderr, done.stderr


@operation("refusals: a token of another server")
def test_foreign(az, foreign_token):
    with pytest.raises(Refused) as got:
        az("rest", "--url", os.environ["BERTH_TEST_ENDPOINT"] + "/subscriptions?api-version=2022-12-01", "--skip-authorization-header", "--headers", "Authorization=Bearer " + foreign_token)
    for word in ("InvalidAuthenticationToken", "not of this server", "new credentials"):
        assert word in str(got.value), str(got.value)
