import os

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import KubernetesCompute, Workspace
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import CertificateCredential

operation = pytest.mark.operation


@operation("MLClient with a custom cloud; workspaces.get, list")
def test_workspaces(ml):
    assert ml.workspaces.get("myworkspace").location == "westus"
    assert "myworkspace" in [w.name for w in ml.workspaces.list()]


@operation("workspaces.get of a workspace that does not exist")
def test_missing(ml):
    with pytest.raises(ResourceNotFoundError, match="nothing"):
        ml.workspaces.get("nothing")


@operation("compute.begin_create_or_update(KubernetesCompute)")
def test_attach(ml, existing):
    made = ml.compute.begin_create_or_update(KubernetesCompute(name="k8s", resource_id=existing, namespace="ml")).result()
    assert made.name == "k8s" and made.provisioning_state == "Succeeded" and made.resource_id.lower() == existing.lower()


@operation("compute.get, list")
def test_read(ml):
    assert ml.compute.get("k8s").type == "kubernetes"
    assert [c.name for c in ml.compute.list()] == ["k8s"]


@operation("compute.begin_create_or_update of an attached cluster: reports the conflict")
def test_twice(ml, existing):
    with pytest.raises(HttpResponseError, match="already attached"):
        ml.compute.begin_create_or_update(KubernetesCompute(name="again", resource_id=existing, namespace="ml")).result()


@operation("compute.begin_delete(action=\"Detach\")")
def test_detach(ml):
    ml.compute.begin_delete("k8s", action="Detach").result()
    assert [c.name for c in ml.compute.list()] == []


@operation("reports a wrong secret")
def test_wrong_secret(credential, group, subscription):
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        MLClient(credential("not-the-secret"), subscription, group, "myworkspace", cloud="Berth").workspaces.get("myworkspace")


def by_certificate(certificate, group, subscription):
    e, (client, file) = os.environ, certificate
    proof = CertificateCredential(e["AZURE_TENANT_ID"], client, file, authority=e["AZURE_AUTHORITY_HOST"], disable_instance_discovery=True)
    return MLClient(proof, subscription, group, "myworkspace", cloud="Berth")


@operation("CertificateCredential: a sign-in with a certificate")
def test_certificate(certificate, group, subscription):
    assert by_certificate(certificate, group, subscription).workspaces.get("myworkspace").name == "myworkspace"


@operation("reports a clock that is two hours slow, at a sign-in with a certificate")
def test_clock(certificate, group, subscription, monkeypatch):
    import time

    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 7200)
    with pytest.raises(ClientAuthenticationError, match="AADSTS700024.*server's clock"):
        by_certificate(certificate, group, subscription).workspaces.get("myworkspace")


@operation("workspaces.begin_delete")
def test_delete_workspace(ml, berth):
    berth("ml", "workspace", "create", "-n", "short", "-g", "myresourcegroup")
    ml.workspaces.begin_delete("short", delete_dependent_resources=False).result()
    assert "short" not in [w.name for w in ml.workspaces.list()]


@operation("workspaces.begin_create")
def test_create_workspace(ml):
    made = ml.workspaces.begin_create(Workspace(name="bysdk", location="westus", display_name="By the SDK")).result()
    assert made.name == "bysdk" and made.display_name == "By the SDK"
