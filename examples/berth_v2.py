"""What the examples for azure-ai-ml (SDK v2) share. Only sign_in knows of Berth: the rest is as for Azure."""

import json
import os

from azure.ai.ml import MLClient
from azure.ai.ml.entities import KubernetesOnlineDeployment, KubernetesOnlineEndpoint, ResourceRequirementsSettings, ResourceSettings
from azure.identity import ClientSecretCredential

SIZE = ResourceRequirementsSettings(requests=ResourceSettings(cpu="100m", memory="0.5Gi"), limits=ResourceSettings(cpu="1", memory="1Gi"))


def sign_in():
    e = os.environ
    credential = ClientSecretCredential(e["AZURE_TENANT_ID"], e["AZURE_CLIENT_ID"], e["AZURE_CLIENT_SECRET"], authority=e["AZURE_AUTHORITY_HOST"],
                                        disable_instance_discovery=True)
    return MLClient(credential, e["AZURE_SUBSCRIPTION_ID"], e.get("BERTH_GROUP", "examples"), e.get("BERTH_WORKSPACE", "examples"), cloud="Berth")


def deploy(ml, name, sample, **settings):
    """Makes an endpoint on the compute that BERTH_COMPUTE_V2 names, deploys to it, scores a sample, and prints the answer."""
    compute = os.environ.get("BERTH_COMPUTE_V2", "examples-k8s")
    endpoint = ml.online_endpoints.begin_create_or_update(KubernetesOnlineEndpoint(name=name, compute=compute, auth_mode="key")).result()
    deployment = KubernetesOnlineDeployment(name="blue", endpoint_name=name, instance_count=1, resources=SIZE, **settings)
    ml.online_deployments.begin_create_or_update(deployment).result()
    endpoint.traffic = {"blue": 100}
    ml.online_endpoints.begin_create_or_update(endpoint).result()
    with open("sample.json", "w", encoding="utf-8") as f:
        json.dump(sample, f)
    print("\nanswer:", ml.online_endpoints.invoke(name, request_file="sample.json"), flush=True)
