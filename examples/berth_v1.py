"""What the examples for azureml-core (SDK v1) share. Only sign_in knows of Berth: the rest is as for Azure."""

import json
import os
import sys

from azureml.core import Workspace
from azureml.core.authentication import ServicePrincipalAuthentication
from azureml.core.compute import AksCompute
from azureml.core.model import Model
from azureml.core.webservice import AksWebservice


def sign_in():
    e = os.environ
    auth = ServicePrincipalAuthentication("adfs", e["AZURE_CLIENT_ID"], e["AZURE_CLIENT_SECRET"], cloud="Berth")
    return Workspace(e["AZURE_SUBSCRIPTION_ID"], e.get("BERTH_GROUP", "examples"), e.get("BERTH_WORKSPACE", "examples"), auth=auth)


def deploy(ws, name, model, inference, sample):
    """Deploys a model to the compute that BERTH_COMPUTE names, scores a sample with its key, and prints the answer."""
    target = AksCompute(ws, os.environ.get("BERTH_COMPUTE", "examples"))
    config = AksWebservice.deploy_configuration(cpu_cores=0.1, memory_gb=0.5, num_replicas=1)
    service = Model.deploy(ws, name, [model], inference, config, target, overwrite=True)
    service.wait_for_deployment(show_output=True)
    print("answer:", json.dumps(service.run(json.dumps(sample))))
    sys.stdout.flush()
    return service
