"""What a user of azureml-core waits for: sign in, make an AksCompute, wait until it has succeeded."""

import os

from azureml.core import Workspace
from azureml.core.authentication import ServicePrincipalAuthentication
from azureml.core.compute import AksCompute, ComputeTarget

e = os.environ
auth = ServicePrincipalAuthentication("adfs", e["AZURE_CLIENT_ID"], e["AZURE_CLIENT_SECRET"], cloud="Berth")
ws = Workspace(e["AZURE_SUBSCRIPTION_ID"], "myresourcegroup", "myworkspace", auth=auth)
config = AksCompute.provisioning_configuration(agent_count=1, cluster_purpose=AksCompute.ClusterPurpose.DEV_TEST)
target = ComputeTarget.create(ws, "timed", config)
target.wait_for_completion(show_output=False)
assert target.provisioning_state == "Succeeded"
